/* SPDX-License-Identifier: GPL-2.0-only */
/* Part of nvx_hooks.h: virtual EPT. */
#ifndef __KVM_X86_VMX_NVX_VEPT_HOOKS_H
#define __KVM_X86_VMX_NVX_VEPT_HOOKS_H

#ifdef CONFIG_KVM_NVX_VEPT
extern bool nvx_keep_roots;
extern bool nvx_vept;
extern bool nvx_gpf_bypass;
extern bool nvx_pfec;

void nvx_reflect_ept_fault(struct kvm_vcpu *vcpu, u32 exit_reason, u64 gpa);
void nvx_map_reflected(struct kvm_vcpu *vcpu);
void nvx_populate(struct kvm_vcpu *vcpu, struct kvm_memory_slot *slot, u64 gfn);
void nvx_count_kept_roots(void);
void nvx_write_pfec(struct vcpu_vmx *vmx, struct vmcs12 *vmcs12);

/* Do guests get EPT, and what needs it? */
#define nvx_offer_ept()			nvx_vept
/* Do all page faults of L2 exit? */
#define nvx_traps_pf()			unlikely(!nvx_gpf_bypass)
/* Does VM-entry bring work that may sleep? */
#define nvx_work_at_entry(nvx)		((nvx)->prefault_pending)
#else
#define nvx_keep_roots			false
#define nvx_pfec			false
#define nvx_reflect_ept_fault(vcpu, reason, gpa) do { } while (0)
#define nvx_map_reflected(vcpu)		do { } while (0)
#define nvx_populate(vcpu, slot, gfn)	do { } while (0)
#define nvx_count_kept_roots()		do { } while (0)
#define nvx_write_pfec(vmx, vmcs12)	do { } while (0)
#define nvx_offer_ept()			true
#define nvx_traps_pf()			false
#define nvx_work_at_entry(nvx)		false
#endif /* CONFIG_KVM_NVX_VEPT */

/* L2 has been entered. */
static __always_inline void nvx_vept_entered(struct kvm_vcpu *vcpu,
					     const struct nvx_vcpu *nvx)
{
	if (unlikely(nvx_work_at_entry(nvx)))
		nvx_map_reflected(vcpu);
}

/* The current VMCS changes.  True: the roots of EPT02 stay in the vCPU's cache. */
static __always_inline bool nvx_keep_ept02_roots(void)
{
	if (!nvx_keep_roots)
		return false;

	nvx_count_kept_roots();
	return true;
}

/* Which page faults of L2 exit has been written to vmcs02: make them fewer. */
static __always_inline void nvx_merge_pfec(struct vcpu_vmx *vmx,
					   struct vmcs12 *vmcs12)
{
	if (nvx_pfec)
		nvx_write_pfec(vmx, vmcs12);
}

/* The host is about to be asked for the page of a TDP fault. */
static __always_inline void nvx_faultin(struct kvm_vcpu *vcpu,
					struct kvm_memory_slot *slot, u64 gfn)
{
	if (IS_ENABLED(CONFIG_KVM_NVX_VEPT) && unlikely(nvx_mmu.populate > 1))
		nvx_populate(vcpu, slot, gfn);
	if (IS_ENABLED(CONFIG_KVM_NVX_VEPT) && nvx_mmu.tdp_fault_around > 1)
		nvx_mmu_note_faultin(vcpu);
}

/* The same for a page of L2, or of any guest whose page tables are shadowed. */
static __always_inline void nvx_shadow_faultin(struct kvm_vcpu *vcpu)
{
	if (IS_ENABLED(CONFIG_KVM_NVX_VEPT) && nvx_mmu.fault_around > 1)
		nvx_mmu_note_faultin(vcpu);
}

#endif /* __KVM_X86_VMX_NVX_VEPT_HOOKS_H */
