/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interprocessor interrupts while two kernels share the machine.
 */
#ifndef SHIM_ICR_H
#define SHIM_ICR_H

#include "apic.h"

#define ICR_MAX_CPUS	1024

enum icr_what {
	ICR_NOTHING,
	ICR_FIXED,		/* send @vector to each target, by its physical ID */
	ICR_NMI,		/* events that the shim makes on each target */
	ICR_INIT,
	ICR_SIPI,		/* @vector: of the page where it begins */
	ICR_FAULT,		/* #GP: reserved bits of the MSR */
};

/* @target: a bit for each CPU of the set. */
struct icr_result {
	u8	what;		/* enum icr_what */
	u8	vector;
	u64	target[ICR_MAX_CPUS / 64];
};

static inline bool icr_has_target(const struct icr_result *result, u32 cpu)
{
	return result->target[cpu / 64] >> (cpu % 64) & 1;
}

void icr_filter(const struct apic_set *set, u32 part, u32 self, u64 icr, bool x2apic,
		struct icr_result *result, struct denied *denied);

#endif /* SHIM_ICR_H */
