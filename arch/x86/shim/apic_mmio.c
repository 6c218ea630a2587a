// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a host writes to its local APIC while two kernels share the machine: its own, but for
 * what leaves the CPU.
 */
#include "icr.h"
#include "vmx_ops.h"
#include "world.h"

#define APIC_ID			0x20
#define APIC_LDR		0xd0
#define APIC_DFR		0xe0
#define APIC_ICR		0x300
#define APIC_ICR2		0x310
#define APIC_LVT_LINT0		0x350
#define APIC_LVT_LINT1		0x360

#define LVT_MODE(value)		((value) >> 8 & 7)
#define LVT_FIXED		0
#define LVT_NMI			4
#define LVT_MASKED		0x10000u

static void send_init(struct shim_cpu *cpu, struct shim_cpu *target)
{
	enum shim_state state = cpu_state(target);

	if (target == cpu)
		cpu_park(cpu, SHIM_STATE_WAIT);
	/* In VMX operation a CPU keeps it until VMXOFF; no kernel starts one that is. */
	if (state == SHIM_STATE_ON)
		cpu_command_wait(target, COMMAND_INIT, SHIM_STATE_ON);
	else if (state == SHIM_STATE_PARKED)
		cpu_command_wait(target, COMMAND_INIT, SHIM_STATE_PARKED);
}

/* Of two of them the second one is lost. */
static void send_sipi(struct shim_cpu *target, u8 vector)
{
	if (cpu_state(target) != SHIM_STATE_WAIT)
		return;
	target->sipi_page = vector;
	cpu_command_wait(target, COMMAND_SIPI, SHIM_STATE_WAIT);
}

static void send(struct shim_cpu *cpu, const struct icr_result *result, u32 area)
{
	struct shim_cpu *target = cpu_of_area(area);

	switch (result->what) {
	case ICR_FIXED:
		shim_send_fixed(target, result->vector);
		break;
	case ICR_NMI:
		/* Without a note in its mailbox, so it gets to the host. */
		shim_kick(target);
		break;
	case ICR_INIT:
		send_init(cpu, target);
		break;
	case ICR_SIPI:
		send_sipi(target, result->vector);
		break;
	}
}

/* False: #GP.  The filter says who may be meant. */
bool icr_write(struct shim_cpu *cpu, u64 value, bool x2apic)
{
	u32 self = area_of_cpu(cpu), area;
	struct icr_result result;

	icr_filter(&world.cpus, part_of(cpu), self, value, x2apic, &result, world_denied(cpu));
	if (result.what == ICR_FAULT)
		return false;
	cpu->icr = value;
	if (result.what == ICR_NOTHING)
		return true;
	for (area = 0; area < world.cpus.nr; area++)
		if (icr_has_target(&result, area))
			send(cpu, &result, area);
	return true;
}

/* False: #GP, in x2APIC mode. */
static bool write_lvt(struct shim_cpu *cpu, u32 offset, u64 value)
{
	u32 mode = LVT_MODE(value);
	bool pin = offset == APIC_LVT_LINT0 || offset == APIC_LVT_LINT1;
	bool allowed = mode == LVT_FIXED || (mode == LVT_NMI && !pin);
	bool masked = part_of(cpu) && !world.alone && !allowed;

	if (!apic_write(offset, masked ? value | LVT_MASKED : value))
		return false;
	/* NMIs and interrupts that the chipset brings by the pins are the first partition's. */
	if (pin) {
		cpu->lint[offset == APIC_LVT_LINT1] = value;
		cpu->lint_kept[offset == APIC_LVT_LINT1] = true;
	}
	return true;
}

/* The same by an MSR. */
bool lvt_write(struct shim_cpu *cpu, u32 msr, u64 value)
{
	return write_lvt(cpu, (msr - X2APIC_MSR(0)) << 4, value);
}

/* What the APIC would have without the other partition. */
void apic_push(struct shim_cpu *cpu)
{
	struct apic_cpu *entry = &world.cpus.cpu[area_of_cpu(cpu)];
	u32 pin;

	for (pin = 0; pin < 2; pin++) {
		if (cpu->lint_kept[pin])
			apic_write(pin ? APIC_LVT_LINT1 : APIC_LVT_LINT0, cpu->lint[pin]);
		cpu->lint_kept[pin] = false;
	}
	if (entry->ldr && apic_mode(cpu) == APIC_XAPIC) {
		apic_write(APIC_DFR, entry->dfr);
		apic_write(APIC_LDR, entry->ldr);
	}
}

static bool is_lvt(u32 offset)
{
	return offset == 0x2f0 || (offset >= 0x320 && offset <= 0x370);
}

void apic_mmio_write(struct shim_cpu *cpu, u32 offset, u32 value)
{
	struct apic_cpu *entry = &world.cpus.cpu[area_of_cpu(cpu)];

	/* There are no registers in the page then. */
	if (apic_mode(cpu) != APIC_XAPIC)
		return;
	switch (offset) {
	case APIC_ICR:
		icr_write(cpu, (cpu->icr & ~(u64)~0u) | value, false);
		return;
	case APIC_ICR2:
		cpu->icr = (u32)cpu->icr | (u64)value << 32;
		return;
	case APIC_ID:
		return;
	case APIC_LDR:
		entry->ldr = value;
		break;
	case APIC_DFR:
		entry->dfr = value;
		break;
	default:
		if (is_lvt(offset))
			write_lvt(cpu, offset, value);
		else
			apic_write(offset, value);
		return;
	}
	if (entry->ldr_real)
		apic_write(offset, value);
}
