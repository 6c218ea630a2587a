/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nvx_tdp_fault_around: more than one entry per EPT violation of an ordinary
 * guest.  Part of tdp_mmu.c.
 */
#ifdef CONFIG_KVM_NVX_VEPT

#include "mmu/nvx/nvx_mmu.h"

/* Can all entries of the slot be made as that of the page that has faulted? */
static bool nvx_tdp_slot_usable(const struct kvm_memory_slot *slot)
{
	return slot && !kvm_slot_dirty_track_enabled(slot) &&
	       !(slot->flags & (KVM_MEMSLOT_INVALID | KVM_MEM_READONLY)) &&
	       !nvx_compat_slot_private(slot);
}

/* Make the entry that is @distance behind that of @iter. */
static bool nvx_tdp_set(struct kvm_vcpu *vcpu, struct kvm_memory_slot *slot,
			const struct tdp_iter *iter, int distance, kvm_pfn_t pfn)
{
	struct tdp_iter it = *iter;
	u64 spte;

	it.sptep += distance;
	it.gfn += distance;
	it.old_spte = NVX_COMPAT_NONPRESENT;
	make_spte(vcpu, sptep_to_sp(rcu_dereference(it.sptep)), slot, ACC_ALL,
		  it.gfn, pfn, it.old_spte, true, true, true, &spte);

	/*
	 * In a guest the hypervisor below looks at the accessed bit: it shadows
	 * no entry in advance that is said to be unused.  Linux maps pages around
	 * a fault of a file as accessed on x86, too.
	 */
	if (boot_cpu_has(X86_FEATURE_HYPERVISOR))
		spte |= shadow_accessed_mask;

	return !tdp_mmu_set_spte_atomic(vcpu->kvm, &it, spte);
}

/* Out of line: where nothing is to be mapped the array costs nothing. */
static noinline unsigned int nvx_tdp_set_many(struct kvm_vcpu *vcpu,
					      struct kvm_memory_slot *slot,
					      const struct tdp_iter *iter,
					      int distance, u64 wanted)
{
	struct page *pages[NVX_AROUND_MAX];
	unsigned int mapped = 0, i;
	u64 taken;

	taken = nvx_get_pages(slot, iter->gfn + distance, wanted, pages);
	for (; taken; taken &= taken - 1) {
		i = __ffs64(taken);
		mapped += nvx_tdp_set(vcpu, slot, iter, distance + (int)i,
				      page_to_pfn(pages[i]));
		put_page(pages[i]);
	}
	return mapped;
}

/*
 * Called with mmu_lock held for reading, in the section of RCU that protects
 * the table.  An invalidation that starts later has to wait for mmu_lock and
 * will see the entries; one that is under way is in mmu_invalidate_in_progress.
 */
static void nvx_tdp_map_around(struct kvm_vcpu *vcpu,
			       struct kvm_page_fault *fault,
			       struct tdp_iter *iter, unsigned int n)
{
	u64 *sptep = rcu_dereference(iter->sptep), *spte, wanted = 0;
	struct kvm_mmu_page *sp = sptep_to_sp(sptep);
	int distance = -(int)(spte_index(sptep) & (n - 1));
	unsigned int mapped, i;

	/* Without accessed bits the entries would be tracked, i.e. fault anyway. */
	if (iter->level > PG_LEVEL_4K || sp->role.ad_disabled ||
	    unlikely(vcpu->kvm->mmu_invalidate_in_progress) ||
	    !nvx_tdp_slot_usable(fault->slot))
		return;

	spte = sptep + distance;
	for (i = 0; i < n; i++)
		if (READ_ONCE(spte[i]) == NVX_COMPAT_NONPRESENT)
			wanted |= BIT_ULL(i);

	wanted = nvx_present_pages(vcpu->kvm, fault->slot, iter->gfn + distance,
				   wanted);
	if (!wanted)
		return;

	mapped = nvx_tdp_set_many(vcpu, fault->slot, iter, distance, wanted);
	nvx_mmu_mapped_around(vcpu, fault->addr, mapped, NVX_AROUND_TDP);
}

static __always_inline void nvx_tdp_fault_around(struct kvm_vcpu *vcpu,
						 struct kvm_page_fault *fault,
						 struct tdp_iter *iter, int ret)
{
	unsigned int n = READ_ONCE(nvx_mmu.tdp_fault_around);

	if (unlikely(n > 1) && ret == RET_PF_FIXED && !nvx_mmu_faulted_in(vcpu))
		nvx_tdp_map_around(vcpu, fault, iter, n);
}

#else

static __always_inline void nvx_tdp_fault_around(struct kvm_vcpu *vcpu,
						 struct kvm_page_fault *fault,
						 struct tdp_iter *iter, int ret)
{
}

#endif
