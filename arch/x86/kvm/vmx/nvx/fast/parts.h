/* SPDX-License-Identifier: GPL-2.0-only */
/* nvx_fast: what entries and exits in the short form consist of. */
#ifndef __KVM_X86_VMX_NVX_FAST_PARTS_H
#define __KVM_X86_VMX_NVX_FAST_PARTS_H

#include <linux/kvm_host.h>

#include "hyperv.h"
#include "nvx_compat.h"
#include "vmx/nvx/fast/record.h"

/* switch.c */
void nvx_fast_switch_vmcs(struct vcpu_vmx *vmx, struct loaded_vmcs *to);
void nvx_fast_switch_efer(struct vcpu_vmx *vmx, struct nvx_fast *f, u64 efer);
void nvx_fast_flush_linear(struct kvm_vcpu *vcpu);

/* Virtual-interrupt delivery; config_known() has seen that secondary controls are on. */
static inline bool nvx_fast_has_vid(const struct vmcs12 *vmcs12)
{
	return vmcs12->secondary_vm_exec_control & SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY;
}

/*
 * An exit has saved these fields of vmcs02 in vmcs12.  L1 may change them there: the next
 * VM-entry writes those to vmcs02 that differ from what is noted here.
 */
static inline void nvx_fast_note_synced(struct nvx_fast *f, const struct vmcs12 *vmcs12)
{
	f->synced.cr0 = vmcs12->guest_cr0;
	f->synced.cr3 = vmcs12->guest_cr3;
	f->synced.cr4 = vmcs12->guest_cr4;
	f->synced.rflags = vmcs12->guest_rflags;
	f->synced.interruptibility = vmcs12->guest_interruptibility_info;
	f->synced.intr_status = vmcs12->guest_intr_status;
}

/**
 * nvx_fast_flush_tlb() - The TLB at a transition
 * @vcpu: the vCPU, at the level that runs next
 * @vmcs12: its VMCS, which decides whether the levels share a tag
 *
 * What is left of nested_vmx_transition_tlb_flush(): the VPID is known not to have
 * changed, and with EPT in vmcs01 either level has a tag of its own, but for an L2
 * without VPID, whose linear addresses every transition forgets.  The control is in
 * use: config_known().
 *
 * Context: Preemption off.
 */
static inline void nvx_fast_flush_tlb(struct kvm_vcpu *vcpu,
				      const struct vmcs12 *vmcs12)
{
	nvx_compat_rearm_hv_flush(vcpu);
	if (unlikely(!(vmcs12->secondary_vm_exec_control &
		       SECONDARY_EXEC_ENABLE_VPID)))
		nvx_fast_flush_linear(vcpu);
}

/* shadow.c */
void nvx_shadow_pull(struct vcpu_vmx *vmx, struct nvx_fast *f);
void nvx_shadow_push(struct vcpu_vmx *vmx, struct nvx_fast *f);

/* pages.c */
bool nvx_pages_current(struct kvm_vcpu *vcpu, struct nvx_fast *f);
void nvx_pages_begin(struct kvm_vcpu *vcpu, struct nvx_fast *f);
bool nvx_pages_end(struct kvm_vcpu *vcpu, struct nvx_fast *f);
bool nvx_pages_logged(struct kvm_vcpu *vcpu);
void nvx_pages_release(struct kvm_vcpu *vcpu, struct nvx_fast *f);
void nvx_pages_give_back(struct kvm_vcpu *vcpu, struct nvx_fast *f);
void nvx_merge_msr_bitmap(struct vcpu_vmx *vmx, struct nvx_fast *f,
			  struct vmcs12 *vmcs12);
bool nvx_msr_exit_wanted(struct kvm_vcpu *vcpu, struct nvx_fast *f, bool write);

/* mmu.c */
void nvx_mmu_save(struct kvm_vcpu *vcpu, struct nvx_fast *f);
bool nvx_mmu_alike(struct kvm_vcpu *vcpu, const struct nvx_fast *f);
void nvx_mmu_swap(struct kvm_vcpu *vcpu, struct nvx_fast *f);

/* timer.c */
bool nvx_timer_enter(struct vcpu_vmx *vmx, struct nvx_fast *f);
bool nvx_timer_leave(struct vcpu_vmx *vmx, struct nvx_fast *f);
void nvx_timer_fall_back(struct vcpu_vmx *vmx, struct nvx_fast *f);
bool nvx_timer_rearm(struct kvm_vcpu *vcpu, u64 deadline, u32 advance);
u64 nvx_timer_left(struct kvm_vcpu *vcpu);

#endif /* __KVM_X86_VMX_NVX_FAST_PARTS_H */
