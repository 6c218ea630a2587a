// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1 has entered L2 with an EPT that is not in its memory.
 *
 * KVM finds out when it loads the root of EPT02, after VM-entry as L1 sees it and
 * before L2 has run.  Without a root it asks for a triple fault, while it takes the
 * exit of a VM-entry that is still pending for a bug of its own, and ends the VM.
 * A CPU has completed VM-entry by then: the first access of L2 is an EPT violation.
 */
#include <linux/kvm_host.h>

#include "x86.h"
#include "vmx/vmx.h"
#include "vmx/nested.h"
#include "nvx.h"

static bool root_is_missing(struct kvm_vcpu *vcpu, struct vmcs12 *vmcs12)
{
	gpa_t root = vmcs12->ept_pointer & GENMASK_ULL(51, 12);

	return nested_cpu_has_ept(vmcs12) &&
	       !kvm_vcpu_is_visible_gfn(vcpu, gpa_to_gfn(root));
}

/* What fetches the first instruction: the page tables of L2 if there are any. */
static gpa_t first_access(struct kvm_vcpu *vcpu, struct vmcs12 *vmcs12,
			  unsigned long *qualification)
{
	unsigned long linear = vmcs12->guest_cs_base + vmcs12->guest_rip;
	int shift = vmcs12->guest_cr4 & X86_CR4_LA57 ? 48 : 39;

	*qualification = EPT_VIOLATION_GVA_IS_VALID;
	if (!(vmcs12->guest_cr0 & X86_CR0_PG)) {
		*qualification |= EPT_VIOLATION_ACC_INSTR |
				  EPT_VIOLATION_GVA_TRANSLATED;
		return linear;
	}

	/* With accessed and dirty bits in EPT a walk counts as a write. */
	*qualification |= EPT_VIOLATION_ACC_READ;
	if (vmcs12->ept_pointer & VMX_EPTP_AD_ENABLE_BIT)
		*qualification |= EPT_VIOLATION_ACC_WRITE;
	if (!(vcpu->arch.efer & EFER_LMA))
		return vmcs12->guest_cr3 & GENMASK(31, 12);
	return (vmcs12->guest_cr3 & GENMASK_ULL(51, 12)) +
	       8 * ((vmcs12->guest_rip >> shift) & 0x1ff);
}

/**
 * nvx_leave_without_root() - KVM wants to end L2 with a triple fault
 * @vcpu: vCPU in guest mode
 *
 * Context: Process context, kvm->srcu held for read.
 * Return: true if L1 has got another exit instead.
 */
bool nvx_leave_without_root(struct kvm_vcpu *vcpu)
{
	struct nested_vmx *nested = &to_vmx(vcpu)->nested;
	struct vmcs12 *vmcs12 = get_vmcs12(vcpu);
	unsigned long qualification, rip;
	gpa_t gpa;

	if (!nvx_master_switch())
		return false;

	/* What is to be injected has been taken back, and goes to L1 with the exit. */
	nested->nested_run_pending = 0;
	if (!root_is_missing(vcpu, vmcs12))
		return false;

	rip = vmcs12->guest_rip;
	gpa = first_access(vcpu, vmcs12, &qualification);
	nested_vmx_vmexit(vcpu, EXIT_REASON_EPT_VIOLATION, 0, qualification);
	vmcs12->guest_physical_address = gpa;
	vmcs12->guest_linear_address = rip;
	return true;
}
