// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pure parts of the shim and of its loader on the build machine.  TAP, one
 * line per rule.  Run by shim_test.py.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../arch/x86/shim/semantics.h"
#include "../../arch/x86/refresh/tables_test.h"
#include "../../arch/x86/refresh/refresh.h"

static int count, failed;

static void ok(bool good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++count, name);
	failed += !good;
}

/* ---- when a VMX instruction faults */

struct mode_row {
	const char *name;
	struct vmx_mode mode;
	enum vmx_check vmread, vmxon;
};

#define LONG .pe = true, .lma = true, .cs_l = true

static const struct mode_row mode_rows[] = {
	{ "kernel in VMX operation", { true, true, LONG }, VMX_CHECK_OK, VMX_CHECK_OK },
	{ "before VMXON", { true, false, LONG }, VMX_CHECK_UD, VMX_CHECK_OK },
	{ "CR4.VMXE clear", { false, false, LONG }, VMX_CHECK_UD, VMX_CHECK_UD },
	{ "user code in VMX operation", { true, true, LONG, .cpl = 3 },
	  VMX_CHECK_GP, VMX_CHECK_GP },
	{ "user code before VMXON", { true, false, LONG, .cpl = 3 },
	  VMX_CHECK_UD, VMX_CHECK_GP },
	{ "user code, CR4.VMXE clear", { false, false, LONG, .cpl = 3 },
	  VMX_CHECK_UD, VMX_CHECK_UD },
	{ "compatibility mode", { true, true, .pe = true, .lma = true },
	  VMX_CHECK_UD, VMX_CHECK_UD },
	{ "virtual-8086 mode", { true, true, .pe = true, .vm86 = true },
	  VMX_CHECK_UD, VMX_CHECK_UD },
	{ "real mode", { true, true }, VMX_CHECK_UD, VMX_CHECK_UD },
};

static void test_mode(void)
{
	const struct mode_row *row;
	char name[80];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(mode_rows); i++) {
		row = &mode_rows[i];
		snprintf(name, sizeof(name), "faults: %s", row->name);
		ok(vmx_check_mode(EXIT_REASON_VMREAD, &row->mode) == row->vmread &&
		   vmx_check_mode(EXIT_REASON_VMON, &row->mode) == row->vmxon, name);
	}
}

/* ---- flags */

#define ALL_SIX 0x8d5ull

static void test_flags(void)
{
	ok(vmx_result_flags(ALL_SIX | 0x202, VMX_SUCCEED, true) == 0x202,
	   "flags: success clears six");
	ok(vmx_result_flags(0x202, VMX_FAIL_INVALID, true) == 0x203,
	   "flags: VMfailInvalid sets CF");
	ok(vmx_result_flags(ALL_SIX | 2, VMXERR_UNKNOWN_FIELD, true) == 0x42,
	   "flags: VMfailValid sets ZF alone");
	ok(vmx_result_flags(2, VMXERR_UNKNOWN_FIELD, false) == 3,
	   "flags: without a current VMCS it is VMfailInvalid");
	ok(vmx_result_flags(2, VMX_FAIL_BY_CPU, true) == 0x42 &&
	   vmx_result_flags(2, VMX_FAIL_BY_CPU, false) == 3,
	   "flags: the same for a failure of the CPU's");
}

static void test_pointer(void)
{
	const u64 mask = BIT(40) - 1, reserve = 0x1000000, size = 0x80000;

	ok(!vmx_check_pointer(0x5000, mask, reserve, size), "pointer: a page");
	ok(vmx_check_pointer(0x5001, mask, reserve, size), "pointer: unaligned");
	ok(vmx_check_pointer(BIT(40), mask, reserve, size), "pointer: beyond memory");
	ok(vmx_check_pointer(~0ull, mask, reserve, size), "pointer: all ones");
	ok(vmx_check_pointer(reserve, mask, reserve, size) &&
	   vmx_check_pointer(reserve + size - 0x1000, mask, reserve, size) &&
	   !vmx_check_pointer(reserve - 0x1000, mask, reserve, size) &&
	   !vmx_check_pointer(reserve + size, mask, reserve, size),
	   "pointer: memory of the shim");
}

/* ---- operands */

static void test_decode(void)
{
	u64 regs[16] = { 0 };
	struct vmx_operands op;

	/* vmread %rax, %r11: register operand 11, second register 0 */
	op = vmx_decode(BIT(10) | 11 << 3 | 0u << 28);
	ok(op.is_reg && op.reg == 11 && op.reg2 == 0, "decode: register");

	/* vmptrld 8(%rsp,%rbx,4), 64-bit addresses, DS */
	regs[4] = 0x1000;
	regs[3] = 0x10;
	op = vmx_decode(2 | 2 << 7 | 3 << 15 | 3 << 18 | 4 << 23);
	ok(!op.is_reg && op.segment == 3 &&
	   vmx_linear_address(&op, 8, regs, 0, true) == 0x1048,
	   "decode: base, scaled index, displacement");

	op = vmx_decode(2 << 7 | 4 << 15 | BIT(22) | BIT(27));
	ok(vmx_linear_address(&op, 0x20, regs, 0x7000, true) == 0x7020,
	   "decode: FS base alone");

	/* 32-bit addresses wrap before the base of the segment is added */
	op = vmx_decode(1 << 7 | 5 << 15 | BIT(22) | 4 << 23);
	ok(op.addr_size == 4 &&
	   vmx_linear_address(&op, 0xfffffff8, regs, 0x100000000, true) == 0x100000ff8,
	   "decode: 32-bit address");
}

/* ---- fields, host state, control registers */

static const struct shim_machine machine = {
	.cr0_fixed0 = 0x80000021, .cr0_fixed1 = 0xffffffff,
	.cr4_fixed0 = 0x2000, .cr4_fixed1 = 0x3767ff,
	.phys_mask = BIT(40) - 1,
};

static const struct shim_machine with_perf = { .flags = SHIM_FLAG_PERF };

static int index_of(u64 field)
{
	return shim_host_field_index(field, &machine);
}

static void test_fields(void)
{
	u64 field;
	int n = 0;

	for (field = 0; field < 0x8000; field++)
		n += index_of(field) >= 0;
	ok(n == 17, "fields: 17 are kept aside");
	ok(index_of(HOST_IA32_PERF_GLOBAL_CTRL) < 0 &&
	   shim_host_field_index(HOST_IA32_PERF_GLOBAL_CTRL, &with_perf) == H_PERF &&
	   shim_host_field_index(HOST_RIP, &with_perf) == H_RIP,
	   "fields: one more if the CPU has PEBS");
	ok(index_of(HOST_ES_SELECTOR) == H_ES &&
	   index_of(HOST_TR_SELECTOR) == H_TR &&
	   index_of(HOST_CR3) == H_CR3 &&
	   index_of(HOST_RSP) == H_RSP &&
	   index_of(HOST_RIP) == H_RIP, "fields: their order");
	ok(index_of(HOST_IA32_SYSENTER_CS) < 0 &&
	   index_of(HOST_IA32_SYSENTER_ESP) < 0 &&
	   index_of(HOST_IA32_EFER) < 0 &&
	   index_of(GUEST_RIP) < 0, "fields: the others stay the host's");
	ok(index_of(HOST_RIP | 1) < 0 &&
	   index_of(HOST_RIP | BIT(32)) < 0,
	   "fields: high halves and wide encodings are none");
	ok(shim_host_field_trim(H_CS, 0x12340010) == 0x10 &&
	   shim_host_field_trim(H_RIP, 0x12340010) == 0x12340010,
	   "fields: selectors are 16 bits wide");
}

static void good_host(u64 *host)
{
	memset(host, 0, H_NR * sizeof(*host));
	host[H_CS] = 0x10;
	host[H_TR] = 0x40;
	host[H_CR0] = 0x80050033;
	host[H_CR3] = 0x12345000;
	host[H_CR4] = 0x3726e0 & ~BIT(12);
	host[H_GS_BASE] = 0xffff888000000000ull;
	host[H_RIP] = 0xffffffff81000000ull;
}

static bool host_with(int index, u64 value)
{
	u64 host[H_NR];

	good_host(host);
	host[index] = value;
	return shim_host_state_valid(host, EFER_LMA, false, &machine);
}

static void test_host_state(void)
{
	u64 host[H_NR];

	good_host(host);
	ok(shim_host_state_valid(host, EFER_LMA, false, &machine), "host state: good");
	ok(!shim_host_state_valid(host, 0, false, &machine), "host state: EFER.LMA");
	ok(!host_with(H_CR0, 0x50033), "host state: CR0 without PG");
	ok(!host_with(H_CR4, 0x2000), "host state: CR4 without PAE");
	ok(!host_with(H_CR4, 0x6e0), "host state: CR4 without VMXE");
	ok(!host_with(H_CR4, 0x26e0 | BIT(30)), "host state: CR4 with a reserved bit");
	ok(!host_with(H_CR3, BIT(41)), "host state: CR3 beyond memory");
	ok(!host_with(H_CS, 0), "host state: null CS");
	ok(!host_with(H_TR, 0), "host state: null TR");
	ok(!host_with(H_CS, 0x13), "host state: CS with RPL");
	ok(!host_with(H_GS, 4), "host state: GS in the LDT");
	ok(host_with(H_SS, 0), "host state: null SS is fine");
	ok(!host_with(H_RIP, BIT(50)), "host state: RIP not canonical");
	ok(!host_with(H_GDTR_BASE, BIT(50)), "host state: GDTR not canonical");
	ok(shim_is_canonical(BIT(50), true) && !shim_is_canonical(BIT(56), true) &&
	   shim_is_canonical(~0ull, true), "canonical with five levels");
}

static void test_control_registers(void)
{
	const u64 now = 0x6e0;

	ok(shim_cr4_valid(now, now | X86_CR4_VMXE, true, 0, false, &machine),
	   "CR4: set VMXE");
	ok(shim_cr4_valid(now | X86_CR4_VMXE, now, true, 0, false, &machine),
	   "CR4: clear VMXE outside of VMX operation");
	ok(!shim_cr4_valid(now | X86_CR4_VMXE, now, true, 0, true, &machine),
	   "CR4: not within");
	ok(!shim_cr4_valid(now, now | BIT(30), true, 0, false, &machine),
	   "CR4: reserved bit");
	ok(!shim_cr4_valid(now, now & ~X86_CR4_PAE, true, 0, false, &machine),
	   "CR4: PAE stays in long mode");
	ok(!shim_cr4_valid(now, now | X86_CR4_PCIDE, true, 5, false, &machine) &&
	   shim_cr4_valid(now, now | X86_CR4_PCIDE, true, 0x1000, false, &machine),
	   "CR4: PCIDE with PCID 0 only");
	ok(shim_cr0_valid(0x80050033, 0, true, true, &machine), "CR0: good");
	ok(!shim_cr0_valid(0x80050013, 0, true, true, &machine), "CR0: NE in VMX operation");
	ok(shim_cr0_valid(0x80050013, 0, true, false, &machine), "CR0: outside of it");
	ok(!shim_cr0_valid(0x80000020, 0, false, false, &machine), "CR0: PG without PE");
	ok(!shim_cr0_valid(BIT(29) | 0x80000021, 0, true, false, &machine),
	   "CR0: NW without CD");
	ok(!shim_cr0_valid(0x50033, 0, true, false, &machine), "CR0: PG in 64-bit mode");
}

/* ---- borrowed VMCSs */

static void test_borrow(void)
{
	static struct borrow_map map;
	struct borrowed *slot;
	u64 i;

	borrow_init(&map);
	ok(!borrow_find(&map, 0) && !borrow_find(&map, SHIM_NO_VMCS),
	   "borrow: an empty map knows nothing");
	for (i = 0; i < SHIM_NR_BORROWED; i++)
		borrow_add(&map, (i + 1) << 12);
	ok(!borrow_free_slot(&map) && !borrow_add(&map, 0x999000), "borrow: full");
	ok(borrow_find(&map, 0x5000)->hpa == 0x5000, "borrow: found");
	ok(borrow_victim(&map, 0x3000)->hpa == 0x1000, "borrow: the oldest goes");
	ok(borrow_victim(&map, 0x1000)->hpa == 0x2000, "borrow: but not the current one");
	slot = borrow_find(&map, 0x1000);
	slot->checked = true;
	borrow_drop(slot);
	ok(!borrow_find(&map, 0x1000) && borrow_free_slot(&map) == slot,
	   "borrow: given back");
	slot = borrow_add(&map, 0x1000);
	ok(slot && !slot->checked, "borrow: again, and unchecked");
	ok(borrow_victim(&map, SHIM_NO_VMCS)->hpa == 0x2000, "borrow: and the youngest");
}

/* Pages of which many have one place, from many places; the model is which of them are there. */
#define ACTIVE_PAGES	(6 * SHIM_NR_ACTIVE)

static void test_active(void)
{
	static struct active_set set;
	static bool there[ACTIVE_PAGES];
	u32 i, page, nr = 0, bad = 0, most = 0, listed = 0;
	u64 hpa;

	active_init(&set);
	for (i = 0; i < 200000; i++) {
		page = rand() % ACTIVE_PAGES;
		hpa = (u64)page << 12;
		/* Nearly full half of the time, nearly empty the other half. */
		if (there[page]) {
			active_remove(&set, hpa);
			there[page] = false;
			nr--;
		} else if (i / 5000 % 2 || nr < 20) {
			there[page] = active_add(&set, hpa);
			bad += there[page] != (nr < SHIM_NR_ACTIVE);
			nr += there[page];
		}
		if (nr > most)
			most = nr;
		page = rand() % ACTIVE_PAGES;
		bad += active_has(&set, (u64)page << 12) != there[page];
		bad += active_at_home(&set, (u64)page << 12) && !there[page];
	}
	for (i = 0; i < SHIM_NR_ACTIVE; i++)
		listed += active_at(&set, i) != SHIM_NO_VMCS;
	ok(!bad && listed == nr && most == SHIM_NR_ACTIVE, "active: each is found until it goes");
	for (page = 0; page < ACTIVE_PAGES; page++)
		active_remove(&set, (u64)page << 12);
	for (i = 0; i < SHIM_NR_ACTIVE; i++)
		bad += set.entry[i] != 0;
	ok(!bad, "active: and leaves nothing behind");
}

/* ---- memory types and tables */

#define VALID	0x800

static const struct refresh_mtrr mtrr = {
	.enabled = true, .fixed_enabled = true, .default_type = 0,
	.fixed = { [0 ... 7] = 6, [16 ... 23] = 4 },
	.nr = 3,
	.variable = {
		{ 6, (BIT(52) - BIT(30)) | VALID },			/* 0-1 GiB WB */
		{ BIT(30) | 6, (BIT(52) - BIT(29)) | VALID },		/* half of the next */
		{ 0x3f000000, (BIT(52) - BIT(24)) | VALID },		/* 16 MiB UC below 1 GiB */
	},
};

/* SDM 12.11.4.1: which register comes first does not matter. */
static void test_overlaps(void)
{
	static const u8 types[][3] = { { 6, 0, 0 }, { 6, 4, 4 }, { 6, 6, 6 }, { 4, 0, 0 } };
	unsigned int i, good = 0;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct refresh_mtrr both = { .enabled = true, .default_type = 1, .nr = 2 };
		u8 a = types[i][0], b = types[i][1], both_type = types[i][2];

		both.variable[0].base = a;
		both.variable[1].base = b;
		both.variable[0].mask = (BIT(52) - BIT(30)) | VALID;
		both.variable[1].mask = both.variable[0].mask;
		good += refresh_memory_type(&both, 0x200000, BIT(21)) == both_type;
		both.variable[0].base = b;
		both.variable[1].base = a;
		good += refresh_memory_type(&both, 0x200000, BIT(21)) == both_type;
	}
	ok(good == 2 * i, "types: of two that overlap, in either order");
}

static void test_memory_types(void)
{
	struct refresh_mtrr off = { .enabled = false };

	ok(refresh_memory_type(&mtrr, 0, BIT(30)) < 0, "types: fixed ranges split 1 GiB");
	ok(refresh_memory_type(&mtrr, 0, 4096) == 6, "types: the first 64 KiB");
	ok(refresh_memory_type(&mtrr, 0xa0000, 4096) == 4, "types: 16 KiB ranges");
	ok(refresh_memory_type(&mtrr, 0x200000, BIT(21)) == 6, "types: WB");
	ok(refresh_memory_type(&mtrr, 0x3f000000, BIT(21)) == 0, "types: UC wins");
	ok(refresh_memory_type(&mtrr, BIT(30), BIT(30)) < 0, "types: half a GiB splits");
	ok(refresh_memory_type(&mtrr, BIT(30), BIT(21)) == 6 &&
	   refresh_memory_type(&mtrr, BIT(30) + BIT(29), BIT(21)) == 0,
	   "types: and each half has its own");
	ok(refresh_memory_type(&mtrr, BIT(33), BIT(30)) == 0, "types: default");
	ok(refresh_memory_type(&off, 0, BIT(30)) == 0, "types: MTRRs off");
	test_overlaps();
}

/* ---- control words, and the counters, which stand while the shim runs */

#define ALL		0xffffffff00000000ull
#define LOAD_PERF	VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL
#define ENTRY_PERF	VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL

static void test_controls(void)
{
	struct refresh_vmx_caps cap = { ALL | 0x16, ALL, ALL, ALL, ALL };
	struct refresh_caps caps;

	ok(!refresh_pick_controls(&cap, true, &caps) && caps.exit & LOAD_PERF,
	   "controls: with PEBS an exit stops the counters");
	ok(!(caps.entry & ENTRY_PERF), "controls: VM entry has a list for them");
	ok((caps.pin & 0x16) == 0x16, "controls: what must be on is");
	ok(!refresh_pick_controls(&cap, false, &caps) && !(caps.exit & LOAD_PERF),
	   "controls: without PEBS they run on");
	cap.exit &= ~((u64)LOAD_PERF << 32);
	ok(refresh_pick_controls(&cap, true, &caps) == LOAD_PERF,
	   "controls: PEBS on a CPU that cannot stop them is refused");
	ok(!refresh_pick_controls(&cap, false, &caps), "controls: no PEBS there is fine");
	cap.cpu2 &= ~(2ull << 32);
	ok(refresh_pick_controls(&cap, false, &caps) == 2, "controls: no EPT is refused");
}

static void test_perf(void)
{
	const u64 host = 0x700000003, before = 0x70000000f, guest = 0x1;

	ok(refresh_perf_mask(0x07300404, 0, 0x603, false) == 0x70000000f,
	   "counters: four and three");
	ok(refresh_perf_mask(0x07300805, 0xf, 0x604, true) == 0x1000f000000ff,
	   "counters: eight and four, and metrics");
	ok(refresh_perf_mask(0x07300805, 0x10f, 0x604, false) == 0x10f000000ff,
	   "counters: fixed ones with a gap");
	ok(shim_perf_valid(LOAD_PERF, 0x70000000f, 0x70000000f) &&
	   !shim_perf_valid(LOAD_PERF, 0x10, 0x70000000f) &&
	   shim_perf_valid(0, 0x10, 0x70000000f), "counters: what a host may load");
	ok(shim_perf_after_exit(host, before, guest, LOAD_PERF, 0, 0) == host &&
	   shim_perf_after_exit(host, before, guest, LOAD_PERF, ENTRY_PERF, 0) == host,
	   "counters: the host loads its own at its guest's exit");
	ok(shim_perf_after_exit(host, before, guest, 0, 0, 0) == before,
	   "counters: or goes on with those it had");
	ok(shim_perf_after_exit(host, before, guest, 0, ENTRY_PERF, 0) == guest &&
	   shim_perf_after_exit(host, before, guest, 0, ENTRY_PERF,
				EXIT_REASON_FAILED_ENTRY | 33) == before,
	   "counters: or with those of its guest, if that was entered");
	ok(shim_is_own_address(SHIM_VA_BEGIN) && shim_is_own_address(SHIM_VA_IMAGE) &&
	   shim_is_own_address(SHIM_VA_IMAGE - SHIM_PAGE) &&
	   !shim_is_own_address(0xffff880000000000ull) &&
	   !shim_is_own_address(0xfffffe0000003000ull) && !shim_is_own_address(0),
	   "counters: a record goes to an address that is not the shim's");
	ok(offsetof(struct shim_boot, perf) % 16 == 0 && sizeof(struct shim_msr) == 16 &&
	   offsetof(struct shim_msr, value) == 8, "counters: the list of one MSR");
}

/* The bitmap and the handler agree, MSR by MSR, and no read leaves. */
static void test_msrs(void)
{
	static u8 bitmap[4096];
	int wrong = 0, set = 0, i;
	u32 msr;

	refresh_fill_msr_bitmap(bitmap);
	for (msr = 0; msr < 0x2000; msr++)
		wrong += (bitmap[2048 + msr / 8] >> msr % 8 & 1) !=
			 (shim_classify_write(msr) != SHIM_WRITE_PLAIN);
	for (i = 0; i < 4096; i++)
		set += __builtin_popcount(bitmap[i]);
	ok(!wrong, "MSRs: what leaves is what is handled");
	ok(set == 1 + 64 + 11 + 1, "MSRs: writes of microcode and MTRRs alone");
	ok(shim_classify_write(0x79) == SHIM_WRITE_UCODE, "MSRs: microcode");
	ok(shim_classify_write(0x200) == SHIM_WRITE_MTRR &&
	   shim_classify_write(0x250) == SHIM_WRITE_MTRR &&
	   shim_classify_write(0x26f) == SHIM_WRITE_MTRR &&
	   shim_classify_write(0x2ff) == SHIM_WRITE_MTRR, "MSRs: MTRRs");
	ok(shim_classify_write(0x277) == SHIM_WRITE_PLAIN, "MSRs: PAT is the host's");
}

/* ---- how large a machine */

#define GIB		BIT(30)
#define TIB		BIT(40)

struct size_row {
	const char *name;
	u32 bits;
	u64 used_end;
	int result;
	u64 size;
};

static const struct size_row size_rows[] = {
	{ "39 bits, 8 GiB", 39, 8 * GIB, 0, BIT(39) },
	{ "46 bits, 2 TiB", 46, 2 * TIB, 0, 64 * TIB },
	{ "52 bits, 2 TiB", 52, 2 * TIB, 0, 64 * TIB },
	{ "52 bits, 64 TiB", 52, 64 * TIB, 0, 64 * TIB },
	{ "52 bits, devices at 100 TiB", 52, 100 * TIB + 4096, 0, 100 * TIB + 512 * GIB },
	{ "52 bits, devices up to 256 TiB", 52, 256 * TIB, 0, 256 * TIB },
	{ "a page above 256 TiB", 52, 256 * TIB + 4096, -ERANGE },
};

static void test_map_size(void)
{
	const struct size_row *row;
	char name[80];
	size_t i;
	u64 size;
	int r;

	for (i = 0; i < ARRAY_SIZE(size_rows); i++) {
		row = &size_rows[i];
		size = 0;
		r = refresh_map_size(row->bits, row->used_end, &size);
		snprintf(name, sizeof(name), "size: %s", row->name);
		ok(r == row->result && size == row->size, name);
	}
}

static u64 *table_at(struct refresh_reserve *res, u64 entry)
{
	return res->va + ((entry & 0xffffffffff000ull) - res->hpa);
}

/* What the host's EPT says about one page. */
static u64 ept_lookup(struct refresh_reserve *res, u64 hpa)
{
	u64 *table = table_at(res, res->eptp), entry;
	int level;

	for (level = 4;; level--) {
		entry = table[hpa >> (12 + 9 * (level - 1)) & 511];
		if (level == 1 || entry & 0x80)
			break;
		table = table_at(res, entry);
	}
	if (level == 1)
		return entry;
	return (entry & ~0x80ull) | (hpa & (BIT(12 + 9 * (level - 1)) - 1) & ~0xfffull);
}

static void test_tables(void)
{
	static struct shim_header header;
	struct refresh_reserve res = { .hpa = 0x10000000 };
	u64 area, nothing;

	ok(refresh_layout(&res, 20000, 4, BIT(50), false) == -E2BIG, "layout: too large a machine");
	ok(!refresh_layout(&res, 20000, 4, BIT(40), false), "layout: a machine");
	area = refresh_area(&res, 1);
	ok(area % SHIM_AREA_SIZE == 0 && res.layout.end == area + 3 * SHIM_AREA_SIZE,
	   "layout: areas");
	res.va = aligned_alloc(BIT(21), BIT(21));
	memset(res.va, 0, BIT(21));
	header.trap_stubs_va = SHIM_VA_IMAGE + 0x1230;
	res.header = &header;
	ok(!refresh_build_tables(&res, BIT(40), &mtrr, 4), "tables: built");
	nothing = res.hpa + res.layout.nothing;
	ok(ept_lookup(&res, 0x5000) == (0x5000 | 6 << 3 | 7), "EPT: memory");
	ok(ept_lookup(&res, 0x3f123000) == (0x3f123000 | 7), "EPT: uncached memory");
	ok(ept_lookup(&res, BIT(39) + 0x7000) == ((BIT(39) + 0x7000) | 7), "EPT: far up");
	ok((ept_lookup(&res, res.hpa) & ~0xfffull) == nothing, "EPT: the image is hidden");
	ok((ept_lookup(&res, res.hpa + area + SHIM_AREA_VMCS) & ~0xfffull) == nothing,
	   "EPT: the VMCS is hidden");
	ok((ept_lookup(&res, res.hpa + area) & ~0xfffull) == res.hpa + area &&
	   (ept_lookup(&res, res.hpa + res.layout.console) & ~0xfffull) ==
	   res.hpa + res.layout.console, "EPT: shared pages are not");
	ok((ept_lookup(&res, res.hpa + res.layout.console) & 7) == 1 &&
	   (ept_lookup(&res, res.hpa + res.layout.console + SHIM_RING_SIZE - 1) & 7) == 1 &&
	   (ept_lookup(&res, res.hpa + area) & 7) == 7, "EPT: the console is read-only");
	ok(ept_lookup(&res, res.hpa + res.layout.info) ==
	   ((res.hpa + res.layout.info) | 6 << 3 | 1), "EPT: what is told is read-only");
	ok((ept_lookup(&res, res.hpa + res.layout.end) & ~0xfffull) ==
	   res.hpa + res.layout.end, "EPT: nor what follows the reserve");
	res.layout.tables_end = res.layout.tables + 3 * SHIM_PAGE;
	ok(refresh_build_tables(&res, BIT(40), &mtrr, 4) == -ENOSPC, "tables: no room");
	free(res.va);
}

/* With room for a second partition: where it is, and that no host sees it. */
static void test_partition_layout(void)
{
	struct refresh_reserve with = { .hpa = 0x10000000 }, without = with;
	static struct shim_header header;
	struct refresh_layout *layout = &with.layout;
	u64 hidden = 0, link = 0, at;

	ok(!refresh_layout(&without, 20000, 4, BIT(40), false) && !without.layout.io_bitmap &&
	   without.layout.pool == without.layout.pool_end, "layout: no room for a partition");
	ok(!refresh_layout(&with, 20000, 4, BIT(40), true) && layout->io_bitmap &&
	   !(layout->io_bitmap % SHIM_PAGE) &&
	   layout->tables >= layout->io_bitmap + 2 * SHIM_PAGE &&
	   layout->pool == layout->tables_end && layout->pool_end <= layout->areas &&
	   layout->pool_end - layout->pool >= 512 * SHIM_PAGE &&
	   layout->link_end - layout->link == 2 * SHIM_LINK_SECTION &&
	   !(layout->link % SHIM_PAGE), "layout: room for a partition");
	with.va = calloc(1, layout->areas);
	with.header = &header;
	ok(!refresh_build_tables(&with, BIT(40), &mtrr, 4), "tables: with room");
	for (at = layout->io_bitmap; at < layout->link; at += SHIM_PAGE)
		hidden += (ept_lookup(&with, with.hpa + at) & ~0xfffull) ==
			  with.hpa + layout->nothing;
	ok(hidden == (layout->link - layout->io_bitmap) / SHIM_PAGE,
	   "EPT: bitmaps, tables and pool are hidden");
	for (at = layout->link; at < layout->link_end; at += SHIM_PAGE)
		link += ept_lookup(&with, with.hpa + at) ==
			((with.hpa + at) | 6 << 3 |
			 (at - layout->link < SHIM_LINK_SECTION ? 3 : 1));
	ok(link == (layout->link_end - layout->link) / SHIM_PAGE,
	   "EPT: of the link one half is to write, and one to read");
	free(with.va);
}

/* Only the tables are written, the areas need no memory here. */
static void test_many_cpus(void)
{
	struct refresh_reserve res = { .hpa = 0x10000000 };
	struct shim_header header = { };

	ok(refresh_layout(&res, 20000, 8192, BIT(46), false) == -E2BIG, "layout: too many CPUs");
	ok(!refresh_layout(&res, 20000, 4096, BIT(46), false), "layout: 4096 CPUs");
	res.va = calloc(1, res.layout.areas);
	res.header = &header;
	ok(!refresh_build_tables(&res, BIT(46), &mtrr, 4096), "tables: for 4096 CPUs");
	ok((ept_lookup(&res, res.hpa + refresh_area(&res, 4095) + SHIM_AREA_VMCS) &
	    ~0xfffull) == res.hpa + res.layout.nothing, "EPT: the last VMCS is hidden");
	free(res.va);
}

/* As far as a walk of four levels goes. */
static void test_large_machine(void)
{
	struct refresh_reserve res = { .hpa = 0x10000000 };
	struct shim_header header = { };

	ok(!refresh_layout(&res, 20000, 4, 256 * TIB, false), "layout: 256 TiB");
	res.va = calloc(1, res.layout.areas);
	res.header = &header;
	ok(!refresh_build_tables(&res, 256 * TIB, &mtrr, 4), "tables: for 256 TiB");
	ok(ept_lookup(&res, 256 * TIB - 4096) == ((256 * TIB - 4096) | 7),
	   "EPT: the last page");
	free(res.va);
}

/* All that the shim has mapped: each entry that is present, level by level. */
static int count_foreign(struct refresh_reserve *res, u64 table, int level)
{
	u64 *entries = table_at(res, table), hpa;
	int i, foreign = 0;

	for (i = 0; i < 512; i++) {
		hpa = entries[i] & 0xffffffffff000ull;
		if (!(entries[i] & 1))
			continue;
		if (hpa < res->hpa || hpa >= res->hpa + res->layout.end ||
		    (level > 1 && entries[i] & 0x80))
			foreign++;
		else if (level > 1)
			foreign += count_foreign(res, entries[i], level - 1);
	}
	return foreign;
}

static void test_shim_map(void)
{
	struct refresh_reserve res = { .hpa = 0x10000000 };
	struct shim_header header = {
		.text_va = SHIM_VA_IMAGE + SHIM_PAGE,
		.data_va = SHIM_VA_IMAGE + 3 * SHIM_PAGE,
	};
	u64 *pt, area, hpa;
	u32 cpu, wrong = 0, writable = 0, i;

	refresh_layout(&res, 20000, 100, BIT(40), false);
	res.va = calloc(1, res.layout.end);
	res.header = &header;
	refresh_build_tables(&res, BIT(40), &mtrr, 100);
	ok(!count_foreign(&res, res.shim_cr3, 4), "shim: nothing is mapped but the reserve");
	pt = res.va + res.image_pt;
	for (cpu = 0; cpu < 100; cpu++) {
		area = refresh_area(&res, cpu) + SHIM_AREA_WINDOW;
		hpa = pt[area / SHIM_PAGE] & 0xffffffffff000ull;
		wrong += hpa != res.hpa + area;
	}
	ok(!wrong, "shim: the entry of each CPU's window is found");
	for (i = 0; i < res.layout.end / SHIM_PAGE; i++)
		writable += !!(pt[i] & 2);
	ok(!(pt[1] & 2) && !(pt[2] & 2) && writable == res.layout.end / SHIM_PAGE - 2,
	   "shim: of all pages its code alone is read-only");
	free(res.va);
}

static void test_descriptors(void)
{
	static struct shim_header header = { .trap_stubs_va = 0xffff87ff12345670ull };
	struct refresh_reserve res = { .hpa = 0x10000000, .header = &header };
	u64 *gate, private, top;
	char *area;

	refresh_layout(&res, 20000, 2, BIT(40), false);
	res.va = calloc(1, BIT(21));
	refresh_build_descriptors(&res, 1);
	area = res.va + refresh_area(&res, 1);
	gate = (u64 *)(area + SHIM_AREA_TABLES + 0x400) + 2 * 18;
	ok((gate[0] & 0xffff) == ((header.trap_stubs_va + 18 * 16) & 0xffff) &&
	   gate[1] == 0xffff87ff && (gate[0] >> 32 & 7) == 2 &&
	   (gate[0] >> 16 & 0xffff) == SHIM_SEL_CS, "IDT: #MC on its stack");
	private = SHIM_VA_IMAGE + refresh_area(&res, 1) + SHIM_AREA_PRIVATE;
	memcpy(&top, area + SHIM_AREA_SIZE - 16, 8);
	ok(top == private, "stack: leads to the CPU's data");
	memcpy(&top, area + SHIM_AREA_TABLES + SHIM_TSS_OFFSET + 0x24, 8);
	ok(top == private - SHIM_AREA_PRIVATE + SHIM_AREA_IST + SHIM_PAGE - 16,
	   "TSS: the NMI's stack");
	free(res.va);
}

int main(void)
{
	test_mode();
	test_flags();
	test_pointer();
	test_decode();
	test_fields();
	test_host_state();
	test_control_registers();
	test_borrow();
	test_active();
	test_controls();
	test_perf();
	test_msrs();
	test_memory_types();
	test_map_size();
	test_tables();
	test_partition_layout();
	test_many_cpus();
	test_large_machine();
	test_shim_map();
	test_descriptors();
	printf("1..%d\n", count);
	return failed != 0;
}
