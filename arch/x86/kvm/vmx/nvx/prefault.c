// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_prefault: answer the second EPT violation before it happens.
 *
 * An L2 page that L1 has not mapped costs stock KVM two violations: the first
 * is reflected to L1, which fills EPT12; the second finds EPT02 empty and makes
 * L0 copy the entry.  L0 knows at the VM-entry between the two which page L2
 * will touch next, so it copies the entry there.
 */
#include <linux/kvm_host.h>
#include <linux/module.h>

#include "vmx/vmx.h"
#include "vmx/nested.h"
#include "mmu/nvx/nvx_mmu.h"
#include "nvx.h"
#include "trace.h"

/**
 * nvx_reflect_ept_fault() - Note an EPT violation that goes to L1
 * @vcpu: vCPU about to leave L2
 * @exit_reason: exit reason for L1; only EPT violations can be cured by mapping
 * @gpa: faulting L2 guest-physical address, bytes
 *
 * Context: Exit handling of @vcpu, vmcs12 is that of the L2 that faulted.
 */
void nvx_reflect_ept_fault(struct kvm_vcpu *vcpu, u32 exit_reason, u64 gpa)
{
	struct nvx_vcpu *nvx = &to_vmx(vcpu)->nested.nvx;

	if (!nvx_prefault ||
	    exit_reason != EXIT_REASON_EPT_VIOLATION)
		return;

	nvx->reflected_gpa = gpa;
	nvx->reflected_eptp = get_vmcs12(vcpu)->ept_pointer;
	nvx->prefault_pending = true;
}

/**
 * nvx_map_reflected() - Map the page of the last reflected EPT violation
 * @vcpu: vCPU that has just entered L2 successfully, vmcs02 loaded
 *
 * L1 may have answered the violation in any way: by a mapping, by emulating an
 * access to a device, or by running another guest.  A wrong guess costs a walk
 * of EPT12 and changes nothing that L1 or L2 can see.
 *
 * Context: Exit handling of @vcpu (a VMLAUNCH or VMRESUME of L1), may sleep.
 */
void nvx_map_reflected(struct kvm_vcpu *vcpu)
{
	enum nvx_prefault_result result = NVX_PREFAULT_SKIPPED;
	struct nvx_vcpu *nvx = &to_vmx(vcpu)->nested.nvx;
	struct vmcs12 *vmcs12 = get_vmcs12(vcpu);

	nvx->prefault_pending = false;

	if (nested_cpu_has_ept(vmcs12) &&
	    vmcs12->ept_pointer == nvx->reflected_eptp)
		result = nvx_mmu_prefault(vcpu, nvx->reflected_gpa);

	switch (result) {
	case NVX_PREFAULT_MAPPED:
		nvx_count(prefault_mapped);
		break;
	case NVX_PREFAULT_MISSED:
		nvx_count(prefault_missed);
		break;
	case NVX_PREFAULT_SKIPPED:
		nvx_count(prefault_skipped);
		break;
	}

	trace_nvx_prefault(nvx->reflected_gpa, nvx->reflected_eptp, result);
}
