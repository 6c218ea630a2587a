/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nvx_bypass_pf: what stock files call, a part of nvx_hooks.h.
 */
#ifndef __KVM_X86_VMX_NVX_BYPASS_HOOKS_H
#define __KVM_X86_VMX_NVX_BYPASS_HOOKS_H

/*
 * Unused entries of shadow page tables.  NVX_UNUSED(x) is what they contain where
 * stock writes x; nvx_spte_unused() says whether one is unused, where stock compares
 * with x.
 */
#ifdef CONFIG_KVM_NVX_BYPASS
void nvx_load_pf_filter(struct kvm_vcpu *vcpu);
bool nvx_bypass_write(struct kvm_vcpu *vcpu);
u32 nvx_shadow_fault_code(struct kvm_vcpu *vcpu, u32 code);

#define NVX_UNUSED(x)		(nvx_mmu.trap ?: (x))
#define nvx_spte_unused(spte, x) (!(((spte) ^ (x)) & nvx_mmu.used))

/* A new table of shadow entries, all of them unused. */
static __always_inline void nvx_init_spt(u64 *spt)
{
	unsigned int i;

	if (unlikely(nvx_mmu.trap))
		for (i = 0; i < 512; i++)
			spt[i] = nvx_mmu.trap;
}

/* An entry of the guest that is not to be mapped in advance: nothing to take away? */
static __always_inline bool nvx_spte_open(u64 spte, u64 absent)
{
	return unlikely(nvx_mmu.trap) && spte == absent;
}

/* PFERR_PRESENT_MASK, PFERR_RSVD_MASK; bypass.c asserts. */
#define NVX_PF_PRESENT		1
#define NVX_PF_RSVD		8

/* Mask and match of the page faults that exit from a guest without EPT. */
static __always_inline int nvx_pf_filter(const struct nvx_vcpu *nvx)
{
	return nvx->pf_filter ? NVX_PF_PRESENT : 0;
}

/* The page tables of a guest without EPT are about to be loaded. */
static __always_inline void nvx_load_pgd(struct kvm_vcpu *vcpu)
{
	if (unlikely(nvx_mmu.trap))
		nvx_load_pf_filter(vcpu);
}

/* A guest without EPT has exited.  True: that has been handled. */
static __always_inline bool nvx_bypass_handled(struct kvm_vcpu *vcpu,
					       const struct nvx_vcpu *nvx)
{
	return unlikely(nvx->pf_filter) && nvx_bypass_write(vcpu);
}

/* The error code of an exception, which may be a page fault (@pf). */
static __always_inline u32 nvx_fault_code(struct kvm_vcpu *vcpu, bool pf, u32 code)
{
	if (unlikely(nvx_mmu.trap) && pf && (code & NVX_PF_RSVD))
		return nvx_shadow_fault_code(vcpu, code);
	return code;
}
#else
#define NVX_UNUSED(x)			(x)
#define nvx_spte_unused(spte, x)	((spte) == (x))
#define nvx_init_spt(spt)		do { } while (0)
#define nvx_spte_open(spte, absent)	false
#define nvx_pf_filter(nvx)		0
#define nvx_load_pgd(vcpu)		do { } while (0)
#define nvx_bypass_handled(vcpu, nvx)	false
#define nvx_fault_code(vcpu, pf, code)	(code)
#endif /* CONFIG_KVM_NVX_BYPASS */

#endif /* __KVM_X86_VMX_NVX_BYPASS_HOOKS_H */
