// SPDX-License-Identifier: GPL-2.0-only
/*
 * Map an L2 page in EPT02 before L2 runs, with the window around it.  Part of
 * kvm.ko, called by vmx/nvx/prefault.c with a vCPU in guest mode.
 */
#include <linux/export.h>
#include <linux/kvm_host.h>

#include "irq.h"
#include "mmu.h"
#include "mmu/mmu_internal.h"
#include "nvx_compat.h"
#include "nvx_mmu.h"

/**
 * nvx_mmu_prefault() - Install the EPT02 entry of an L2 page, if EPT12 has one
 * @vcpu: vCPU in guest mode whose current MMU shadows EPT12
 * @l2_gpa: page to map, L2 guest-physical address in bytes
 *
 * Run the ordinary shadow-EPT fault on behalf of a read that L2 has not made
 * yet.  Three properties of a prefetch fault make it invisible to L1:
 *
 * - a walk of EPT12 that fails ends silently instead of in an EPT violation;
 * - it is a read, so no EPT12 dirty bit is set and nothing goes to L1's page
 *   modification log.  EPT12's accessed bit may be set, as a CPU may set it for
 *   a speculative access;
 * - the entry is created under mmu_lock with the usual check for a concurrent
 *   invalidation, and goes from not-present to present: no flush is due.
 *
 * Without A/D bits in EPT12 a prefetched SPTE is access-tracked, i.e. faults on
 * first use all the same: do not waste the walk.
 *
 * Context: Process context, may sleep (the backing page may have to be faulted
 * in, as the violation of L2 would have done).  Holds kvm->srcu for read.
 * Return: NVX_PREFAULT_MAPPED, NVX_PREFAULT_MISSED if nothing was installed,
 * NVX_PREFAULT_SKIPPED if this MMU cannot gain.
 */
enum nvx_prefault_result nvx_mmu_prefault(struct kvm_vcpu *vcpu, u64 l2_gpa)
{
	struct kvm_mmu *mmu = vcpu->arch.mmu;
	int r;

	if (mmu != &vcpu->arch.guest_mmu || mmu->root_role.ad_disabled)
		return NVX_PREFAULT_SKIPPED;

	if (kvm_mmu_reload(vcpu))
		return NVX_PREFAULT_MISSED;

	r = nvx_compat_prefetch_fault(vcpu, l2_gpa, PFERR_USER_MASK);
	return r == RET_PF_FIXED ? NVX_PREFAULT_MAPPED : NVX_PREFAULT_MISSED;
}
EXPORT_SYMBOL_GPL(nvx_mmu_prefault);
