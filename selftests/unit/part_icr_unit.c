// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interprocessor interrupts of two partitions: rows with whom each reaches.  TAP.  Run by
 * partition_test.py; part_icr_fuzz.c compares with what each CPU would say.
 */
#include "part_unit.h"
#include "../../arch/x86/shim/icr.h"

/* Both kernels have numbered their logical IDs from 1; the last of each does not run. */
static struct apic_cpu cpus[] = {
	{ .id = 0x00, .part = 0, .runs = true, .ldr = 0x01000000, .dfr = ~0u },
	{ .id = 0x02, .part = 0, .runs = true, .ldr = 0x02000000, .dfr = ~0u },
	{ .id = 0x04, .part = 0, .runs = false, .ldr = 0x04000000, .dfr = ~0u },
	{ .id = 0x01, .part = 1, .runs = true, .ldr = 0x01000000, .dfr = 0x0fffffff },
	{ .id = 0x03, .part = 1, .runs = true, .ldr = 0x12000000, .dfr = 0x0fffffff },
	{ .id = 0x13, .part = 1, .runs = false, .ldr = 0x11000000, .dfr = 0x0fffffff },
};

static struct apic_cpu x2apic[ARRAY_SIZE(cpus)];
static const struct apic_set x2apic_set = { x2apic, ARRAY_SIZE(cpus) };
static const struct apic_set set = { cpus, ARRAY_SIZE(cpus) };

/* The second kernel has x2APIC mode; one of its CPUs has none, and one of the first's has it. */
static struct apic_cpu mixed[] = {
	{ .id = 0x00, .part = 0, .runs = true, .ldr = 0x01000000, .dfr = ~0u },
	{ .id = 0x02, .part = 0, .runs = true, .ldr = 0x02000000, .dfr = ~0u },
	{ .id = 0x04, .part = 0, .runs = true, .ldr = 0x08000000, .dfr = ~0u, .mode = APIC_X2APIC },
	{ .id = 0x01, .part = 1, .runs = true, .mode = APIC_X2APIC },
	{ .id = 0x03, .part = 1, .runs = true, .mode = APIC_OFF },
	{ .id = 0x13, .part = 1, .runs = true, .mode = APIC_X2APIC },
};

static const struct apic_set mixed_set = { mixed, ARRAY_SIZE(mixed) };

struct row {
	const char *name;
	u8 self;			/* 0: of the first partition, 3: of the second */
	bool x2apic;
	u32 dest, low;
	enum icr_what what;
	u8 targets;			/* bit for each of cpus[] */
	bool denied;
};

#define SELF	0x40000u
#define ALL	0x80000u
#define OTHERS	0xc0000u
#define LOGICAL	0x800u

static const struct row rows[] = {
	{ "fixed to an own CPU", 0, false, 0x02, 0x40fd, ICR_FIXED, 0x02 },
	{ "fixed to itself", 3, false, 0x01, 0x40fd, ICR_FIXED, 0x08 },
	{ "fixed to a foreign CPU", 0, false, 0x01, 0x40fd, ICR_NOTHING, 0, true },
	{ "fixed to no CPU", 0, false, 0x77, 0x40fd, ICR_NOTHING, 0, true },
	{ "fixed to a CPU that is parked", 0, false, 0x04, 0x40fd, ICR_NOTHING },
	{ "fixed to all by 0xff", 3, false, 0xff, 0x40fd, ICR_FIXED, 0x18 },
	{ "fixed, self", 0, false, 0x01, SELF | 0x40f6, ICR_FIXED, 0x01 },
	{ "fixed, all", 0, false, 0x01, ALL | 0x40f6, ICR_FIXED, 0x03 },
	{ "fixed, all others", 0, false, 0x01, OTHERS | 0x40f6, ICR_FIXED, 0x02 },
	{ "fixed, all others, by the second", 3, false, 0, OTHERS | 0x40f6, ICR_FIXED, 0x10 },
	{ "vector 15", 0, false, 0x02, 0x400f, ICR_NOTHING, 0, true },
	{ "vector 16", 0, false, 0x02, 0x4010, ICR_FIXED, 0x02 },
	{ "lowest priority to all", 0, false, 0xff, 0x4131, ICR_FIXED, 0x01 },
	{ "lowest priority, all others", 0, false, 0, OTHERS | 0x4131, ICR_FIXED, 0x02 },
	{ "lowest priority, self", 0, false, 0, SELF | 0x4131, ICR_NOTHING, 0, true },
	{ "flat logical, one", 0, false, 0x02, LOGICAL | 0x40fd, ICR_FIXED, 0x02 },
	{ "flat logical, both", 0, false, 0x03, LOGICAL | 0x40fd, ICR_FIXED, 0x03 },
	{ "flat logical, all", 0, false, 0xff, LOGICAL | 0x40fd, ICR_FIXED, 0x03 },
	{ "flat logical, nobody", 0, false, 0x80, LOGICAL | 0x40fd, ICR_NOTHING },
	{ "flat logical, others only", 3, false, 0x44, LOGICAL | 0x40fd, ICR_NOTHING, 0, true },
	{ "cluster logical, one", 3, false, 0x12, LOGICAL | 0x40fd, ICR_FIXED, 0x10 },
	{ "cluster logical, all clusters", 3, false, 0xf3, LOGICAL | 0x40fd, ICR_FIXED, 0x18 },
	{ "cluster logical, another cluster", 3, false, 0x02, LOGICAL | 0x40fd,
	  ICR_NOTHING, 0, true },
	{ "NMI to an own CPU", 3, false, 0x03, 0x4400, ICR_NMI, 0x10 },
	{ "NMI to a foreign CPU", 3, false, 0x00, 0x4400, ICR_NOTHING, 0, true },
	{ "NMI, all others", 0, false, 0, OTHERS | 0x4400, ICR_NMI, 0x02 },
	{ "NMI, all", 0, false, 0, ALL | 0x4400, ICR_NOTHING, 0, true },
	{ "NMI, logical", 0, false, 0x03, LOGICAL | 0x4400, ICR_NMI, 0x03 },
	{ "INIT to an own CPU that is parked", 0, false, 0x04, 0xc500, ICR_INIT, 0x04 },
	{ "INIT to a foreign CPU", 0, false, 0x01, 0xc500, ICR_NOTHING, 0, true },
	{ "INIT, all others", 3, false, 0, OTHERS | 0xc500, ICR_INIT, 0x30 },
	{ "INIT, all", 3, false, 0, ALL | 0xc500, ICR_NOTHING, 0, true },
	{ "INIT ends", 0, false, 0x04, 0x8500, ICR_NOTHING },
	{ "INIT ends, all", 0, false, 0, ALL | 0x8500, ICR_NOTHING },
	{ "SIPI to an own CPU", 0, false, 0x04, 0x4699, ICR_SIPI, 0x04 },
	{ "SIPI to a foreign CPU", 0, false, 0x13, 0x4699, ICR_NOTHING, 0, true },
	{ "SIPI, all others", 3, false, 0, OTHERS | 0x4610, ICR_SIPI, 0x30 },
	{ "SMI", 0, false, 0x02, 0x4200, ICR_NOTHING, 0, true },
	{ "SMI, all others", 0, false, 0, OTHERS | 0x4200, ICR_NOTHING, 0, true },
	{ "reserved mode", 0, false, 0x02, 0x4340, ICR_NOTHING, 0, true },
	{ "ExtINT", 0, false, 0x02, 0x4740, ICR_NOTHING, 0, true },
	{ "reserved bits", 0, false, 0x02, 0xfff03000 | 0x40fd, ICR_FIXED, 0x02 },
};

/* Of the same CPUs in x2APIC mode. */
static const struct row x2apic_rows[] = {
	{ "x2APIC: fixed", 3, true, 0x03, 0x40fd, ICR_FIXED, 0x10 },
	{ "x2APIC: ID of xAPIC", 3, true, 0x03000000, 0x40fd, ICR_NOTHING, 0, true },
	{ "x2APIC: foreign", 3, true, 0x02, 0x40fd, ICR_NOTHING, 0, true },
	{ "x2APIC: 0xff is a CPU", 3, true, 0xff, 0x40fd, ICR_NOTHING, 0, true },
	{ "x2APIC: all", 3, true, ~0u, 0x40fd, ICR_FIXED, 0x18 },
	{ "x2APIC: logical", 3, true, 0x0000000a, LOGICAL | 0x40fd, ICR_FIXED, 0x18 },
	{ "x2APIC: logical, next cluster", 3, true, 0x00010008, LOGICAL | 0xc500,
	  ICR_INIT, 0x20 },
	{ "x2APIC: logical, others only", 3, true, 0x00000005, LOGICAL | 0x40fd,
	  ICR_NOTHING, 0, true },
	{ "x2APIC: logical, all", 3, true, ~0u, LOGICAL | 0x40fd, ICR_FIXED, 0x18 },
	{ "x2APIC: reserved bit 13", 3, true, 0x03, 0x60fd, ICR_FAULT },
	{ "x2APIC: reserved bit 16", 3, true, 0x03, 0x140fd, ICR_FAULT },
	{ "x2APIC: reserved bit 31", 3, true, 0x03, 0x800040fd, ICR_FAULT },
	{ "x2APIC: delivery status", 3, true, 0x03, 0x50fd, ICR_FIXED, 0x10 },
};

/* Of mixed[]. */
static const struct row mixed_rows[] = {
	{ "fixed, all others", 3, true, 0, OTHERS | 0x40fd, ICR_FIXED, 0x20 },
	{ "fixed, all", 3, true, 0, ALL | 0x40fd, ICR_FIXED, 0x28 },
	{ "fixed, self", 5, true, 0, SELF | 0x40fd, ICR_FIXED, 0x20 },
	{ "all by the ID", 3, true, ~0u, 0x40fd, ICR_FIXED, 0x28 },
	{ "all by the logical ID", 3, true, ~0u, LOGICAL | 0x40fd, ICR_FIXED, 0x28 },
	{ "0xff is no broadcast", 3, true, 0xff, 0x4400, ICR_NOTHING, 0, true },
	{ "INIT, all others", 3, true, 0, OTHERS | 0x4500, ICR_INIT, 0x20 },
	{ "NMI, all others", 5, true, 0, OTHERS | 0x4400, ICR_NMI, 0x08 },
	{ "NMI to one that is off", 3, true, 0x03, 0x4400, ICR_NOTHING },
	{ "INIT to one that is off", 3, true, 0x03, 0x4500, ICR_NOTHING },
	{ "SIPI to one", 3, true, 0x13, 0x4699, ICR_SIPI, 0x20 },
	{ "foreign by its ID", 3, true, 0x02, 0x4500, ICR_NOTHING, 0, true },
	{ "foreign by its cluster", 3, true, 0x00000010, LOGICAL | 0x4500,
	  ICR_NOTHING, 0, true },
	{ "own and foreign by the cluster", 3, true, 0x00000012, LOGICAL | 0x40fd,
	  ICR_FIXED, 0x08 },
	{ "cluster 1", 3, true, 0x00010008, LOGICAL | 0x40fd, ICR_FIXED, 0x20 },
	{ "foreign xAPIC by a cluster", 3, true, 0x00000004, LOGICAL | 0x40fd,
	  ICR_NOTHING, 0, true },
	{ "no cluster of one that is off", 3, true, 0x00000008, LOGICAL | 0x40fd, ICR_NOTHING },
	{ "xAPIC: all by the ID", 0, false, 0xff, 0x40fd, ICR_FIXED, 0x07 },
	{ "xAPIC: x2APIC by its ID", 0, false, 0x04, 0x40fd, ICR_FIXED, 0x04 },
	{ "xAPIC: x2APIC by its cluster", 0, false, 0x10, LOGICAL | 0x40fd, ICR_FIXED, 0x04 },
	{ "xAPIC: not by a logical ID of before", 0, false, 0x08, LOGICAL | 0x40fd,
	  ICR_NOTHING },
	{ "xAPIC: x2APIC of the other side", 0, false, 0x13, 0x4400, ICR_NOTHING, 0, true },
};

static struct icr_result result;

static void test_set(const char *what, const struct apic_set *set, const struct row *rows,
		     size_t nr)
{
	const struct apic_cpu *cpus = set->cpu;
	char name[80];
	size_t i;
	u32 k;

	for (i = 0; i < nr; i++) {
		const struct row *row = &rows[i];
		u64 high = row->x2apic ? row->dest : row->dest << 24;
		struct denied denied = { };
		bool good;

		icr_filter(set, cpus[row->self].part, row->self, high << 32 | row->low,
			   row->x2apic, &result, &denied);
		good = result.what == row->what && total_denied(&denied) == row->denied;
		good &= result.vector == (row->low & 0xff);
		for (k = 0; k < set->nr; k++)
			good &= icr_has_target(&result, k) ==
				(row->what == ICR_FAULT ? 0 : row->targets >> k & 1);
		snprintf(name, sizeof(name), "%s: %s", what, row->name);
		ok(good, name);
	}
}

/* As many as there is room for, and one more. */
static void test_many(void)
{
	static struct apic_cpu many[ICR_MAX_CPUS + 1];
	struct apic_set large = { many, ICR_MAX_CPUS };
	struct denied denied = { };
	u32 i, n = 0;

	for (i = 0; i <= ICR_MAX_CPUS; i++)
		many[i] = (struct apic_cpu){ .id = 2 * i, .part = i & 1, .runs = true };
	icr_filter(&large, 1, 1, 0xc40fd, true, &result, &denied);
	for (i = 0; i < ICR_MAX_CPUS; i++)
		n += icr_has_target(&result, i);
	ok(result.what == ICR_FIXED && n == ICR_MAX_CPUS / 2 - 1 &&
	   icr_has_target(&result, ICR_MAX_CPUS - 1), "ICR: on many CPUs");
	large.nr++;
	icr_filter(&large, 1, 1, 0xc40fd, true, &result, &denied);
	ok(result.what == ICR_NOTHING, "ICR: on too many");
}

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cpus); i++) {
		x2apic[i] = cpus[i];
		x2apic[i].mode = APIC_X2APIC;
	}
	test_set("ICR", &set, rows, ARRAY_SIZE(rows));
	test_set("ICR", &x2apic_set, x2apic_rows, ARRAY_SIZE(x2apic_rows));
	test_set("ICR of mixed modes", &mixed_set, mixed_rows, ARRAY_SIZE(mixed_rows));
	test_many();
	return finish();
}
