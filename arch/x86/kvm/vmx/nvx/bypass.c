// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_bypass_pf: without EPT, page faults of a guest that are none of KVM's business
 * do not exit.  This is the part that sets up the VMCS; mmu/nvx/bypass*_tmpl.h decide
 * which faults those are.
 */
#include <linux/kvm_host.h>
#include <linux/module.h>

#include "x86.h"
#include "pmu.h"
#include "vmx/vmx.h"
#include "mmu/nvx/bypass.h"
#include "mmu/nvx/nvx_mmu.h"
#include "nvx.h"
#include "nvx_compat.h"

static_assert(NVX_PF_PRESENT == PFERR_PRESENT_MASK && NVX_PF_RSVD == PFERR_RSVD_MASK);

/**
 * nvx_bypass_setup() - Settle nvx_bypass_pf
 *
 * Context: Module initialization, enable_ept is final.
 */
void __init nvx_bypass_setup(void)
{
	bool on = nvx_mmu_bypass_setup(nvx_bypass_pf);

	if (nvx_bypass_pf && !on)
		pr_warn("kvm_intel: nvx_bypass_pf=1 refused: physical addresses of this CPU leave no bit for it\n");
	nvx_bypass_pf = on;
	if (on)
		static_branch_enable(&nvx_exits_matter);
}

/**
 * nvx_load_pf_filter() - Let the faults exit that the guest's paging mode requires
 * @vcpu: vCPU whose page tables are about to be loaded
 *
 * Whatever changes the paging mode makes KVM load them again.  A nested guest has a
 * VMCS of its own, in which all page faults exit.
 *
 * Context: The VMCS of the vCPU is loaded.
 */
void nvx_load_pf_filter(struct kvm_vcpu *vcpu)
{
	struct nvx_vcpu *nvx = &to_vmx(vcpu)->nested.nvx;
	bool on = nvx_bypass_pf && nvx_bypass_allowed(vcpu);

	if (is_guest_mode(vcpu) || on == nvx->pf_filter)
		return;

	nvx->pf_filter = on;
	nvx_watch_exits(nvx);
	vmcs_write32(PAGE_FAULT_ERROR_CODE_MASK, nvx_pf_filter(nvx));
	vmcs_write32(PAGE_FAULT_ERROR_CODE_MATCH, nvx_pf_filter(nvx));
}

/* Is there nothing about an instruction that the emulator would have to consider? */
static bool nvx_plain_mov(struct kvm_vcpu *vcpu, unsigned long rflags)
{
	return !(rflags & X86_EFLAGS_TF) && !vcpu->guest_debug &&
	       !(vcpu->arch.dr7 & DR7_BP_EN_MASK) &&
	       vmcs_read32(GUEST_CS_AR_BYTES) & VMX_AR_L_MASK &&
	       !vmx_get_interrupt_shadow(vcpu);
}

/**
 * nvx_bypass_write() - Handle an exit if it is a MOV that fills a page table
 * @vcpu: vCPU that has exited, page faults on absent entries go to its guest
 *
 * Supervisor mode only, as all guests do it.
 *
 * Context: Exit handling, before KVM has looked at the exit.
 * Return: false if nothing has been done.
 */
bool nvx_bypass_write(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	unsigned long rip, rflags;
	unsigned int len;

	if (vmx->exit_reason.full != EXIT_REASON_EXCEPTION_NMI || is_guest_mode(vcpu) ||
	    vmx->idt_vectoring_info & VECTORING_INFO_VALID_MASK || !cpu_has_virtual_nmis() ||
	    vmx->emulation_required || !is_page_fault(vmx_get_intr_info(vcpu)) ||
	    !vmx->nested.nvx.mmu.bypass_credit ||
	    vmcs_read32(VM_EXIT_INTR_ERROR_CODE) != (PFERR_PRESENT_MASK | PFERR_WRITE_MASK))
		return false;

	rflags = vmx_get_rflags(vcpu);
	rip = kvm_rip_read(vcpu);
	if (!nvx_plain_mov(vcpu, rflags) ||
	    !nvx_mmu_write_pte(vcpu, vmx_get_exit_qual(vcpu), rip, &len))
		return false;

	kvm_rip_write(vcpu, rip + len);
	vmx_set_rflags(vcpu, rflags & ~X86_EFLAGS_RF);
	nvx_compat_count_insn(vcpu);
	return true;
}

/**
 * nvx_shadow_fault_code() - Undo what an unused entry has done to an error code
 * @vcpu: vCPU that has exited with a page fault
 * @code: its error code, with the reserved bit
 *
 * Context: Exit handling.
 * Return: the code to handle the fault with.
 */
u32 nvx_shadow_fault_code(struct kvm_vcpu *vcpu, u32 code)
{
	nvx_count(bypass_trapped);
	return nvx_mmu_fault_code(vcpu, vmx_get_exit_qual(vcpu), code);
}
