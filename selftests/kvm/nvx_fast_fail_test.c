// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_fast_fail_test - A VM-entry in the short form that only the CPU refuses.
 *
 * The TPR threshold is one of the fields that L1 writes without an exit; that it is
 * above the TPR in the virtual-APIC page nobody but the CPU sees.  L1 gets a VM-fail with
 * the error in its VMCS, whatever that held before, and goes on.
 */
#include <string.h>

#include "nvx_fast_counts.h"

#define STEADY			4
#define TURNS			20
#define EXEC_TPR_SHADOW		BIT(21)
#define BAD_HOST_STATE		8
#define BAD_CONTROL		7
#define NON_CANONICAL		0x8000000000000000ul

/* In guest memory. */
static uint64_t virtual_apic;

static bool fails_with(uint64_t error)
{
	return nvx_l1_try_enter() && vmreadz(VM_INSTRUCTION_ERROR) == error;
}

/* GUEST_SYNC(0) before the turns that are counted, 2 or 3 after a check. */
static void l1_guest_code(struct vmx_pages *vmx)
{
	uint64_t base;

	nvx_l1_init(vmx, nvx_l2_vmcalls);
	vmwrite(VIRTUAL_APIC_PAGE_ADDR, virtual_apic);
	vmwrite(TPR_THRESHOLD, 0);
	vmwrite(CPU_BASED_VM_EXEC_CONTROL,
		vmreadz(CPU_BASED_VM_EXEC_CONTROL) | EXEC_TPR_SHADOW);
	nvx_l1_turns(STEADY);

	/* Another error, which must not be there any more. */
	base = vmreadz(HOST_FS_BASE);
	vmwrite(HOST_FS_BASE, NON_CANONICAL);
	GUEST_SYNC(2 + fails_with(BAD_HOST_STATE));
	vmwrite(HOST_FS_BASE, base);
	nvx_l1_turns(STEADY);
	GUEST_SYNC(0);
	nvx_l1_turns(TURNS);
	vmwrite(TPR_THRESHOLD, 3);
	GUEST_SYNC(2 + fails_with(BAD_CONTROL));
	vmwrite(TPR_THRESHOLD, 0);
	nvx_l1_turns(STEADY);
	vmwrite(TPR_THRESHOLD, 3);
	GUEST_SYNC(2 + fails_with(BAD_CONTROL));
	vmwrite(TPR_THRESHOLD, 0);
	nvx_l1_turns(STEADY);
	GUEST_DONE();
}

/* Usage: nvx_fast_fail_test [pv]; pv: VMCS in memory. */
int main(int argc, char *argv[])
{
	static const char * const names[] = {
		"host state that KVM refuses", "TPR threshold that the CPU refuses",
		"TPR threshold that the CPU refuses, again",
	};
	unsigned int i = 0;
	vm_vaddr_t gva;
	uint64_t stage;
	struct nvx_vm v;

	nvx_use_pv = argc > 1 && !strcmp(argv[1], "pv");
	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX));
	TEST_REQUIRE(nvx_param("ept"));
	TEST_REQUIRE(nvx_param("unrestricted_guest"));
	TEST_REQUIRE(!nvx_use_pv || nvx_feature("pv"));

	setlinebuf(stdout);
	ksft_print_header();
	ksft_set_plan(ARRAY_SIZE(names) + 2);
	nvx_vm_create(&v, l1_guest_code);
	gva = vm_vaddr_alloc_page(v.vm);
	memset(addr_gva2hva(v.vm, gva), 0, 4096);
	virtual_apic = addr_gva2gpa(v.vm, gva);
	sync_global_to_guest(v.vm, virtual_apic);
	sync_global_to_guest(v.vm, nvx_use_pv);
	while (nvx_run(&v, &stage)) {
		if (!stage) {
			nvx_fast_begin();
			continue;
		}
		if (i == 1)
			nvx_fast_end("exits", "VM-entries", TURNS, 0);
		nvx_result(stage & 1, "%s", names[i++]);
	}
	nvx_vm_destroy(&v);
	ksft_finished();
}
