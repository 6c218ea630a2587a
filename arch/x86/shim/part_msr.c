// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs of a host that mean more than its CPU, while two kernels share the machine.
 */
#include "msrs.h"
#include "vmx_ops.h"
#include "world.h"

#define MSR_X2APIC_ICR		0x830u
#define MAX_LINES		8		/* of what is denied, on the console */
#define APIC_BASE_BSP		BIT(8)
#define APIC_BASE_EXTD		BIT(10)

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

/* The bit says what the host believes, which is no fact about the CPU. */
static u64 read_apic_base(const struct shim_cpu *cpu)
{
	u64 value = rdmsr(MSR_IA32_APICBASE) & ~APIC_BASE_BSP;

	return cpu->bsp ? value | APIC_BASE_BSP : value;
}

/* True: answered, with @value or a fault. */
bool part_rdmsr(struct shim_cpu *cpu, u32 msr, u64 *value, bool *fault)
{
	*fault = false;
	if (policy_may_give() || msr_read(msr) == MSR_DO)
		return false;
	if (msr == MSR_IA32_APICBASE)
		*value = read_apic_base(cpu);
	else if (msr == MSR_X2APIC_ICR)
		*fault = !read_real(msr, value);
	else
		*value = *remembered(cpu, msr);
	return true;
}

/* The shim talks to APICs by their page as long as two kernels are there. */
static bool write_apic_base(const struct shim_cpu *cpu, u64 value)
{
	u64 now = rdmsr(MSR_IA32_APICBASE), next = now;
	enum msr_answer answer = msr_apic_base(&next, value, world_denied(cpu));

	if (answer == MSR_DO && (now ^ next) & APIC_BASE_EXTD)
		deny(world_denied(cpu), DENIED_MSR_APIC_BASE);
	return answer != MSR_FAULT;
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
		*fault = msr == MSR_X2APIC_ICR ? !icr_write(cpu, value, true) :
						 !write_apic_base(cpu, value);
		break;
	default:
		break;
	}
	return true;
}
