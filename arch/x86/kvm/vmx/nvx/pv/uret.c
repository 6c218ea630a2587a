// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv_uret: MSRs of SYSCALL, and TSC_AUX.  L1 writes L2's values before VM-entry and
 * its own before it returns to its user space, each by a WRMSR that exits.  L0 has one
 * value of each for both levels, so all that L1 need leave to it are the WRMSRs: those of
 * L2's values are done at VM-entry (nvx_pv_load_msrs()), those of L1's at one WRMSR of
 * MSR_NVX_PV_RESTORE (nvx_pv_restore_msrs()).
 */
#include <linux/kvm_host.h>
#include <linux/module.h>

#include "x86.h"
#include "cpuid.h"
#include "vmx/vmx.h"
#include "vmx/nvx/nvx.h"
#include "vmx/nvx/pv/pv.h"

static_assert(NVX_MSR_RESTORE == MSR_NVX_PV_RESTORE);

/**
 * nvx_pv_look_at_cpuid() - What L1's CPUID says, for VM-entries in the short form
 * @vcpu: vCPU in L1
 * @pv: its state
 *
 * Once: user space cannot change CPUID of a vCPU that has run.
 *
 * Context: Process context, interrupts on, as cpuid_entry2_find() of 6.12 wants it.
 */
void nvx_pv_look_at_cpuid(struct kvm_vcpu *vcpu, struct nvx_pv *pv)
{
	if (likely(pv->cpuid_known))
		return;
	pv->has_tsc_aux = guest_cpuid_has(vcpu, X86_FEATURE_RDTSCP) ||
			  guest_cpuid_has(vcpu, X86_FEATURE_RDPID);
	pv->cpuid_known = true;
}

/*
 * WRMSR of TSC_AUX as in __kvm_set_msr() and vmx_set_guest_uret_msr(), without looking up
 * CPUID.  What is not for each vendor's CPU is left to KVM.
 */
static bool load_tsc_aux(struct kvm_vcpu *vcpu, const struct nvx_pv *pv, u64 value)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	struct vmx_uret_msr *msr = vmx_find_uret_msr(vmx, MSR_TSC_AUX);

	if (!pv->has_tsc_aux || !msr || value >> 32)
		return false;
	if (msr->load_into_hardware &&
	    kvm_set_user_return_msr(msr - vmx->guest_uret_msrs, value, msr->mask))
		return false;
	msr->data = value;
	return true;
}

/* What WRMSR of L1 would do, for MSRs that L0 keeps with those of user space. */
static bool load(struct kvm_vcpu *vcpu, const struct nvx_pv *pv, u32 index, u64 value,
		 bool quick)
{
	if (index == MSR_TSC_AUX && quick)
		return kvm_msr_allowed(vcpu, index, KVM_MSR_FILTER_WRITE) &&
		       load_tsc_aux(vcpu, pv, value);

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
 * @quick: do without looking up CPUID, as interrupts may be off
 *
 * In order; the bit of each one that is loaded is cleared.
 *
 * Context: Preemption off with @quick, else process context.
 * Return: false if one is refused, it and those after it are not loaded.  With @quick
 * another call without it may load it.
 */
bool nvx_pv_load_msrs(struct kvm_vcpu *vcpu, struct nvx_pv *pv, bool quick)
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
		if (!load(vcpu, pv, READ_ONCE(assist->uret[i].index),
			  READ_ONCE(assist->uret[i].guest), quick))
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
		    !load(vcpu, pv, READ_ONCE(assist->uret[i].index),
			  READ_ONCE(assist->uret[i].host), false))
			return false;
	nvx_count(pv_restore);
	return true;
}
