/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Local APICs of the machine: whose they are, and which ones a destination means.
 */
#ifndef SHIM_APIC_H
#define SHIM_APIC_H

#include "partition.h"

/*
 * @ldr, @dfr: as its owner has written them; in the APIC itself only if @ldr_real.
 * @runs: the CPU is not parked, nor does it wait for a SIPI.
 */
struct apic_cpu {
	u32	id;
	u32	ldr, dfr;
	u8	part;
	bool	ldr_real;
	bool	runs;
};

struct apic_set {
	struct apic_cpu	*cpu;
	u32		nr;
};

#define APIC_DELIVERY_FIXED	0u
#define APIC_DELIVERY_LOWEST	1u
#define APIC_FIRST_VECTOR	0x10u

bool apic_owns(const struct apic_set *set, u32 part, u32 id);
bool apic_matches(const struct apic_cpu *cpu, u8 destination);
bool apic_message_ok(const struct apic_set *set, u32 part, u8 destination, bool logical,
		     u32 delivery, u32 vector);
bool msi_message_ok(const struct apic_set *set, u32 part, u64 address, u32 data);

#endif /* SHIM_APIC_H */
