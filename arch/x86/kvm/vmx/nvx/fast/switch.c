// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_fast: what a transition in the short form does to VMCS, EFER and TLB, either way.
 */
#include <linux/kvm_host.h>

#include "x86.h"
#include "vmx/vmx.h"
#include "vmx/nvx/fast/parts.h"
#include "vmx/nvx/fast/record.h"

/**
 * nvx_fast_switch_vmcs() - Load another VMCS of the same vCPU
 * @vmx: the vCPU
 * @to: VMCS that was loaded on this CPU before and has not left it
 *
 * What is left of vmx_switch_vmcs() when the CPU is known to be the same.
 *
 * Context: Preemption off.
 */
void nvx_fast_switch_vmcs(struct vcpu_vmx *vmx, struct loaded_vmcs *to)
{
	struct vmcs_host_state *src = &vmx->loaded_vmcs->host_state;
	struct vmcs_host_state *dest = &to->host_state;

	vmx->loaded_vmcs = to;
	this_cpu_write(current_vmcs, to->vmcs);
	vmcs_load(to->vmcs);

	if (unlikely(!vmx->guest_state_loaded))
		return;

	vmx_set_host_fs_gs(dest, src->fs_sel, src->gs_sel, src->fs_base,
			   src->gs_base);
	dest->ldt_sel = src->ldt_sel;
	dest->ds_sel = src->ds_sel;
	dest->es_sel = src->es_sel;
}

/**
 * nvx_fast_switch_efer() - Take over the EFER of the other level
 * @vmx: the vCPU
 * @f: its record
 * @efer: EFER of the level that runs next, in long mode as the other
 *
 * What is left of vmx_set_efer() when both VMCSs hold their EFER already: it
 * tells whether the MSRs of SYSCALL have to be the guest's.
 *
 * Context: Preemption off.
 */
void nvx_fast_switch_efer(struct vcpu_vmx *vmx, struct nvx_fast *f, u64 efer)
{
	u64 changed = vmx->vcpu.arch.efer ^ efer;
	struct vmx_uret_msr *msr;
	int i;

	vmx->vcpu.arch.efer = efer;
	if (!(changed & EFER_SCE))
		return;

	for (i = 0; i < ARRAY_SIZE(f->syscall_msrs); i++) {
		msr = f->syscall_msrs[i];
		if (!msr)
			continue;
		msr->load_into_hardware = efer & EFER_SCE;
		if (msr->load_into_hardware)
			kvm_set_user_return_msr(msr - vmx->guest_uret_msrs,
						msr->data, msr->mask);
	}
}

/**
 * nvx_fast_flush_linear() - A transition of an L2 without a VPID
 * @vcpu: the vCPU, at the level that runs next
 *
 * Context: Preemption off.
 */
void nvx_fast_flush_linear(struct kvm_vcpu *vcpu)
{
	kvm_make_request(KVM_REQ_TLB_FLUSH_GUEST, vcpu);
	kvm_service_local_tlb_flush_requests(vcpu);
}
