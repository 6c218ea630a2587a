// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: writes of the ICR on a machine with random CPUs, against what each CPU by
 * itself would say to it.
 */
#include "part_denied.h"
#include "part_fuzz.h"
#include "../../arch/x86/shim/icr.h"

#define MAX_CPUS	80

static struct apic_cpu cpus[MAX_CPUS];
static struct apic_set set = { cpus, 0 };

static void random_cpus(struct input *input)
{
	u32 id = take8(input) & 15, i;

	set.nr = 1 + take8(input) % MAX_CPUS;
	for (i = 0; i < set.nr; i++) {
		u8 how = take8(input);

		cpus[i].id = id;
		cpus[i].part = how & 1;
		cpus[i].runs = how & 6;
		cpus[i].ldr = (u32)take8(input) << 24;
		cpus[i].dfr = how & 8 ? ~0u : 0x0fffffff;
		cpus[i].mode = take8(input) % 3;
		/* Unique, and above 255 at last. */
		id += 1 + (how >> 4) % 6;
	}
}

/* Does the CPU take itself for a destination? */
static bool means_me(u32 me, u32 self, u64 icr, bool x2apic)
{
	u32 shorthand = (u32)icr / 0x40000 % 4, mda = x2apic ? icr >> 32 : icr >> 56;
	u32 ldr = cpus[me].ldr >> 24, id = cpus[me].id;

	if (cpus[me].mode == APIC_OFF)
		return false;
	if (shorthand)
		return shorthand == 2 || (shorthand == 1) == (me == self);
	if (mda == (x2apic ? 0xffffffff : 0xff))
		return true;
	if (!(icr & 0x800))
		return mda == id;
	if (x2apic && cpus[me].mode != APIC_X2APIC)
		return false;
	if (cpus[me].mode == APIC_X2APIC) {
		u32 logical_id = id / 16 << 16 | 1u << id % 16;

		return (mda ^ logical_id) < 0x10000 && mda & logical_id & 0xffff;
	}
	if (cpus[me].dfr == ~0u)
		return mda & ldr;
	return (mda / 16 == 15 || mda / 16 == ldr / 16) && mda % 16 & ldr % 16;
}

/* SDM, valid combinations of the ICR; and no SMI here. */
static bool is_allowed(u64 icr)
{
	static const char *const modes[4] = { "01456", "0", "0", "01456" };
	u32 shorthand = icr >> 18 & 3, mode = icr >> 8 & 7;

	return strchr(modes[shorthand], '0' + mode) && (mode > 1 || (icr & 0xff) >= 16);
}

static enum icr_what event(u64 icr)
{
	static const enum icr_what events[8] = {
		ICR_FIXED, ICR_FIXED, ICR_NOTHING, ICR_NOTHING, ICR_NMI, ICR_INIT, ICR_SIPI,
	};

	return events[icr >> 8 & 7];
}

static void compare(u32 self, u64 icr, const struct icr_result *result, bool x2apic, bool denied)
{
	bool deassert = (icr >> 8 & 7) == 5 && (icr & 0xc000) == 0x8000;
	u32 means = 0, foreign = 0, got = 0, i;

	for (i = 0; i < set.nr; i++) {
		bool me = !deassert && is_allowed(icr) && means_me(i, self, icr, x2apic);
		bool own = cpus[i].part == cpus[self].part;

		foreign += me && !own;
		if (icr_has_target(result, i)) {
			got++;
			must(own, "no foreign CPU");
			must(me, "no CPU that is not meant");
			must(event(icr) > ICR_NMI || cpus[i].runs, "no CPU that is parked");
		}
		means += me && own && (event(icr) > ICR_NMI || cpus[i].runs);
	}
	must((icr >> 8 & 7) == 1 ? got == !!means : got == means, "all CPUs that are meant");
	must(result->what == (got ? event(icr) : ICR_NOTHING), "the event that is meant");
	must(!denied || !got, "what is denied reaches nobody");
	must(denied || deassert || is_allowed(icr), "what is not allowed is counted");
	/* Counted if it was for others only; a logical one for nobody is just lost. */
	if (got == 0 && foreign && !(icr >> 18 & 3)) {
		bool own = false;

		for (i = 0; i < set.nr; i++)
			own |= cpus[i].part == cpus[self].part && means_me(i, self, icr, x2apic);
		must(denied == !own, "what was for others only is counted");
	}
}

int fuzz_one_input(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct icr_result result;

	random_cpus(&input);
	while (input.left) {
		u8 what = take8(&input);
		u32 self = take8(&input) % set.nr, low = take32(&input), high = take32(&input);
		struct denied denied = { };
		bool x2apic = what & 1;
		u64 icr;

		/* Mostly what makes sense. */
		if (what & 2)
			low &= 0xcfff;
		if (what & 4)
			low &= ~0x2000u & 0xfffff;
		if (what & 8)
			high = x2apic ? cpus[high % set.nr].id : cpus[high % set.nr].id << 24;
		else if (what & 16 && x2apic)
			high = high & 0x1fffff;
		else if (what & 32)		/* what means all, or once did */
			high = what & 64 ? ~0u : 0xff;
		icr = (u64)high << 32 | low;
		icr_filter(&set, cpus[self].part, self, icr, x2apic, &result, &denied);
		if (x2apic && icr & 0xfff32000) {
			must(result.what == ICR_FAULT, "reserved bits fault");
			continue;
		}
		compare(self, icr, &result, x2apic, total_denied(&denied));
	}
	return 0;
}
