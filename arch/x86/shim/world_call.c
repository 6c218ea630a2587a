// SPDX-License-Identifier: GPL-2.0-only
/*
 * A second partition comes, gets and loses memory, and goes.  What can fail comes before what
 * changes anything; what cannot be known before is undone.
 *
 * The loader calls world_create() and world_destroy() while all other CPUs of its kernel stand
 * still, because nobody else may be between an index and a data register then.
 */
#include "msrs.h"
#include "vmx_ops.h"
#include "world.h"

#define NR_NODES		64
#define APIC_PAGE		0xfee00000ull
#define NOBODY			NR_PARTS

#define EPTP_FLAGS		0xfffull

/* A page of the caller's, in this CPU's window, until the next one is looked at. */
void *host_page(u64 hpa)
{
	return mem_map(hpa, 0);
}

static void copy(void *to, const void *from, u64 size)
{
	asm volatile("rep movsb" : "+D" (to), "+S" (from), "+c" (size) : : "memory");
}

static void fill(void *to, u8 value, u64 size)
{
	asm volatile("rep stosb" : "+D" (to), "+c" (size) : "a" (value) : "memory");
}

static u64 reserve_hpa(const void *va)
{
	return ept_page_hpa(&world.pool, va);
}

static u64 root(u32 part)
{
	return shim_header.part[part].eptp;
}

/* ---- memory that is taken once, and kept for the next second partition */

static void *take(u64 bytes)
{
	char *at = world.pool.next;

	bytes = (bytes + SHIM_PAGE - 1) & ~(u64)(SHIM_PAGE - 1);
	if (bytes > (u64)(world.pool.end - at))
		return NULL;
	world.pool.next += bytes;
	return at;
}

static bool prepare(void)
{
	if (world.bitmaps)
		return true;
	world.pool.va = (char *)SHIM_VA_IMAGE;
	world.pool.hpa = shim_machine.reserve_hpa;
	world.pool.next = (char *)shim_machine.pool_va;
	world.pool.end = (char *)shim_machine.pool_end_va;
	world.nodes = take(NR_NODES * sizeof(*world.nodes));
	world.cpus.cpu = take(shim_machine.nr_areas * sizeof(*world.cpus.cpu));
	world.nothing = take(SHIM_PAGE);
	world.msr_bitmap = take(SHIM_PAGE);
	world.bitmaps = take(3 * SHIM_PAGE);
	return world.bitmaps;
}

/* ---- who has what */

u32 world_phys_bits(void)
{
	u32 bits = 0;

	while (shim_machine.phys_mask >> bits)
		bits++;
	return bits;
}

static bool pages_ok(u64 hpa, u64 bytes)
{
	return bytes && !((hpa | bytes) & (SHIM_PAGE - 1)) &&
	       hpa < shim_machine.phys_mask && bytes <= shim_machine.phys_mask - hpa;
}

static bool outside_reserve(u64 hpa, u64 bytes)
{
	return hpa + bytes <= shim_machine.reserve_hpa ||
	       hpa >= shim_machine.reserve_hpa + shim_machine.reserve_size;
}

/* Whole pages that a host can have. */
bool host_pages_ok(u64 hpa, u64 bytes)
{
	return pages_ok(hpa, bytes) && outside_reserve(hpa, bytes);
}

static u32 set_owners(const struct shim_plan *plan)
{
	const struct owner_range fixed[] = {
		{ shim_machine.reserve_hpa, shim_machine.reserve_size, OWNER_SHIM },
		{ APIC_PAGE, SHIM_PAGE, OWNER_SHIM },
		{ plan->ioapic_hpa, SHIM_PAGE, OWNER_SHIM },
		{ plan->hpet_hpa, SHIM_PAGE, OWNER_SHIM },
	};
	struct owner_range shown;
	u32 i;

	if (owner_init(&world.memory, world.nodes, NR_NODES, world_phys_bits(), OWNER_OF_PART(0)))
		return SHIM_E_PLAN;
	for (i = 0; i < plan->nr_shown; i++) {
		shown.hpa = plan->shown[i].hpa;
		shown.size = plan->shown[i].bytes;
		shown.owner = OWNER_SHOWN_BY(0);
		if (!pages_ok(shown.hpa, shown.size) || !outside_reserve(shown.hpa, shown.size) ||
		    owner_init_ranges(&world.memory, &shown, 1))
			return SHIM_E_PLAN;
	}
	return owner_init_ranges(&world.memory, fixed, ARRAY_SIZE(fixed)) ? SHIM_E_PLAN : SHIM_OK;
}

static void set_cpus(void)
{
	struct shim_cpu *cpu;
	u32 area;

	for (area = 0; area < shim_machine.nr_areas; area++) {
		cpu = cpu_of_area(area);
		world.cpus.cpu[area] = (struct apic_cpu){ .id = ~0u, .part = NOBODY };
		if (cpu->part && cpu_state(cpu) == SHIM_STATE_ON)
			world_set_cpu(cpu);
	}
	world.cpus.nr = shim_machine.nr_areas;
}

/* ---- devices */

static void set_ports(const struct shim_plan *plan)
{
	struct ports *ports = &world.ports;
	u32 i;

	*ports = (struct ports){
		.pm_timer = plan->pm_timer, .smi_command = plan->smi_command,
		.pm1_event_length = plan->pm1_event_length,
		.reset = plan->reset, .reset_value = plan->reset_value,
		.nr_ranges = plan->nr_ports,
	};
	for (i = 0; i < 2; i++) {
		ports->pm1_event[i] = plan->pm1_event[i];
		ports->pm1_control[i] = plan->pm1_control[i];
		ports->s5_type[i] = plan->s5_type[i];
	}
	for (i = 0; i < plan->nr_ports; i++) {
		ports->range[i].first = plan->port[i].first;
		ports->range[i].last = plan->port[i].last;
		ports->range[i].part = 1;
	}
	world.nr_ports = plan->nr_ports;
}

static void set_function(struct pci_function *function, const struct shim_plan_function *plan)
{
	u32 i;

	*function = (struct pci_function){
		.bdf = plan->bdf, .show = plan->show, .bridge = plan->bridge,
		.links = plan->links, .msi = plan->msi, .rom_size = plan->rom_size,
	};
	for (i = 0; i < PCI_NR_BARS; i++) {
		function->bar_kind[i] = plan->bar_kind[i];
		function->bar_size[i] = plan->bar_size[i];
	}
	for (i = 0; i < PCI_HEADER; i++)
		function->config[i] = config_read(plan->bdf, 4 * i);
	for (i = 0; function->msi && i < PCI_MSI; i++)
		function->msi_config[i] = config_read(plan->bdf, function->msi + 4 * i);
}

static void set_pci(const struct shim_plan *plan)
{
	struct pci *pci = &world.pci;
	u32 latch = port_in(PCI_CONFIG_ADDRESS, 4), i, link;
	u8 value;

	*pci = (struct pci){
		.function = world.function, .nr_functions = plan->nr_functions,
		.memory = &world.memory, .ports = &world.ports, .cpus = &world.cpus,
		.ioapic = &world.ioapic,
	};
	for (i = 0; i < plan->nr_functions; i++) {
		set_function(&world.function[i], &plan->function[i]);
		for (link = 0; world.function[i].links && link < PCI_NR_LINKS; link++) {
			value = config_read(plan->function[i].bdf,
					    world.function[i].links & ~3u) >> 8 * link;
			pci->links[0][link] = value;
			pci->links[1][link] = value;
		}
	}
	pci_latch_write(pci, 0, latch);
	port_out(PCI_CONFIG_ADDRESS, 4, latch);
}

static void set_ioapic(struct shim_cpu *cpu, const struct shim_plan *plan)
{
	struct ioapic_ops ops;
	u64 rte[IOAPIC_PINS];
	u32 pin, version;

	world.ioapic_hpa = plan->ioapic_hpa;
	world.hpet_hpa = plan->hpet_hpa;
	world.pins = plan->pins;
	version = ioapic_hw_read(1);
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		rte[pin] = pin <= (version >> 16 & 0xff) ?
			   ioapic_hw_read(0x10 + 2 * pin) |
			   (u64)ioapic_hw_read(0x11 + 2 * pin) << 32 : RTE_MASKED;
	ioapic_init(&world.ioapic, ioapic_hw_read(0), version, 0, rte);
	for (pin = 0; pin < world.ioapic.pins; pin++) {
		if (!(plan->pins >> pin & 1))
			continue;
		ioapic_give(&world.ioapic, &world.cpus, pin, 1, &ops, world_denied(cpu));
		ioapic_hw_apply(&ops);
	}
}

/* ---- tables */

bool world_device_page(u32 part, u64 hpa, u64 access)
{
	return ept_map(&world.pool, root(part), root(0), hpa, hpa, SHIM_PAGE, access);
}

static u64 access_of(u32 part, u8 owner)
{
	if (owner == OWNER_OF_PART(part) || owner == OWNER_SHOWN_BY(part))
		return EPT_RWX;
	if (owner == OWNER_LEFT || owner == OWNER_HELD_BY(part) || owner_is_lent(owner))
		return EPT_READ | EPT_WRITE;
	if (owner == OWNER_SHARED || owner_is_shown(owner))
		return EPT_READ;
	return 0;
}

/* The EPT follows the owner, who is one for all of the range. */
bool world_follow(u32 part, u64 hpa, u64 bytes)
{
	return ept_map(&world.pool, root(part), root(0), hpa, hpa, bytes,
		       access_of(part, owner_of(&world.memory, hpa)));
}

/* The pages of devices that both use: reads of APIC and HPET go to the device. */
static bool set_device_pages(bool two)
{
	return world_device_page(0, APIC_PAGE, two ? EPT_READ : EPT_RWX) &&
	       world_device_page(0, world.hpet_hpa, two ? EPT_READ : EPT_RWX) &&
	       world_device_page(0, world.ioapic_hpa, two ? 0 : EPT_RWX) &&
	       (!two || (world_device_page(1, APIC_PAGE, EPT_READ) &&
			 world_device_page(1, world.hpet_hpa, EPT_READ)));
}

static bool make_ept(const struct shim_plan *plan)
{
	void *page = ept_page(&world.pool);
	u32 i;

	if (!page)
		return false;
	shim_header.part[1].eptp = reserve_hpa(page) | (root(0) & EPTP_FLAGS);
	for (i = 0; i < plan->nr_shown; i++)
		if (!world_follow(1, plan->shown[i].hpa, plan->shown[i].bytes))
			return false;
	world.link = (struct world_link){ };
	if (plan->link && !link_create())
		return false;
	return set_device_pages(true);
}

/* Bitmaps of the first partition are in use: one bit more is one exit more. */
void world_set_port_bitmaps(void)
{
	u64 first = shim_header.part[0].io_bitmap - shim_machine.reserve_hpa;

	ports_fill_bitmap(&world.ports, 1, world.bitmaps + SHIM_PAGE);
	ports_fill_bitmap(&world.ports, 0, (u8 *)SHIM_VA_IMAGE + first);
}

static void set_bitmaps(void)
{
	struct shim_part *part = shim_header.part;
	u8 *msrs = (u8 *)SHIM_VA_IMAGE + (part[0].msr_bitmap - shim_machine.reserve_hpa);

	copy(world.msr_bitmap, msrs, SHIM_PAGE);
	copy(world.bitmaps, msrs, SHIM_PAGE);
	msr_fill_bitmap(world.bitmaps, false);
	msr_fill_bitmap(msrs, false);
	world_set_port_bitmaps();
	part[1].msr_bitmap = reserve_hpa(world.bitmaps);
	part[1].io_bitmap = part[1].msr_bitmap + SHIM_PAGE;
	part[1].vmread_bitmap = part[0].vmread_bitmap;
	part[1].vmwrite_bitmap = part[0].vmwrite_bitmap;
}

/* The second partition has all of the machine. */
void world_open_bitmaps(void)
{
	copy(world.bitmaps, world.msr_bitmap, SHIM_PAGE);
	msr_fill_bitmap(world.bitmaps, true);
	fill(world.bitmaps + SHIM_PAGE, 0, 2 * SHIM_PAGE);
}

/* There is one partition: the first one's, or what is launched as its, and the heir's. */
void world_clear_bitmaps(void)
{
	struct shim_part *part = shim_header.part;

	copy(world.bitmaps, world.msr_bitmap, SHIM_PAGE);

	copy((u8 *)SHIM_VA_IMAGE + (part[0].msr_bitmap - shim_machine.reserve_hpa),
	     world.msr_bitmap, SHIM_PAGE);
	fill((u8 *)SHIM_VA_IMAGE + (part[0].io_bitmap - shim_machine.reserve_hpa), 0,
	     2 * SHIM_PAGE);
}

/* ---- calls */

static u32 check_plan(const struct shim_plan *plan)
{
	u32 i;

	if (plan->size != sizeof(*plan) || plan->nr_ports > SHIM_PLAN_PORTS ||
	    plan->nr_shown > SHIM_PLAN_SHOWN || plan->nr_functions > SHIM_PLAN_FUNCTIONS ||
	    !pages_ok(plan->ioapic_hpa, SHIM_PAGE) || !pages_ok(plan->hpet_hpa, SHIM_PAGE) ||
	    plan->ioapic_hpa == plan->hpet_hpa || plan->ioapic_hpa == APIC_PAGE ||
	    !outside_reserve(plan->ioapic_hpa, SHIM_PAGE) ||
	    !pages_ok(plan->kept_hpa, plan->kept_bytes) ||
	    plan->kept_bytes > SHIM_PLAN_KEPT * SHIM_PAGE ||
	    !outside_reserve(plan->kept_hpa, plan->kept_bytes) ||
	    !outside_reserve(plan->hpet_hpa, SHIM_PAGE))
		return SHIM_E_PLAN;
	for (i = 0; i < plan->nr_ports; i++)
		if (plan->port[i].first > plan->port[i].last)
			return SHIM_E_PLAN;
	/* Nothing else is in the same register. */
	for (i = 0; i < plan->nr_functions; i++)
		if (plan->function[i].links & 3)
			return SHIM_E_PLAN;
	return SHIM_OK;
}

static void copy_part(void)
{
	struct shim_part *part = shim_header.part;
	u32 i;

	part[1].flags = part[0].flags & ~(u32)SHIM_FLAG_TEST;
	part[1].ended = 0;
	part[1].nr_ro = part[0].nr_ro;
	part[1].nr_rw = part[0].nr_rw;
	for (i = 0; i < SHIM_MAX_SHADOW; i++) {
		part[1].ro[i] = part[0].ro[i];
		part[1].rw[i] = part[0].rw[i];
	}
	fill(part_info(1), 0, sizeof(struct shim_part_info));
	fill(part_info(0)->denied, 0, sizeof(part_info(0)->denied));
	part_info(0)->word = 0;
}

static void drop_ept(void)
{
	u32 i;

	for (i = 0; i < WORLD_MAX_COPIES; i++) {
		if (world.copy[i].page)
			ept_put_page(&world.pool, world.copy[i].page);
		world.copy[i] = (struct world_copy){ };
	}
	if (shim_header.part[1].eptp)
		ept_free(&world.pool, shim_header.part[1].eptp);
	shim_header.part[1].eptp = 0;
	for (i = 0; i < SHIM_NR_PARTS; i++)
		world.shown[i].nr = 0;
}

static u32 create_locked(struct shim_cpu *cpu, const struct shim_plan *plan)
{
	u32 error = cpu_none_lost() ? check_plan(plan) : SHIM_E_STATE;

	if (!error && !prepare())
		error = SHIM_E_TABLES;
	if (!error)
		error = set_owners(plan);
	if (error)
		return error;
	world.ioapic_hpa = plan->ioapic_hpa;
	world.hpet_hpa = plan->hpet_hpa;
	world.low = (struct world_low){ .hpa = plan->kept_hpa, .bytes = plan->kept_bytes };
	copy_part();
	if (!make_ept(plan)) {
		set_device_pages(false);
		drop_ept();
		return SHIM_E_TABLES;
	}
	set_cpus();
	set_ports(plan);
	set_pci(plan);
	set_ioapic(cpu, plan);
	world.given = 0;
	set_bitmaps();
	world_reset_devices(cpu);
	world.device[0] = (struct world_device){ };
	part_info(1)->state = SHIM_PART_MADE;
	world_count(0);
	world_set_parts(2);
	return SHIM_OK;
}

/* A copy of what the host has written, which it cannot change any more. */
static struct shim_plan the_plan;

static bool read_plan(u64 hpa)
{
	u64 done, size;

	if (!host_pages_ok(hpa, 2 * SHIM_PAGE))
		return false;
	for (done = 0; done < sizeof(the_plan); done += size) {
		size = sizeof(the_plan) - done < SHIM_PAGE ? sizeof(the_plan) - done : SHIM_PAGE;
		copy((char *)&the_plan + done, host_page(hpa + done), size);
	}
	return true;
}

u32 world_create(struct shim_cpu *cpu, u64 plan_hpa)
{
	u32 error;

	if (!(shim_machine.flags & SHIM_FLAG_PARTITION) || !policy_may_give())
		return SHIM_E_STATE;
	world_lock(cpu);
	error = read_plan(plan_hpa) ? create_locked(cpu, &the_plan) : SHIM_E_PLAN;
	if (!world_flush(cpu, 0) && !error)
		error = SHIM_E_CPU;
	world_unlock();
	return error;
}

/* Memory changes its owner; the loser forgets it before the winner can use it. */
u32 world_change_owner(struct shim_cpu *cpu, u64 hpa, u64 bytes, u32 to)
{
	u32 from = !to, error = SHIM_OK;
	u64 where;

	switch (owner_move(&world.memory, hpa, bytes, OWNER_OF_PART(from), OWNER_OF_PART(to),
			   &where)) {
	case OWNER_OK:
		break;
	case OWNER_E_NODES:
		return SHIM_E_TABLES;
	default:
		return SHIM_E_MEMORY;
	}
	if (!world_follow(from, hpa, bytes))
		error = SHIM_E_TABLES;
	else if (!world_flush(cpu, from))
		error = SHIM_E_CPU;
	else if (!world_follow(to, hpa, bytes))
		error = SHIM_E_TABLES;
	if (!error)
		return SHIM_OK;
	/* The tables that the way back needs are there. */
	owner_move(&world.memory, hpa, bytes, OWNER_OF_PART(to), OWNER_OF_PART(from), &where);
	world_follow(to, hpa, bytes);
	world_flush(cpu, to);
	world_follow(from, hpa, bytes);
	return error;
}

/* For a second partition that runs: nobody's until that one claims it. */
static u32 leave_memory(struct shim_cpu *cpu, u64 hpa, u64 bytes)
{
	u64 where;

	switch (owner_move(&world.memory, hpa, bytes, OWNER_OF_PART(0), OWNER_LEFT, &where)) {
	case OWNER_OK:
		break;
	case OWNER_E_NODES:
		return SHIM_E_TABLES;
	default:
		return SHIM_E_MEMORY;
	}
	if (ept_map(&world.pool, root(0), root(0), hpa, hpa, bytes, 0) && world_flush(cpu, 0))
		return SHIM_OK;
	owner_move(&world.memory, hpa, bytes, OWNER_LEFT, OWNER_OF_PART(0), &where);
	world_follow(0, hpa, bytes);
	return SHIM_E_TABLES;
}

/* What it was given and has not claimed is the second partition's, like the rest. */
static void claim_left(u64 hpa, u64 bytes)
{
	u64 at, last, where;

	for (at = hpa; at < hpa + bytes; at = last + 1)
		if (owner_run(&world.memory, at, hpa + bytes - at, &last) == OWNER_LEFT)
			owner_move(&world.memory, at, last + 1 - at, OWNER_LEFT, OWNER_OF_PART(1),
				   &where);
}

static u32 move_locked(struct shim_cpu *cpu, u64 hpa, u64 bytes, u32 to)
{
	bool runs = part_info(1)->state == SHIM_PART_RUNS;
	u32 error;

	/* What it runs on is not taken away. */
	if (policy_may_give() || (!to && runs))
		return SHIM_E_STATE;
	if (!host_pages_ok(hpa, bytes))
		return SHIM_E_MEMORY;
	if (!to) {
		low_return(cpu, hpa, bytes);
		claim_left(hpa, bytes);
	}
	if (to && runs)
		error = leave_memory(cpu, hpa, bytes);
	else
		error = world_change_owner(cpu, hpa, bytes, to);
	if (!error && to && !low_keep(cpu, hpa, bytes)) {
		claim_left(hpa, bytes);
		world_change_owner(cpu, hpa, bytes, 0);
		error = SHIM_E_TABLES;
	}
	if (!error)
		world.given += to ? bytes : -bytes;
	return error;
}

u32 world_move(struct shim_cpu *cpu, u64 hpa, u64 bytes, u32 to)
{
	u32 error;

	if (to >= NR_PARTS)
		return SHIM_E_STATE;
	world_lock(cpu);
	error = move_locked(cpu, hpa, bytes, to);
	world_unlock();
	return error;
}

static struct world_copy *find_copy(u64 gpa)
{
	u32 i;

	for (i = 0; i < WORLD_MAX_COPIES; i++)
		if (world.copy[i].page && world.copy[i].gpa == gpa)
			return &world.copy[i];
	for (i = 0; i < WORLD_MAX_COPIES; i++)
		if (!world.copy[i].page)
			return &world.copy[i];
	return NULL;
}

static u32 copy_locked(u64 gpa, u64 hpa)
{
	struct world_copy *slot;
	u8 owner;

	if (policy_may_give() || part_info(1)->state == SHIM_PART_RUNS)
		return SHIM_E_STATE;
	owner = owner_of(&world.memory, hpa);
	if (!pages_ok(gpa, SHIM_PAGE) || !pages_ok(hpa, SHIM_PAGE) ||
	    owner_of(&world.memory, gpa) == OWNER_SHIM ||
	    (owner != OWNER_OF_PART(0) && owner != OWNER_SHOWN_BY(0)))
		return SHIM_E_MEMORY;
	slot = find_copy(gpa);
	if (!slot)
		return SHIM_E_TABLES;
	if (!slot->page)
		slot->page = ept_page(&world.pool);
	if (!slot->page)
		return SHIM_E_TABLES;
	slot->gpa = gpa;
	copy(slot->page, host_page(hpa), SHIM_PAGE);
	return ept_map(&world.pool, root(1), root(0), gpa, reserve_hpa(slot->page), SHIM_PAGE,
		       EPT_READ | EPT_WRITE) ? SHIM_OK : SHIM_E_TABLES;
}

/* Page @gpa of the second partition, which has not begun to run, is a copy of that at @hpa. */
u32 world_copy_page(struct shim_cpu *cpu, u64 gpa, u64 hpa)
{
	u32 error;

	world_lock(cpu);
	error = copy_locked(gpa, hpa);
	world_unlock();
	return error;
}

static u32 release_cpus(void)
{
	struct shim_cpu *other;
	u32 area, error = SHIM_OK;
	enum shim_state state;

	for (area = 0; area < shim_machine.nr_areas; area++) {
		other = cpu_of_area(area);
		state = cpu_state(other);
		/* One that waited for a start-up IPI may not have heard of the end. */
		if (other->part != &shim_header.part[1] ||
		    (state != SHIM_STATE_PARKED && state != SHIM_STATE_WAIT))
			continue;
		if (!cpu_command_wait(other, COMMAND_RELEASE, state))
			error = SHIM_E_CPU;
	}
	world_count(1);
	return error;
}

static void give_devices_back(struct shim_cpu *cpu)
{
	struct ioapic_ops ops;
	u32 pin, vector;

	for (pin = 0; pin < world.ioapic.pins; pin++) {
		if (world.ioapic.owner[pin] != 1)
			continue;
		vector = ioapic_give(&world.ioapic, &world.cpus, pin, 0, &ops, world_denied(cpu));
		ioapic_hw_apply(&ops);
		if (vector)
			shim_send_fixed(cpu, vector);
	}
	world_functions_back();
	port_out(PCI_CONFIG_ADDRESS, 4, world.pci.latch[0]);
	port_out(0x70, 1, world.device[0].rtc_index);
}

/* All memory is the first partition's again, and no CPU of the second one runs. */
u32 world_destroy(struct shim_cpu *cpu)
{
	u32 error;

	world_lock(cpu);
	if (policy_may_give() || part_info(1)->state == SHIM_PART_RUNS || world.given) {
		world_unlock();
		return SHIM_E_STATE;
	}
	give_devices_back(cpu);
	set_device_pages(false);
	world_pool_back(true);
	world_clear_bitmaps();
	world_set_parts(1);
	part_info(1)->state = SHIM_PART_NONE;
	error = world_flush(cpu, 0) ? SHIM_OK : SHIM_E_CPU;
	world_unlock();
	if (!error)
		error = release_cpus();
	if (error)
		return error;
	world.cpus.nr = 0;
	drop_ept();
	return SHIM_OK;
}
