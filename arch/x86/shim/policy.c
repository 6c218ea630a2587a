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
#include "world.h"

/* The loader's host has all of the machine. */
u32 shim_nr_parts = 1;

bool policy_may_give(void)
{
	return __atomic_load_n(&shim_nr_parts, __ATOMIC_ACQUIRE) == 1;
}

/*
 * Nothing works on this CPU any more; in VMX root operation not even INIT does.  With two
 * partitions its own ends; what goes wrong in that once more leads here, and is left undone.
 */
void policy_halt(struct shim_cpu *cpu, enum shim_state state)
{
	world_drop_lock(cpu);
	if (cpu->shared && cpu_state(cpu) != state) {
		cpu_set_state(cpu, state);
		if (!policy_may_give()) {
			policy_end_part(cpu, part_of(cpu), SHIM_END_SURPRISE, 0);
			if (!world_count(part_of(cpu)))
				world_part_ended(cpu, part_of(cpu));
		}
	}
	for (;;)
		halt();
}

/*
 * The partition ends, whoever says so.  A CPU in the shim looks before it enters anything; the
 * NMI brings back one that runs.  One that comes later finds the partition ended at its first
 * exit.
 */
void policy_end_part(struct shim_cpu *cpu, u32 part, enum shim_end end, u64 detail)
{
	struct shim_part_info *info = part_info(part);
	struct shim_cpu *other;
	u32 i;

	if (__atomic_exchange_n(&shim_header.part[part].ended, 1, __ATOMIC_ACQ_REL))
		return;
	info->why = end;
	info->end_detail = detail;
	for (i = 0; i < shim_machine.nr_areas; i++) {
		other = cpu_of_area(i);
		if (other == cpu || other->part != &shim_header.part[part] ||
		    cpu_state(other) == SHIM_STATE_BARE || cpu_state(other) == SHIM_STATE_DEAD)
			continue;
		cpu_command(other, COMMAND_END);
	}
}

/* The partition of this CPU ends; the CPU stays in the shim. */
void policy_park(struct shim_cpu *cpu, enum shim_end end, const char *why, u64 detail)
{
	console_print("shim: apic %d: its partition ends: %s (%llx)\n", cpu->boot.apic_id, why,
		      detail);
	policy_end_part(cpu, part_of(cpu), end, detail);
	cpu_park(cpu, SHIM_STATE_PARKED);
}

/* The VMCS that runs the host is current.  Return: how to enter the host. */
u64 policy_surprise(struct shim_cpu *cpu, const char *why, u64 detail)
{
	/* What it has begun behind the lock is not finished; the other partition needs the lock. */
	world_drop_lock(cpu);
	if (!policy_may_give())
		policy_park(cpu, SHIM_END_SURPRISE, why, detail);
	return shim_panic(cpu, why, detail);
}
