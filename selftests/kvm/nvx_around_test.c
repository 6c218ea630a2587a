// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_around_test - One EPT violation of L2 brings in the pages around it.
 *
 * L1 fills EPT12 in advance, L2 touches pages of the window, and the EPT violations
 * that L0 takes are counted.  What L1 and user space can observe (bits of EPT12,
 * memory, reflected violations, the dirty log) must not depend on
 * nvx_fault_around; the number of violations must.
 */
#include <stdlib.h>
#include <string.h>

#include "nvx_selftest.h"

#define FILL		(EPT_RWX | EPT_WB | EPT_A | EPT_D)
#define EPT_LARGE	BIT(7)
#define WINDOW_PD_GVA	0xd0200000ul
#define UNBACKED_GPA	0xb0000000ul
#define PAGES		64
#define LOGGED_PAGE	128
#define OWN_PAGE	(WINDOW_PAGES - 1)
#define STOCK_AROUND	8	/* PTE_PREFETCH_NUM */
#define VALUE		0x1122334455667788ul

/* What L2 touches next, set by L1; what it has read last. */
static uint64_t l2_first, l2_count, l2_stride, l2_writes, l2_value;
/* Guest memory, set by the host: the PD entry of the window. */
static uint64_t window_pde_index;

static void l2_guest_code(void)
{
	uint64_t i, page;

	for (;;) {
		nvx_l2_vmcall();
		for (i = 0; i < l2_count; i++) {
			page = l2_first + i * l2_stride;
			if (l2_writes)
				*nvx_window_gva(page) = VALUE;
			else
				l2_value = *nvx_window_gva(page);
		}
	}
}

static volatile uint64_t *window_pde(void)
{
	return (volatile uint64_t *)WINDOW_PD_GVA + window_pde_index;
}

static void fill(uint64_t first, uint64_t end, uint64_t step, uint64_t bits)
{
	uint64_t page;

	for (page = first; page < end; page += step)
		*nvx_window_pte(page) = nvx_window_gpa(page) | bits;
}

/* Let L2 touch pages, and return why it came back. */
static uint64_t touch(uint64_t first, uint64_t count, uint64_t stride, uint64_t writes)
{
	l2_first = first;
	l2_count = count;
	l2_stride = stride;
	l2_writes = writes;
	nvx_l1_skip_instruction();
	nvx_l1_enter();
	return vmreadz(VM_EXIT_REASON);
}

static bool any_bit(uint64_t first, uint64_t end, uint64_t bit)
{
	uint64_t page, bits = 0;

	for (page = first; page < end; page++)
		bits |= *nvx_window_pte(page);
	return bits & bit;
}

static void prepare_none(void) { }

static void prepare_all(void)
{
	fill(0, PAGES, 1, FILL);
}

static void prepare_logged(void)
{
	fill(LOGGED_PAGE, LOGGED_PAGE + PAGES, 1, FILL);
}

static void prepare_holes(void)
{
	fill(0, PAGES, 2, FILL);
}

static void prepare_unused(void)
{
	fill(0, PAGES, 1, EPT_RWX | EPT_WB);
}

static void prepare_clean(void)
{
	fill(0, PAGES, 1, EPT_RWX | EPT_WB | EPT_A);
}

static void prepare_unbacked(void)
{
	uint64_t page;

	fill(0, PAGES, 1, FILL);
	for (page = 1; page < PAGES; page += 2)
		*nvx_window_pte(page) = (UNBACKED_GPA + page * 4096) | FILL;
}

/* The window as one large page of EPT12; L0 has small pages only. */
static void prepare_large(void)
{
	*window_pde() = WINDOW_GPA | FILL | EPT_LARGE;
}

static bool check_all(void)
{
	return touch(0, PAGES, 1, 1) == EXIT_REASON_VMCALL;
}

static bool check_none(void)
{
	return touch(0, 0, 1, 1) == EXIT_REASON_VMCALL;
}

static bool check_even(void)
{
	return touch(0, PAGES / 2, 2, 1) == EXIT_REASON_VMCALL;
}

/* Nothing but L2's own accesses sets the accessed bit. */
static bool check_unused(void)
{
	bool good = touch(0, 1, 1, 1) == EXIT_REASON_VMCALL;

	good &= (*nvx_window_pte(0) & (EPT_A | EPT_D)) == (EPT_A | EPT_D);
	return good && !any_bit(1, PAGES, EPT_A | EPT_D);
}

/* Nor the dirty bit; a write to a page that was mapped in advance does. */
static bool check_clean(void)
{
	bool good = touch(0, 1, 1, 0) == EXIT_REASON_VMCALL;

	good &= !any_bit(0, PAGES, EPT_D);
	good &= touch(1, 1, 1, 1) == EXIT_REASON_VMCALL;
	return good && *nvx_window_pte(1) & EPT_D && !any_bit(2, PAGES, EPT_D);
}

static bool check_clean_reads(void)
{
	return touch(0, PAGES, 1, 0) == EXIT_REASON_VMCALL && !any_bit(0, PAGES, EPT_D);
}

/* A page mapped in advance and then taken back is gone. */
static bool check_taken_back(void)
{
	bool good = touch(0, 1, 1, 1) == EXIT_REASON_VMCALL;

	*nvx_window_pte(1) = 0;
	nvx_invept(1);
	good &= touch(1, 1, 1, 1) == EXIT_REASON_EPT_VIOLATION;
	fill(1, 2, 1, FILL);
	nvx_l1_enter();
	return good && vmreadz(VM_EXIT_REASON) == EXIT_REASON_VMCALL;
}

/* A page mapped in advance may be for reading only. */
static bool check_read_only(void)
{
	bool good;

	fill(1, 2, 1, EPT_R | EPT_WB | EPT_A);
	good = touch(0, 1, 1, 1) == EXIT_REASON_VMCALL;
	good &= touch(1, 1, 1, 1) == EXIT_REASON_EPT_VIOLATION;
	good &= (vmreadz(EXIT_QUALIFICATION) & 0x3f) == (0x2 | EPT_R << 3);
	fill(1, 2, 1, FILL);
	nvx_invept(1);
	nvx_l1_enter();
	return good && vmreadz(VM_EXIT_REASON) == EXIT_REASON_VMCALL;
}

/* Pages 0 and 3 of those that no other check uses: stock logs what it syncs. */
static bool check_logged(void)
{
	return touch(LOGGED_PAGE, 1, 1, 1) == EXIT_REASON_VMCALL &&
	       touch(LOGGED_PAGE + 3, 1, 1, 1) == EXIT_REASON_VMCALL;
}

static bool check_unbacked(void)
{
	bool good = touch(0, PAGES / 2, 2, 1) == EXIT_REASON_VMCALL;

	good &= touch(1, 1, 1, 0) == EXIT_REASON_VMCALL;
	return good && l2_value == VALUE;
}

/*
 * @stock and @around: EPT violations that L0 takes, for a window of one page up to
 * the number of pages; 0: not compared.
 */
static const struct {
	const char *name;
	void (*prepare)(void);
	bool (*check)(void);
	unsigned int stock;
	bool around;
	bool logged;
} checks[] = {
	{ "nothing", prepare_none, check_none },
	{ "all pages", prepare_all, check_all, PAGES / STOCK_AROUND, true },
	{ "every second page", prepare_holes, check_even, PAGES / 2, true },
	{ "reads of clean pages", prepare_clean, check_clean_reads,
	  PAGES / STOCK_AROUND, true },
	{ "4 KiB pieces of a large page", prepare_large, check_all,
	  PAGES / STOCK_AROUND, true },
	{ "pages without memory between", prepare_unbacked, check_unbacked },
	{ "accessed bits", prepare_unused, check_unused },
	{ "dirty bits", prepare_clean, check_clean },
	{ "page taken back", prepare_all, check_taken_back },
	{ "read-only page", prepare_all, check_read_only },
	{ "dirty log", prepare_logged, check_logged, 0, false, true },
};

/*
 * Have L0 drop what it knows of the window: it does so in tables that L2 can reach,
 * hence the access, to a page of its own.
 */
static void forget(void)
{
	fill(OWN_PAGE, OWN_PAGE + 1, 1, FILL);
	nvx_invept(1);
	GUEST_ASSERT_EQ(touch(OWN_PAGE, 1, 1, 1), EXIT_REASON_VMCALL);
}

/* For each check: SYNC 3i before it, 3i + 1 at its start, 3i + 2 (+ 100) after. */
static void l1_guest_code(struct vmx_pages *vmx)
{
	uint64_t i, page, pde;
	bool good;

	nvx_l1_init(vmx, l2_guest_code);
	nvx_l1_enter();
	GUEST_ASSERT_EQ(vmreadz(VM_EXIT_REASON), EXIT_REASON_VMCALL);
	pde = *window_pde();
	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		GUEST_SYNC(3 * i);
		*window_pde() = pde;
		for (page = 0; page < PAGES; page++)
			*nvx_window_pte(page) = 0;
		forget();
		checks[i].prepare();
		forget();
		GUEST_SYNC(3 * i + 1);
		good = checks[i].check();
		GUEST_SYNC(3 * i + 2 + good * 100);
	}
	GUEST_DONE();
}

/* Give L1 a view of the table that points to the window's page table. */
static void expose_window_pd(struct nvx_vm *v)
{
	uint64_t *table = v->vmx->eptp_hva, entry = 0;
	int level;

	for (level = 4; level > 2; level--) {
		entry = table[(WINDOW_GPA >> (12 + 9 * (level - 1))) & 511];
		entry &= 0x000ffffffffff000ul;
		table = addr_gpa2hva(v->vm, entry);
	}
	virt_pg_map(v->vm, WINDOW_PD_GVA, entry);
	window_pde_index = (WINDOW_GPA >> 21) & 511;
	sync_global_to_guest(v->vm, window_pde_index);
}

/* A numeric parameter; 1 where there is none. */
static unsigned int window_size(void)
{
	unsigned int n = 1;
	FILE *file = fopen("/sys/module/kvm_intel/parameters/nvx_fault_around", "r");

	if (file && fscanf(file, "%u", &n) != 1)
		n = 1;
	if (file)
		fclose(file);
	return n;
}

/* Run to the next sync; answer reads of unbacked memory on the way. */
static bool run_to_sync(struct nvx_vm *v, uint64_t *stage)
{
	struct kvm_run *run = v->vcpu->run;
	uint64_t answer = VALUE;
	struct ucall uc;

	for (;;) {
		vcpu_run(v->vcpu);
		if (run->exit_reason != KVM_EXIT_MMIO)
			break;
		TEST_ASSERT(!run->mmio.is_write, "Unexpected write at %#llx",
			    run->mmio.phys_addr);
		memcpy(run->mmio.data, &answer, sizeof(answer));
	}

	switch (get_ucall(v->vcpu, &uc)) {
	case UCALL_SYNC:
		*stage = uc.args[1];
		return true;
	case UCALL_DONE:
		return false;
	default:
		REPORT_GUEST_ASSERT(uc);
	}
	return false;
}

static void report_logged(struct nvx_vm *v, bool good, const char *name)
{
	unsigned long log[WINDOW_PAGES / 64] = { };

	kvm_vm_get_dirty_log(v->vm, WINDOW_SLOT, log);
	vm_mem_region_set_flags(v->vm, WINDOW_SLOT, 0);
	nvx_result(good && log[LOGGED_PAGE / 64] == 0x9, "%s: pages %#lx", name,
		   log[LOGGED_PAGE / 64]);
}

static void report(struct nvx_vm *v, uint64_t i, bool good, uint64_t exits)
{
	static uint64_t overhead;
	unsigned int n = window_size(), want = checks[i].stock;

	if (!i)
		overhead = exits;
	if (checks[i].logged && nvx_param("pml")) {
		ksft_test_result_skip("%s: needs a module with pml=0\n", checks[i].name);
		return;
	}
	if (checks[i].logged) {
		report_logged(v, good, checks[i].name);
		return;
	}
	if (checks[i].around && n > 1)
		want = PAGES / n;
	nvx_result(good && (!want || exits - overhead == want),
		   "%s: %ld violations, %u expected", checks[i].name,
		   (long)(exits - overhead), want);
}

int main(void)
{
	uint64_t stage, exits = 0, i;
	struct nvx_vm v;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(nvx_param("ept"));
	TEST_REQUIRE(nvx_param("eptad"));

	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(checks));
	ksft_print_msg("nvx_fault_around is %u\n", window_size());

	nvx_vm_create(&v, l1_guest_code);
	expose_window_pd(&v);
	while (run_to_sync(&v, &stage)) {
		i = stage % 100 / 3;
		if (stage % 100 % 3 == 0 && checks[i].logged && !nvx_param("pml"))
			vm_mem_region_set_flags(v.vm, WINDOW_SLOT,
						KVM_MEM_LOG_DIRTY_PAGES);
		else if (stage % 100 % 3 == 1)
			exits = nvx_exits(v.vcpu);
		else if (stage % 100 % 3 == 2)
			report(&v, i, stage >= 100, nvx_exits(v.vcpu) - exits);
	}
	nvx_vm_destroy(&v);

	ksft_finished();
}
