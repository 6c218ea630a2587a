// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which local APICs a destination means (SDM 3A, 11.6.2), and whether a device may
 * interrupt them.
 */
#include "apic.h"

#define BROADCAST		0xffu
#define DFR_FLAT		0xfu		/* its highest four bits; cluster: 0 */

#define MSI_ADDRESS		0xfee00000ull
#define MSI_ADDRESS_MASK	(~0xfffffull)
#define MSI_LOGICAL		BIT(2)		/* with the redirection hint, bit 3, or not */

bool apic_owns(const struct apic_set *set, u32 part, u32 id)
{
	u32 i;

	for (i = 0; i < set->nr; i++)
		if (set->cpu[i].id == id)
			return set->cpu[i].part == part;
	return false;
}

/* The logical ID of x2APIC mode: a cluster of 16, and a bit in it (11.12.10.2). */
bool x2apic_matches(u32 id, u32 destination)
{
	return id >> 4 == destination >> 16 && destination >> (id & 15) & 1;
}

/* A logical destination of eight bits, against what @cpu has in LDR and DFR. */
bool apic_matches(const struct apic_cpu *cpu, u8 destination)
{
	u8 ldr = cpu->ldr >> 24;

	if (cpu->mode == APIC_OFF)
		return false;
	if (destination == BROADCAST)
		return true;
	if (cpu->mode == APIC_X2APIC)
		return x2apic_matches(cpu->id, destination);
	if (cpu->dfr >> 28 == DFR_FLAT)
		return ldr & destination;
	return (destination >> 4 == ldr >> 4 || destination >> 4 == 0xf) &&
	       ldr & destination & 0xf;
}

/* APICs themselves compare, so only what is in them counts: own ones, and nobody else's. */
static bool logical_ok(const struct apic_set *set, u32 part, u8 destination)
{
	bool any = false;
	u32 i;

	if (destination == BROADCAST)
		return false;
	for (i = 0; i < set->nr; i++) {
		if (!(set->cpu[i].ldr_real || set->cpu[i].mode == APIC_X2APIC) ||
		    !apic_matches(&set->cpu[i], destination))
			continue;
		if (set->cpu[i].part != part)
			return false;
		any = true;
	}
	return any;
}

/* An interrupt that the chipset or a device sends. */
bool apic_message_ok(const struct apic_set *set, u32 part, u8 destination, bool logical,
		     u32 delivery, u32 vector)
{
	if (delivery != APIC_DELIVERY_FIXED && delivery != APIC_DELIVERY_LOWEST)
		return false;
	if (vector < APIC_FIRST_VECTOR)
		return false;
	return logical ? logical_ok(set, part, destination) :
			 destination != BROADCAST && apic_owns(set, part, destination);
}

/* Message-signaled interrupts (SDM 3A, 11.11). */
bool msi_message_ok(const struct apic_set *set, u32 part, u64 address, u32 data)
{
	return (address & MSI_ADDRESS_MASK) == MSI_ADDRESS &&
	       apic_message_ok(set, part, address >> 12, address & MSI_LOGICAL,
			       data >> 8 & 7, data & 0xff);
}
