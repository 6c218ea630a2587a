// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a CPU writes to its ICR: xAPIC's two registers as one, or MSR 830h of x2APIC (SDM 3A,
 * 11.6.1 and 11.12.9).  Destinations are found among the partition's own CPUs as if there were
 * no others, and each is then sent to by itself: shorthands, broadcasts and logical
 * destinations never get to the hardware.
 */
#include "icr.h"

#define ICR_LOGICAL		BIT(11)
#define ICR_ASSERT		BIT(14)
#define ICR_LEVEL		BIT(15)
#define ICR_RESERVED		(0xfff00000ull | BIT(17) | BIT(16) | BIT(13))

enum { MODE_FIXED, MODE_LOWEST, MODE_SMI, MODE_RESERVED, MODE_NMI, MODE_INIT, MODE_SIPI };
enum { TO_DESTINATION, TO_SELF, TO_ALL, TO_OTHERS };

#define MODES(shorthand)	((shorthand) == TO_OTHERS ? \
				 1u << MODE_FIXED | 1u << MODE_LOWEST | 1u << MODE_NMI | \
				 1u << MODE_INIT | 1u << MODE_SIPI : 1u << MODE_FIXED)

struct icr_request {
	u32	mode, shorthand, destination;
	bool	logical, x2apic;
};

/* In x2APIC mode a logical destination means CPUs in that mode. */
static bool matches(const struct apic_cpu *cpu, const struct icr_request *request)
{
	u32 all = request->x2apic ? ~0u : 0xff;

	if (request->destination == all)
		return true;
	if (!request->logical)
		return cpu->id == request->destination;
	if (request->x2apic)
		return cpu->mode == APIC_X2APIC && x2apic_matches(cpu->id, request->destination);
	return apic_matches(cpu, request->destination);
}

static void set_target(struct icr_result *result, u32 cpu)
{
	result->target[cpu / 64] |= BIT(cpu % 64);
}

/* Return: how many there are.  An APIC that is off hears nothing. */
static u32 find_targets(const struct apic_set *set, u32 part, u32 self,
			const struct icr_request *request, struct icr_result *result)
{
	u32 i, n = 0;

	for (i = 0; i < set->nr; i++) {
		bool hit = request->shorthand == TO_SELF ? i == self :
			   request->shorthand == TO_ALL ? true :
			   request->shorthand == TO_OTHERS ? i != self :
			   matches(&set->cpu[i], request);

		if (!hit || set->cpu[i].part != part || set->cpu[i].mode == APIC_OFF)
			continue;
		set_target(result, i);
		n++;
	}
	return n;
}

/*
 * None of the partition's CPUs is meant: is another one?  A cluster counts whatever the mode of the
 * CPUs that would be in it.
 */
static bool is_foreign(const struct apic_set *set, u32 part, const struct icr_request *request)
{
	u32 i;

	if (request->shorthand != TO_DESTINATION)
		return false;
	/* A physical ID of nobody is not the partition's either. */
	if (!request->logical)
		return !apic_owns(set, part, request->destination);
	for (i = 0; i < set->nr; i++) {
		if (set->cpu[i].part == part)
			continue;
		if (matches(&set->cpu[i], request) ||
		    (request->x2apic && x2apic_matches(set->cpu[i].id, request->destination)))
			return true;
	}
	return false;
}

/* A CPU that does not run has no use for an interrupt; a lowest-priority one is for one. */
static u32 keep_running(const struct apic_set *set, bool one, struct icr_result *result)
{
	u32 i, n = 0;

	for (i = 0; i < set->nr; i++) {
		if (!icr_has_target(result, i))
			continue;
		if (!set->cpu[i].runs || (one && n))
			result->target[i / 64] &= ~BIT(i % 64);
		else
			n++;
	}
	return n;
}

static enum icr_what event_of(u32 mode)
{
	switch (mode) {
	case MODE_FIXED:
	case MODE_LOWEST:
		return ICR_FIXED;
	case MODE_NMI:
		return ICR_NMI;
	case MODE_INIT:
		return ICR_INIT;
	case MODE_SIPI:
		return ICR_SIPI;
	default:
		return ICR_NOTHING;
	}
}

/* False: it is denied, or is nothing in any case. */
static bool is_valid(const struct icr_request *request, u64 icr, struct denied *denied)
{
	u32 mode = request->mode;

	/* INIT, level, not asserted: no event since the Pentium 4. */
	if (mode == MODE_INIT && icr & ICR_LEVEL && !(icr & ICR_ASSERT))
		return false;
	if (event_of(mode) == ICR_NOTHING)
		return deny(denied, DENIED_ICR_MODE);
	if (request->shorthand != TO_DESTINATION &&
	    !(MODES(request->shorthand) >> mode & 1))
		return deny(denied, DENIED_ICR_MODE);
	if (event_of(mode) == ICR_FIXED && (icr & 0xff) < APIC_FIRST_VECTOR)
		return deny(denied, DENIED_ICR_VECTOR);
	return true;
}

/*
 * @self: the place in the set of the CPU that writes.
 * @icr: with xAPIC the high register in bits 63:32.
 */
void icr_filter(const struct apic_set *set, u32 part, u32 self, u64 icr, bool x2apic,
		struct icr_result *result, struct denied *denied)
{
	struct icr_request request = {
		.mode = icr >> 8 & 7,
		.shorthand = icr >> 18 & 3,
		.destination = x2apic ? icr >> 32 : icr >> 56,
		.logical = icr & ICR_LOGICAL,
		.x2apic = x2apic,
	};
	u32 i, n;

	for (i = 0; i < ARRAY_SIZE(result->target); i++)
		result->target[i] = 0;
	result->vector = icr;
	result->what = ICR_NOTHING;
	if (x2apic && icr & ICR_RESERVED) {
		result->what = ICR_FAULT;
		return;
	}
	if (set->nr > ICR_MAX_CPUS || !is_valid(&request, icr, denied))
		return;
	n = find_targets(set, part, self, &request, result);
	if (!n && is_foreign(set, part, &request))
		deny(denied, DENIED_ICR_FOREIGN);
	if (n && event_of(request.mode) <= ICR_NMI)
		n = keep_running(set, request.mode == MODE_LOWEST, result);
	if (n)
		result->what = event_of(request.mode);
}
