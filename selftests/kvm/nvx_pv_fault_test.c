// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv_fault_test - Whose page faults a range flush repeats.
 *
 * L2 touches a page that the host does not have: its VMM gets it by userfaultfd, and
 * before it provides the page somebody flushes a range.  L0 has to walk EPT12 anew if
 * the range was one of this L2's tables, which shows as one exit more, and only then.
 * What another VM flushes, or this one for tables that nobody uses, costs L2 nothing:
 * a loop of it must not keep page faults from ever being done.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/compiler.h>
#include <linux/userfaultfd.h>

#include "nvx_pv.h"

#define FILL		(EPT_RWX | EPT_WB | EPT_A | EPT_D)
/* Further apart than any window around a fault. */
#define DISTANCE	64
#define NR_CASES	4

static const char * const names[NR_CASES] = {
	"nobody flushes",
	"another VM flushes its own tables",
	"another vCPU flushes tables that nobody uses",
	"another vCPU flushes tables of this L2",
};

/* In guest memory. */
static volatile uint64_t l2_page;
static uint64_t flush_eptp;

static void l2_guest_code(void)
{
	for (;;) {
		*nvx_window_gva(l2_page);
		nvx_l2_vmcall();
	}
}

static void touch(uint64_t page)
{
	l2_page = page;
	nvx_l1_enter();
	GUEST_ASSERT_EQ(vmreadz(VM_EXIT_REASON), EXIT_REASON_VMCALL);
	nvx_l1_skip_instruction();
}

/* GUEST_SYNC(EPTP), then before and after each touch. */
static void runner_code(struct vmx_pages *vmx)
{
	uint64_t i;

	nvx_use_pv = 1;
	nvx_l1_init(vmx, l2_guest_code);
	/* The host has this one. */
	*nvx_window_pte(1) = nvx_window_gpa(1) | FILL;
	touch(1);
	GUEST_SYNC(vmreadz(EPT_POINTER));
	for (i = 0; i < NR_CASES; i++) {
		touch(1);
		*nvx_window_pte(i * DISTANCE) = nvx_window_gpa(i * DISTANCE) | FILL;
		GUEST_SYNC(0);
		touch(i * DISTANCE);
		GUEST_SYNC(1);
	}
	GUEST_DONE();
}

/* Flush a page below flush_eptp at each run. */
static void flusher_code(struct vmx_pages *vmx)
{
	struct nvx_pv_flush *remote = &pv_assist(vmx)->remote;

	pv_features |= NVX_PV_FEAT_RANGE;
	GUEST_ASSERT(prepare_for_vmx_operation(vmx));
	pv_init_assist(vmx);
	GUEST_ASSERT(!pv_enable());
	GUEST_SYNC(0);
	for (;;) {
		remote->op = NVX_PV_RANGE;
		remote->eptp = flush_eptp;
		remote->gpa = nvx_window_gpa(2);
		remote->nr_pages = 1;
		GUEST_ASSERT(!wrmsr_safe(MSR_NVX_PV_FLUSH, NVX_PV_FLUSH_REMOTE));
		GUEST_SYNC(0);
	}
}

static struct nvx_vm v, own, other;
static unsigned int this_case;
static uint64_t eptp, other_eptp;

static void flush(struct nvx_vm *flusher, uint64_t root)
{
	*(uint64_t *)addr_gva2hva(flusher->vm, (vm_vaddr_t)&flush_eptp) = root;
	nvx_run(flusher, NULL);
}

static void disturb(void)
{
	switch (this_case) {
	case 1:
		flush(&other, other_eptp);
		break;
	case 2:
		flush(&own, eptp + 4096);
		break;
	case 3:
		flush(&own, eptp);
		break;
	}
}

static void *serve_faults(void *arg)
{
	int uffd = *(int *)arg;
	struct uffdio_zeropage zero = { };
	struct uffd_msg msg;

	while (read(uffd, &msg, sizeof(msg)) == sizeof(msg)) {
		TEST_ASSERT(msg.event == UFFD_EVENT_PAGEFAULT, "event %u", msg.event);
		disturb();
		zero.range.start = msg.arg.pagefault.address & ~4095ul;
		zero.range.len = 4096;
		TEST_ASSERT(!ioctl(uffd, UFFDIO_ZEROPAGE, &zero), "UFFDIO_ZEROPAGE failed");
	}
	return NULL;
}

/* Take the pages that are to be touched away, and get their faults. */
static int register_pages(void)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };
	int uffd = syscall(__NR_userfaultfd, O_CLOEXEC), i;

	TEST_ASSERT(uffd >= 0 && !ioctl(uffd, UFFDIO_API, &api), "No userfaultfd");
	for (i = 0; i < NR_CASES; i++) {
		void *page = addr_gpa2hva(v.vm, nvx_window_gpa(i * DISTANCE));

		madvise(page, 4096, MADV_DONTNEED);
		reg.range.start = (uint64_t)page;
		reg.range.len = 4096;
		TEST_ASSERT(!ioctl(uffd, UFFDIO_REGISTER, &reg), "UFFDIO_REGISTER failed");
	}
	return uffd;
}

static void add_flusher(struct nvx_vm *flusher, struct nvx_vm *to)
{
	vm_vaddr_t gva;

	flusher->vm = to->vm;
	flusher->vcpu = vm_vcpu_add(to->vm, 1, flusher_code);
	vcpu_init_descriptor_tables(flusher->vcpu);
	vcpu_set_cpuid_feature(flusher->vcpu, X86_FEATURE_HYPERVISOR);
	vcpu_alloc_vmx(to->vm, &gva);
	vcpu_args_set(flusher->vcpu, 1, gva);
	nvx_run(flusher, NULL);
}

/* Exits of L2's first touch of a page. */
static uint64_t exits_of_touch(void)
{
	uint64_t exits;

	TEST_ASSERT(nvx_run(&v, NULL), "L1 has ended");
	exits = nvx_exits(v.vcpu);
	TEST_ASSERT(nvx_run(&v, NULL), "L1 has ended");
	return nvx_exits(v.vcpu) - exits;
}

int main(void)
{
	uint64_t exits, expected = 0;
	struct nvx_vm second;
	pthread_t thread;
	int uffd;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(nvx_feature("pv"));
	TEST_REQUIRE(nvx_feature("pv_range"));

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(NR_CASES);
	nvx_vm_create(&v, runner_code);
	add_flusher(&own, &v);
	nvx_vm_create(&second, runner_code);
	add_flusher(&other, &second);
	nvx_run(&second, &other_eptp);
	nvx_run(&v, &eptp);

	uffd = register_pages();
	TEST_ASSERT(!pthread_create(&thread, NULL, serve_faults, &uffd), "No thread");
	for (this_case = 0; this_case < NR_CASES; this_case++) {
		exits = exits_of_touch();
		if (!this_case)
			expected = exits;
		nvx_result(exits == expected + (this_case == 3), "%s: %lu exits, %lu without",
			   names[this_case], exits, expected);
	}
	nvx_vm_destroy(&v);
	nvx_vm_destroy(&second);
	ksft_finished();
}
