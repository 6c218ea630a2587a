/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nvx_keep_tables: which writes of L1 do not count towards stock's flood detection.
 * Part of mmu.c.
 */
#ifdef CONFIG_KVM_NVX_VEPT

#include "mmu/nvx/nvx_mmu.h"

/*
 * L1 has written to a table of EPT12 above the last level.  Stock zaps a shadow table
 * after three writes of L1 without a fault of L2 between: the page may be in other use.
 * A hypervisor that maps or unmaps large pages writes as often.  Do not count a write if
 * the shadow has that entry, or if the new value is a valid one; count zeroes and data
 * elsewhere.
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
