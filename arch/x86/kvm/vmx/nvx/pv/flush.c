// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv: flushes that L1 asks for in memory, or for all of its processors.
 */
#include <linux/kvm_host.h>

#include "vmx/vmx.h"
#include "vmx/nested.h"
#include "mmu/nvx/nvx_mmu.h"
#include "vmx/nvx/nvx.h"
#include "vmx/nvx/pv/pv.h"
#include "vmx/nvx/trace.h"

/* SDM 25.6.11: the address of the EPT PML4 table is in bits 51:12 of an EPTP. */
static bool root_matches(hpa_t root_hpa, u64 root_eptp, u64 eptp)
{
	return VALID_PAGE(root_hpa) &&
	       !((root_eptp ^ eptp) & GENMASK_ULL(51, 12));
}

static void flush_ept(struct kvm_vcpu *vcpu, u64 eptp, bool all)
{
	struct kvm_mmu *mmu = &vcpu->arch.guest_mmu;
	unsigned long roots = 0;
	int i;

	if (all) {
		roots = KVM_MMU_ROOTS_ALL;
	} else {
		if (root_matches(mmu->root.hpa, mmu->root.pgd, eptp))
			roots |= KVM_MMU_ROOT_CURRENT;
		for (i = 0; i < KVM_MMU_NUM_PREV_ROOTS; i++)
			if (root_matches(mmu->prev_roots[i].hpa,
					 mmu->prev_roots[i].pgd, eptp))
				roots |= KVM_MMU_ROOT_PREVIOUS(i);
	}
	if (roots)
		kvm_mmu_free_roots(vcpu->kvm, mmu, roots);
}

/* False: not a range, or not one that this L1 may name. */
static bool flush_range(struct kvm_vcpu *vcpu, const struct nvx_pv *pv,
			const struct nvx_pv_flush *flush)
{
	u64 first = flush->gpa >> PAGE_SHIFT, zapped;

	if (flush->op != NVX_PV_RANGE || !(pv->features & NVX_PV_FEAT_RANGE) ||
	    !flush->nr_pages || flush->nr_pages > NVX_PV_RANGE_MAX ||
	    !PAGE_ALIGNED(flush->gpa))
		return false;

	zapped = nvx_mmu_zap_range(vcpu->kvm, flush->eptp, first,
				   flush->nr_pages);
	nvx_count(pv_range);
	nvx_count_add(pv_range_zapped, zapped);
	trace_nvx_pv_range(vcpu->vcpu_id, flush->eptp, flush->gpa,
			   flush->nr_pages, zapped);
	return true;
}

/* As nested_get_vpid02(): without a VPID of its own L2 has L1's. */
static void flush_vpid(struct kvm_vcpu *vcpu)
{
	const struct vcpu_vmx *vmx = to_vmx(vcpu);

	vpid_sync_context(vmx->nested.vpid02 ? : vmx->vpid);
}

/*
 * What handle_invept() and handle_invvpid() do.  A request that they would fail
 * flushes everything: L1 cannot be told, and it cannot hurt.
 */
static void flush_one(struct kvm_vcpu *vcpu, const struct nvx_pv *pv,
		      const struct nvx_pv_flush *flush)
{
	if (flush_range(vcpu, pv, flush))
		return;

	if (flush->op == (NVX_PV_INVEPT | VMX_EPT_EXTENT_CONTEXT))
		flush_ept(vcpu, flush->eptp, false);
	else if ((flush->op & ~0xffffu) != NVX_PV_INVVPID)
		flush_ept(vcpu, 0, true);
	if ((flush->op & ~0xffffu) != NVX_PV_INVEPT)
		flush_vpid(vcpu);
}

/* L1 may write while we read: copy once. */
static struct nvx_pv_flush snapshot(const struct nvx_pv_flush *flush)
{
	return (struct nvx_pv_flush) {
		.op = READ_ONCE(flush->op),
		.vpid = READ_ONCE(flush->vpid),
		.eptp = READ_ONCE(flush->eptp),
		.gla = READ_ONCE(flush->gla),
	};
}

/**
 * nvx_pv_drain_flushes() - Do what L1 has asked for since the last VM-entry
 * @vcpu: vCPU that is about to enter L2
 * @pv: its state, with the assist page mapped
 *
 * Context: Process context, may sleep.
 */
void nvx_pv_drain_flushes(struct kvm_vcpu *vcpu, struct nvx_pv *pv)
{
	struct nvx_pv_assist *assist = nvx_pv_assist(pv);
	u32 i, nr = READ_ONCE(assist->nr_flush);

	if (!nr)
		return;

	WRITE_ONCE(assist->nr_flush, 0);
	if (nr > NVX_PV_NR_FLUSH) {
		/* No number of L1's: it is not what is done. */
		nvx_count(pv_flush);
		flush_ept(vcpu, 0, true);
		flush_vpid(vcpu);
		return;
	}
	nvx_count_add(pv_flush, nr);
	for (i = 0; i < nr; i++) {
		struct nvx_pv_flush flush = snapshot(&assist->flush[i]);

		flush_one(vcpu, pv, &flush);
	}
}

/**
 * nvx_pv_flush_remote() - L1 writes the flush MSR
 * @vcpu: vCPU with this interface in use, not in guest mode
 * @pv: its state, with the assist page mapped
 *
 * SPTEs belong to the VM, so all vCPUs are served at once.
 *
 * Context: Process context, may sleep.
 * Return: false if it is no request for all processors: nothing is done.
 */
bool nvx_pv_flush_remote(struct kvm_vcpu *vcpu, struct nvx_pv *pv)
{
	struct nvx_pv_flush flush = snapshot(&nvx_pv_assist(pv)->remote);

	if (!flush_range(vcpu, pv, &flush))
		return false;
	nvx_count(pv_range_remote);
	return true;
}
