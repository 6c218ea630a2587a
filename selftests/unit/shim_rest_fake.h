/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In the place of those files of the shim that serve two partitions' devices, and of start.S: for
 * tests of what a CPU does with its own host.
 */
#ifndef SHIM_REST_FAKE_H
#define SHIM_REST_FAKE_H

#include "../../arch/x86/shim/world.h"

void console_print(const char *format, ...) { }
void shim_unblock_nmi(void) { }

/* What only runs when two partitions use devices, or when one begins. */
void ioapic_hw_apply(const struct ioapic_ops *ops) { }
void world_part_ended(struct shim_cpu *cpu, u32 part) { }
void world_restore_functions(void) { }
void part_push(struct shim_cpu *cpu) { }
void enter_long_mode(struct shim_cpu *cpu) { }
void enter_real_mode(struct shim_cpu *cpu) { }

u64 handle_part_call(struct shim_cpu *cpu, u32 call)
{
	return SHIM_E_STATE;
}

u64 exit_io(struct shim_cpu *cpu, u32 reason)
{
	return SHIM_UNSERVED;
}

u64 exit_ept_violation(struct shim_cpu *cpu, u32 reason)
{
	return SHIM_UNSERVED;
}

bool part_rdmsr(struct shim_cpu *cpu, u32 msr, u64 *value, bool *fault)
{
	return false;
}

bool part_wrmsr(struct shim_cpu *cpu, u32 msr, u64 value, bool *fault)
{
	return false;
}

/* start.S and shim.lds */
char shim_enter_begin[1], shim_enter_end[1], shim_trap_stubs[1];
const struct fixup fixup_table[1], fixup_table_end[1];

#endif /* SHIM_REST_FAKE_H */
