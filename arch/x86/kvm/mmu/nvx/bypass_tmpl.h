/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nvx_bypass_pf: which entries of a shadow page table let page faults go straight
 * to the guest, and which writes to a page table are emulated for it.  Part of
 * mmu.c.
 *
 * With the parameter the CPU lets only those faults exit that find a present
 * entry.  An unused entry is one of two values:
 *
 * - nvx_mmu.trap, present with a reserved bit: exits.  All entries that stock
 *   leaves or makes unused are of this kind.
 * - NVX_ABSENT, not present: does not exit.  Only in a table of level 1 that is
 *   in sync, and only where the guest's entry is known not to be present.  The
 *   guest cannot make it present without KVM noticing: the page is write protected
 *   as long as the table is in sync, and before it ceases to be,
 *   nvx_bypass_unsync() turns all of them into the other kind.
 *
 * Neither can be in a TLB, so no change of one into the other needs a flush.
 *
 * A table that the guest fills entry by entry would go out of sync with the first
 * one.  Stock lets it, because writes are free from then on.  Here such a write is
 * emulated instead, and the entry copied at once: an exit for the page instead of
 * two, as the fault before the write and the one after it are spared.  That pays
 * only if the guest does fault on the page, writes its entry, and uses it.  So a
 * write is emulated if its entry is the one that trapped last; or the entry lets
 * faults through, and the guest has used the page whose entry it wrote last.  All
 * others are those of stock, and leave the table as stock has it.
 *
 * Everything here is under mmu_lock for writing, but for nvx_sp.missed.
 */
#ifdef CONFIG_KVM_NVX_BYPASS

#include "mmu/nvx/bypass.h"
#include "mmu/nvx/nvx_mmu.h"
#include "mmu/nvx/count.h"

/* Entries that are looked at together, at first. */
#define NVX_OPEN_CHUNK		64
#define NVX_OPEN_ALL		((1u << (SPTE_ENT_PER_PAGE / NVX_OPEN_CHUNK)) - 1)

/* Pages mapped as they were used, from which on a wrong guess is paid for. */
#define NVX_ENOUGH		4
/* How many times a table goes out of sync before there is another guess. */
#define NVX_DISTRUST		64

/* Tries of nvx_mmu_write_pte() that may fail after one that has not. */
#define NVX_CREDIT		4

static bool nvx_is_open(u64 spte)
{
	return spte == NVX_ABSENT;
}

/* A table of the kind that this MMU uses, in use, that the guest cannot write. */
static bool nvx_sp_fits(struct kvm_vcpu *vcpu, struct kvm_mmu_page *sp)
{
	/* What sync_page() lets differ, too. */
	const union kvm_mmu_page_role ignore = {
		.level = 0xf,
		.access = 0x7,
		.quadrant = 0x3,
		.passthrough = 0x1,
	};
	struct kvm_mmu *mmu = vcpu->arch.mmu;

	return nvx_bypass_allowed(vcpu) && sp->role.level == PG_LEVEL_4K &&
	       !sp->role.has_4_byte_gpte && !sp->unsync && sp->parent_ptes.val &&
	       !((sp->role.word ^ mmu->root_role.word) & ~ignore.word);
}

/*
 * A shadow of the same table of the guest that no entry points to, left from the page's
 * earlier use with other rights.  If its entry is unused it has no say in whether a write
 * is emulated: no CPU walks it, and nvx_set_pending() lets the entry trap in all shadows.
 */
static bool nvx_sp_idle(struct kvm_mmu_page *sp, unsigned int index)
{
	return sp->role.level == PG_LEVEL_4K && !sp->role.has_4_byte_gpte &&
	       !sp->parent_ptes.val &&
	       (sp->spt[index] == nvx_mmu.trap || nvx_is_open(sp->spt[index]));
}

/* Is the guest's entry of a table not present? */
static bool nvx_gpte_absent(struct kvm_vcpu *vcpu, struct kvm_mmu_page *sp,
			    unsigned int index)
{
	u64 gpte;

	return !kvm_vcpu_read_guest_atomic(vcpu, gfn_to_gpa(sp->gfn) + index * sizeof(gpte),
					   &gpte, sizeof(gpte)) &&
	       !(gpte & PT_PRESENT_MASK);
}

/*
 * Has the guest used the page that it mapped last?  If not, it maps pages in advance,
 * and emulating that costs more than stock.  Of a table where that has come before much
 * was spared, do not expect better for a while.
 */
static bool nvx_used_last(struct kvm_mmu_page *sp)
{
	struct nvx_sp *nvx = &sp->nvx;
	u64 last = nvx->last ? sp->spt[nvx->last - 1] : 0;

	if (is_shadow_present_pte(last) && is_accessed_spte(last)) {
		nvx->streak = min(nvx->streak + 1, NVX_ENOUGH);
		return true;
	}

	if (nvx->streak < NVX_ENOUGH)
		nvx->distrust = NVX_DISTRUST;
	return false;
}

/* Is a write to the entry one that fills the table as the guest faults? */
static bool nvx_sp_populates(struct kvm_vcpu *vcpu, struct kvm_mmu_page *sp,
			     unsigned int index)
{
	struct nvx_sp *nvx = &sp->nvx;
	u64 spte = sp->spt[index];

	/* One at a time: see nvx_open(). */
	if (!nvx_sp_fits(vcpu, sp) ||
	    (nvx->pending && nvx->pending != index + 1))
		return false;

	if (nvx_is_open(spte))
		return nvx_used_last(sp);

	return spte == nvx_mmu.trap && READ_ONCE(nvx->missed) == index + 1 &&
	       !nvx->distrust && nvx_gpte_absent(vcpu, sp, index);
}

/*
 * The guest's write to an entry is about to be emulated.  Until that is done the entry
 * of the shadow traps, so that no other vCPU sees the guest's new entry in memory, and
 * faults all the same.
 */
static void nvx_set_pending(struct kvm_mmu_page *sp, unsigned int index)
{
	mmu_spte_set(sp->spt + index, nvx_mmu.trap);
	sp->nvx.pending = index + 1;
}

/*
 * The guest writes to a page by way of an entry that is about to be made.  True:
 * do not let it, emulate.
 */
static bool __nvx_populates(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault,
			    gfn_t gfn)
{
	unsigned int index = offset_in_page(fault->addr) / sizeof(u64);
	struct kvm_mmu_page *sp;
	bool found = false;

	for_each_gfn_valid_sp_with_gptes(vcpu->kvm, sp, gfn) {
		if (nvx_sp_idle(sp, index))
			continue;
		if (!nvx_sp_populates(vcpu, sp, index))
			return false;
		found = true;
	}
	if (!found)
		return false;

	for_each_gfn_valid_sp_with_gptes(vcpu->kvm, sp, gfn)
		nvx_set_pending(sp, index);
	nvx_mmu_vcpu(vcpu)->bypass_credit = NVX_CREDIT;
	nvx_count(bypass_emulated);
	return true;
}

static __always_inline bool nvx_populates(struct kvm_vcpu *vcpu,
					  struct kvm_mmu_page *sp,
					  struct kvm_page_fault *fault, gfn_t gfn)
{
	/*
	 * A page table that maps itself must not depend on the emulator, which does
	 * not know every instruction: KVM could not make it writable instead.
	 */
	return unlikely(nvx_mmu.trap) && fault && fault->write &&
	       !fault->prefetch && !fault->write_fault_to_shadow_pgtable &&
	       sp->role.level == PG_LEVEL_4K &&
	       !(fault->addr & (sizeof(u64) - 1)) &&
	       __nvx_populates(vcpu, fault, gfn);
}

/* The guest may write to a table soon.  From then on all of it traps. */
static void __nvx_bypass_unsync(struct kvm_mmu_page *sp)
{
	unsigned int chunk, i;
	u64 *spte;

	for (chunk = 0; sp->nvx.open; chunk++, sp->nvx.open >>= 1) {
		if (!(sp->nvx.open & 1))
			continue;

		spte = sp->spt + chunk * NVX_OPEN_CHUNK;
		for (i = 0; i < NVX_OPEN_CHUNK; i++, spte++)
			if (nvx_is_open(*spte))
				mmu_spte_set(spte, nvx_mmu.trap);
	}
	sp->nvx.pending = 0;
	sp->nvx.last = 0;
	sp->nvx.missed = 0;
	sp->nvx.streak = 0;
	if (sp->nvx.distrust)
		sp->nvx.distrust--;
	nvx_count(bypass_unsync);
}

static __always_inline void nvx_bypass_unsync(struct kvm_mmu_page *sp)
{
	if (unlikely(nvx_mmu.trap))
		__nvx_bypass_unsync(sp);
}

#else

#define nvx_populates(vcpu, sp, fault, gfn)	false
#define nvx_bypass_unsync(sp)			do { } while (0)

#endif
