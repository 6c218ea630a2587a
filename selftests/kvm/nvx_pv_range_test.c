// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv_range_test - L1 names the pages of L2 that have changed.
 *
 * L1 maps page 0 of the window to another page behind L2's back and then flushes
 * in one way or another; what L2 reads tells what L0 has forgotten.  L1 does so in
 * its assist page, by the flush MSR, and by the flush MSR of another vCPU while L2
 * runs and does not leave for L1.
 */
#include <pthread.h>

#include <linux/compiler.h>

#include "nvx_pv.h"

#define FILL		(EPT_RWX | EPT_WB | EPT_A | EPT_D)
#define RFLAGS_IF	BIT(9)
#define OLD		11
#define NEW		22

/* In guest memory. */
static volatile uint64_t l2_value, l2_spins, go;
static struct vmx_pages *vmx;

static void l2_guest_code(void)
{
	for (;;) {
		l2_value = *nvx_window_gva(0);
		nvx_l2_vmcall();
	}
}

static void l2_spin(void)
{
	while (!go) {
		l2_value = *nvx_window_gva(0);
		l2_spins++;
	}
	l2_guest_code();
}

static bool reads(uint64_t value)
{
	l2_value = 0;
	nvx_l1_enter();
	if (vmreadz(VM_EXIT_REASON) != EXIT_REASON_VMCALL)
		return false;
	nvx_l1_skip_instruction();
	return l2_value == value;
}

static void fill(uint32_t op, uint64_t gpa, uint32_t nr, struct nvx_pv_flush *flush)
{
	flush->op = op;
	flush->eptp = vmreadz(EPT_POINTER);
	flush->nr_pages = nr;
	flush->gpa = gpa;
}

static void request(uint32_t op, uint64_t gpa, uint32_t nr)
{
	struct nvx_pv_assist *assist = pv_assist(vmx);

	fill(op, gpa, nr, &assist->flush[assist->nr_flush]);
	WRITE_ONCE(assist->nr_flush, assist->nr_flush + 1);
}

static uint8_t flush_msr(uint32_t op, uint64_t gpa, uint32_t nr)
{
	fill(op, gpa, nr, &pv_assist(vmx)->remote);
	return wrmsr_safe(MSR_NVX_PV_FLUSH, NVX_PV_FLUSH_REMOTE);
}

static void map(unsigned int page)
{
	*nvx_window_pte(0) = nvx_window_gpa(page) | FILL;
}

/* L2 knows page 1 at the place of page 0, L1 has put page 2 there. */
static bool remapped(void)
{
	map(1);
	request(NVX_PV_INVEPT | 2, 0, 0);
	if (!reads(OLD))
		return false;
	map(2);
	return true;
}

static bool check_named(void)
{
	request(NVX_PV_RANGE, nvx_window_gpa(0), 1);
	return reads(NEW) && !pv_assist(vmx)->nr_flush;
}

static bool check_in_the_middle(void)
{
	request(NVX_PV_RANGE, nvx_window_gpa(0) - 64 * 4096ul, 128);
	return reads(NEW);
}

static bool check_largest(void)
{
	request(NVX_PV_RANGE, nvx_window_gpa(0) & ~0xfffffffful, NVX_PV_RANGE_MAX);
	return reads(NEW);
}

/* Not a promise of the interface, but what makes a range cheap. */
static bool check_others_stay(void)
{
	request(NVX_PV_RANGE, nvx_window_gpa(1), 255);
	request(NVX_PV_RANGE, nvx_window_gpa(0) - 4096, 1);
	return reads(OLD);
}

static bool check_other_eptp(void)
{
	request(NVX_PV_RANGE, nvx_window_gpa(0), 1);
	pv_assist(vmx)->flush[0].eptp += 4096;
	return reads(OLD);
}

static bool check_empty(void)
{
	request(NVX_PV_RANGE, nvx_window_gpa(8), 0);
	return reads(NEW);
}

static bool check_too_large(void)
{
	request(NVX_PV_RANGE, 0x100000000ul, NVX_PV_RANGE_MAX + 1);
	return reads(NEW);
}

static bool check_not_aligned(void)
{
	request(NVX_PV_RANGE, nvx_window_gpa(8) + 8, 1);
	return reads(NEW);
}

static bool check_msr(void)
{
	return !flush_msr(NVX_PV_RANGE, nvx_window_gpa(0), 1) && reads(NEW);
}

static bool check_msr_refuses(void)
{
	return flush_msr(NVX_PV_INVEPT | 2, 0, 0) == GP_VECTOR &&
	       flush_msr(NVX_PV_RANGE, nvx_window_gpa(0), 0) == GP_VECTOR &&
	       flush_msr(NVX_PV_RANGE, nvx_window_gpa(0), NVX_PV_RANGE_MAX + 1) == GP_VECTOR &&
	       flush_msr(NVX_PV_RANGE, nvx_window_gpa(0) + 1, 1) == GP_VECTOR &&
	       flush_msr(NVX_PV_RANGE | 1, nvx_window_gpa(0), 1) == GP_VECTOR &&
	       wrmsr_safe(MSR_NVX_PV_FLUSH, 2) == GP_VECTOR &&
	       reads(OLD);
}

static bool check_msr_reads_zero(void)
{
	uint64_t value = 1;

	return !rdmsr_safe(MSR_NVX_PV_FLUSH, &value) && !value &&
	       !wrmsr_safe(MSR_NVX_PV_FLUSH, 0) && reads(OLD);
}

/* The other vCPU flushes, while L2 runs on this one. */
static bool check_other_vcpu(void)
{
	nvx_l1_restart(l2_spin);
	vmwrite(GUEST_RFLAGS, vmreadz(GUEST_RFLAGS) | RFLAGS_IF);
	return reads(NEW);
}

static const struct {
	const char *name;
	bool (*run)(void);
} checks[] = {
	{ "the page that is named", check_named },
	{ "a page in the middle of a range", check_in_the_middle },
	{ "the largest range", check_largest },
	{ "pages that are not named stay", check_others_stay },
	{ "pages of another EPTP stay", check_other_eptp },
	{ "an empty range is everything", check_empty },
	{ "a range too large is everything", check_too_large },
	{ "a range not aligned is everything", check_not_aligned },
	{ "the flush MSR", check_msr },
	{ "the flush MSR refuses, and does nothing", check_msr_refuses },
	{ "the flush MSR reads as zero", check_msr_reads_zero },
	{ "for another vCPU, whose L2 runs", check_other_vcpu },
};

#define NR_CHECKS	ARRAY_SIZE(checks)

/* Before check i a GUEST_SYNC(2 * i), after it 2 * i + 1 + 100 if it passed. */
static void runner_code(struct vmx_pages *pages)
{
	uint64_t i, good;

	vmx = pages;
	nvx_use_pv = 1;
	pv_features |= NVX_PV_FEAT_RANGE;
	nvx_l1_init(vmx, l2_guest_code);
	*nvx_window_gva(1) = OLD;
	*nvx_window_gva(2) = NEW;
	for (i = 0; i < NR_CHECKS; i++) {
		good = remapped();
		GUEST_SYNC(2 * i);
		good = good && checks[i].run();
		GUEST_SYNC(2 * i + 1 + good * 100);
	}
	GUEST_DONE();
}

static void flusher_code(struct vmx_pages *pages)
{
	struct nvx_pv_assist *assist = pv_assist(pages);
	uint64_t spins = l2_spins;

	GUEST_ASSERT(prepare_for_vmx_operation(pages));
	pv_init_assist(pages);
	GUEST_ASSERT(!pv_enable());
	fill(NVX_PV_RANGE, nvx_window_gpa(0), 1, &assist->remote);

	/* L2 runs, and has page 1 in its TLB. */
	asm volatile("sti");
	map(1);
	while (READ_ONCE(l2_spins) < spins + 100)
		cpu_relax();
	map(2);
	GUEST_ASSERT(!wrmsr_safe(MSR_NVX_PV_FLUSH, NVX_PV_FLUSH_REMOTE));
	go = 1;
	GUEST_DONE();
}

/* With the feature off it is refused as a whole. */
static void off_code(struct vmx_pages *pages)
{
	uint64_t value;

	GUEST_ASSERT(prepare_for_vmx_operation(pages));
	pv_features |= NVX_PV_FEAT_RANGE;
	pv_init_assist(pages);
	GUEST_SYNC(pv_enable() == GP_VECTOR &&
		   rdmsr_safe(MSR_NVX_PV_FLUSH, &value) == GP_VECTOR &&
		   wrmsr_safe(MSR_NVX_PV_FLUSH, 0) == GP_VECTOR);
	GUEST_DONE();
}

static void *run_flusher(void *vcpu)
{
	struct nvx_vm v = { .vcpu = vcpu };

	while (nvx_run(&v, NULL))
		;
	return NULL;
}

static struct kvm_vcpu *add_flusher(struct nvx_vm *v)
{
	struct kvm_vcpu *vcpu = vm_vcpu_add(v->vm, 1, flusher_code);
	vm_vaddr_t gva;

	vcpu_init_descriptor_tables(vcpu);
	vcpu_set_cpuid_feature(vcpu, X86_FEATURE_HYPERVISOR);
	vcpu_alloc_vmx(v->vm, &gva);
	vcpu_args_set(vcpu, 1, gva);
	return vcpu;
}

static void run_off(void)
{
	struct nvx_vm v;
	uint64_t good = 0;

	ksft_set_plan(1);
	nvx_vm_create(&v, off_code);
	nvx_run(&v, &good);
	nvx_result(good, "the feature is off");
	nvx_vm_destroy(&v);
	ksft_finished();
}

int main(void)
{
	struct kvm_vcpu *other;
	uint64_t stage, ranges = 0;
	pthread_t thread;
	struct nvx_vm v;

	ksft_print_header();
	if (!nvx_feature("pv") || !nvx_feature("pv_range"))
		run_off();

	ksft_set_plan(NR_CHECKS + 1);
	nvx_vm_create(&v, runner_code);
	other = add_flusher(&v);
	while (nvx_run(&v, &stage)) {
		unsigned int i = stage % 100 / 2;
		bool last = i == NR_CHECKS - 1;

		if (stage == 0)
			ranges = nvx_counter("pv_range");
		if (last && !(stage % 2))
			TEST_ASSERT(!pthread_create(&thread, NULL, run_flusher, other),
				    "No thread for the other vCPU");
		if (stage % 2) {
			if (last)
				pthread_join(thread, NULL);
			nvx_result(stage >= 100, "%s", checks[i].name);
		}
	}
	/* named, middle, largest, stay 2, EPTP, MSR, other vCPU */
	ranges = nvx_counter("pv_range") - ranges;
	nvx_result(ranges == 8, "counter pv_range: %lu of 8", ranges);
	nvx_vm_destroy(&v);
	ksft_finished();
}
