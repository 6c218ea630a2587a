// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_idle_test - An L1 that does not run its L2 keeps no page of its memory pinned.
 *
 * L1 has a virtual-APIC page and an MSR bitmap, and with "pv" its VMCS in memory.  It
 * runs L2, and then does not: in user space, halted with a timer that wakes it, and halted
 * until the host sends an interrupt.  After two seconds the host can take the pages away
 * (where it knows how to be asked: memory failure is not configured everywhere), the halted
 * L1 has noticed nothing, and L2 runs as before.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "apic.h"
#include "nvx_fast_counts.h"

#define STEADY			4
#define TURNS			20
#define WAIT_US			2500000
#define EXEC_TPR_SHADOW		BIT(21)
#define WAKE_VECTOR		0x61
#define WAKES			3
#define WAKE_COUNT		1200000000	/* ns of the APIC timer */
#define DIVIDE_BY_1		0xb
#define MSI_ADDRESS		0xfee00000	/* APIC ID 0 */
#ifndef APIC_LVTT
#define APIC_LVTT		0x320
#define APIC_TMICT		0x380
#define APIC_TDCR		0x3e0
#endif

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif

enum { IN_USER_SPACE, COUNT, HALTED, NOT_HALTED, ASLEEP, AWAKE, COUNT_AGAIN };

/* In guest memory. */
static uint64_t virtual_apic;
static volatile uint64_t wakes, returns;

static void wake_handler(struct ex_regs *regs)
{
	wakes++;
	x2apic_write_reg(APIC_EOI, 0);
}

static void halt(void)
{
	uint64_t before = wakes;

	while (wakes == before) {
		asm volatile("sti; hlt; cli" : : : "memory");
		returns++;
	}
}

static void l1_guest_code(struct vmx_pages *vmx)
{
	int i;

	x2apic_enable();
	x2apic_write_reg(APIC_TDCR, DIVIDE_BY_1);
	x2apic_write_reg(APIC_LVTT, WAKE_VECTOR);
	nvx_l1_init(vmx, nvx_l2_vmcalls);
	vmwrite(VIRTUAL_APIC_PAGE_ADDR, virtual_apic);
	vmwrite(TPR_THRESHOLD, 0);
	vmwrite(MSR_BITMAP, vmx->msr_gpa);
	vmwrite(CPU_BASED_VM_EXEC_CONTROL,
		vmreadz(CPU_BASED_VM_EXEC_CONTROL) | EXEC_TPR_SHADOW |
		CPU_BASED_USE_MSR_BITMAPS);
	nvx_l1_turns(STEADY);
	GUEST_SYNC(IN_USER_SPACE);
	nvx_l1_turns(STEADY);
	GUEST_SYNC(COUNT);
	nvx_l1_turns(TURNS);
	GUEST_SYNC(HALTED);
	nvx_l1_turns(STEADY);
	for (i = 0; i < WAKES; i++) {
		x2apic_write_reg(APIC_TMICT, WAKE_COUNT);
		halt();
	}
	GUEST_SYNC(NOT_HALTED);
	nvx_l1_turns(TURNS);
	GUEST_SYNC(ASLEEP);
	nvx_l1_turns(STEADY);
	returns = 0;
	halt();
	nvx_l1_turns(STEADY);
	GUEST_SYNC(AWAKE);
	nvx_l1_turns(STEADY);
	GUEST_SYNC(COUNT_AGAIN);
	nvx_l1_turns(TURNS);
	GUEST_DONE();
}

static struct nvx_vm v;

/* Has the host got rid of the page?  It is lost to the machine. */
static void check_page(const char *when, void *page, const char *name)
{
	bool good = !madvise(page, 4096, MADV_SOFT_OFFLINE);

	if (!good && errno == EINVAL)
		ksft_test_result_skip("%s, %s: this kernel cannot be asked\n", when, name);
	else
		nvx_result(good, "%s, %s: moved elsewhere (%s)", when, name,
			   good ? "" : strerror(errno));
}

static void check_pages(const char *when)
{
	check_page(when, addr_gpa2hva(v.vm, virtual_apic), "virtual-APIC page");
	check_page(when, v.vmx->msr_hva, "MSR bitmap");
	check_page(when, v.vmx->vmxon_hva, "VMXON region");
	check_page(when, v.vmx->vmcs_hva, "VMCS");
}

static void check_unpinned(uint64_t before, const char *name)
{
	uint64_t times = nvx_counter("idle_unpinned") - before;

	nvx_result(times == (nvx_use_pv || nvx_feature("fast")), "%s: given back %lu times",
		   name, times);
}

/* The vCPU's thread sleeps in KVM_RUN meanwhile. */
static void *wake_later(void *unused)
{
	struct kvm_msi msi = { .address_lo = MSI_ADDRESS, .data = WAKE_VECTOR };
	uint64_t unpinned = nvx_counter("idle_unpinned");

	usleep(WAIT_US);
	check_unpinned(unpinned, "asleep");
	check_pages("asleep");
	TEST_ASSERT(__vm_ioctl(v.vm, KVM_SIGNAL_MSI, &msi) > 0, "The interrupt was not taken");
	return NULL;
}

/* Usage: nvx_idle_test [pv]; pv: VMCS in memory. */
int main(int argc, char *argv[])
{
	uint64_t stage, ended, unpinned = 0;
	pthread_t waker;
	vm_vaddr_t gva;

	nvx_use_pv = argc > 1 && !strcmp(argv[1], "pv");
	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(nvx_param("ept"));
	TEST_REQUIRE(nvx_param("unrestricted_guest"));
	TEST_REQUIRE(!nvx_use_pv || nvx_feature("pv"));

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(17);
	nvx_vm_create(&v, l1_guest_code);
	vm_install_exception_handler(v.vm, WAKE_VECTOR, wake_handler);
	gva = vm_vaddr_alloc_page(v.vm);
	memset(addr_gva2hva(v.vm, gva), 0, 4096);
	virtual_apic = addr_gva2gpa(v.vm, gva);
	sync_global_to_guest(v.vm, virtual_apic);
	sync_global_to_guest(v.vm, nvx_use_pv);
	unpinned = nvx_counter("idle_unpinned");
	while (nvx_run(&v, &stage)) {
		switch (stage) {
		case IN_USER_SPACE:
			usleep(WAIT_US);
			check_unpinned(unpinned, "in user space");
			check_pages("in user space");
			break;
		case COUNT:
		case COUNT_AGAIN:
			nvx_fast_begin();
			break;
		case HALTED:
			nvx_fast_end("exits", "VM-entries", TURNS, 0);
			unpinned = nvx_counter("idle_unpinned");
			break;
		case NOT_HALTED:
			check_unpinned(unpinned, "halted");
			break;
		case ASLEEP:
			pthread_create(&waker, NULL, wake_later, NULL);
			break;
		case AWAKE:
			pthread_join(waker, NULL);
			ended = *(uint64_t *)addr_gva2hva(v.vm, (vm_vaddr_t)&returns);
			nvx_result(ended == 1, "asleep: HLT ended %lu times", ended);
			break;
		}
	}
	nvx_fast_end("exits", "VM-entries", TURNS, 0);
	nvx_result(true, "L1 and L2 have come to their end");
	nvx_vm_destroy(&v);
	ksft_finished();
}
