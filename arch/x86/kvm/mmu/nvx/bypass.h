/* SPDX-License-Identifier: GPL-2.0-only */
/* nvx_bypass_pf: what both modules ask. */
#ifndef __KVM_X86_MMU_NVX_BYPASS_H
#define __KVM_X86_MMU_NVX_BYPASS_H

#include <linux/kvm_host.h>

#include "mmu.h"
#include "nvx_compat.h"

/* An unused entry that does not trap. */
#define NVX_ABSENT	NVX_COMPAT_NONPRESENT

/*
 * May page faults on absent pages go to the guest?  Only with paging of 4 or 5
 * levels: what the CPU reports must be what the guest's own tables would give, and
 * PAE paging checks reserved bits of its first level elsewhere.  With shadow paging
 * the CPU runs with EFER.NX whether the guest has it or not, and marks fetches in
 * the error code.  The guest must not see that unless it has NX or SMEP.
 */
static inline bool nvx_bypass_allowed(struct kvm_vcpu *vcpu)
{
	struct kvm_mmu *mmu = vcpu->arch.mmu;

	return mmu == &vcpu->arch.root_mmu && !mmu->root_role.direct &&
	       !mmu->root_role.guest_mode &&
	       mmu->cpu_role.base.level >= PT64_ROOT_4LEVEL &&
	       (mmu->cpu_role.base.efer_nx || mmu->cpu_role.ext.cr4_smep);
}

#endif /* __KVM_X86_MMU_NVX_BYPASS_H */
