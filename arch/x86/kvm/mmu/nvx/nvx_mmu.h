/* SPDX-License-Identifier: GPL-2.0-only */
/* What kvm.ko offers to the nvx part of kvm-intel.ko. */
#ifndef __KVM_X86_MMU_NVX_MMU_H
#define __KVM_X86_MMU_NVX_MMU_H

#include <linux/types.h>

struct kvm_vcpu;

enum nvx_prefault_result {
	NVX_PREFAULT_MAPPED,
	NVX_PREFAULT_MISSED,
	NVX_PREFAULT_SKIPPED,
};

enum nvx_prefault_result nvx_mmu_prefault(struct kvm_vcpu *vcpu, u64 l2_gpa);

#endif /* __KVM_X86_MMU_NVX_MMU_H */
