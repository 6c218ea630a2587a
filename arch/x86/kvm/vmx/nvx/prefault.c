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

bool __read_mostly nvx_prefault = true;

/* Set once at module load: may the parameter be switched on later? */
static bool setup_done, usable;

static int prefault_param_set(const char *val, const struct kernel_param *kp)
{
	bool on;
	int r;

	r = kstrtobool(val, &on);
	if (r)
		return r;

	if (on && setup_done && !usable) {
		pr_warn("kvm_intel: nvx_prefault=1 refused: the module was loaded with nvx=0, nested=0 or ept=0; reload it without\n");
		return -EPERM;
	}

	return param_set_bool(val, kp);
}

static const struct kernel_param_ops prefault_param_ops = {
	.set = prefault_param_set,
	.get = param_get_bool,
};

module_param_cb(nvx_prefault, &prefault_param_ops, &nvx_prefault, 0644);
__MODULE_PARM_TYPE(nvx_prefault, "bool");
MODULE_PARM_DESC(nvx_prefault, "after an EPT violation that L1 handled, map the page before L2 runs (default: 1)");

/**
 * nvx_vept_setup() - Clear what cannot work here
 * @nested: nested virtualization is offered to guests
 *
 * Context: Module initialization.
 */
void __init nvx_vept_setup(bool nested)
{
	/* Only EPT12 is ever prefaulted, and only an L0 with EPT offers one. */
	usable = nvx_master_switch() && enable_ept && nested;
	if (!usable)
		nvx_prefault = false;
	setup_done = true;
}

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

	if (!READ_ONCE(nvx_prefault) ||
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
