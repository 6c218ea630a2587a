// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages around a fault: which of them the host has mapped, and references to
 * them without faulting.  Part of kvm.ko; the *_tmpl.h beside this file, which
 * are compiled into stock files, turn them into entries.
 */
#include <linux/export.h>
#include <linux/kvm_host.h>
#include <linux/sched.h>

#include "mmu/nvx/nvx_mmu.h"
#include "mmu/nvx/count.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

struct nvx_mmu_settings nvx_mmu __read_mostly = {
	.used = ~0ull,
};
EXPORT_SYMBOL_GPL(nvx_mmu);

/**
 * nvx_mmu_mapped_around() - Account for pages mapped around a fault
 * @vcpu: vCPU that faulted
 * @gpa: address of the fault, guest-physical, bytes
 * @pages: how many pages besides the one that faulted; 0 is no event
 * @kind: where they come from
 *
 * Context: Any.
 */
void nvx_mmu_mapped_around(struct kvm_vcpu *vcpu, u64 gpa, unsigned int pages,
			   enum nvx_around kind)
{
	if (!pages)
		return;

	switch (kind) {
	case NVX_AROUND_EPT12:
	case NVX_AROUND_DIRECT:
		nvx_count_add(around_mapped, pages);
		break;
	case NVX_AROUND_TDP:
		nvx_count_add(tdp_around_mapped, pages);
		break;
	case NVX_AROUND_POPULATE:
		nvx_count_add(populate_pages, pages);
		break;
	}
	trace_nvx_around(vcpu->vcpu_id, gpa, pages, kind);
}

/**
 * nvx_mmu_kept_table() - Account for a write that stock takes for a flood
 * @vcpu: vCPU whose L1 has written
 * @gpa: where, L1 guest-physical, bytes
 *
 * Context: Any.
 */
void nvx_mmu_kept_table(struct kvm_vcpu *vcpu, u64 gpa)
{
	nvx_count(tables_kept);
	trace_nvx_keep_table(vcpu->vcpu_id, gpa);
}

/* Those for GUP count, too: the host's mm_account_fault(). */
static unsigned long host_faults(void)
{
	return current->min_flt + current->maj_flt;
}

/**
 * nvx_mmu_note_faultin() - The host is about to be asked for a page
 * @vcpu: vCPU whose guest misses it
 *
 * Context: The vCPU's task.
 */
void nvx_mmu_note_faultin(struct kvm_vcpu *vcpu)
{
	nvx_mmu_vcpu(vcpu)->host_faults = host_faults();
}

/**
 * nvx_mmu_faulted_in() - Did the host have to fault the page in?
 * @vcpu: vCPU whose guest has missed it
 *
 * If it did, the page was absent, and so are its neighbours as a rule: fresh
 * memory, or such that has been swapped out.  A look at a window of them is
 * hundreds of instructions for nothing.  One of them that is there nevertheless
 * gets its window when the guest misses it.
 *
 * Context: The vCPU's task, after nvx_mmu_note_faultin().
 */
bool nvx_mmu_faulted_in(struct kvm_vcpu *vcpu)
{
	return nvx_mmu_vcpu(vcpu)->host_faults != host_faults();
}

/* The page table of the host that maps @hva, or its huge page, or nothing. */
static pmd_t *host_pmd(struct kvm *kvm, unsigned long hva, bool *huge)
{
	pgd_t pgd;
	p4d_t p4d;
	pud_t pud;

	*huge = false;
	pgd = READ_ONCE(*pgd_offset(kvm->mm, hva));
	if (pgd_none(pgd))
		return NULL;

	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (p4d_none(p4d) || !p4d_present(p4d))
		return NULL;

	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (pud_none(pud) || !pud_present(pud))
		return NULL;

	*huge = pud_leaf(pud);
	return *huge ? NULL : pmd_offset(&pud, hva);
}

/* As nvx_host_present(), for pages of one page table. */
static u64 present_in_table(struct kvm *kvm, unsigned long hva, u64 wanted)
{
	u64 present = 0;
	pmd_t *pmdp, pmd;
	pte_t *ptes;
	bool huge;

	pmdp = host_pmd(kvm, hva, &huge);
	if (!pmdp)
		return huge ? wanted : 0;

	pmd = READ_ONCE(*pmdp);
	if (pmd_none(pmd) || !pmd_present(pmd))
		return 0;
	if (pmd_leaf(pmd))
		return wanted;
	if (pmd_bad(pmd))
		return 0;

	ptes = pte_offset_kernel(&pmd, hva);
	for (; wanted; wanted &= wanted - 1) {
		pte_t pte = READ_ONCE(ptes[__ffs64(wanted)]);

		if (pte_present(pte) && pte_write(pte))
			present |= wanted & -wanted;
	}
	return present;
}

/**
 * nvx_host_present() - Which pages has the host mapped, writable?
 * @kvm: the VM; its memory is looked up in the mm that created it
 * @hva: address of bit 0 of @wanted, host-virtual, aligned to 4 KiB
 * @wanted: pages to look at, bit i for @hva + i * 4 KiB
 *
 * A look, no promise: whoever uses a page takes a reference and sees then
 * whether it is still there.  Ten instructions a page are less than the walk
 * that each attempt to take an absent page would cost.
 *
 * Context: Any but NMI.  Interrupts are off meanwhile, which keeps the page
 * tables from being freed, as for a fast GUP.
 * Return: the bits of @wanted that are.  Huge pages count as writable.
 */
u64 nvx_host_present(struct kvm *kvm, unsigned long hva, u64 wanted)
{
	unsigned int first = (PMD_SIZE - (hva & ~PMD_MASK)) >> PAGE_SHIFT;
	u64 here = first < 64 ? BIT_ULL(first) - 1 : ~0ull, present;
	unsigned long flags;

	local_irq_save(flags);
	present = present_in_table(kvm, hva, wanted & here);
	if (wanted & ~here)
		present |= present_in_table(kvm, hva + first * PAGE_SIZE,
					    wanted >> first) << first;
	local_irq_restore(flags);
	return present;
}

/* Bits of @wanted whose pages are in the slot. */
static u64 clamp_to_slot(struct kvm_memory_slot *slot, gfn_t base, u64 wanted)
{
	gfn_t end = slot->base_gfn + slot->npages;

	if (base < slot->base_gfn)
		wanted &= ~0ull << min_t(gfn_t, slot->base_gfn - base, 63);
	if (base + NVX_AROUND_MAX > end)
		wanted &= base < end ? BIT_ULL(end - base) - 1 : 0;
	return wanted;
}

/**
 * nvx_present_pages() - Which pages of a slot has the host mapped?
 * @kvm: the VM
 * @slot: memory slot, neither read-only nor about to be deleted
 * @base_gfn: frame number of bit 0 of @wanted; need not be in the slot
 * @wanted: pages to look at
 *
 * Context: Any but NMI.
 * Return: the bits of @wanted that are in the slot and mapped.
 */
u64 nvx_present_pages(struct kvm *kvm, struct kvm_memory_slot *slot,
		      u64 base_gfn, u64 wanted)
{
	unsigned int first;

	wanted = clamp_to_slot(slot, base_gfn, wanted);
	if (!wanted)
		return 0;

	first = __ffs64(wanted);
	return nvx_host_present(kvm, __gfn_to_hva_memslot(slot, base_gfn + first),
				wanted >> first) << first;
}

/**
 * nvx_get_pages() - Take pages of a slot without faulting
 * @slot: memory slot
 * @base_gfn: frame number of bit 0 of @wanted
 * @wanted: pages that nvx_present_pages() has found
 * @pages: array of NVX_AROUND_MAX, filled where the result has a bit; the caller
 *	puts these pages
 *
 * Context: Any.  To make entries of the pages the caller holds mmu_lock and has
 * seen that no invalidation is in progress.
 * Return: which pages have been taken.
 */
u64 nvx_get_pages(struct kvm_memory_slot *slot, u64 base_gfn, u64 wanted,
		  struct page **pages)
{
	unsigned int first, run;
	u64 taken = 0;
	int got;

	while (wanted) {
		first = __ffs64(wanted);
		run = ~(wanted >> first) ? __ffs64(~(wanted >> first)) : 64;
		got = gfn_to_page_many_atomic(slot, base_gfn + first,
					      pages + first, run);
		/* The page behind those that were got is a hole. */
		run = got > 0 ? min_t(unsigned int, got, run) : 0;
		if (run)
			taken |= GENMASK_ULL(first + run - 1, first);
		if (first + run >= 63)
			break;
		wanted &= ~0ull << (first + run + 1);
	}
	return taken;
}
