// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_umip_test - UMIP is offered if the CPU has it, and emulated UMIP unless
 * nvx_no_umip_emul says no.  What is not offered cannot be switched on.
 */
#include "nvx_selftest.h"

static void guest_code(void)
{
	GUEST_DONE();
}

static int set_cr4_umip(struct kvm_vcpu *vcpu)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(vcpu, &sregs);
	sregs.cr4 |= X86_CR4_UMIP;
	return _vcpu_sregs_set(vcpu, &sregs);
}

int main(void)
{
	bool in_cpu = this_cpu_has(X86_FEATURE_UMIP);
	bool wanted = in_cpu || !nvx_feature("no_umip_emul");
	bool offered = kvm_cpu_has(X86_FEATURE_UMIP);
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;

	ksft_print_header();
	ksft_set_plan(2);
	ksft_print_msg("the CPU has %s UMIP, nvx_no_umip_emul is %s\n",
		       in_cpu ? "" : "no", nvx_feature("no_umip_emul") ? "on" : "off");

	nvx_result(offered == wanted, "UMIP is %s", offered ? "offered" : "hidden");

	vm = vm_create_with_one_vcpu(&vcpu, guest_code);
	nvx_result(!set_cr4_umip(vcpu) == wanted, "CR4.UMIP is %s",
		   wanted ? "accepted" : "refused");
	kvm_vm_free(vm);

	ksft_finished();
}
