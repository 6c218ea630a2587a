// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits of L1 that need not be: RDMSR of IA32_DEBUGCTL.  Host state and emulated UMIP are
 * in exits_hooks.h, all of it; here is only what counts VMWRITEs.  L0 side, helps an
 * unmodified L1.
 */
#include <linux/kvm_host.h>
#include <linux/module.h>

#include "vmx/vmx.h"
#include "nvx.h"
#include "trace.h"

static_assert(NVX_ENCODING_HOST_CR3 == HOST_CR3);
static_assert(NVX_ENCODING_HOST_RSP == HOST_RSP);

/**
 * nvx_update_debugctl_intercept() - Decide whether RDMSR of DEBUGCTL exits
 * @vcpu: vCPU being created, or whose host DEBUGCTL has changed
 *
 * Linux reads IA32_DEBUGCTL before every VM-entry, so an L1 pays one exit to L0
 * for each of its own.  The CPU loads the MSR from the VMCS at VM-entry, hence
 * a read that does not exit returns what vmx_get_msr() would, except for
 * FREEZE_IN_SMM: when the host has it set, KVM sets it behind the guest's back,
 * and the guest must not see it.  Writes keep exiting.
 *
 * The MSR is in vmx_possible_passthrough_msrs[], so user space's MSR filter
 * still has the last word, also when it changes later.
 *
 * Context: Process context or with interrupts off right before VM-entry.
 */
void nvx_update_debugctl_intercept(struct kvm_vcpu *vcpu)
{
	bool passthrough;

	if (!nvx_debugctl)
		return;

	passthrough = !(vcpu->arch.host_debugctl & DEBUGCTLMSR_FREEZE_IN_SMM);
	if (passthrough) {
		vmx_disable_intercept_for_msr(vcpu, MSR_IA32_DEBUGCTLMSR,
					      MSR_TYPE_R);
		nvx_count(debugctl_passthrough);
	} else {
		vmx_enable_intercept_for_msr(vcpu, MSR_IA32_DEBUGCTLMSR,
					     MSR_TYPE_R);
		nvx_count(debugctl_intercepted);
	}

	trace_nvx_debugctl(vcpu->vcpu_id, passthrough);
}

/**
 * nvx_count_host_vmwrite() - Count a VMWRITE of host state that exited
 *
 * Context: Any.  Called for host-state fields that are not shadowed.
 */
void nvx_count_host_vmwrite(void)
{
	nvx_count(host_vmwrite_clean);
}
