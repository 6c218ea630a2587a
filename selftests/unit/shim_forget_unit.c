// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a kernel and its VMs have left in a CPU that is to run another one: forget.c on a CPU that
 * is made up, with different sets of registers.  TAP.  Run by shim_test.py.
 */
#include <stdio.h>
#include <string.h>

#include "../../arch/x86/shim/shim.h"

#define CR4		(X86_CR4_PAE | X86_CR4_VMXE)
#define CR4_OSFXSR	BIT(9)
#define CR4_OSXSAVE	BIT(18)
#define XCR0_ALL	0x2e7		/* states 0 to 2, 5 to 7 and 9 */
#define MAX_WRITTEN	512

static struct {
	bool xsave, has_msrs;
	u64 cr4, xcr0;
	bool fxregs, xregs, all_ept, all_vpid, debug;	/* forgotten */
	bool wrong;					/* it would fault */
	u32 nr_written;
	struct {
		u32 msr;
		u64 value;
	} written[MAX_WRITTEN];
} hw;

/* ---- the CPU */

int invept(u64 type, const struct vmx_descriptor *desc)
{
	hw.all_ept |= type == INV_ALL && !desc->low && !desc->high;
	return VMX_SUCCEED;
}

int invvpid(u64 type, const struct vmx_descriptor *desc)
{
	hw.all_vpid |= type == INV_ALL && !desc->low && !desc->high;
	return VMX_SUCCEED;
}

bool wrmsr_safe(u32 msr, u32 low, u32 high)
{
	if (hw.nr_written < MAX_WRITTEN) {
		hw.written[hw.nr_written].msr = msr;
		hw.written[hw.nr_written++].value = low | (u64)high << 32;
	}
	return hw.has_msrs;
}

u64 read_cr4(void)
{
	return hw.cr4;
}

void load_cr4(u64 value)
{
	hw.wrong |= value & CR4_OSXSAVE && !hw.xsave;
	hw.cr4 = value;
}

void cpuid(u32 leaf, u32 part, u32 r[4])
{
	r[0] = leaf == 0xd && !part ? XCR0_ALL : 0;
	r[1] = 0;
	r[2] = leaf == 1 && hw.xsave ? BIT(26) : 0;
	r[3] = 0;
}

bool xsetbv_safe(u32 index, u32 low, u32 high)
{
	hw.wrong |= !(hw.cr4 & CR4_OSXSAVE) || index;
	hw.xcr0 = low | (u64)high << 32;
	return true;
}

/* FCW, MXCSR, and nothing else. */
static bool is_initial(const void *image, u32 size)
{
	u8 want[576] = { [0] = 0x7f, [1] = 0x03, [24] = 0x80, [25] = 0x1f };

	return !((u64)image & 63) && !memcmp(image, want, size);
}

void load_fxregs(const void *image)
{
	hw.fxregs = is_initial(image, 512) && hw.cr4 & CR4_OSFXSR;
}

bool load_xregs_safe(const void *image)
{
	hw.wrong |= !(hw.cr4 & CR4_OSXSAVE);
	hw.xregs = is_initial(image, 576) && hw.xcr0 == XCR0_ALL;
	return true;
}

void clear_debug_registers(void)
{
	hw.debug = true;
}

/* ---- the tests */

static int count, failed;

static void ok(bool good, const char *what, const char *name)
{
	printf("%sok %d - %s: %s\n", good ? "" : "not ", ++count, name, what);
	failed += !good;
}

static bool has_written(u32 msr, u64 value)
{
	u32 i;

	for (i = 0; i < hw.nr_written; i++)
		if (hw.written[i].msr == msr && hw.written[i].value == value)
			return true;
	return false;
}

/* The first one of each group, which a CPU may or may not have, or its last one, which it has. */
static bool has_cleared(void)
{
	static const u32 first[] = {
		0x48, 0x140, 0x186, 0x1c4, 0x1c8, 0x38d, 0x38f, 0x3f1, 0x570, 0x600, 0x680, 0x6a0,
		0x6a2, 0x6a4, 0x6c0, 0x6e0, 0x6e1, 0x985, 0xd93, 0xda0, 0xdc0, 0x1200, 0x14ce,
		0x1500, 0x1600, 0xc0000081, 0xc0000102,
	};
	static const u32 last[] = {
		0x18d, 0x1c5, 0x69f, 0x6a8, 0x6df, 0x98a, 0xddf, 0x121f, 0x151f, 0x161f,
		0xc0000084, 0xc0000103,
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(first); i++)
		if (!has_written(first[i], 0))
			return false;
	for (i = 0; i < ARRAY_SIZE(last); i++)
		if (hw.has_msrs != has_written(last[i], 0))
			return false;
	return true;
}

static void test(const char *name, bool xsave, bool has_msrs)
{
	memset(&hw, 0, sizeof(hw));
	hw.xsave = xsave;
	hw.has_msrs = has_msrs;
	hw.cr4 = CR4;
	hw.xcr0 = 7;
	cpu_forget();
	ok(has_cleared() && hw.nr_written < MAX_WRITTEN, "MSRs of its kernel", name);
	ok(hw.written[0].msr == 0x570, "a trace ends first", name);
	ok(hw.debug, "debug registers", name);
	ok(hw.fxregs && hw.xregs == xsave, "registers of its tasks", name);
	ok(hw.xcr0 == (xsave ? 1 : 7), "XCR0 is as behind a reset", name);
	ok(hw.cr4 == CR4 && !hw.wrong, "CR4 stays, nothing faults", name);
	ok(hw.all_ept && hw.all_vpid, "translations of any VM", name);
	ok(has_written(0x49, 1) && has_written(0x10b, 1), "branch predictions, L1 data", name);
}

int main(void)
{
	test("all that there is", true, true);
	test("none of the MSRs", true, false);
	test("no XSAVE", false, true);
	printf("1..%d\n", count);
	return failed != 0;
}
