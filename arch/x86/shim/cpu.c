// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPUs that have an area: all that the machine can have.
 */
#include "shim.h"

/* Its APIC ID says which CPU it is; one that was never launched has no partition. */
struct shim_cpu *cpu_of_area(u32 area)
{
	return (struct shim_cpu *)(shim_machine.areas_va + area * (u64)SHIM_AREA_SIZE +
				   SHIM_AREA_PRIVATE);
}

/* What the host reads may be overwritten by it. */
void cpu_set_state(struct shim_cpu *cpu, enum shim_state state)
{
	__atomic_store_n(&cpu->state, state, __ATOMIC_RELEASE);
	cpu->shared->state = state;
}
