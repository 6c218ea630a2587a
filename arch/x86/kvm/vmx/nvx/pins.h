/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages of L1 that stay mapped from one transition to the next.
 *
 * A map stays right as long as neither the memslots nor the host's page tables
 * under them have changed.  Generic KVM counts both, so "unchanged" is two
 * comparisons and needs no callback.  This file is the only one that knows how:
 * who keeps pages has a struct nvx_pins beside them, calls nvx_pins_begin() before
 * it maps the first one, and nvx_pins_current() before it uses one.
 */
#ifndef __KVM_X86_VMX_NVX_PINS_H
#define __KVM_X86_VMX_NVX_PINS_H

#include <linux/kvm_host.h>

/* A guest page that stays mapped from one VM-entry to the next. */
struct nvx_page {
	struct kvm_host_map map;
	gpa_t gpa;
};

/**
 * struct nvx_pins - What some pages that stay mapped depend on
 * @memslots_gen: generation of the memslots when they were mapped
 * @mmu_seq: count of MMU-notifier invalidations when they were mapped
 */
struct nvx_pins {
	u64 memslots_gen;
	unsigned long mmu_seq;
};

static inline u64 nvx_memslots_generation(struct kvm_vcpu *vcpu)
{
	/* The memslots are part of struct kvm, only the pointer is RCU's. */
	return rcu_dereference_raw(vcpu->kvm->memslots[0])->generation;
}

/**
 * nvx_pins_begin() - Pages are about to be mapped
 * @pins: what they will depend on
 * @vcpu: vCPU whose memory they are of
 *
 * A change that comes before the pages are mapped makes them out of date, although
 * they are not: that costs a map.  The other order would miss it.
 *
 * Context: Process context.
 */
static inline void nvx_pins_begin(struct nvx_pins *pins, struct kvm_vcpu *vcpu)
{
	pins->memslots_gen = nvx_memslots_generation(vcpu);
	pins->mmu_seq = READ_ONCE(vcpu->kvm->mmu_invalidate_seq);
	smp_rmb(); /* count first, then map */
}

/**
 * nvx_pins_current() - Are the mapped pages still what the guest sees?
 * @pins: what they depend on
 * @vcpu: vCPU whose memory they are of
 *
 * Context: Any.  A change that comes later is no different from one that comes
 * while the guest runs.
 */
static inline bool nvx_pins_current(const struct nvx_pins *pins,
				    struct kvm_vcpu *vcpu)
{
	struct kvm *kvm = vcpu->kvm;

	return !READ_ONCE(kvm->mmu_invalidate_in_progress) &&
	       READ_ONCE(kvm->mmu_invalidate_seq) == pins->mmu_seq &&
	       nvx_memslots_generation(vcpu) == pins->memslots_gen;
}

bool nvx_page_logged(struct kvm_vcpu *vcpu, gpa_t gpa);
void nvx_page_give_back(struct kvm_vcpu *vcpu, struct kvm_host_map *map);

#endif /* __KVM_X86_VMX_NVX_PINS_H */
