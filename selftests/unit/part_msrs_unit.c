// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs of two partitions.  TAP.  Run by partition_test.py.
 */
#include "part_unit.h"
#include "../../arch/x86/shim/msrs.h"

struct row {
	const char *name;
	u32 msr;
	enum msr_answer read, write, same;	/* of another value, of the value it has */
};

#define PASSES	MSR_DO, MSR_DO, MSR_DO
#define DROPS	MSR_DO, MSR_IGNORE, MSR_IGNORE
#define MEMORY	MSR_MEMORY, MSR_MEMORY, MSR_MEMORY
#define EMULATE	MSR_EMULATE, MSR_EMULATE, MSR_EMULATE
#define WRITES	MSR_DO, MSR_EMULATE, MSR_EMULATE

/* One or more of each group, and its neighbours that are a CPU's own. */
static const struct row rows[] = {
	{ "TSC", 0x10, DROPS }, { "platform ID", 0x17, PASSES },
	{ "APIC base", 0x1b, EMULATE }, { "feature control", 0x3a, DROPS },
	{ "TSC adjust", 0x3b, DROPS }, { "SPEC_CTRL", 0x48, PASSES },
	{ "PRED_CMD", 0x49, PASSES }, { "protected inventory number", 0x4e, DROPS },
	{ "microcode", 0x79, DROPS }, { "its revision", 0x8b, PASSES },
	{ "SGX key", 0x8f, DROPS }, { "SMM monitor", 0x9b, DROPS },
	{ "counter", 0xc1, PASSES }, { "C-states", 0xe2, DROPS },
	{ "C-state port", 0xe4, DROPS }, { "MPERF", 0xe7, PASSES },
	{ "flush", 0x10b, PASSES }, { "TSX", 0x122, PASSES },
	{ "AES lock", 0x13c, DROPS }, { "voltage", 0x150, DROPS },
	{ "SYSENTER", 0x174, PASSES }, { "machine check", 0x17a, PASSES },
	{ "event", 0x186, PASSES }, { "performance state", 0x199, PASSES },
	{ "misc enable", 0x1a0, DROPS }, { "temperature", 0x1a2, DROPS },
	{ "prefetchers", 0x1a4, PASSES }, { "offcore", 0x1a6, PASSES },
	{ "power of the package", 0x1aa, DROPS }, { "turbo", 0x1ad, DROPS },
	{ "energy bias", 0x1b0, MEMORY }, { "thermal log of the package", 0x1b1, DROPS },
	{ "thermal interrupt of the package", 0x1b2, MEMORY }, { "debug", 0x1d9, PASSES },
	{ "SMM range", 0x1f3, DROPS }, { "power control", 0x1fc, DROPS },
	{ "MTRR", 0x200, PASSES }, { "corrected machine checks", 0x280, PASSES },
	{ "PAT", 0x277, PASSES }, { "MTRR default", 0x2ff, PASSES },
	{ "SGX epoch", 0x300, DROPS }, { "fixed counter", 0x309, PASSES },
	{ "all counters", 0x38f, PASSES }, { "counters in use", 0x392, PASSES },
	{ "uncore", 0x394, DROPS }, { "uncore counter", 0x3b0, DROPS },
	{ "PEBS", 0x3f1, PASSES }, { "machine-check bank", 0x401, PASSES },
	{ "VMX", 0x480, PASSES }, { "counter, full width", 0x4c1, PASSES },
	{ "SMM feature", 0x4e0, DROPS }, { "trace buffer", 0x560, DROPS },
	{ "trace control", 0x570, DROPS }, { "debug store", 0x600, PASSES },
	{ "power limit", 0x610, DROPS }, { "uncore clock", 0x620, DROPS },
	{ "TDP", 0x64b, DROPS }, { "last branch", 0x680, PASSES },
	{ "limit reasons", 0x6b0, DROPS }, { "deadline", 0x6e0, PASSES },
	{ "U-box", 0x703, DROPS }, { "HWP on", 0x770, DROPS },
	{ "HWP of the package", 0x772, DROPS }, { "HWP of the CPU", 0x774, PASSES },
	{ "x2APIC ID", 0x802, PASSES }, { "x2APIC EOI", 0x80b, PASSES },
	{ "x2APIC LDR", 0x80d, PASSES }, { "x2APIC spurious", 0x80f, PASSES },
	{ "x2APIC ISR", 0x810, PASSES }, { "x2APIC ESR", 0x828, PASSES },
	{ "x2APIC CMCI", 0x82f, WRITES }, { "x2APIC ICR", 0x830, EMULATE },
	{ "x2APIC ICR, no high half", 0x831, PASSES }, { "x2APIC timer", 0x832, WRITES },
	{ "x2APIC thermal", 0x833, WRITES }, { "x2APIC counters", 0x834, WRITES },
	{ "x2APIC LINT0", 0x835, WRITES }, { "x2APIC LINT1", 0x836, WRITES },
	{ "x2APIC error", 0x837, WRITES }, { "x2APIC count", 0x838, PASSES },
	{ "x2APIC divide", 0x83e, PASSES }, { "x2APIC self", 0x83f, PASSES },
	{ "memory encryption", 0x982, DROPS }, { "user interrupts", 0x985, DROPS },
	{ "their targets", 0x98a, DROPS }, { "none behind them", 0x98b, PASSES },
	{ "key locker's backup", 0xd91, DROPS }, { "back from it", 0xd92, DROPS },
	{ "PASID", 0xd93, PASSES }, { "duty cycles of the package", 0xdb0, DROPS },
	{ "duty cycles of the CPU", 0xdb1, PASSES },
	{ "cache allocation on", 0xc81, DROPS },
	{ "monitoring", 0xc8d, PASSES }, { "class of the CPU", 0xc8f, PASSES },
	{ "cache ways", 0xc90, DROPS }, { "bandwidth", 0xd50, DROPS },
	{ "XSS", 0xda0, PASSES }, { "C-box", 0xe01, DROPS },
	{ "hardware feedback", 0x17d0, DROPS }, { "thread feedback", 0x17d4, PASSES },
	{ "uncore discovery", 0x2000, DROPS }, { "EFER", 0xc0000080, PASSES },
	{ "GS base", 0xc0000102, PASSES }, { "none", 0xffffffff, PASSES },
};

static bool keeps(u32 msr)
{
	return msr == 0x3a || msr == 0x3b || msr == 0x1a0 || msr == 0x770;
}

static void test_rows(void)
{
	char name[80];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		struct denied other = { }, same = { };
		bool drops = row->write == MSR_IGNORE;

		snprintf(name, sizeof(name), "MSR: %s", row->name);
		ok(msr_read(row->msr) == row->read &&
		   msr_write(row->msr, 5, 7, &other) == row->write &&
		   msr_write(row->msr, 7, 7, &same) == row->same &&
		   total_denied(&other) == drops &&
		   total_denied(&same) == (drops && !keeps(row->msr)) &&
		   !msr_name(row->msr) == (row->write == MSR_DO), name);
	}
}

/* Bit for bit what the rules say, and nothing else is touched. */
static void test_bitmap(void)
{
	static u8 bitmap[MSR_BITMAP_SIZE];
	bool exact = true, ours = true;
	u32 msr, bits = 0, i;

	msr_fill_bitmap(bitmap, false);
	for (msr = 0; msr < 0x2000; msr++) {
		bool reads = bitmap[msr / 8] >> msr % 8 & 1;
		bool writes = bitmap[2048 + msr / 8] >> msr % 8 & 1;

		exact &= reads == (msr_read(msr) != MSR_DO);
		exact &= writes == (msr_rule(msr) != MSR_PASS);
	}
	for (i = 0; i < 1024; i++)
		bits += bitmap[1024 + i] | bitmap[3072 + i];
	ok(exact && !bits, "bitmap: exactly what is not the CPU's own exits");
	memset(bitmap, 0, sizeof(bitmap));
	msr_fill_bitmap(bitmap, true);
	for (exact = true, i = 0; i < sizeof(bitmap); i++)
		exact &= bitmap[i] == (i % 2048 == 0x1b / 8 ? 1 << 0x1b % 8 :
				       i % 2048 == 0x830 / 8 ? 1 << 0x830 % 8 : 0);
	ok(exact, "bitmap: who has the machine starts CPUs through the shim");
	memset(bitmap, 0xff, sizeof(bitmap));
	msr_fill_bitmap(bitmap, false);
	for (i = 0; i < sizeof(bitmap); i++)
		ours &= bitmap[i] == 0xff;
	ok(ours, "bitmap: what exits for other reasons still does");
}

static void test_lists(void)
{
	struct denied denied = { };
	bool good = true;
	u32 msr, n = 0;

	for (msr = 0; msr < 0x4000; msr++) {
		bool may = msr_list_entry_ok(msr, &denied);

		good &= may == (msr_rule(msr) == MSR_PASS);
		n += !may;
	}
	ok(good && denied.count[DENIED_MSR_LIST] == n && total_denied(&denied) == n,
	   "list: no MSR with a rule");
	memset(&denied, 0, sizeof(denied));
	for (n = 0, msr = 0; msr < 0x4000; msr++) {
		bool may = msr_exit_entry_ok(msr, true, &denied);

		good &= may == (msr_rule(msr) == MSR_PASS && msr != 0x1d9 && msr != 0x38f);
		n += !may;
	}
	ok(good && denied.count[DENIED_MSR_LIST] == n && total_denied(&denied) == n,
	   "list: nor one by which the shim itself would be traced");
	ok(msr_exit_entry_ok(0x38f, false, &denied) && !msr_exit_entry_ok(0x1d9, false, &denied) &&
	   !msr_exit_entry_ok(0x10, false, &denied),
	   "list: counters, where there is no other way");
}

struct base_row {
	const char *name;
	u64 real, value, want;
	enum msr_answer answer;
};

#define XAPIC	0xfee00800ull
#define X2APIC	0xfee00c00ull
#define OFF	0xfee00000ull
#define BSP	0x100ull

static const struct base_row base_rows[] = {
	{ "the same", XAPIC, XAPIC, XAPIC, MSR_DO },
	{ "BSP set", XAPIC, XAPIC | BSP, XAPIC, MSR_DO },
	{ "BSP cleared", XAPIC | BSP, XAPIC, XAPIC | BSP, MSR_DO },
	{ "to x2APIC", XAPIC, X2APIC | BSP, X2APIC, MSR_DO },
	{ "x2APIC again", X2APIC | BSP, X2APIC, X2APIC | BSP, MSR_DO },
	{ "back to xAPIC", X2APIC, XAPIC, X2APIC, MSR_FAULT },
	{ "off", XAPIC, OFF, OFF, MSR_DO },
	{ "off from x2APIC", X2APIC | BSP, OFF, OFF | BSP, MSR_DO },
	{ "off again", OFF, OFF | BSP, OFF, MSR_DO },
	{ "on", OFF, XAPIC, XAPIC, MSR_DO },
	{ "x2APIC at once", OFF, X2APIC, OFF, MSR_FAULT },
	{ "x2APIC without xAPIC", XAPIC, OFF | 0x400, XAPIC, MSR_FAULT },
	{ "... from x2APIC", X2APIC, OFF | 0x400, X2APIC, MSR_FAULT },
	{ "... from off", OFF, OFF | 0x400, OFF, MSR_FAULT },
	{ "elsewhere", XAPIC, 0xfed00800, XAPIC, MSR_IGNORE },
	{ "elsewhere, x2APIC", XAPIC, 0xfed00c00, XAPIC, MSR_IGNORE },
	{ "elsewhere, off", X2APIC, 0xfed00000, X2APIC, MSR_IGNORE },
	{ "elsewhere, on", OFF, 0xfed00800, OFF, MSR_IGNORE },
	{ "elsewhere, and no state", XAPIC, 0xfed00400, XAPIC, MSR_FAULT },
	{ "above 4 GiB", XAPIC, XAPIC | BIT(36), XAPIC, MSR_IGNORE },
	{ "reserved bit 0", XAPIC, XAPIC | 1, XAPIC, MSR_FAULT },
	{ "reserved bit 9", XAPIC, XAPIC | 0x200, XAPIC, MSR_FAULT },
};

static void test_apic_base(void)
{
	char name[80];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(base_rows); i++) {
		const struct base_row *row = &base_rows[i];
		struct denied denied = { };
		u64 real = row->real;
		enum msr_answer answer = msr_apic_base(&real, row->value, &denied);

		snprintf(name, sizeof(name), "APIC base: %s", row->name);
		ok(answer == row->answer && real == row->want &&
		   total_denied(&denied) == (answer == MSR_IGNORE), name);
	}
}

int main(int argc, char **argv)
{
	test_rows();
	test_bitmap();
	test_lists();
	test_apic_base();
	return finish();
}
