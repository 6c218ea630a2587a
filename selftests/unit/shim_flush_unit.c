// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a launch and a return drop of a CPU's cached translations: flush.c of the loader and of
 * the shim on a model of a TLB (SDM 3C, caching translation information).  TAP.  Run by
 * shim_test.py.
 */
#include <stdio.h>
#include <string.h>

/* In the place of vmx_ops.h: what flush.c uses of it. */
#define SHIM_VMX_OPS_H
#include "../../arch/x86/shim/shim.h"
#include "../../arch/x86/refresh/tables_test.h"
#include "../../arch/x86/refresh/refresh.h"

#define REFRESH_INV_SINGLE	1
#define INV_SINGLE		1

enum kind { LINEAR, GUEST_PHYSICAL, COMBINED };

struct entry {
	const char *name;
	enum kind kind;
	u16 vpid, pcid;
	bool global;
	u64 ept;		/* address of the root */
	bool gone;
};

#define OUR_EPT		0x12345000ull
#define OUR_EPTP	(OUR_EPT | 0x1e)
#define OLD_EPT		0x77777000ull

/* What the shim, its host, or an earlier pair of them can have left. */
static struct entry ours[] = {
	{ "the shim's addresses", LINEAR, 0, 0 },
	{ "the shim's addresses, global", LINEAR, 0, 0, true },
	{ "VPID 0 with a PCID", LINEAR, 0, 5 },
	{ "VPID 0 with a PCID, global", LINEAR, 0, 5, true },
	{ "the EPT", GUEST_PHYSICAL, .ept = OUR_EPT },
	{ "the host", COMBINED, 0xffff, 0, .ept = OUR_EPT },
	{ "the host with a PCID, global", COMBINED, 0xffff, 2, true, OUR_EPT },
	{ "the host above another EPT", COMBINED, 0xffff, 2, .ept = OLD_EPT },
	{ "VPID 0xffff without EPT", LINEAR, 0xffff, 0, true },
};

static struct entry others[] = {
	{ "a guest of the host", COMBINED, 7, 1, .ept = 0x999000 },
	{ "a guest without EPT", LINEAR, 7, 0, true },
	{ "its EPT", GUEST_PHYSICAL, .ept = 0x999000 },
};

static int count, failed;
static u64 cr4;
static bool vmxe_lost;

static void ok(bool good, const char *what, const char *name)
{
	printf("%sok %d - %s: %s\n", good ? "" : "not ", ++count, what, name);
	failed += !good;
}

static void drop(bool (*hit)(const struct entry *entry, u64 tag), u64 tag)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ours); i++)
		ours[i].gone |= hit(&ours[i], tag);
	for (i = 0; i < ARRAY_SIZE(others); i++)
		others[i].gone |= hit(&others[i], tag);
}

static bool of_vpid(const struct entry *entry, u64 vpid)
{
	return entry->kind != GUEST_PHYSICAL && entry->vpid == vpid;
}

static bool of_ept(const struct entry *entry, u64 eptp)
{
	return entry->kind != LINEAR && entry->ept == (eptp & ~0xfffull);
}

static void refresh_invvpid(unsigned long type, u16 vpid)
{
	if (type == 1)
		drop(of_vpid, vpid);
}

static void refresh_invept(unsigned long type, u64 eptp)
{
	if (type == 1)
		drop(of_ept, eptp);
}

/* In root operation VPID 0 is the current one; CR3 and INVLPG would keep global pages. */
static void refresh_write_cr4(unsigned long value)
{
	if ((value ^ cr4) & X86_CR4_PGE)
		drop(of_vpid, 0);
	vmxe_lost |= !(value & X86_CR4_VMXE);
	cr4 = value;
}

struct vmx_descriptor {
	u64 low, high;
};

static int invvpid(u64 type, const struct vmx_descriptor *desc)
{
	refresh_invvpid(type, desc->low);
	return 0;
}

static int invept(u64 type, const struct vmx_descriptor *desc)
{
	refresh_invept(type, desc->low);
	return 0;
}

static u64 read_cr4(void)
{
	return cr4;
}

static void load_cr4(u64 value)
{
	refresh_write_cr4(value);
}

struct shim_header shim_header = { .part = { { .eptp = OUR_EPTP } } };

#include "../../arch/x86/refresh/flush.c"
#include "../../arch/x86/shim/flush.c"

static void launch(void)
{
	refresh_flush_tags(OUR_EPTP, cr4);
}

static void leave(void)
{
	shim_flush_tlb(&shim_header.part[0]);
}

static void try(const char *what, void (*flush)(void), u64 value)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ours); i++)
		ours[i].gone = false;
	for (i = 0; i < ARRAY_SIZE(others); i++)
		others[i].gone = false;
	cr4 = value;
	vmxe_lost = false;
	flush();
	for (i = 0; i < ARRAY_SIZE(ours); i++)
		ok(ours[i].gone, what, ours[i].name);
	for (i = 0; i < ARRAY_SIZE(others); i++)
		ok(!others[i].gone, what, others[i].name);
	ok(cr4 == value && !vmxe_lost, what, "CR4 is as before, and VMXE never clear");
}

int main(void)
{
	const u64 with_pge = X86_CR4_PAE | X86_CR4_PGE | X86_CR4_VMXE | X86_CR4_PCIDE;

	try("launch", launch, with_pge);
	try("launch without PGE", launch, with_pge & ~X86_CR4_PGE);
	try("return", leave, with_pge);
	printf("1..%d\n", count);
	return failed != 0;
}
