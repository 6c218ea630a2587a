/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nvx_fault_around: more than one EPT02 entry per EPT violation of L2.  Part of
 * mmu.c by way of paging_tmpl.h, like which it has FNAME() and PTTYPE; only the
 * copy for EPT12 is not empty.
 */
#if defined(CONFIG_KVM_NVX_VEPT) && PTTYPE == PTTYPE_EPT

#include "mmu/nvx/nvx_mmu.h"

/* Pages that are taken at once: the kernel clears the array each time. */
#define NVX_RUN_MAX	16

/* A new reverse mapping may take one of these, if L1 maps the page twice. */
static bool FNAME(nvx_can_map)(struct kvm_vcpu *vcpu)
{
	return kvm_mmu_memory_cache_nr_free_objects(&vcpu->arch.mmu_pte_list_desc_cache);
}

static unsigned int FNAME(nvx_gpte_access)(struct kvm_vcpu *vcpu,
					   struct kvm_mmu_page *sp, u64 gpte)
{
	unsigned int access = sp->role.access & FNAME(gpte_access)(gpte);

	FNAME(protect_clean_gpte)(vcpu->arch.mmu, &access, gpte);
	return access;
}

/*
 * How many entries from @i on can be served by one look at the host's page table:
 * they differ in nothing but the frame, which goes up or down (@down) by one.
 */
static unsigned int FNAME(nvx_run)(struct kvm_memory_slot *slot,
				   const u64 *gptes, u64 wanted, unsigned int i,
				   bool *down)
{
	u64 gfn = gpte_to_gfn(gptes[i]), flags = gptes[i] & ~PT_BASE_ADDR_MASK, next;
	unsigned int run;

	*down = false;
	for (run = 1; run < NVX_RUN_MAX && i + run < NVX_AROUND_MAX &&
	     wanted & BIT_ULL(i + run); run++) {
		if (run == 1)
			*down = gpte_to_gfn(gptes[i + 1]) < gfn;
		next = *down ? gfn - run : gfn + run;
		if (gptes[i + run] != (next << PAGE_SHIFT | flags) ||
		    next < slot->base_gfn || next >= slot->base_gfn + slot->npages)
			break;
	}
	return run;
}

/* Map a run that begins at entry @i.  Clears bits of @wanted, one at least. */
static unsigned int FNAME(nvx_map_run)(struct kvm_vcpu *vcpu, u64 *sptes,
				       const u64 *gptes, u64 *wanted)
{
	struct kvm_mmu_page *sp = sptep_to_sp(sptes);
	unsigned int i = __ffs64(*wanted), access, run, mapped = 0, k, at;
	struct page *pages[NVX_RUN_MAX];
	struct kvm_memory_slot *slot;
	gfn_t gfn = gpte_to_gfn(gptes[i]);
	bool down;
	int got;

	access = FNAME(nvx_gpte_access)(vcpu, sp, gptes[i]);
	slot = gfn_to_memslot_dirty_bitmap(vcpu, gfn, access & ACC_WRITE_MASK);
	/* Execute-only above, not executable here: such an SPTE would not be present. */
	if (!slot || !access) {
		*wanted &= ~BIT_ULL(i);
		return 0;
	}

	run = FNAME(nvx_run)(slot, gptes, *wanted, i, &down);
	gfn -= down ? run - 1 : 0;
	got = gfn_to_page_many_atomic(slot, gfn, pages, run);
	for (k = 0; k < run; k++) {
		at = down ? i + run - 1 - k : i + k;
		*wanted &= ~BIT_ULL(at);
		/* The first page that is missing; behind it, try again. */
		if ((int)k >= got)
			break;

		if (FNAME(nvx_can_map)(vcpu)) {
			mmu_set_spte(vcpu, slot, sptes + at, access, gfn + k,
				     page_to_pfn(pages[k]), NULL);
			mapped++;
		}
		put_page(pages[k]);
	}
	return mapped;
}

/*
 * Install what EPT12 maps in the window: stock's prefetch with another size, and
 * it goes on behind a hole.  Each entry passes stock's own tests: its accessed bit
 * is set (none is set here), no write access without the dirty bit, no writable
 * page of a slot that is being logged, the host page is there.
 *
 * The table may be unsync, i.e. L1 may be writing it.  An entry that was read
 * under mmu_lock before such a write is one that a CPU could have in its TLB.
 */
static unsigned int FNAME(nvx_map_gptes)(struct kvm_vcpu *vcpu,
					 struct guest_walker *gw,
					 u64 *sptep, unsigned int n)
{
	struct kvm_mmu_page *sp = sptep_to_sp(sptep);
	unsigned int first = spte_index(sptep) & ~(n - 1), mapped = 0, i;
	gpa_t gpa = gw->pte_gpa[PG_LEVEL_4K - 1] & PAGE_MASK;
	u64 gptes[NVX_AROUND_MAX], *sptes = sp->spt + first, wanted = 0;

	if (kvm_vcpu_read_guest_atomic(vcpu, gpa + first * sizeof(gptes[0]),
				       gptes, n * sizeof(gptes[0])))
		return 0;

	for (i = 0; i < n; i++)
		if (gptes[i] && !is_shadow_present_pte(sptes[i]) &&
		    !FNAME(prefetch_invalid_gpte)(vcpu, sp, sptes + i, gptes[i]))
			wanted |= BIT_ULL(i);

	while (wanted)
		mapped += FNAME(nvx_map_run)(vcpu, sptes, gptes, &wanted);
	return mapped;
}

/* The same for a large page of EPT12 that L0 maps by small ones. */
static unsigned int FNAME(nvx_map_direct)(struct kvm_vcpu *vcpu, u64 *sptep,
					  unsigned int n)
{
	struct kvm_mmu_page *sp = sptep_to_sp(sptep);
	unsigned int first = spte_index(sptep) & ~(n - 1), mapped = 0, i;
	gfn_t gfn = kvm_mmu_page_get_gfn(sp, first);
	struct page *pages[NVX_AROUND_MAX];
	struct kvm_memory_slot *slot;
	u64 wanted = 0, taken;

	slot = gfn_to_memslot_dirty_bitmap(vcpu, kvm_mmu_page_get_gfn(sp, spte_index(sptep)),
					   sp->role.access & ACC_WRITE_MASK);
	if (!slot)
		return 0;

	for (i = 0; i < n; i++)
		if (!is_shadow_present_pte(sp->spt[first + i]))
			wanted |= BIT_ULL(i);

	wanted = nvx_present_pages(vcpu->kvm, slot, gfn, wanted);
	taken = nvx_get_pages(slot, gfn, wanted, pages);
	for (; taken; taken &= taken - 1) {
		i = __ffs64(taken);
		if (FNAME(nvx_can_map)(vcpu)) {
			mmu_set_spte(vcpu, slot, sp->spt + first + i,
				     sp->role.access, gfn + i,
				     page_to_pfn(pages[i]), NULL);
			mapped++;
		}
		put_page(pages[i]);
	}
	return mapped;
}

/*
 * Is there nothing to be mapped among the entries that stock's prefetch would look
 * at?  They have been read already, and tell at no cost that L1 maps page by page.
 * A window that L1 has filled is in all of its eights.
 */
static bool FNAME(nvx_nothing_near)(struct guest_walker *gw, u64 *sptep)
{
	unsigned int first = spte_index(sptep) & ~(PTE_PREFETCH_NUM - 1), i;
	u64 *sptes = sptep_to_sp(sptep)->spt + first;

	for (i = 0; i < PTE_PREFETCH_NUM; i++)
		if (gw->prefetch_ptes[i] && !is_shadow_present_pte(sptes[i]))
			return false;
	return true;
}

/* Instead of stock's prefetch of eight entries.  False: it is stock's turn. */
static bool FNAME(nvx_fault_around)(struct kvm_vcpu *vcpu,
				    struct guest_walker *gw, u64 *sptep)
{
	unsigned int n = READ_ONCE(nvx_mmu.fault_around), mapped;
	struct kvm_mmu_page *sp = sptep_to_sp(sptep);

	if (n <= 1)
		return false;

	/*
	 * Entries without an accessed bit would be tracked, i.e. fault all the
	 * same.  As in stock's prefetch, map nothing that is being invalidated.
	 */
	if (sp->role.level > PG_LEVEL_4K || sp_ad_disabled(sp) ||
	    unlikely(vcpu->kvm->mmu_invalidate_in_progress))
		return true;

	if (nvx_mmu_faulted_in(vcpu) ||
	    (!sp->role.direct && FNAME(nvx_nothing_near)(gw, sptep)))
		return true;

	mapped = sp->role.direct ? FNAME(nvx_map_direct)(vcpu, sptep, n) :
				   FNAME(nvx_map_gptes)(vcpu, gw, sptep, n);
	nvx_mmu_mapped_around(vcpu, (u64)kvm_mmu_page_get_gfn(sp, spte_index(sptep)) << PAGE_SHIFT,
			      mapped, sp->role.direct ? NVX_AROUND_DIRECT :
							NVX_AROUND_EPT12);
	return true;
}

#else

static __always_inline bool FNAME(nvx_fault_around)(struct kvm_vcpu *vcpu,
						    struct guest_walker *gw,
						    u64 *sptep)
{
	return false;
}

#endif
