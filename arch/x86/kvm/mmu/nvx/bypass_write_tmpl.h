/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nvx_bypass_pf: after a write to a page table, and after a fault that has trapped.
 * Part of mmu.c, behind paging_tmpl.h.
 */
#ifdef CONFIG_KVM_NVX_BYPASS

#include "mmu/nvx/bypass_insn.h"

/* Mappings of one write: of each shadow page of the table. */
#define NVX_WRITE_DESCS		8

/*
 * The guest fills the table as it faults: let faults on its absent entries through,
 * at first those around the last one, the next time all.  The entry whose write is
 * being emulated, if there is one, goes on trapping: its guest entry may be present
 * at any moment.
 */
static void nvx_open(struct kvm_vcpu *vcpu, struct kvm_mmu_page *sp,
		     unsigned int index)
{
	unsigned int chunk = index / NVX_OPEN_CHUNK, wanted = 1u << chunk, i, at;
	u64 gptes[NVX_OPEN_CHUNK];

	if (sp->nvx.open)
		wanted = NVX_OPEN_ALL;
	wanted &= ~sp->nvx.open;

	for (chunk = 0; wanted; chunk++, wanted >>= 1) {
		at = chunk * NVX_OPEN_CHUNK;
		if (!(wanted & 1) ||
		    kvm_vcpu_read_guest_atomic(vcpu, gfn_to_gpa(sp->gfn) + at * sizeof(u64),
					       gptes, sizeof(gptes)))
			continue;

		sp->nvx.open |= 1u << chunk;
		for (i = 0; i < NVX_OPEN_CHUNK; i++, at++)
			if (!(gptes[i] & PT_PRESENT_MASK) &&
			    sp->spt[at] == nvx_mmu.trap && sp->nvx.pending != at + 1)
				mmu_spte_set(sp->spt + at, NVX_ABSENT);
	}
}

/* A write to a page table has been emulated: it contains @gentry at @sptep. */
static void __nvx_pte_written(struct kvm_vcpu *vcpu, struct kvm_mmu_page *sp,
			      u64 *sptep, u64 gentry)
{
	unsigned int index = spte_index(sptep);
	struct nvx_sp *nvx = &sp->nvx;

	if (nvx_is_open(*sptep))
		mmu_spte_set(sptep, nvx_mmu.trap);

	if (nvx->pending != index + 1)
		return;

	nvx->pending = 0;
	if (!(gentry & PT_PRESENT_MASK) || !nvx_sp_fits(vcpu, sp))
		return;

	/* As in stock's prefetch, map nothing that is being invalidated. */
	if (!vcpu->kvm->mmu_invalidate_in_progress &&
	    kvm_mmu_memory_cache_nr_free_objects(&vcpu->arch.mmu_pte_list_desc_cache) &&
	    nvx_compat_prefetch_gpte(vcpu, sp, sptep, gentry))
		nvx_count(bypass_mapped);

	nvx->last = index + 1;
	if (READ_ONCE(nvx->missed) == index + 1) {
		WRITE_ONCE(nvx->missed, 0);
		nvx_open(vcpu, sp, index);
	}
}

static __always_inline void nvx_pte_written(struct kvm_vcpu *vcpu,
					    struct kvm_mmu_page *sp, u64 *sptep,
					    u64 gentry)
{
	if (unlikely(nvx_mmu.trap))
		__nvx_pte_written(vcpu, sp, sptep, gentry);
}

/* Where the walk for an address ends, with a root of 4 or 5 levels. */
static u64 *nvx_walk(struct kvm_vcpu *vcpu, u64 gva, u64 *spte)
{
	unsigned int level = vcpu->arch.mmu->root_role.level;
	hpa_t table = vcpu->arch.mmu->root.hpa;
	u64 *sptep;

	for (;; level--) {
		sptep = (u64 *)__va(table) + SPTE_INDEX(gva, level);
		*spte = READ_ONCE(*sptep);
		if (!is_shadow_present_pte(*spte) || is_last_spte(*spte, level))
			return sptep;
		table = *spte & SPTE_BASE_ADDR_MASK;
	}
}

/* The entry that maps an address. */
static u64 *nvx_leaf(struct kvm_vcpu *vcpu, u64 gva)
{
	u64 spte, *sptep = nvx_walk(vcpu, gva, &spte);

	return is_shadow_present_pte(spte) ? sptep : NULL;
}

/* What does the instruction at @rip store, if it is one that fills page tables? */
static bool nvx_fetch_mov(struct kvm_vcpu *vcpu, u64 rip, struct nvx_mov *mov)
{
	u64 *sptep = nvx_leaf(vcpu, rip);
	u8 insn[NVX_MOV_BYTES];
	struct kvm_mmu_page *sp;
	gfn_t gfn;

	if (!sptep || !is_executable_pte(*sptep) ||
	    offset_in_page(rip) > PAGE_SIZE - sizeof(insn))
		return false;

	sp = sptep_to_sp(sptep);
	gfn = kvm_mmu_page_get_gfn(sp, spte_index(sptep)) +
	      (rip >> PAGE_SHIFT & (KVM_PAGES_PER_HPAGE(sp->role.level) - 1));
	if (kvm_vcpu_read_guest_atomic(vcpu, gfn_to_gpa(gfn) | offset_in_page(rip),
				       insn, sizeof(insn)) ||
	    !nvx_decode_mov(insn, mov))
		return false;

	if (mov->reg >= 0)
		mov->value = kvm_register_read_raw(vcpu, mov->reg);
	return true;
}

/* Write to a page of the guest whose mappings nobody takes away meanwhile. */
static bool nvx_store(struct kvm_vcpu *vcpu, struct kvm_memory_slot *slot, gfn_t gfn,
		      unsigned int index, u64 value)
{
	unsigned long hva = gfn_to_hva_memslot(slot, gfn);
	bool failed;

	pagefault_disable();
	failed = __put_user(value, (u64 __user *)hva + index);
	pagefault_enable();
	if (!failed)
		mark_page_dirty_in_slot(vcpu->kvm, slot, gfn);
	return !failed;
}

/*
 * The guest may write to a page if it has an entry with that right, which only KVM has
 * left out, to be told of writes to a page table.
 */
static struct kvm_memory_slot *nvx_pte_slot(struct kvm_vcpu *vcpu, u64 *sptep, gfn_t gfn)
{
	struct kvm_mmu_page *sp = sptep_to_sp(sptep);
	struct kvm_memory_slot *slot;
	u32 access;

	access = kvm_mmu_page_get_access(sp, spte_index(sptep));
	if (sp->role.level != PG_LEVEL_4K || is_writable_pte(*sptep) ||
	    !(*sptep & shadow_host_writable_mask) ||
	    (access & (ACC_WRITE_MASK | ACC_USER_MASK)) != ACC_WRITE_MASK)
		return NULL;

	slot = kvm_vcpu_gfn_to_memslot(vcpu, gfn);
	if (!slot || slot->flags & KVM_MEM_READONLY ||
	    nvx_compat_write_tracked(vcpu, slot, gfn))
		return NULL;
	return slot;
}

static bool nvx_write_pte_locked(struct kvm_vcpu *vcpu, u64 gva, u64 rip,
				 unsigned int *len)
{
	unsigned int index = offset_in_page(gva) / sizeof(u64);
	u64 *sptep = nvx_leaf(vcpu, gva);
	struct kvm_memory_slot *slot;
	struct kvm_mmu_page *sp;
	struct nvx_mov mov;
	bool found = false;
	gfn_t gfn;

	if (!sptep)
		return false;
	gfn = kvm_mmu_page_get_gfn(sptep_to_sp(sptep), spte_index(sptep));
	slot = nvx_pte_slot(vcpu, sptep, gfn);
	if (!slot)
		return false;

	for_each_gfn_valid_sp_with_gptes(vcpu->kvm, sp, gfn) {
		if (nvx_sp_idle(sp, index))
			continue;
		if (sp == sptep_to_sp(sptep) || !nvx_sp_populates(vcpu, sp, index))
			return false;
		found = true;
	}
	if (!found || !nvx_fetch_mov(vcpu, rip, &mov))
		return false;

	for_each_gfn_valid_sp_with_gptes(vcpu->kvm, sp, gfn)
		nvx_set_pending(sp, index);
	if (!nvx_store(vcpu, slot, gfn, index, mov.value))
		return false;

	for_each_gfn_valid_sp_with_gptes(vcpu->kvm, sp, gfn)
		__nvx_pte_written(vcpu, sp, sp->spt + index, mov.value);
	*len = mov.len;
	return true;
}

/**
 * nvx_mmu_write_pte() - Do what a MOV does that fills a page table
 * @vcpu: vCPU that has faulted, with shadow paging, in 64-bit supervisor mode
 * @gva: where it would write 8 bytes, aligned: the address of the fault
 * @rip: where the instruction is
 * @len: set to its length, bytes
 *
 * The same as KVM's page fault handler and the emulator would do of a write that
 * nvx_populates() wants emulated, with the walks of the guest's page tables left out:
 * the shadow of the mapping, like a TLB, has the result of the last one.
 *
 * Context: Exit handling of @vcpu, its bypass_credit is not 0, outside of mmu_lock.
 * Return: false if nothing has been done, and KVM has to.
 */
bool nvx_mmu_write_pte(struct kvm_vcpu *vcpu, u64 gva, u64 rip, unsigned int *len)
{
	struct nvx_mmu_vcpu *nvx = nvx_mmu_vcpu(vcpu);
	bool done;

	/* Filtering faults implies a root that nvx_walk() can walk. */
	if (gva & (sizeof(u64) - 1) || !VALID_PAGE(vcpu->arch.mmu->root.hpa) ||
	    kvm_mmu_memory_cache_nr_free_objects(&vcpu->arch.mmu_pte_list_desc_cache) <
	    NVX_WRITE_DESCS)
		return false;

	write_lock(&vcpu->kvm->mmu_lock);
	done = nvx_write_pte_locked(vcpu, gva, rip, len);
	if (done) {
		nvx->bypass_credit = NVX_CREDIT;
		nvx_count(bypass_emulated);
		nvx_count(bypass_direct);
		++vcpu->kvm->stat.mmu_pte_write;
		vcpu->arch.l1tf_flush_l1d = true;
	} else {
		nvx->bypass_credit--;
	}
	write_unlock(&vcpu->kvm->mmu_lock);
	return done;
}
EXPORT_SYMBOL_GPL(nvx_mmu_write_pte);

/**
 * nvx_mmu_fault_code() - The error code that stock would have got
 * @vcpu: vCPU that has faulted, with shadow paging
 * @gva: address of the fault
 * @code: error code of the CPU, with the reserved bit
 *
 * Walk the shadow page tables.  If the entry caches an emulated device, KVM needs the
 * code as it is.  If it is unused, it has faulted because of nvx_mmu.trap: stock's would
 * not have been present, so take "present" and "reserved" away, and note the entry for
 * nvx_sp_populates().  Do the former as well if the entry has been changed since: KVM
 * handles a fault on an absent page by looking at everything anew.
 *
 * Context: Exit handling of @vcpu.
 * Return: the code to handle the fault with.
 */
u32 nvx_mmu_fault_code(struct kvm_vcpu *vcpu, u64 gva, u32 code)
{
	struct kvm_shadow_walk_iterator it;
	struct kvm_mmu_page *sp;
	u64 *sptep, spte = 0;

	walk_shadow_page_lockless_begin(vcpu);
	if (vcpu->arch.mmu->root_role.level < PT64_ROOT_4LEVEL) {
		for_each_shadow_entry_lockless(vcpu, gva, it, spte)
			;
	} else {
		sptep = nvx_walk(vcpu, gva, &spte);
		sp = sptep_to_sp(sptep);
		if (spte == nvx_mmu.trap && sp->role.level == PG_LEVEL_4K && !sp->unsync) {
			WRITE_ONCE(sp->nvx.missed, spte_index(sptep) + 1);
			nvx_mmu_vcpu(vcpu)->bypass_credit = NVX_CREDIT;
		}
	}
	walk_shadow_page_lockless_end(vcpu);

	return nvx_compat_mmio_spte(vcpu, spte) ? code :
		code & ~(PFERR_PRESENT_MASK | PFERR_RSVD_MASK);
}
EXPORT_SYMBOL_GPL(nvx_mmu_fault_code);

#else

#define nvx_pte_written(vcpu, sp, sptep, gentry)	do { } while (0)

#endif
