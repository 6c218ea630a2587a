/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Local APICs of the machine: whose they are, and which ones a destination means.
 */
#ifndef SHIM_APIC_H
#define SHIM_APIC_H

#include "partition.h"

#define APIC_BASE_BSP		BIT(8)
#define APIC_BASE_EXTD		BIT(10)
#define APIC_BASE_EN		BIT(11)

/* The MSR that is in x2APIC mode what the page has at @offset. */
#define X2APIC_MSR(offset)	(0x800u + ((offset) >> 4))

enum apic_mode { APIC_XAPIC, APIC_X2APIC, APIC_OFF };

/*
 * @ldr, @dfr: as its owner has written them; in the APIC itself only if @ldr_real.
 * @runs: the CPU is not parked, nor does it wait for a SIPI.
 * @mode: of enum apic_mode; x2APIC has a logical ID that comes of @id.
 */
struct apic_cpu {
	u32	id;
	u32	ldr, dfr;
	u8	part;
	bool	ldr_real;
	bool	runs;
	u8	mode;
};

struct apic_set {
	struct apic_cpu	*cpu;
	u32		nr;
};

#define APIC_DELIVERY_FIXED	0u
#define APIC_DELIVERY_LOWEST	1u
#define APIC_FIRST_VECTOR	0x10u

bool apic_owns(const struct apic_set *set, u32 part, u32 id);
bool x2apic_matches(u32 id, u32 destination);
bool apic_matches(const struct apic_cpu *cpu, u8 destination);
bool apic_message_ok(const struct apic_set *set, u32 part, u8 destination, bool logical,
		     u32 delivery, u32 vector);
bool msi_message_ok(const struct apic_set *set, u32 part, u64 address, u32 data);

#endif /* SHIM_APIC_H */
