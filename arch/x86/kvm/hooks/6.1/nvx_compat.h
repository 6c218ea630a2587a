/* SPDX-License-Identifier: GPL-2.0-only */
/* Where KVM's internal interfaces differ between bases: this is base 6.1. */
#ifndef __KVM_X86_NVX_COMPAT_H
#define __KVM_X86_NVX_COMPAT_H

static inline int nvx_compat_prefetch_fault(struct kvm_vcpu *vcpu, gpa_t gpa,
					    u32 error_code)
{
	return kvm_mmu_do_page_fault(vcpu, gpa, error_code, true, NULL);
}

#endif /* __KVM_X86_NVX_COMPAT_H */
