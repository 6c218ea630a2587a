/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What nvx-pressure and its guest agree on.  Virtual equals physical.  Only plain
 * constants may stand outside of the __ASSEMBLER__ guard.
 */
#ifndef SELFTESTS_PRESSURE_H
#define SELFTESTS_PRESSURE_H

/* Guest-physical layout: what the guest needs itself, and the memory it checks. */
#define GUEST_PML4		0x1000
#define GUEST_PDPT		0x2000
#define GUEST_PD		0x3000
#define GUEST_CTL		0x4000
#define GUEST_GENERATIONS	0x8000
#define GUEST_CODE		0x10000
#define GUEST_STACK_TOP		0x80000
#define GUEST_LOW_SIZE		0x100000
#define GUEST_MAIN		0x1000000
#define GUEST_SAME		0x2000000
#define GUEST_BALLOON		0x3000000
#define GUEST_ELSEWHERE		0x10000000	/* where a slot is moved to, and back */

#define MAIN_PAGES		2048
#define SAME_PAGES		256
#define BALLOON_PAGES		256
#define BALLOON_STEP		32	/* pages that are given back in one pass */
#define CODE_SELECTOR		0x08
#define DATA_SELECTOR		0x10

/* Ports: a pass is complete; take this page away; something is wrong. */
#define PORT_PASS		0xb1
#define PORT_FREE		0xb4
#define PORT_BAD		0xb5

#ifndef __ASSEMBLER__

#include <stdint.h>

#define PAGE_SIZE		4096ull

/* Lives at GUEST_CTL.  The host writes the first part, the guest the second. */
struct pressure_ctl {
	uint64_t balloon;	/* give pages back */
	uint64_t same;		/* generation of the pages that are all equal */

	uint64_t passes;
	uint64_t bad_gpa;
	uint64_t bad_got;
	uint64_t bad_want;
};

#endif /* __ASSEMBLER__ */
#endif /* SELFTESTS_PRESSURE_H */
