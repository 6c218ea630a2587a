// SPDX-License-Identifier: GPL-2.0-only
/*
 * Range flushes.  Part of kvm.ko.
 *
 * L0: what INVEPT does for some pages only.  KVM answers INVEPT by bringing every
 * shadow page up to date that L1 may have written, which takes longer the more L1
 * has mapped.  L1 that names what has changed spares all that: the SPTEs of those
 * pages go, all others stay, and stay as out of date as L1 may see them.
 *
 * L1: tell the host below which pages kvm_unmap_gfn_range() has unmapped.
 */
#include <linux/export.h>
#include <linux/hash.h>
#include <linux/kvm_host.h>
#include <linux/sched.h>

#include "mmu.h"
#include "mmu/mmu_internal.h"
#include "mmu/spte.h"
#include "nvx_compat.h"
#include "nvx_mmu.h"

/* Pages that are looked at before the lock is given to others: 128 MiB. */
#define PAGES_AT_ONCE	0x8000ull

unsigned long nvx_mmu_vm_offset __read_mostly;
EXPORT_SYMBOL_GPL(nvx_mmu_vm_offset);

/* The VM's counter; as long as kvm-intel.ko has not said where it is nobody zaps. */
static unsigned long *seq_of(struct kvm *kvm)
{
	static unsigned long never;
	struct nvx_mmu_vm *vm = (void *)kvm + nvx_mmu_vm_offset;

	return nvx_mmu_vm_offset ? &vm->zap_seq : &never;
}

/**
 * nvx_mmu_fault_begin() - A fault of L2 is about to walk EPT12
 * @kvm: the VM
 *
 * L1 writes EPT12 and then names the range; the walk may see what was there
 * before and end after the range is gone.  MMU notifiers do not tell of it, for
 * L1's memory has not changed.
 *
 * Context: Any.
 * Return: cookie for nvx_mmu_fault_stale().
 */
unsigned long nvx_mmu_fault_begin(struct kvm *kvm)
{
	unsigned long seq = READ_ONCE(*seq_of(kvm));

	smp_rmb(); /* the count first, then EPT12; pairs with mmu_lock */
	return seq;
}

/**
 * nvx_mmu_fault_stale() - Has a range been zapped since the walk began?
 * @kvm: the VM
 * @seq: cookie
 *
 * Context: kvm->mmu_lock held for write.
 */
bool nvx_mmu_fault_stale(struct kvm *kvm, unsigned long seq)
{
	return *seq_of(kvm) != seq;
}

/*
 * Only tables at level 1 can be out of date ("unsync"), all others are write
 * protected: what L1 writes there takes effect at once.
 */
static u64 zap_leaves(struct kvm *kvm, struct kvm_mmu_page *sp, u64 first,
		      u64 end)
{
	u64 gfn, zapped = 0;

	if (!sp->unsync)
		return 0;
	for (gfn = first; gfn < end; gfn++) {
		u64 *sptep = &sp->spt[gfn % SPTE_ENT_PER_PAGE];

		zapped += is_shadow_present_pte(*sptep);
		mmu_page_zap_pte(kvm, sp, sptep, NULL);
	}
	return zapped;
}

/* @first up to @end are below @sp. */
static u64 zap_below(struct kvm *kvm, struct kvm_mmu_page *sp, u64 first, u64 end)
{
	int shift = SPTE_LEVEL_BITS * (sp->role.level - 1);
	u64 next, zapped = 0;

	if (sp->role.level == PG_LEVEL_4K)
		return zap_leaves(kvm, sp, first, end);

	for (; first < end; first = next) {
		u64 spte = sp->spt[(first >> shift) % SPTE_ENT_PER_PAGE];

		next = min(end, ((first >> shift) + 1) << shift);
		if (is_shadow_present_pte(spte) &&
		    !is_last_spte(spte, sp->role.level))
			zapped += zap_below(kvm, nvx_compat_child_sp(spte),
					    first, next);
	}
	return zapped;
}

/*
 * All roots that shadow the table: with and without A/D bits, of 4 and 5 levels.
 * A table of 5 levels that is entered as one of 4 further down costs nothing more.
 */
static u64 zap_roots(struct kvm *kvm, gfn_t root_gfn, u64 first, u64 end)
{
	struct hlist_head *list =
		&kvm->arch.mmu_page_hash[hash_64(root_gfn, KVM_MMU_HASH_SHIFT)];
	struct kvm_mmu_page *sp;
	bool in_use = false;
	u64 zapped = 0;

	hlist_for_each_entry(sp, list, hash_link) {
		u64 limit = 1ull << min(63, SPTE_LEVEL_BITS * sp->role.level);

		if (sp->gfn == root_gfn && sp->role.guest_mode &&
		    !sp->role.direct && !sp->role.invalid &&
		    sp->role.level >= PT64_ROOT_4LEVEL && first < limit) {
			zapped += zap_below(kvm, sp, first, min(end, limit));
			in_use = true;
		}
	}
	/*
	 * Count only if a root was found.  Without one no fault can be walking this
	 * EPT12, and L1 must not make its L2s repeat faults for nothing.
	 */
	if (in_use)
		WRITE_ONCE(*seq_of(kvm), *seq_of(kvm) + 1);
	return zapped;
}

/**
 * nvx_mmu_zap_range() - Forget some pages of an L2, on all vCPUs
 * @kvm: VM of L1
 * @eptp: EPTP12; bits 51:12 count (SDM 25.6.11)
 * @first: first L2 page frame number
 * @nr: number of pages of 4 KiB
 *
 * No vCPU uses a translation that it took from EPT12 before the call.
 *
 * Context: Process context, may sleep.
 * Return: number of SPTEs that are gone.
 */
u64 nvx_mmu_zap_range(struct kvm *kvm, u64 eptp, u64 first, u64 nr)
{
	gfn_t root_gfn = gpa_to_gfn(eptp & GENMASK_ULL(51, 12));
	u64 end = first + nr, next, zapped, total = 0;

	write_lock(&kvm->mmu_lock);
	for (; first < end; first = next) {
		next = min(end, first + PAGES_AT_ONCE);
		zapped = zap_roots(kvm, root_gfn, first, next);
		total += zapped;
		/*
		 * Before the lock may go to others: who finds no SPTE of a page
		 * any more frees the page without a flush.
		 */
		if (zapped)
			kvm_flush_remote_tlbs(kvm);
		if (next < end)
			cond_resched_rwlock_write(&kvm->mmu_lock);
	}
	write_unlock(&kvm->mmu_lock);
	return total;
}
EXPORT_SYMBOL_GPL(nvx_mmu_zap_range);

nvx_range_flush_fn nvx_range_flush __read_mostly;
EXPORT_SYMBOL_GPL(nvx_range_flush);

/**
 * nvx_mmu_flush_range() - A gfn range of our guest has been unmapped
 * @kvm: the VM
 * @first: first page frame number
 * @end: page frame number behind the last
 *
 * Only SPTEs of the TDP MMU are named by guest frame numbers.
 *
 * Context: kvm->mmu_lock held for write.
 * Return: true if nothing is left to be flushed.
 */
bool nvx_mmu_flush_range(struct kvm *kvm, u64 first, u64 end)
{
	struct kvm_mmu_page *root;

	lockdep_assert_held_write(&kvm->mmu_lock);
	if (kvm_memslots_have_rmaps(kvm) || !nvx_compat_tdp_mmu(kvm))
		return false;

	list_for_each_entry(root, &kvm->arch.tdp_mmu_roots, link)
		if (!nvx_range_flush(kvm, __pa(root->spt), first, end - first))
			return false;
	return true;
}
