// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pf_test - Page faults of L2 reach whom they are for, and exit no more often
 * than L0 and L1 need.
 *
 * L1 asks for page faults in different ways; L2 takes some for pages that are not
 * present and some for pages that are.  The vCPU has a smaller MAXPHYADDR than the
 * host, so that a module with allow_smaller_maxphyaddr needs the latter.
 */
#include <unistd.h>

#include "nvx_selftest.h"

#define ABSENT_GVA	0xe0000000ul
#define READ_ONLY_GVA	(WINDOW_GPA + 200 * 4096ul)
#define FAULTS		16
#define CR0_WP		BIT(16)
#define PF		BIT(14)
#define P		1u
#define SMALL_MAXPHYADDR	36

/* Set by L1: where L2 faults and how often.  Set by L2: faults it has seen. */
static uint64_t l2_gva, l2_count, l2_faults;

static void l2_guest_code(void)
{
	uint64_t i;

	for (;;) {
		nvx_l2_vmcall();
		for (i = 0; i < l2_count; i++)
			l2_faults += kvm_asm_safe("movb $0, (%%rcx)", "c"(l2_gva)) == 14;
	}
}

/*
 * What L1 asks for, and who gets a fault.  Where L2 gets those of absent pages they
 * need not exit: @narrow.
 */
static const struct {
	const char *name;
	uint32_t bitmap, mask, match;
	bool absent_to_l1, present_to_l1;
	bool narrow;
} rows[] = {
	{ "none", 0, 0, 0, false, false, true },
	{ "those of present pages", PF, P, P, false, true, true },
	{ "those of absent pages", PF, P, 0, true, false, false },
	{ "all", PF, 0, 0, true, true, false },
	{ "those of absent pages, bit clear", 0, P, P, true, false, false },
	{ "none, by a match that cannot be", PF, 0, P, false, false, true },
};

/* Take faults; true if whom they are for has seen them. */
static bool fault(uint64_t gva, bool to_l1)
{
	uint64_t present = gva == READ_ONLY_GVA ? P : 0;

	l2_gva = gva;
	l2_count = to_l1 ? 1 : FAULTS;
	l2_faults = 0;
	nvx_l1_enter();
	if (!to_l1)
		return vmreadz(VM_EXIT_REASON) == EXIT_REASON_VMCALL &&
		       l2_faults == FAULTS;

	if (vmreadz(VM_EXIT_REASON) != EXIT_REASON_EXCEPTION_NMI ||
	    (vmreadz(VM_EXIT_INTR_INFO) & 0xff) != 14 ||
	    (vmreadz(VM_EXIT_INTR_ERROR_CODE) & P) != present ||
	    vmreadz(EXIT_QUALIFICATION) != gva)
		return false;
	/* The instruction cannot be skipped: start again. */
	nvx_l1_restart(l2_guest_code);
	nvx_l1_enter();
	return vmreadz(VM_EXIT_REASON) == EXIT_REASON_VMCALL;
}

/* SYNC 4i; no fault; 4i + 1; absent page; 4i + 2; present page; 4i + 3; + 100: good. */
static void l1_guest_code(struct vmx_pages *vmx)
{
	uint64_t i;
	bool good;

	nvx_l1_init(vmx, l2_guest_code);
	/* The library leaves it clear: nothing would be read-only for L2. */
	vmwrite(GUEST_CR0, vmreadz(GUEST_CR0) | CR0_WP);
	/* All that a fault needs is in EPT02 before anything is counted. */
	nvx_l1_enter();
	nvx_l1_skip_instruction();
	GUEST_ASSERT(fault(ABSENT_GVA, false));
	nvx_l1_skip_instruction();
	GUEST_ASSERT(fault(READ_ONLY_GVA, false));

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		vmwrite(EXCEPTION_BITMAP, rows[i].bitmap);
		vmwrite(PAGE_FAULT_ERROR_CODE_MASK, rows[i].mask);
		vmwrite(PAGE_FAULT_ERROR_CODE_MATCH, rows[i].match);
		l2_count = 0;
		nvx_l1_restart(l2_guest_code);
		nvx_l1_enter();
		GUEST_SYNC(4 * i);
		nvx_l1_skip_instruction();
		nvx_l1_enter();
		good = vmreadz(VM_EXIT_REASON) == EXIT_REASON_VMCALL;
		GUEST_SYNC(4 * i + 1 + good * 100);
		nvx_l1_skip_instruction();
		good = fault(ABSENT_GVA, rows[i].absent_to_l1);
		GUEST_SYNC(4 * i + 2 + good * 100);
		nvx_l1_skip_instruction();
		good = fault(READ_ONLY_GVA, rows[i].present_to_l1);
		GUEST_SYNC(4 * i + 3 + good * 100);
	}
	GUEST_DONE();
}

/* The library maps pages as writable only. */
static void make_read_only(struct nvx_vm *v, uint64_t gva)
{
	uint64_t *table = addr_gpa2hva(v->vm, v->vm->pgd);
	uint64_t *entry;
	int level;

	for (level = 4; ; level--) {
		entry = &table[(gva >> (12 + 9 * (level - 1))) & 511];
		if (level == 1)
			break;
		table = addr_gpa2hva(v->vm, *entry & 0x000ffffffffff000ul);
	}
	*entry &= ~2ul;
}

static void shrink_maxphyaddr(struct kvm_vcpu *vcpu)
{
	struct kvm_cpuid_entry2 *entry = vcpu_get_cpuid_entry(vcpu, 0x80000008);

	entry->eax = (entry->eax & ~0xffu) | SMALL_MAXPHYADDR;
	vcpu_set_cpuid(vcpu);
}

/* Is a parameter of ours there and off? */
static bool is_off(const char *path, const char *name)
{
	return !access(path, R_OK) && !nvx_param(name);
}

static void report(uint64_t i, bool present, bool good, long exits)
{
	bool all = is_off("/sys/module/kvm_intel/parameters/nvx_gpf_bypass",
			  "nvx_gpf_bypass");
	bool some = nvx_param("allow_smaller_maxphyaddr");
	bool to_l1 = present ? rows[i].present_to_l1 : rows[i].absent_to_l1;
	bool each = all || (some && (present || !rows[i].narrow || !nvx_feature("pfec")));

	/* What L1 does is not counted: it is the same in any case. */
	nvx_result(good && (to_l1 || exits == (each ? FAULTS : 0)),
		   "L1 wants %s: faults of %s pages: %ld exits for %d", rows[i].name,
		   present ? "present" : "absent", exits, to_l1 ? 1 : FAULTS);
}

int main(void)
{
	uint64_t stage, before = 0, now, i, step, base = 0;
	struct nvx_vm v;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(nvx_param("ept"));

	ksft_print_header();
	ksft_set_plan(2 * ARRAY_SIZE(rows));

	nvx_vm_create(&v, l1_guest_code);
	shrink_maxphyaddr(v.vcpu);
	make_read_only(&v, READ_ONLY_GVA);

	while (nvx_run(&v, &stage)) {
		i = stage % 100 / 4;
		step = stage % 4;
		now = nvx_exits(v.vcpu);
		if (step == 1)
			base = now - before;
		if (step > 1)
			report(i, step == 3, stage >= 100, now - before - base);
		before = now;
	}
	nvx_vm_destroy(&v);

	ksft_finished();
}
