/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nvx_keep_tables: what is no sign of a page that has ceased to be a table of
 * EPT12.  Part of mmu.c.
 */
#ifdef CONFIG_KVM_NVX_VEPT

#include "mmu/nvx/nvx_mmu.h"

/*
 * L1 has written to a table above the last level.  Stock counts: three writes
 * that no fault of L2 comes between, and the shadow of the table is thrown away,
 * with what it leads to, because the page may be something else by now.  That of
 * a hypervisor that maps or unmaps large pages in a row is not.  An entry that the
 * shadow has, or that is valid now, is one of a table in use; zeroes and data in
 * places that have not been in use count as before, so a page that L1 has given
 * away goes on being found out.
 */
static bool nvx_keeps_table(struct kvm_vcpu *vcpu, struct kvm_mmu_page *sp,
			    gpa_t gpa, u64 gentry)
{
	struct kvm_mmu *mmu = &vcpu->arch.guest_mmu;
	u64 spte;

	/* With TDP, tables that are shadowed in guest mode are those of EPT12. */
	if (!nvx_mmu.keep_tables || !tdp_enabled || !sp->role.guest_mode ||
	    sp->role.level == PG_LEVEL_4K)
		return false;

	spte = sp->spt[offset_in_page(gpa) / sizeof(u64)];
	if (!is_shadow_present_pte(spte)) {
		/* Who has not run L2 cannot tell what is valid. */
		if (!(gentry & VMX_EPT_RWX_MASK) || !mmu->root_role.word ||
		    __is_rsvd_bits_set(&mmu->guest_rsvd_check, gentry, sp->role.level) ||
		    __is_bad_mt_xwr(&mmu->guest_rsvd_check, gentry))
			return false;
	}

	nvx_mmu_kept_table(vcpu, gpa);
	return true;
}

#else

static __always_inline bool nvx_keeps_table(struct kvm_vcpu *vcpu,
					    struct kvm_mmu_page *sp, gpa_t gpa,
					    u64 gentry)
{
	return false;
}

#endif
