// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv_uret: MSRs that L1 loads for L2 and gives back before it returns to its
 * own user space.  KVM has one set of them for both levels, so nothing but the
 * WRMSRs themselves moves: to VM-entry on the way in, into one on the way out.
 */
#include <linux/kvm_host.h>
#include <linux/module.h>

#include "x86.h"
#include "vmx/vmx.h"
#include "vmx/nvx/nvx.h"
#include "vmx/nvx/pv/pv.h"

static_assert(NVX_MSR_RESTORE == MSR_NVX_PV_RESTORE);

/* What WRMSR of L1 would do, for MSRs that L0 keeps with those of user space. */
static bool load(struct kvm_vcpu *vcpu, u32 index, u64 value)
{
	switch (index) {
	case MSR_STAR:
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_SYSCALL_MASK:
	case MSR_TSC_AUX:
		return kvm_msr_allowed(vcpu, index, KVM_MSR_FILTER_WRITE) &&
		       !kvm_set_msr(vcpu, index, value);
	default:
		return false;
	}
}

/**
 * nvx_pv_load_msrs() - L1 enters L2: load what it has put down
 * @vcpu: vCPU in L1, whose CPL is 0
 * @pv: its state, with the assist page mapped
 *
 * In order; the bit of each one that is loaded is cleared.
 *
 * Context: Any.
 * Return: false if one is refused, it and those after it are not loaded.
 */
bool nvx_pv_load_msrs(struct kvm_vcpu *vcpu, struct nvx_pv *pv)
{
	struct nvx_pv_assist *assist = nvx_pv_assist(pv);
	u32 i, mask;

	if (!(pv->features & NVX_PV_FEAT_URET))
		return true;
	mask = READ_ONCE(assist->msr_load);
	if (likely(!mask))
		return true;

	for (i = 0; i < NVX_PV_NR_URET; i++) {
		if (!(mask & BIT(i)))
			continue;
		if (!load(vcpu, READ_ONCE(assist->uret[i].index),
			  READ_ONCE(assist->uret[i].guest)))
			return false;
		mask &= ~BIT(i);
		WRITE_ONCE(assist->msr_load, mask);
		nvx_count(pv_uret);
	}
	return !mask;
}

/**
 * nvx_pv_restore_msrs() - L1 is about to return to its user space
 * @vcpu: vCPU in L1
 * @pv: its state, with the assist page mapped
 * @mask: entries whose host values are to be loaded
 *
 * Context: Process context.
 * Return: false if one is refused, it and those after it are not loaded.
 */
bool nvx_pv_restore_msrs(struct kvm_vcpu *vcpu, struct nvx_pv *pv, u64 mask)
{
	const struct nvx_pv_assist *assist = nvx_pv_assist(pv);
	u32 i;

	if (!(pv->features & NVX_PV_FEAT_URET) || mask >> NVX_PV_NR_URET)
		return false;

	for (i = 0; i < NVX_PV_NR_URET; i++)
		if (mask & BIT(i) &&
		    !load(vcpu, READ_ONCE(assist->uret[i].index),
			  READ_ONCE(assist->uret[i].host)))
			return false;
	nvx_count(pv_restore);
	return true;
}
