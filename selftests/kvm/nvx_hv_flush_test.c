// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_hv_flush_test - TLB entries of L1 that Hyper-V's hypercall flushes while L2 runs.
 *
 * KVM queues the entries for the level that they belong to.  They are out of the
 * queue, which a statistic tells, before L1's first instruction after the exit from
 * L2: whatever the form of that exit.
 */
#include <pthread.h>

#include <linux/compiler.h>

#include "nvx_fast_counts.h"

/* Hyper-V TLFS 4.2, 9.4.6. */
#define MSR_GUEST_OS_ID		0x40000000
#define GUEST_OS_ID		(0x8100ul << 48)
#define FLUSH_LIST		3ul
#define FLUSH_ALL_SPACES	BIT(1)
#define LEAF_FEATURES		0x40000003
#define EDX_LIST_FLUSH		BIT(14)

#define STEADY		4
#define ENTRIES		12
#define RFLAGS_IF	BIT(9)

/* In guest memory. */
static volatile uint64_t spin, in_l2, go;

struct flush_list {
	uint64_t address_space, flags, processors, gva[ENTRIES];
};

static void l2_guest_code(void)
{
	for (;;) {
		if (spin) {
			in_l2 = 1;
			while (!go)
				;
		}
		nvx_l2_vmcall();
	}
}

static void runner_code(struct vmx_pages *vmx)
{
	int i;

	nvx_l1_init(vmx, l2_guest_code);
	/* Or the host's scheduler has no chance: Bochs. */
	vmwrite(GUEST_RFLAGS, vmreadz(GUEST_RFLAGS) | RFLAGS_IF);
	for (i = 0; i < STEADY; i++)
		nvx_l1_turns(1);
	spin = 1;
	nvx_l1_enter();
	GUEST_SYNC(0);
	GUEST_DONE();
}

static uint64_t hypercall(uint64_t control, uint64_t input)
{
	register uint64_t output asm("r8") = 0;
	uint64_t status;

	asm volatile("vmcall" : "=a"(status), "+c"(control), "+d"(input), "+r"(output)
		     : : "memory", "cc");
	return status;
}

static void flusher_code(void)
{
	struct flush_list *list = (void *)WINDOW_GPA;
	int i;

	wrmsr(MSR_GUEST_OS_ID, GUEST_OS_ID);
	list->flags = FLUSH_ALL_SPACES;
	list->processors = BIT(0);
	for (i = 0; i < ENTRIES; i++)
		list->gva[i] = 0x10000000ul + i * 0x200000ul;

	asm volatile("sti");
	while (!in_l2)
		;
	GUEST_SYNC(0);
	GUEST_ASSERT_EQ((uint16_t)hypercall(FLUSH_LIST | (uint64_t)ENTRIES << 32,
					    WINDOW_GPA), 0);
	go = 1;
	GUEST_DONE();
}

static struct nvx_vm v, flusher;
static uint64_t flushed;
static int stats;

static void *run_flusher(void *unused)
{
	nvx_run(&flusher, NULL);
	flushed = nvx_stat(stats, "tlb_flush");
	nvx_run(&flusher, NULL);
	return NULL;
}

/* Before there were lists, all of the TLB was flushed at either level. */
static bool kvm_takes_lists(void)
{
	const struct kvm_cpuid2 *cpuid = kvm_get_supported_hv_cpuid();
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == LEAF_FEATURES)
			return cpuid->entries[i].edx & EDX_LIST_FLUSH;
	return false;
}

static void set_cpuid(struct kvm_vcpu *vcpu)
{
	vcpu_set_hv_cpuid(vcpu);
	vcpu_set_cpuid_feature(vcpu, X86_FEATURE_HYPERVISOR);
}

int main(void)
{
	uint64_t short_exits;
	pthread_t thread;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_HYPERV_CPUID));
	TEST_REQUIRE(nvx_param("ept"));
	TEST_REQUIRE(nvx_param("unrestricted_guest"));
	TEST_REQUIRE(kvm_takes_lists());

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(2);
	nvx_vm_create(&v, runner_code);
	set_cpuid(v.vcpu);
	flusher.vm = v.vm;
	flusher.vcpu = vm_vcpu_add(v.vm, 1, flusher_code);
	vcpu_init_descriptor_tables(flusher.vcpu);
	set_cpuid(flusher.vcpu);

	/* While a vCPU runs there is no getting at it. */
	stats = vcpu_get_stats_fd(v.vcpu);
	short_exits = nvx_counter("fast_exit");
	TEST_ASSERT(!pthread_create(&thread, NULL, run_flusher, NULL),
		    "No thread for the other vCPU");
	nvx_run(&v, NULL);
	flushed = nvx_stat(stats, "tlb_flush") - flushed;
	pthread_join(thread, NULL);
	short_exits = nvx_counter("fast_exit") - short_exits;

	nvx_result(flushed >= ENTRIES, "%lu of %d entries flushed when L1 goes on",
		   flushed, ENTRIES);
	check_counter("exits", short_exits, PART_EXIT, STEADY, 0);
	nvx_vm_destroy(&v);
	ksft_finished();
}
