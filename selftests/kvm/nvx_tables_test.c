// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_tables_test - Shadows of EPT12 tables stay as long as they are of use.
 *
 * L1 writes many entries of a table above the last level, as a hypervisor that maps
 * large pages; gives a table away; and switches between VMCSs.  What L2 sees must
 * be what EPT12 says, and the exits of L0 those that the parameters promise.
 */
#include <string.h>

#include "nvx_selftest.h"

#define FILL		(EPT_RWX | EPT_WB | EPT_A | EPT_D)
#define EPT_LARGE	BIT(7)
#define WINDOW_PD_GVA	0xd0200000ul
#define PAGES		64
#define BURST		8
#define VALUE		0x1122334455667788ul

static uint64_t l2_first, l2_count;
/* Set by the host: the window's entry of its PD, a second VMCS, a second root. */
static uint64_t window_pde_index, second_gva, second_gpa, other_eptp;

static void l2_guest_code(void)
{
	uint64_t i;

	for (;;) {
		nvx_l2_vmcall();
		for (i = 0; i < l2_count; i++)
			*nvx_window_gva(l2_first + i) = VALUE;
	}
}

static volatile uint64_t *pde(unsigned int distance)
{
	return (volatile uint64_t *)WINDOW_PD_GVA + window_pde_index + distance;
}

static uint64_t next_exit(void)
{
	nvx_l1_enter();
	return vmreadz(VM_EXIT_REASON);
}

static bool touch(uint64_t first, uint64_t count)
{
	l2_first = first;
	l2_count = count;
	nvx_l1_skip_instruction();
	return next_exit() == EXIT_REASON_VMCALL;
}

/* L2 is at its VMCALL: it must miss this page, and go on when it is there. */
static bool misses(uint64_t page)
{
	bool good;

	l2_first = page;
	l2_count = 1;
	nvx_l1_skip_instruction();
	good = next_exit() == EXIT_REASON_EPT_VIOLATION &&
	       (vmreadz(GUEST_PHYSICAL_ADDRESS) & ~4095ul) == nvx_window_gpa(page);
	*nvx_window_pte(page) = nvx_window_gpa(page) | FILL;
	return good && next_exit() == EXIT_REASON_VMCALL;
}

static void map_all(void)
{
	uint64_t page;

	for (page = 0; page < PAGES; page++)
		*nvx_window_pte(page) = nvx_window_gpa(page) | FILL;
}

static void use_vmcs(uint64_t gpa)
{
	GUEST_ASSERT(!vmptrld(gpa));
	nvx_launch = 0;
}

static bool prepare(void)
{
	map_all();
	return touch(0, PAGES) && touch(0, PAGES);
}

/* Large pages beside the window appear, which L2 does not touch. */
static void burst(void)
{
	unsigned int i;

	for (i = 1; i <= BURST; i++)
		*pde(i) = (WINDOW_GPA + i * 0x200000ul) | FILL | EPT_LARGE;
}

static void unburst(void)
{
	unsigned int i;

	for (i = 1; i <= BURST; i++)
		*pde(i) = 0;
}

/* What no entry looks like, into places that are not in use. */
static void scribble(void)
{
	unsigned int i;

	for (i = 0; i < 64; i++)
		*pde(i + 16) = 0xffff888012345678ul;
}

static bool check_burst(void)
{
	return touch(0, PAGES);
}

/* Two VMCSs with one EPTP, in turn. */
static bool check_switch(void)
{
	uint64_t first = vmreadz(VMCS_LINK_POINTER);
	bool good = first == ~0ull;

	use_vmcs(second_gpa);
	good &= touch(0, PAGES);
	return good;
}

/* Whoever is current: what L1 takes away is gone for both. */
static bool check_taken_back(void)
{
	bool good;

	*nvx_window_pte(3) = 0;
	nvx_invept(1);
	good = misses(3);
	*nvx_window_pte(4) = 0;
	nvx_invept(1);
	return good;
}

static bool check_taken_back_other(void)
{
	return misses(4);
}

/* Two roots over the same tables; L1 flushes all of them while one is in use. */
static bool check_two_roots(void)
{
	uint64_t eptp = vmreadz(EPT_POINTER);
	bool good;

	vmwrite(EPT_POINTER, other_eptp);
	good = touch(0, PAGES);
	vmwrite(EPT_POINTER, eptp);
	good &= touch(0, PAGES);
	*nvx_window_pte(5) = 0;
	*nvx_window_pte(6) = 0;
	nvx_invept(2);
	good &= misses(5);
	vmwrite(EPT_POINTER, other_eptp);
	good &= misses(6);
	vmwrite(EPT_POINTER, eptp);
	return good && touch(0, PAGES);
}

enum step { BURST_STEP, DATA_STEP, SWITCH, BACK_SWITCH, TAKEN, TAKEN_OTHER, ROOTS, STEPS };

static const char * const names[STEPS] = {
	"entries of large pages, then L2 goes on",
	"a table that has become data is found out",
	"second VMCS with the same EPTP",
	"and back",
	"page taken back under one VMCS",
	"and under the other",
	"two roots, all flushed",
};

/* SYNC 2i before step i, 2i + 1 (+ 100 if good) after. */
static void sync_done(enum step step, bool good)
{
	GUEST_SYNC(2 * step + 1 + good * 100);
}

static void l1_guest_code(struct vmx_pages *vmx)
{
	bool good;

	nvx_l1_init(vmx, l2_guest_code);
	GUEST_ASSERT_EQ(next_exit(), EXIT_REASON_VMCALL);

	GUEST_ASSERT(prepare());
	burst();
	GUEST_SYNC(2 * BURST_STEP);
	good = check_burst();
	sync_done(BURST_STEP, good);
	unburst();
	GUEST_ASSERT(touch(0, PAGES));
	GUEST_SYNC(2 * DATA_STEP);
	scribble();
	sync_done(DATA_STEP, true);

	/* L2 under the second VMCS starts where the other one is. */
	*(uint32_t *)second_gva = vmcs_revision();
	GUEST_ASSERT(!vmclear(second_gpa));
	GUEST_ASSERT(touch(0, PAGES));
	GUEST_ASSERT(!vmptrld(second_gpa));
	nvx_l1_prepare_vmcs(vmx, l2_guest_code);
	GUEST_ASSERT_EQ(next_exit(), EXIT_REASON_VMCALL);
	use_vmcs(vmx->vmcs_gpa);
	GUEST_ASSERT(touch(0, PAGES));

	GUEST_SYNC(2 * SWITCH);
	sync_done(SWITCH, check_switch());
	GUEST_SYNC(2 * BACK_SWITCH);
	use_vmcs(vmx->vmcs_gpa);
	sync_done(BACK_SWITCH, touch(0, PAGES));
	GUEST_SYNC(2 * TAKEN);
	sync_done(TAKEN, check_taken_back());
	use_vmcs(second_gpa);
	GUEST_SYNC(2 * TAKEN_OTHER);
	sync_done(TAKEN_OTHER, check_taken_back_other());
	GUEST_SYNC(2 * ROOTS);
	sync_done(ROOTS, check_two_roots());
	GUEST_DONE();
}

static void set_up(struct nvx_vm *v)
{
	uint64_t *table = v->vmx->eptp_hva, entry = 0;
	vm_vaddr_t gva;
	int level;

	for (level = 4; level > 2; level--) {
		entry = table[(WINDOW_GPA >> (12 + 9 * (level - 1))) & 511];
		entry &= 0x000ffffffffff000ul;
		table = addr_gpa2hva(v->vm, entry);
	}
	virt_pg_map(v->vm, WINDOW_PD_GVA, entry);
	window_pde_index = (WINDOW_GPA >> 21) & 511;
	sync_global_to_guest(v->vm, window_pde_index);

	second_gva = vm_vaddr_alloc_page(v->vm);
	second_gpa = addr_gva2gpa(v->vm, second_gva);
	memset(addr_gva2hva(v->vm, second_gva), 0, 4096);
	sync_global_to_guest(v->vm, second_gva);
	sync_global_to_guest(v->vm, second_gpa);

	gva = vm_vaddr_alloc_page(v->vm);
	memcpy(addr_gva2hva(v->vm, gva), v->vmx->eptp_hva, 4096);
	/* Write-back, four levels, accessed and dirty bits. */
	other_eptp = addr_gva2gpa(v->vm, gva) | 6 | 3 << 3 | 1 << 6;
	sync_global_to_guest(v->vm, other_eptp);
}

static void report(enum step step, bool good, long exits, long kept_roots, long kept_tables)
{
	bool roots = nvx_feature("keep_roots"), tables = nvx_feature("keep_tables");

	switch (step) {
	case BURST_STEP:
		/* Without the table L2 misses all that it led to. */
		nvx_result(good && !exits == tables && !kept_tables == !tables,
			   "%s: %ld violations", names[step], exits);
		return;
	case DATA_STEP:
		nvx_result(good && exits <= 4, "%s: %ld exits", names[step], exits);
		return;
	case SWITCH:
	case BACK_SWITCH:
		nvx_result(good && kept_roots == roots, "%s: roots kept %ld times",
			   names[step], kept_roots);
		return;
	default:
		nvx_result(good, "%s", names[step]);
	}
}

int main(void)
{
	uint64_t stage, exits = 0, roots = 0, tables = nvx_counter("tables_kept");
	struct nvx_vm v;
	long base;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(nvx_param("ept"));
	TEST_REQUIRE(nvx_param("eptad"));

	ksft_print_header();
	ksft_set_plan(STEPS);

	nvx_vm_create(&v, l1_guest_code);
	set_up(&v);
	while (nvx_run(&v, &stage)) {
		/* The sync itself, and for L2's part VMRESUME and VMCALL. */
		base = stage % 100 / 2 == BURST_STEP ? 3 : 1;
		if (stage % 2)
			report(stage % 100 / 2, stage >= 100,
			       nvx_exits(v.vcpu) - exits - base,
			       nvx_counter("roots_kept") - roots,
			       nvx_counter("tables_kept") - tables);
		exits = nvx_exits(v.vcpu);
		roots = nvx_counter("roots_kept");
	}
	nvx_vm_destroy(&v);

	ksft_finished();
}
