// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_idle_test - An L1 that does not run its L2 keeps no page of its memory pinned.
 *
 * L1 has a virtual-APIC page and an MSR bitmap, and with "pv" its VMCS in memory.  It
 * runs L2, and then does not: in user space, and halted with a timer that wakes it.
 * After two seconds the host can take the pages away (where it knows how to be asked:
 * memory failure is not configured everywhere), and L2 runs as before.
 */
#include <errno.h>
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
#ifndef APIC_LVTT
#define APIC_LVTT		0x320
#define APIC_TMICT		0x380
#define APIC_TDCR		0x3e0
#endif

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif

enum { IN_USER_SPACE, COUNT, HALTED, NOT_HALTED };

/* In guest memory. */
static uint64_t virtual_apic;
static volatile uint64_t wakes;

static void wake_handler(struct ex_regs *regs)
{
	wakes++;
	x2apic_write_reg(APIC_EOI, 0);
}

static void halt(void)
{
	uint64_t before = wakes;

	x2apic_write_reg(APIC_TMICT, WAKE_COUNT);
	while (wakes == before)
		asm volatile("sti; hlt; cli" : : : "memory");
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
	for (i = 0; i < WAKES; i++)
		halt();
	GUEST_SYNC(NOT_HALTED);
	nvx_l1_turns(TURNS);
	GUEST_DONE();
}

static struct nvx_vm v;

/* Has the host got rid of the page?  It is lost to the machine. */
static void check_page(void *page, const char *name)
{
	bool good = !madvise(page, 4096, MADV_SOFT_OFFLINE);

	if (!good && errno == EINVAL)
		ksft_test_result_skip("%s: this kernel cannot be asked\n", name);
	else
		nvx_result(good, "%s: moved elsewhere (%s)", name,
			   good ? "" : strerror(errno));
}

static void check_pages(void)
{
	check_page(addr_gpa2hva(v.vm, virtual_apic), "virtual-APIC page");
	check_page(v.vmx->msr_hva, "MSR bitmap");
	check_page(v.vmx->vmxon_hva, "VMXON region");
	check_page(v.vmx->vmcs_hva, "VMCS");
}

static void check_unpinned(uint64_t before, const char *name)
{
	uint64_t times = nvx_counter("idle_unpinned") - before;

	nvx_result(times == nvx_feature("fast"), "%s: given back %lu times", name, times);
}

/* Usage: nvx_idle_test [pv]; pv: VMCS in memory. */
int main(int argc, char *argv[])
{
	uint64_t stage, unpinned = 0;
	vm_vaddr_t gva;

	nvx_use_pv = argc > 1 && !strcmp(argv[1], "pv");
	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(nvx_param("ept"));
	TEST_REQUIRE(nvx_param("unrestricted_guest"));
	TEST_REQUIRE(!nvx_use_pv || nvx_feature("pv"));

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(9);
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
			check_pages();
			break;
		case COUNT:
			nvx_fast_begin();
			break;
		case HALTED:
			nvx_fast_end("exits", "VM-entries", TURNS, 0);
			unpinned = nvx_counter("idle_unpinned");
			break;
		case NOT_HALTED:
			check_unpinned(unpinned, "halted");
			break;
		}
	}
	nvx_result(true, "L1 and L2 have come to their end");
	nvx_vm_destroy(&v);
	ksft_finished();
}
