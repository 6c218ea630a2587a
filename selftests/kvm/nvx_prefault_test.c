// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_prefault_test - A page mapped in advance changes nothing that L1 can see.
 *
 * L2 touches pages of the window; L1 answers each EPT violation in a way of its
 * own.  What L1 then observes (exits, qualification, EPT12 bits, memory) must be
 * the same with stock KVM and with nvx_prefault; only the exits of L0 and the
 * counters may differ, and those are checked too.
 */
#include "nvx_selftest.h"

#define QUAL_READ	0x1ul
#define QUAL_WRITE	0x2ul
#define QUAL_PERMS	0x38ul	/* what EPT12 allowed, bits 5:3 */
#define FILL		(EPT_RWX | EPT_WB | EPT_A | EPT_D)
#define UNBACKED_GPA	0xb0000000ul

#define VALUE		0x1122334455667788ul
#define PATTERN		0x5a5a5a5aul

/* Page and kind of access, set by L1 before it enters L2; value L2 has read. */
static uint64_t l2_page, l2_writes, l2_value;
static uint64_t other_eptp;

static void l2_guest_code(void)
{
	for (;;) {
		nvx_l2_vmcall();
		if (l2_writes)
			*nvx_window_gva(l2_page) = VALUE;
		else
			l2_value = *nvx_window_gva(l2_page);
	}
}

static uint64_t next_exit(void)
{
	nvx_l1_enter();
	return vmreadz(VM_EXIT_REASON);
}

static void fill(uint64_t page, uint64_t bits)
{
	*nvx_window_pte(page) = nvx_window_gpa(page) | bits;
}

/* L2 is at its VMCALL: let it go on to the access, expect a violation there. */
static bool violates(uint64_t page, uint64_t writes)
{
	l2_page = page;
	l2_writes = writes;
	nvx_l1_skip_instruction();
	return next_exit() == EXIT_REASON_EPT_VIOLATION &&
	       (vmreadz(GUEST_PHYSICAL_ADDRESS) & ~4095ul) == nvx_window_gpa(page) &&
	       !!(vmreadz(EXIT_QUALIFICATION) & QUAL_WRITE) == !!writes;
}

static bool arrives(void)
{
	return next_exit() == EXIT_REASON_VMCALL;
}

static bool check_write(uint64_t page)
{
	bool good = violates(page, 1);

	fill(page, FILL);
	return good && arrives() && *nvx_window_gva(page) == VALUE;
}

static bool check_read(uint64_t page)
{
	bool good = violates(page, 0);

	fill(page, FILL);
	*nvx_window_gva(page) = PATTERN;
	return good && arrives() && l2_value == PATTERN;
}

/* As for an emulated device: L1 fills nothing and skips the instruction. */
static bool check_emulated(uint64_t page)
{
	bool good = violates(page, 1);

	/* The access is a movq $imm32 or a mov: let L2 restart behind it. */
	nvx_l1_restart(l2_guest_code);
	good &= arrives();
	return good && *nvx_window_pte(page) == 0 && !*nvx_window_gva(page);
}

static bool check_other_page_filled(uint64_t page)
{
	bool good = violates(page, 1);

	fill(page + 1, FILL);
	/* Again, for the page is not there yet. */
	good &= next_exit() == EXIT_REASON_EPT_VIOLATION;
	fill(page, FILL);
	return good && arrives() && *nvx_window_gva(page) == VALUE;
}

/* L1 maps for reading only: the write must reach L1, and say what it found. */
static bool check_read_only(uint64_t page)
{
	bool good = violates(page, 1);

	fill(page, EPT_R | EPT_WB | EPT_A);
	good &= next_exit() == EXIT_REASON_EPT_VIOLATION;
	good &= (vmreadz(EXIT_QUALIFICATION) & QUAL_PERMS) == EPT_R << 3;
	good &= !*nvx_window_gva(page);
	fill(page, FILL);
	nvx_invept(1);
	return good && arrives() && *nvx_window_gva(page) == VALUE;
}

/* The prefault is a read: it must not set the dirty bit of EPT12. */
static bool check_no_dirty_bit(uint64_t page)
{
	bool good = violates(page, 0);

	fill(page, EPT_RWX | EPT_WB | EPT_A);
	good &= arrives();
	return good && !(*nvx_window_pte(page) & EPT_D);
}

/* And the write after it must. */
static bool check_dirty_bit(uint64_t page)
{
	bool good = violates(page, 1);

	fill(page, EPT_RWX | EPT_WB | EPT_A);
	good &= arrives();
	return good && (*nvx_window_pte(page) & EPT_D);
}

/* Another EPTP at the entry (A/D bits off), twice: a prefault would be a guess. */
static bool check_other_eptp(uint64_t page)
{
	uint64_t eptp = vmreadz(EPT_POINTER);
	bool good = violates(page, 1);

	vmwrite(EPT_POINTER, other_eptp);
	good &= next_exit() == EXIT_REASON_EPT_VIOLATION;
	vmwrite(EPT_POINTER, eptp);
	fill(page, FILL);
	return good && arrives() && *nvx_window_gva(page) == VALUE;
}

/* EPT12 maps what no memory slot of L0 has: user space sees the access. */
static bool check_no_memslot(uint64_t page)
{
	bool good = violates(page, 0);

	*nvx_window_pte(page) = UNBACKED_GPA | FILL;
	/* The host answers the MMIO read. */
	return good && arrives() && l2_value == PATTERN;
}

static bool check_taken_back(uint64_t page)
{
	bool good = violates(page, 1);

	fill(page, FILL);
	good &= arrives();
	*nvx_window_pte(page) = 0;
	nvx_invept(1);
	good &= violates(page, 0);
	fill(page, FILL);
	return good && arrives() && l2_value == VALUE;
}

/* The host saves and restores the vCPU between violation and entry. */
static bool check_migration(uint64_t page)
{
	bool good = violates(page, 1);

	GUEST_SYNC(1000);
	fill(page, FILL);
	return good && arrives() && *nvx_window_gva(page) == VALUE;
}

/* @mapped, @missed, @skipped: what the counters must show with nvx_prefault on. */
static const struct {
	const char *name;
	bool (*check)(uint64_t page);
	unsigned int mapped, missed, skipped;
} checks[] = {
	{ "write", check_write, 1, 0, 0 },
	{ "read", check_read, 1, 0, 0 },
	{ "access that L1 emulates", check_emulated, 0, 1, 0 },
	{ "another page filled", check_other_page_filled, 1, 1, 0 },
	{ "read-only page, write", check_read_only, 2, 0, 0 },
	{ "no dirty bit by a read", check_no_dirty_bit, 1, 0, 0 },
	{ "dirty bit by a write", check_dirty_bit, 1, 0, 0 },
	{ "another EPTP", check_other_eptp, 0, 0, 2 },
	{ "no memory slot", check_no_memslot, 0, 1, 0 },
	{ "page taken back", check_taken_back, 2, 0, 0 },
	{ "save and restore before the entry", check_migration, 0, 0, 0 },
};

/* Around each check a GUEST_SYNC: 2 * check, then 2 * check + 1 + passed * 100. */
static void l1_guest_code(struct vmx_pages *vmx)
{
	uint64_t i;
	bool good;

	nvx_l1_init(vmx, l2_guest_code);
	GUEST_ASSERT_EQ(next_exit(), EXIT_REASON_VMCALL);
	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		GUEST_SYNC(2 * i);
		good = checks[i].check(8 * i);
		GUEST_SYNC(2 * i + 1 + good * 100);
	}
	GUEST_DONE();
}

/*
 * Another EPTP over the same lower tables.  What L2 sees is the same under both;
 * the counters tell that nothing was mapped for the one that did not fault.
 */
static void make_other_eptp(struct nvx_vm *v)
{
	vm_vaddr_t gva = vm_vaddr_alloc_page(v->vm);

	memcpy(addr_gva2hva(v->vm, gva), v->vmx->eptp_hva, 4096);
	/* Write-back, four levels, no accessed and dirty bits. */
	other_eptp = addr_gva2gpa(v->vm, gva) | 6 | 3 << 3;
	sync_global_to_guest(v->vm, other_eptp);
}

struct counts {
	uint64_t mapped, missed, skipped;
};

static struct counts read_counts(void)
{
	return (struct counts) {
		.mapped = nvx_counter("prefault_mapped"),
		.missed = nvx_counter("prefault_missed"),
		.skipped = nvx_counter("prefault_skipped"),
	};
}

static bool count_is(uint64_t delta, unsigned int expected, bool on)
{
	return delta == (on ? expected : 0);
}

static void report(uint64_t i, bool good, struct counts before)
{
	struct counts now = read_counts();
	bool on = nvx_feature("prefault");
	bool counted = count_is(now.mapped - before.mapped, checks[i].mapped, on) &&
		       count_is(now.missed - before.missed, checks[i].missed, on) &&
		       count_is(now.skipped - before.skipped, checks[i].skipped, on);

	nvx_result(good, "%s", checks[i].name);
	nvx_result(counted, "%s: counters: mapped %lu, missed %lu, skipped %lu",
		   checks[i].name, now.mapped - before.mapped,
		   now.missed - before.missed, now.skipped - before.skipped);
}

/* Run to the next sync; answer a read of unbacked memory on the way. */
static bool run_to_sync(struct nvx_vm *v, uint64_t *stage)
{
	struct kvm_run *run = v->vcpu->run;
	uint64_t answer = PATTERN;
	struct ucall uc;

	for (;;) {
		vcpu_run(v->vcpu);
		if (run->exit_reason != KVM_EXIT_MMIO)
			break;
		TEST_ASSERT(run->mmio.phys_addr == UNBACKED_GPA && !run->mmio.is_write,
			    "Unexpected MMIO at %#llx", run->mmio.phys_addr);
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

int main(void)
{
	struct counts before = { };
	struct nvx_vm v;
	uint64_t stage;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_NESTED_STATE));
	TEST_REQUIRE(nvx_param("ept"));
	TEST_REQUIRE(nvx_param("eptad"));

	ksft_print_header();
	ksft_set_plan(2 * ARRAY_SIZE(checks));
	ksft_print_msg("prefault is %s\n",
		       nvx_feature("prefault") ? "on" : "off");

	nvx_vm_create(&v, l1_guest_code);
	make_other_eptp(&v);
	while (run_to_sync(&v, &stage)) {
		if (stage == 1000)
			nvx_save_restore(&v);
		else if (stage % 100 & 1)
			report(stage % 100 / 2, stage >= 100, before);
		else
			before = read_counts();
	}
	nvx_vm_destroy(&v);

	ksft_finished();
}
