/* SPDX-License-Identifier: GPL-2.0-only */
/* What kvm.ko offers to the nvx part of kvm-intel.ko. */
#ifndef __KVM_X86_MMU_NVX_MMU_H
#define __KVM_X86_MMU_NVX_MMU_H

#include <linux/types.h>

struct kvm;
struct kvm_mmu_page;
struct kvm_vcpu;

enum nvx_prefault_result {
	NVX_PREFAULT_MAPPED,
	NVX_PREFAULT_MISSED,
	NVX_PREFAULT_SKIPPED,
};

enum nvx_prefault_result nvx_mmu_prefault(struct kvm_vcpu *vcpu, u64 l2_gpa);

u64 nvx_mmu_zap_range(struct kvm *kvm, u64 eptp, u64 first, u64 nr);

/* kvm-intel.ko's part of a range flush by the host below, NULL if there is none. */
typedef bool (*nvx_range_flush_fn)(struct kvm *kvm, u64 root, u64 first, u64 nr);
extern nvx_range_flush_fn nvx_range_flush;

#endif /* __KVM_X86_MMU_NVX_MMU_H */
