// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of a CPU when something happens that the shim has no answer to, or when its
 * host asks to be rid of the shim.
 *
 * As long as one partition has all of the machine, its host can have the CPU as well: the shim
 * leaves.  With two of them whoever gets a bare CPU gets the other's memory, so no CPU is
 * given away, whatever happened: the partition ends.  shim_leave(), shim_take_init() and
 * exit_triple_fault() are the ways to a bare CPU, and each of them asks here once more.
 */
#include "shim.h"
#include "vmx_ops.h"

/* The loader's host has all of the machine. */
u32 shim_nr_parts = 1;

bool policy_may_give(void)
{
	return __atomic_load_n(&shim_nr_parts, __ATOMIC_ACQUIRE) == 1;
}

/* Nothing works on this CPU any more; in VMX root operation not even INIT does. */
void policy_halt(struct shim_cpu *cpu, enum shim_state state)
{
	if (cpu->shared)
		cpu_set_state(cpu, state);
	for (;;)
		halt();
}

/*
 * A CPU in the shim looks before it enters anything; the NMI brings back one that runs.  One
 * that comes later finds the partition ended at its first exit.
 */
static void end_others(const struct shim_cpu *cpu)
{
	struct shim_cpu *other;
	u32 i;

	if (__atomic_exchange_n(&cpu->part->ended, 1, __ATOMIC_ACQ_REL))
		return;
	for (i = 0; i < shim_machine.nr_areas; i++) {
		other = cpu_of_area(i);
		if (other == cpu || other->part != cpu->part ||
		    __atomic_load_n(&other->state, __ATOMIC_ACQUIRE) != SHIM_STATE_ON)
			continue;
		__atomic_or_fetch(&other->boot.arrived, SHIM_ARRIVED_END, __ATOMIC_RELEASE);
		shim_kick(other);
	}
}

/*
 * The partition ends, with all of its CPUs.  This one stays in the shim and does nothing.  No
 * VMCS of its host is active afterwards, so the CPU writes nothing to memory that may soon be
 * another's.
 */
void policy_park(struct shim_cpu *cpu, const char *why, u64 detail)
{
	console_print("shim: apic %d: its partition ends: %s (%llx)\n", cpu->boot.apic_id, why,
		      detail);
	end_others(cpu);
	page_stop(cpu);
	guest_clear_all(cpu);
	if (cpu->current_vmcs != SHIM_NO_VMCS)
		vmclear(cpu->current_vmcs);
	cpu->current_vmcs = SHIM_NO_VMCS;
	vmclear(cpu->boot.vmcs_hpa);
	shim_flush_tlb(cpu->part);
	policy_halt(cpu, SHIM_STATE_PARKED);
}

/* The VMCS that runs the host is current.  Return: how to enter the host. */
u64 policy_surprise(struct shim_cpu *cpu, const char *why, u64 detail)
{
	if (!policy_may_give())
		policy_park(cpu, why, detail);
	return shim_panic(cpu, why, detail);
}
