// SPDX-License-Identifier: GPL-2.0-only
/*
 * What two partitions share, as it is while they run.
 */
#include "vmx_ops.h"
#include "world.h"

struct world world;

static_assert((int)NR_PARTS == SHIM_NR_PARTS, "partitions");
static_assert((int)NR_DENIED <= SHIM_MAX_DENIED, "kinds of denied accesses");

#define APIC_LDR		0xd0
#define APIC_DFR		0xe0

static struct shim_info *info(void)
{
	return (struct shim_info *)shim_machine.info_va;
}

struct shim_part_info *part_info(u32 part)
{
	return &info()->part[part];
}

struct denied *world_denied(const struct shim_cpu *cpu)
{
	return (struct denied *)part_info(part_of(cpu))->denied;
}

/* Everybody may read how many there are. */
void world_set_parts(u32 parts)
{
	__atomic_store_n(&shim_nr_parts, parts, __ATOMIC_RELEASE);
	info()->nr_parts = parts;
}

static bool take_lock(u32 holder)
{
	u32 nobody = 0;

	return __atomic_compare_exchange_n(&world.lock, &nobody, holder, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

/* Its holder may wait for this CPU to flush. */
void world_lock(struct shim_cpu *cpu)
{
	while (!take_lock(area_of_cpu(cpu) + 1)) {
		cpu_serve_flush(cpu);
		asm volatile("pause");
	}
}

void world_unlock(void)
{
	__atomic_store_n(&world.lock, 0, __ATOMIC_RELEASE);
}

/* Something has gone wrong on a CPU that may hold it. */
void world_drop_lock(struct shim_cpu *cpu)
{
	if (__atomic_load_n(&world.lock, __ATOMIC_RELAXED) == area_of_cpu(cpu) + 1)
		world_unlock();
}

/*
 * CPUs of the partition, for who reads the page; how many of them run.  Counted anew each time:
 * CPUs come and go without a word while there is one partition.
 */
u32 world_count(u32 part)
{
	struct shim_part_info *told = part_info(part);
	u32 area, cpus = 0, running = 0;
	struct shim_cpu *cpu;

	for (area = 0; area < shim_machine.nr_areas; area++) {
		cpu = cpu_of_area(area);
		if (cpu->part != &shim_header.part[part] || cpu_state(cpu) == SHIM_STATE_BARE)
			continue;
		cpus++;
		running += cpu_state(cpu) == SHIM_STATE_ON;
	}
	told->cpus = cpus;
	told->running = running;
	return running;
}

/* The shim comes under a CPU; there may be two partitions already. */
void world_add_cpu(struct shim_cpu *cpu)
{
	u64 base = rdmsr(MSR_IA32_APICBASE);
	u32 area = area_of_cpu(cpu);

	info()->magic = SHIM_MAGIC;
	info()->version = SHIM_ABI_VERSION;
	info()->nr_parts = __atomic_load_n(&shim_nr_parts, __ATOMIC_RELAXED);
	info()->nr_denied = NR_DENIED;
	part_info(part_of(cpu))->state = SHIM_PART_RUNS;
	cpu->bsp = base & APIC_BASE_BSP;
	cpu->boot_cpu = cpu->bsp;
	apic_note_mode(cpu);
	if (cpu->apic_mode == APIC_XAPIC) {
		cpu->ldr = apic_read(APIC_LDR);
		cpu->dfr = apic_read(APIC_DFR);
	}
	if (area < world.cpus.nr)
		world_set_cpu(cpu);
}

/* Who finds it by what ID. */
void world_set_cpu(const struct shim_cpu *cpu)
{
	struct apic_cpu *entry = &world.cpus.cpu[area_of_cpu(cpu)];

	entry->id = cpu->boot.apic_id;
	entry->part = part_of(cpu);
	entry->ldr = cpu->ldr;
	entry->dfr = cpu->dfr;
	entry->mode = cpu->apic_mode;
	entry->ldr_real = !entry->part;
	entry->runs = cpu_state(cpu) == SHIM_STATE_ON;
}

/* May the host let the CPU use the page at @hpa for structures of its own? */
bool world_owns(const struct shim_cpu *cpu, u64 hpa)
{
	return policy_may_give() ||
	       owner_check(&world.memory, part_of(cpu), hpa, SHIM_PAGE, ACCESS_CPU,
			   world_denied(cpu));
}

/* The same of what it could before. */
bool world_keeps(const struct shim_cpu *cpu, u64 hpa)
{
	return policy_may_give() ||
	       owner_allows(&world.memory, part_of(cpu), hpa, SHIM_PAGE, ACCESS_CPU);
}

bool world_translate(const struct shim_cpu *cpu, u64 gpa, u64 access, u64 *hpa)
{
	*hpa = gpa;
	return policy_may_give() ||
	       ept_translate(&world.pool, cpu->part->eptp, gpa, access, hpa);
}

/*
 * Room to note one table more.  When there is none the oldest one goes that shows nothing else: a
 * dump of all memory gets to its end.  WORLD_MAX_NOTHING: there is none.
 */
static u32 nothing_slot(struct shim_cpu *cpu)
{
	struct world_nothing *shown = &world.shown[part_of(cpu)];
	void *gone[EPT_JOINED];
	u32 i, index, nr;

	if (shown->nr < WORLD_MAX_NOTHING)
		return shown->nr++;
	for (i = 0; i < WORLD_MAX_NOTHING; i++) {
		index = shown->next++ % WORLD_MAX_NOTHING;
		nr = ept_join(&world.pool, cpu->part->eptp, shown->gpa[index],
			      ept_page_hpa(&world.pool, world.nothing), gone);
		if (!nr)
			continue;
		if (!world_flush(cpu, part_of(cpu)))
			break;
		while (nr--)
			ept_put_page(&world.pool, gone[nr]);
		return index;
	}
	return WORLD_MAX_NOTHING;
}

/*
 * Memory of the other partition reads as zeros.  The page that is mapped for it is nobody's, and
 * not to be written.
 */
bool world_show_nothing(struct shim_cpu *cpu, u64 gpa)
{
	u32 level, index;
	bool done = true;
	u64 hpa;

	world_lock(cpu);
	/* Meanwhile it may have become its own. */
	if (ept_translate(&world.pool, cpu->part->eptp, gpa, EPT_READ, &hpa)) {
		world_unlock();
		return true;
	}
	ept_find(&world.pool, cpu->part->eptp, gpa, &level);
	if (level > 1) {
		index = nothing_slot(cpu);
		done = index < WORLD_MAX_NOTHING;
		if (done)
			world.shown[part_of(cpu)].gpa[index] = gpa;
	}
	done = done && ept_map(&world.pool, cpu->part->eptp, shim_header.part[0].eptp,
			       gpa & EPT_ADDRESS, ept_page_hpa(&world.pool, world.nothing),
			       SHIM_PAGE, EPT_READ);
	world_unlock();
	return done;
}

/* ---- the second partition's devices */

/* As a kernel that begins may find them. */
void world_reset_devices(struct shim_cpu *cpu)
{
	struct world_device *device = &world.device[1];
	struct ioapic_ops ops;
	u32 pin;

	for (pin = 0; pin < world.ioapic.pins; pin++) {
		world.ioapic.part[1].rte[pin] = RTE_MASKED;
		if (world.ioapic.owner[pin] != 1)
			continue;
		ioapic_mask(&world.ioapic, pin, &ops);
		ioapic_hw_apply(&ops);
	}
	world_restore_functions();
	world.ioapic.part[1].index = 0;
	world.pci.latch[1] = 0;
	world.ports.output_port[1] = false;
	*device = (struct world_device){ .pic_mask = { 0xff, 0xff }, .a20 = 2 };
}
