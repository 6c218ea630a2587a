/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MSRs that mean more of the machine than the CPU that writes them.
 */
#ifndef SHIM_MSRS_H
#define SHIM_MSRS_H

#include "apic.h"

enum msr_rule {
	MSR_PASS,		/* the CPU's own */
	MSR_DROP,		/* a write has no effect */
	MSR_KEEP,		/* only the value that it has may be written */
	MSR_REMEMBER,		/* each CPU reads what it wrote, the hardware has it later */
	MSR_APIC_BASE,		/* msr_apic_base() */
	MSR_ICR,		/* icr_filter() */
	MSR_LVT,		/* some delivery modes are not for everybody */
};

enum msr_answer {
	MSR_DO,			/* to the hardware, or from it */
	MSR_IGNORE,
	MSR_MEMORY,		/* to what the caller remembers, or from it */
	MSR_EMULATE,
	MSR_FAULT,		/* #GP */
};

#define MSR_BITMAP_SIZE	4096

enum msr_rule msr_rule(u32 msr);
const char *msr_name(u32 msr);
enum msr_answer msr_read(u32 msr);
enum msr_answer msr_write(u32 msr, u64 value, u64 real, struct denied *denied);
enum msr_answer msr_apic_base(u64 *base, u64 value, struct denied *denied);
bool msr_list_entry_ok(u32 msr, struct denied *denied);
bool msr_exit_entry_ok(u32 msr, bool perf, struct denied *denied);
void msr_fill_bitmap(u8 *bitmap, bool alone);

#endif /* SHIM_MSRS_H */
