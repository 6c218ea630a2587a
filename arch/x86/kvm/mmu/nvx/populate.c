// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_populate: when a guest touches a page of anonymous memory that its VMM
 * does not have yet, allocate some neighbours as well.  Part of kvm.ko.
 */
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/userfaultfd_k.h>

#include "nvx_compat.h"
#include "mmu/nvx/nvx_mmu.h"
#include "mmu/nvx/count.h"

/* Allocate ahead only while this part of the memory is available. */
#define MEMORY_RESERVE(total)	((total) / 8)

/*
 * Memory that appears with the first access and belongs to this process alone.
 * Not that of a user-space fault handler: it would be asked for pages that nobody
 * wants.
 */
static bool vma_is_usable(struct vm_area_struct *vma, unsigned long hva)
{
	return vma && vma->vm_start <= hva && vma_is_anonymous(vma) &&
	       (vma->vm_flags & VM_WRITE) && !userfaultfd_armed(vma);
}

/* Fault in the pages of @absent that the mapping of @hva contains. */
static unsigned int populate(struct kvm *kvm, unsigned long hva,
			     unsigned long start, u64 absent)
{
	struct mm_struct *mm = kvm->mm;
	struct vm_area_struct *vma;
	unsigned int pages = 0;
	unsigned long addr;

	mmap_read_lock(mm);
	vma = find_vma(mm, hva);
	if (!vma_is_usable(vma, hva))
		absent = 0;

	for (; absent; absent &= absent - 1) {
		addr = start + __ffs64(absent) * PAGE_SIZE;
		if (addr < vma->vm_start || addr >= vma->vm_end)
			continue;
		/* Without "unlocked" the lock is kept, and so is the vma. */
		if (fixup_user_fault(mm, addr, FAULT_FLAG_WRITE, NULL))
			break;
		pages++;
	}
	mmap_read_unlock(mm);
	return pages;
}

/**
 * nvx_populate() - Allocate the pages around a fault in absent memory
 * @vcpu: vCPU that has faulted
 * @slot: memory slot of the fault, or NULL
 * @gfn: frame of the fault
 *
 * The pages are the VMM's ordinary anonymous memory: charged to its cgroup,
 * visible in its RSS, taken by reclaim like any other.  What is bounded is the
 * amount: the window of each page that the guest does touch, and nothing while
 * less than an eighth of the memory is available.
 *
 * Context: Process context of the VMM, may sleep, no lock held but kvm->srcu.
 */
void nvx_populate(struct kvm_vcpu *vcpu, struct kvm_memory_slot *slot, u64 gfn)
{
	unsigned int n = READ_ONCE(nvx_mmu.populate), pages;
	unsigned long hva;
	gfn_t base, end;
	u64 absent;

	if (!slot || kvm_slot_dirty_track_enabled(slot) ||
	    slot->flags & (KVM_MEMSLOT_INVALID | KVM_MEM_READONLY) ||
	    nvx_compat_slot_private(slot))
		return;

	base = max(gfn & ~(gfn_t)(n - 1), slot->base_gfn);
	end = min((gfn | (n - 1)) + 1, slot->base_gfn + slot->npages);
	hva = __gfn_to_hva_memslot(slot, base);
	absent = GENMASK_ULL(end - base - 1, 0);
	absent &= ~nvx_host_present(vcpu->kvm, hva, absent);
	/* The host has it: this is no first touch of fresh memory. */
	if (!(absent & BIT_ULL(gfn - base)))
		return;

	if (si_mem_available() < (long)MEMORY_RESERVE(totalram_pages())) {
		nvx_count(populate_refused);
		return;
	}

	pages = populate(vcpu->kvm, __gfn_to_hva_memslot(slot, gfn), hva, absent);
	/* The page that has faulted would have been allocated anyway. */
	if (pages)
		nvx_mmu_mapped_around(vcpu, gfn << PAGE_SHIFT, pages - 1,
				      NVX_AROUND_POPULATE);
}
