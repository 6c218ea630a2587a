// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs of a host that mean more than its CPU, while two kernels share the machine.
 */
#include "msrs.h"
#include "vmx_ops.h"
#include "world.h"

#define MSR_X2APIC_ICR		0x830u
#define MAX_LINES		8		/* of what is denied, on the console */

static bool read_real(u32 msr, u64 *value)
{
	u32 low, high;

	if (!rdmsr_safe(msr, &low, &high))
		return false;
	*value = low | (u64)high << 32;
	return true;
}

/* Of those with MSR_REMEMBER what the hardware had, then what the host has written. */
static u64 *remembered(struct shim_cpu *cpu, u32 msr)
{
	u32 i;

	for (i = 0; i < SHIM_NR_REMEMBERED; i++) {
		if (cpu->remembered[i].msr == msr)
			return &cpu->remembered[i].value;
		if (cpu->remembered[i].msr)
			continue;
		cpu->remembered[i].msr = msr;
		if (!read_real(msr, &cpu->remembered[i].value))
			cpu->remembered[i].value = 0;
		return &cpu->remembered[i].value;
	}
	return &cpu->remembered[0].value;
}

/* BSP says what the host believes, which is no fact about the CPU; nor is it off for others. */
static u64 read_apic_base(const struct shim_cpu *cpu)
{
	u64 value = rdmsr(MSR_IA32_APICBASE) & ~APIC_BASE_BSP;

	if (cpu->apic_off)
		value &= ~APIC_BASE_EN;
	return cpu->bsp ? value | APIC_BASE_BSP : value;
}

/* True: answered, with @value or a fault. */
bool part_rdmsr(struct shim_cpu *cpu, u32 msr, u64 *value, bool *fault)
{
	*fault = false;
	if (policy_may_give() || msr_read(msr) == MSR_DO)
		return false;
	if (msr == MSR_IA32_APICBASE) {
		*value = read_apic_base(cpu);
	} else if (msr == MSR_X2APIC_ICR) {
		*fault = apic_mode(cpu) != APIC_X2APIC;
		*value = cpu->icr;
	} else {
		*value = *remembered(cpu, msr);
	}
	return true;
}

static enum apic_mode mode_of(u64 base)
{
	if (!(base & APIC_BASE_EN))
		return APIC_OFF;
	return base & APIC_BASE_EXTD ? APIC_X2APIC : APIC_XAPIC;
}

/* False: #GP. */
static bool write_apic_base(struct shim_cpu *cpu, u64 value)
{
	u64 base = read_apic_base(cpu);
	enum apic_mode mode = mode_of(base);

	if (value & ~(shim_machine.phys_mask | (SHIM_PAGE - 1)))
		return false;
	switch (msr_apic_base(&base, value, world_denied(cpu))) {
	case MSR_FAULT:
		return false;
	case MSR_DO:
		return mode_of(base) == mode || apic_set_mode(cpu, mode_of(base));
	default:
		return true;
	}
}

/* False: #GP, as all registers of the x2APIC do in other modes. */
static bool write_emulated(struct shim_cpu *cpu, u32 msr, u64 value)
{
	if (msr == MSR_IA32_APICBASE)
		return write_apic_base(cpu, value);
	if (apic_mode(cpu) != APIC_X2APIC)
		return false;
	return msr == MSR_X2APIC_ICR ? icr_write(cpu, value, true) : lvt_write(cpu, msr, value);
}

/* The host has the machine: its CPU gets what was kept from it. */
void part_push(struct shim_cpu *cpu)
{
	u32 i;

	for (i = 0; i < SHIM_NR_REMEMBERED; i++) {
		if (cpu->remembered[i].msr)
			wrmsr_safe(cpu->remembered[i].msr, cpu->remembered[i].value,
				   cpu->remembered[i].value >> 32);
		cpu->remembered[i].msr = 0;
	}
	apic_push(cpu);
}

bool part_wrmsr(struct shim_cpu *cpu, u32 msr, u64 value, bool *fault)
{
	enum msr_answer answer;
	u64 now = 0, denied;

	*fault = false;
	if (policy_may_give())
		return false;
	if (msr_rule(msr) == MSR_KEEP && !read_real(msr, &now)) {
		*fault = true;
		return true;
	}
	denied = world_denied(cpu)->count[DENIED_MSR];
	answer = msr_write(msr, value, now, world_denied(cpu));
	if (world_denied(cpu)->count[DENIED_MSR] != denied && denied < MAX_LINES)
		console_print("shim: apic %d: MSR %x (%s) stays as it is, rip %llx\n",
			      cpu->boot.apic_id, msr, msr_name(msr), vmread(GUEST_RIP));
	switch (answer) {
	case MSR_DO:
		return false;
	case MSR_MEMORY:
		*remembered(cpu, msr) = value;
		break;
	case MSR_EMULATE:
		*fault = !write_emulated(cpu, msr, value);
		break;
	default:
		break;
	}
	return true;
}
