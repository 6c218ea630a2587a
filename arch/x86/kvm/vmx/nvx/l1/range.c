// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv_l1: have the host below forget some pages of a guest.
 *
 * KVM flushes TLBs after it has unmapped pages: it makes all vCPUs that run exit
 * and each of them executes an INVEPT.  Here the CPU that unmaps adds the range to
 * nvx_vcpu.ranges[] of each vCPU instead (range_flush()).  Before its next VM-entry a
 * vCPU copies what is new there to the flushes of the assist page (nvx_l1_ranges()), which
 * the host does at that VM-entry.  If one may be in the guest without having done so, the
 * CPU that unmaps writes the flush MSR, too, and the host forgets the pages for all vCPUs
 * in that one exit.
 */
#include <linux/kvm_host.h>

#include "vmx/vmx.h"
#include "mmu/nvx/nvx_mmu.h"
#include "vmx/nvx/nvx.h"

/* Serialized by mmu_lock.  The entry first, then the count that shows it. */
static void leave_note(struct nvx_vcpu *nvx, u64 root, u64 first, u64 nr)
{
	struct nvx_range *range = &nvx->ranges[nvx->range_head % NVX_NR_RANGES];

	WRITE_ONCE(range->root, root);
	WRITE_ONCE(range->first, first);
	WRITE_ONCE(range->nr, nr);
	/* Pairs with nvx_l1_ranges(). */
	smp_store_release(&nvx->range_head, nvx->range_head + 1);
}

/*
 * A vCPU that has set its mode looks for notes before it enters the guest, see
 * nvx_l1_pre_entry(): either it finds the note or it is seen here.
 */
static bool may_run_without(struct kvm_vcpu *vcpu)
{
	struct nvx_vcpu *nvx = &to_vmx(vcpu)->nested.nvx;

	return READ_ONCE(vcpu->mode) != OUTSIDE_GUEST_MODE &&
	       READ_ONCE(nvx->range_seen) != nvx->range_head;
}

static bool flush_remote(u64 root, u64 first, u64 nr)
{
	struct nvx_pv_assist *assist;
	unsigned long flags;
	int r = -EIO;

	local_irq_save(flags);
	assist = this_cpu_read(nvx_pv_assist_page);
	if (assist) {
		assist->remote.op = NVX_PV_RANGE;
		assist->remote.nr_pages = nr;
		assist->remote.eptp = root;
		assist->remote.gpa = first << PAGE_SHIFT;
		barrier(); /* complete, then used */
		r = wrmsrl_safe(MSR_NVX_PV_FLUSH, NVX_PV_FLUSH_REMOTE);
	}
	local_irq_restore(flags);
	if (!r)
		nvx_count(l1_range_remote);
	return !r;
}

/*
 * mmu_lock is held for write.  False: KVM has to flush, as without nvx.  The notes stay,
 * and these pages are flushed once more at the next VM-entries.
 */
static bool range_flush(struct kvm *kvm, u64 root, u64 first, u64 nr)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	if (nr > NVX_PV_RANGE_MAX)
		return false;

	kvm_for_each_vcpu(i, vcpu, kvm)
		leave_note(&to_vmx(vcpu)->nested.nvx, root, first, nr);
	nvx_count(l1_range);

	smp_mb(); /* notes, then modes; pairs with that of vcpu_enter_guest() */
	kvm_for_each_vcpu(i, vcpu, kvm)
		if (may_run_without(vcpu))
			return flush_remote(root, first, nr);
	return true;
}

/**
 * nvx_l1_ranges() - Pass on what a vCPU must not use any more
 * @nvx: state of a vCPU that is about to run
 *
 * A note that may have been overwritten while it was read is one of too many: then
 * everything is flushed.
 *
 * Context: Interrupts off, vcpu->mode is IN_GUEST_MODE.
 */
void nvx_l1_ranges(struct nvx_vcpu *nvx)
{
	struct nvx_range ranges[NVX_NR_RANGES];
	unsigned int i, head, nr;

	/* Pairs with leave_note(). */
	head = smp_load_acquire(&nvx->range_head);
	nr = head - nvx->range_seen;

	for (i = 0; nr <= NVX_NR_RANGES && i < nr; i++) {
		struct nvx_range *range =
			&nvx->ranges[(nvx->range_seen + i) % NVX_NR_RANGES];

		ranges[i].root = READ_ONCE(range->root);
		ranges[i].first = READ_ONCE(range->first);
		ranges[i].nr = READ_ONCE(range->nr);
	}
	smp_rmb(); /* entries, then the count that tells whether they hold */
	if (READ_ONCE(nvx->range_head) - nvx->range_seen >= NVX_NR_RANGES) {
		nvx_l1_flush(NVX_PV_INVEPT | VMX_EPT_EXTENT_GLOBAL, 0, 0, 0);
	} else {
		for (i = 0; i < nr; i++)
			nvx_l1_flush(NVX_PV_RANGE, ranges[i].root,
				     ranges[i].nr,
				     ranges[i].first << PAGE_SHIFT);
	}
	WRITE_ONCE(nvx->range_seen, head);
}

/**
 * nvx_l1_range_register() - Have kvm.ko leave range flushes to the host below
 *
 * Context: Module initialization, nothing can fail any more.
 */
void __init nvx_l1_range_register(void)
{
	if (nvx_l1_features & NVX_PV_FEAT_RANGE)
		nvx_range_flush = range_flush;
}

/**
 * nvx_l1_range_unregister() - Undo nvx_l1_range_register()
 *
 * Context: Module exit, there is no vCPU any more.
 */
void nvx_l1_range_unregister(void)
{
	nvx_range_flush = NULL;
}
