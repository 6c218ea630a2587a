/* SPDX-License-Identifier: GPL-2.0-only */
/* Part of nvx_hooks.h: transitions that repeat nothing. */
#ifndef __KVM_X86_VMX_NVX_FAST_HOOKS_H
#define __KVM_X86_VMX_NVX_FAST_HOOKS_H

/* Bits of the parameter nvx_fast_parts. */
#define NVX_FAST_EXIT		0x01
#define NVX_FAST_ENTRY		0x02
#define NVX_FAST_DIRECT		0x04
#define NVX_FAST_TIMER		0x08
#define NVX_FAST_PAGES		0x10
#define NVX_FAST_SHADOW		0x20
#define NVX_FAST_EVENTS		0x40
#define NVX_FAST_CPU_TIMER	0x80

#ifdef CONFIG_KVM_NVX_FAST
extern unsigned int nvx_fast_mask;

void nvx_fast_entered(struct kvm_vcpu *vcpu);
void nvx_fast_exited(struct kvm_vcpu *vcpu);
void nvx_fast_forget(struct kvm_vcpu *vcpu);
void nvx_fast_forget_vmcs02(struct kvm_vcpu *vcpu);
void nvx_fast_free(struct kvm_vcpu *vcpu);
void nvx_fast_event(struct kvm_vcpu *vcpu);
bool nvx_fast_vmexit(struct kvm_vcpu *vcpu, u32 exit_reason, u32 intr_info,
		     unsigned long exit_qual);
bool nvx_fast_vmentry(struct kvm_vcpu *vcpu, bool launch);
bool nvx_fast_run(struct kvm_vcpu *vcpu);
bool nvx_fast_handled(struct kvm_vcpu *vcpu, int exit_fastpath);
bool nvx_fast_irr_empty(const struct kvm_vcpu *vcpu);
bool nvx_timer_early(struct vcpu_vmx *vmx);
void nvx_timer_arm(struct kvm_vcpu *vcpu, bool immediate);
bool nvx_fast_sync_shadow(struct vcpu_vmx *vmx);
void nvx_idle_mapped(struct kvm_vcpu *vcpu);
void nvx_idle_give_back(struct kvm_vcpu *vcpu);
void nvx_idle_stop(struct kvm_vcpu *vcpu);
void nvx_idle_free(struct kvm_vcpu *vcpu);

#define nvx_has_record(nvx)			((nvx)->fast)
/* Pages of L1 may stay mapped, and its vCPU's thread is to unmap them. */
#define nvx_has_idle(nvx)			((nvx)->idle)
#define nvx_gives_back(nvx)			unlikely(READ_ONCE((nvx)->give_back))
#else
#define nvx_fast_mask				0u
#define nvx_fast_entered(vcpu)			do { } while (0)
#define nvx_fast_exited(vcpu)			do { } while (0)
#define nvx_fast_forget(vcpu)			do { } while (0)
#define nvx_fast_free(vcpu)			do { } while (0)
#define nvx_fast_event(vcpu)			do { } while (0)
#define nvx_fast_vmexit(vcpu, reason, info, qual) false
#define nvx_fast_vmentry(vcpu, launch)		false
#define nvx_fast_run(vcpu)			false
#define nvx_fast_handled(vcpu, fastpath)	false
#define nvx_fast_irr_empty(vcpu)		false
#define nvx_timer_early(vmx)			false
#define nvx_timer_arm(vcpu, immediate)		do { } while (0)
#define nvx_fast_sync_shadow(vmx)		false
#define nvx_idle_mapped(vcpu)			do { } while (0)
#define nvx_idle_give_back(vcpu)		do { } while (0)
#define nvx_idle_stop(vcpu)			do { } while (0)
#define nvx_idle_free(vcpu)			do { } while (0)
#define nvx_has_record(nvx)			false
#define nvx_has_idle(nvx)			false
#define nvx_gives_back(nvx)			false
#endif /* CONFIG_KVM_NVX_FAST */

/*
 * A vCPU without nested guests has no record, and pays for this test only; before
 * the first guest has been a hypervisor, for a no-op.
 */
static __always_inline bool nvx_fast_record(const struct nvx_vcpu *nvx)
{
	return IS_ENABLED(CONFIG_KVM_NVX_FAST) &&
	       static_branch_unlikely(&nvx_exits_matter) &&
	       unlikely(nvx_has_record(nvx));
}

/* Each exit of each guest passes nvx_handle_exit(): let it find out by one test. */
static __always_inline void nvx_watch_exits(struct nvx_vcpu *nvx)
{
	nvx->watched = nvx_has_record(nvx) || nvx_has_idle(nvx) || nvx_pf_filter(nvx);
}

/* Part of nvx_exit_fastpath().  True: run the vCPU again. */
static __always_inline bool nvx_l0_exit_fastpath(struct kvm_vcpu *vcpu,
						 const struct nvx_vcpu *nvx)
{
	return nvx_fast_record(nvx) && nvx_fast_run(vcpu);
}

/* KVM has set the VMX-preemption timer, @immediate: to 0. */
static __always_inline void nvx_arm_timer(struct kvm_vcpu *vcpu,
					  const struct nvx_vcpu *nvx,
					  bool immediate)
{
	if (nvx_fast_record(nvx))
		nvx_timer_arm(vcpu, immediate);
}

/* KVM looks for the highest interrupt in L1's APIC.  True: there is none. */
static __always_inline bool nvx_irr_empty(const struct kvm_vcpu *vcpu,
					  const struct nvx_vcpu *nvx)
{
	return nvx_fast_record(nvx) && nvx_fast_irr_empty(vcpu);
}

/* KVM is about to handle an exit from L2 that it does not reflect to L1. */
static __always_inline void nvx_l2_exit_kept(struct kvm_vcpu *vcpu,
					     const struct nvx_vcpu *nvx)
{
	if (nvx_fast_record(nvx))
		nvx_fast_event(vcpu);
}

/* KVM has put a vCPU to sleep, and it is awake: by an event, by a signal, by nvx. */
static __always_inline void nvx_vcpu_woken(struct kvm_vcpu *vcpu)
{
	if (IS_ENABLED(CONFIG_KVM_NVX_FAST) && nvx_woken)
		nvx_woken(vcpu);
}

#endif /* __KVM_X86_VMX_NVX_FAST_HOOKS_H */
