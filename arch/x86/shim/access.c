// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses that the EPT of a partition stops: to devices that both use, which are made here, and
 * to what is the other one's.
 */
#include "hpet.h"
#include "mmio.h"
#include "vmx_ops.h"
#include "world.h"

#define QUALIFICATION_WRITE	BIT(1)
#define QUALIFICATION_FETCH	BIT(2)
#define QUALIFICATION_LINEAR	BIT(7)	/* the linear address is valid */
#define QUALIFICATION_FINAL	BIT(8)	/* ... and of the access, not of page tables */

#define APIC_PAGE		0xfee00000ull
#define PAGE_OFFSET		(SHIM_PAGE - 1)

/* Where a CPU begins after a reset, which a kernel may jump to. */
#define FIRMWARE_FIRST		0xf0000ull
#define FIRMWARE_END		0x100000ull

#define TIMER_PIN		2	/* of the IOAPIC: timer 0 in the place of the PIT */

#define CS_ACCESS_D		0x4000u

/* ---- devices */

/*
 * The main counter and what all timers share stay as they are while two use them.  Who has the
 * pin of timer 0 has the timer.
 */
static bool hpet_may(u32 part, u32 offset)
{
	u32 owner = world.pins & BIT(TIMER_PIN) ? 1 : 0;

	if (offset < HPET_TIMERS)
		return false;
	return offset < HPET_TIMERS + HPET_TIMER_SIZE ? part == owner : part != owner;
}

static void hpet_write(struct shim_cpu *cpu, u32 offset, u32 size, u64 value)
{
	u32 config;
	void *at;

	/* The window is one page: nothing is written across its end. */
	if (!hpet_may(part_of(cpu), offset) || offset & (size - 1))
		return;
	at = mem_map(world.hpet_hpa + (offset & ~(HPET_TIMER_SIZE - 1u)), 0);
	config = device_read32(at);
	if (!hpet_timer_ok(offset, value, config)) {
		deny(world_denied(cpu), DENIED_MEMORY_WRITE);
		return;
	}
	at = mem_map(world.hpet_hpa + offset, 0);
	if (size == 4)
		device_write32(at, value);
	else if (size == 8)
		device_write64(at, value);
}

static void ioapic_page_write(struct shim_cpu *cpu, u32 offset, u32 size, u64 value)
{
	struct ioapic_ops ops;

	world_lock(cpu);
	ioapic_write(&world.ioapic, &world.cpus, part_of(cpu), offset, size, value, &ops,
		     world_denied(cpu));
	ioapic_hw_apply(&ops);
	if (world.link.missed[part_of(cpu)])
		link_ring_bell(part_of(cpu));
	world_unlock();
}

static u64 ioapic_page_read(struct shim_cpu *cpu, u32 offset, u32 size)
{
	u32 value, reg;

	world_lock(cpu);
	value = ioapic_read(&world.ioapic, part_of(cpu), offset, size, &reg, world_denied(cpu));
	if (reg != IOAPIC_NO_REG)
		value |= ioapic_hw_read(reg) & RTE_READONLY;
	world_unlock();
	return value;
}

static void device_write(struct shim_cpu *cpu, u64 gpa, u32 size, u64 value)
{
	u64 page = gpa & ~(u64)PAGE_OFFSET;
	u32 offset = gpa & PAGE_OFFSET;

	if (page == APIC_PAGE) {
		if (size == 4 && !(offset & 15))
			apic_mmio_write(cpu, offset, value);
	} else if (page == world.ioapic_hpa) {
		ioapic_page_write(cpu, offset, size, value);
	} else if (page == world.hpet_hpa) {
		hpet_write(cpu, offset, size, value);
	} else if (owner_of(&world.memory, gpa) != OWNER_OF_PART(part_of(cpu))) {
		deny(world_denied(cpu), DENIED_MEMORY_WRITE);
	}
}

/* What is not there reads as ones. */
static u64 device_read(struct shim_cpu *cpu, u64 gpa, u32 size)
{
	if ((gpa & ~(u64)PAGE_OFFSET) == world.ioapic_hpa)
		return ioapic_page_read(cpu, gpa & PAGE_OFFSET, size);
	/* Of what was given away its giver knows that it is another's. */
	if (!part_of(cpu) && owner_of(&world.memory, gpa) == OWNER_OF_PART(1))
		deny(world_denied(cpu), DENIED_MEMORY_READ);
	return ~0ull;
}

/* ---- the instruction */

/* As much of it as there is. */
static u32 fetch(u8 *code)
{
	u64 rip = vmread(GUEST_RIP) + vmread(GUEST_ES_BASE + 2);
	u32 room = SHIM_PAGE - (rip & PAGE_OFFSET);
	struct mem_fault fault;

	if (room < MMIO_MAX_CODE) {
		if (mem_read(rip, code, MMIO_MAX_CODE, &fault))
			return MMIO_MAX_CODE;
		return mem_read(rip, code, room, &fault) ? room : 0;
	}
	return mem_read(rip, code, MMIO_MAX_CODE, &fault) ? MMIO_MAX_CODE : 0;
}

static bool decode(struct mmio *mmio)
{
	u64 access = vmread(GUEST_CS_AR_BYTES);
	bool long_mode = vmread(GUEST_IA32_EFER) & EFER_LMA && access & AR_L;
	u8 code[MMIO_MAX_CODE];

	/* Code of 16 bits has no business with devices here. */
	if (!long_mode && !(access & CS_ACCESS_D))
		return false;
	return mmio_decode(code, fetch(code), long_mode, mmio);
}

static u64 emulate(struct shim_cpu *cpu, u64 gpa)
{
	struct mmio mmio;
	u64 old;

	/* An event that is delivered to a stack, or a descriptor, in a device. */
	if (vmread(IDT_VECTORING_INFO_FIELD) & INTR_VALID)
		return SHIM_UNSERVED;
	if (!decode(&mmio)) {
		deny(world_denied(cpu), DENIED_MEMORY_WRITE);
		console_print("shim: apic %d: cannot decode the access to %llx at %llx\n",
			      cpu->boot.apic_id, gpa, vmread(GUEST_RIP));
		host_inject(cpu, GP_VECTOR, true, 0);
		return SHIM_RESUME;
	}
	old = mmio.imm ? 0 : host_register(cpu, mmio.reg);
	if (mmio.write)
		device_write(cpu, gpa, mmio.size, mmio_source(&mmio, old));
	else
		host_set_register(cpu, mmio.reg,
				  mmio_result(&mmio, old, device_read(cpu, gpa, mmio.size)));
	vmwrite(VM_EXIT_INSTRUCTION_LEN, mmio.length);
	host_skip_instruction();
	return SHIM_RESUME;
}

/* An event whose delivery has been interrupted comes again. */
static void repeat_event(struct shim_cpu *cpu)
{
	u64 info = vmread(IDT_VECTORING_INFO_FIELD);

	if (!(info & INTR_VALID))
		return;
	vmwrite(VM_ENTRY_INTR_INFO_FIELD, info & ~(u64)INTR_UNBLOCK_NMI);
	if (info & INTR_DELIVER_CODE)
		vmwrite(VM_ENTRY_EXCEPTION_ERROR_CODE, vmread(IDT_VECTORING_ERROR_CODE));
	if ((info & INTR_TYPE_MASK) >= INTR_TYPE_SOFT_INTR)
		vmwrite(VM_ENTRY_INSTRUCTION_LEN, vmread(VM_EXIT_INSTRUCTION_LEN));
	if ((info & INTR_TYPE_MASK) == INTR_TYPE_NMI)
		vmwrite(GUEST_INTERRUPTIBILITY_INFO,
			vmread(GUEST_INTERRUPTIBILITY_INFO) & ~(u64)GUEST_INTR_STATE_NMI);
	cpu->injected = true;
}

static void tell(struct shim_cpu *cpu, const char *what, enum denied_kind kind, u64 gpa)
{
	deny(world_denied(cpu), kind);
	if (world_denied(cpu)->count[kind] <= 8)
		console_print("shim: apic %d: %s of %llx denied, rip %llx\n", cpu->boot.apic_id,
			      what, gpa, vmread(GUEST_RIP));
}

/* Memory that is not this partition's. */
static u64 foreign(struct shim_cpu *cpu, u64 gpa, u64 qualification)
{
	if (qualification & QUALIFICATION_WRITE) {
		tell(cpu, "write", DENIED_MEMORY_WRITE, gpa);
	} else if (qualification & QUALIFICATION_FETCH) {
		tell(cpu, "fetch", DENIED_MEMORY_READ, gpa);
	} else {
		tell(cpu, "read", DENIED_MEMORY_READ, gpa);
		if (world_show_nothing(cpu, gpa)) {
			repeat_event(cpu);
			return SHIM_RESUME;
		}
	}
	if (vmread(IDT_VECTORING_INFO_FIELD) & INTR_VALID)
		return SHIM_UNSERVED;
	host_inject(cpu, GP_VECTOR, true, 0);
	return SHIM_RESUME;
}

static bool is_device(u64 gpa)
{
	u32 level;

	return (*ept_find(&world.pool, shim_header.part[0].eptp, gpa, &level) & EPT_TYPE) !=
	       EPT_TYPE_WB;
}

u64 exit_ept_violation(struct shim_cpu *cpu, u32 reason)
{
	u64 gpa = vmread(GUEST_PHYSICAL_ADDRESS), qualification = vmread(EXIT_QUALIFICATION);

	if (policy_may_give())
		return SHIM_UNSERVED;
	/* Blocking of NMIs that an IRET has ended holds again (SDM 3C, 28.2.3). */
	if (qualification & BIT(12) && !(vmread(IDT_VECTORING_INFO_FIELD) & INTR_VALID))
		vmwrite(GUEST_INTERRUPTIBILITY_INFO,
			vmread(GUEST_INTERRUPTIBILITY_INFO) | GUEST_INTR_STATE_NMI);
	if (qualification & QUALIFICATION_FETCH && gpa >= FIRMWARE_FIRST && gpa < FIRMWARE_END)
		policy_park(cpu, SHIM_END_RESET, "reset by the firmware's entry", gpa);
	if (is_device(gpa) && !(qualification & QUALIFICATION_FETCH) &&
	    (!(qualification & QUALIFICATION_LINEAR) || qualification & QUALIFICATION_FINAL))
		return emulate(cpu, gpa);
	return foreign(cpu, gpa, qualification);
}
