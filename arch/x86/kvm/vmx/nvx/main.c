// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parameters of nvx and its place in the life of kvm-intel.ko.
 *
 * A feature is one boolean.  nvx_hardware_setup() clears those that cannot
 * work here, as KVM does with its own (enable_ept ...), so /sys/module/
 * kvm_intel/parameters/ always shows what is in effect.  What is fixed when
 * VMCS bitmaps and CPUID are set up is read-only; the rest may change while
 * VMs run.
 */
#include <linux/kvm_host.h>
#include <linux/module.h>

#include "vmx/vmx.h"
#include "nvx.h"
#include "prefault.h"
#include "mmu/nvx/nvx_mmu.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static bool __read_mostly nvx = true;
module_param(nvx, bool, 0444);
MODULE_PARM_DESC(nvx, "master switch: 0 makes this module behave as the stock one (default: 1)");

bool __read_mostly nvx_debugctl = true;
module_param(nvx_debugctl, bool, 0444);
MODULE_PARM_DESC(nvx_debugctl, "let a guest read IA32_DEBUGCTL without an exit (default: 1)");

bool __read_mostly nvx_shadow_host = true;
module_param(nvx_shadow_host, bool, 0444);
MODULE_PARM_DESC(nvx_shadow_host, "shadow HOST_RSP and HOST_CR3, writes of host state do not dirty vmcs12 (default: 1)");

bool __read_mostly nvx_no_umip_emul;
module_param(nvx_no_umip_emul, bool, 0444);
MODULE_PARM_DESC(nvx_no_umip_emul, "do not offer UMIP to guests on a CPU that lacks it (default: 0)");

bool __read_mostly nvx_prefault_enabled = true;

/* May change at any time, but not past the master switch. */
static int prefault_param_set(const char *val, const struct kernel_param *kp)
{
	bool on;
	int r;

	r = kstrtobool(val, &on);
	if (r)
		return r;

	if (on && !nvx) {
		pr_warn("kvm_intel: nvx_prefault=1 refused: the module was loaded with nvx=0; reload it without\n");
		return -EPERM;
	}

	return param_set_bool(val, kp);
}

static const struct kernel_param_ops prefault_param_ops = {
	.set = prefault_param_set,
	.get = param_get_bool,
};

module_param_cb(nvx_prefault, &prefault_param_ops, &nvx_prefault_enabled, 0644);
__MODULE_PARM_TYPE(nvx_prefault, "bool");
MODULE_PARM_DESC(nvx_prefault, "after an EPT violation that L1 handled, map the page before L2 runs (default: 1)");

/**
 * nvx_hardware_setup() - Settle which features are on
 * @nested: nested virtualization is offered to guests
 *
 * Context: Module initialization, after enable_ept and friends are final,
 * before the shadow-VMCS bitmaps and the CPUID capabilities are built.
 */
void __init nvx_hardware_setup(bool nested)
{
	if (!nvx) {
		nvx_debugctl = false;
		nvx_shadow_host = false;
		nvx_no_umip_emul = false;
		nvx_prefault_enabled = false;
		return;
	}

	if (!cpu_has_vmx_msr_bitmap())
		nvx_debugctl = false;

	/* Only EPT12 is ever prefaulted, and only if L1 may have an EPT. */
	if (!enable_ept || !nested)
		nvx_prefault_enabled = false;

	if (!nested)
		nvx_shadow_host = false;
}

/**
 * nvx_register() - Show nvx to the operator once hardware setup has succeeded
 * @err: result of hardware setup so far; nothing is done unless it is 0
 */
void __init nvx_register(int err)
{
	if (err)
		return;

	nvx_debugfs_register();
	pr_info("kvm_intel: nvx %s: debugctl=%d shadow_host=%d no_umip_emul=%d prefault=%d\n",
		nvx ? "on" : "off", nvx_debugctl, nvx_shadow_host,
		nvx_no_umip_emul, nvx_prefault_enabled);
}

/**
 * nvx_unregister() - Undo nvx_register()
 */
void nvx_unregister(void)
{
	nvx_debugfs_unregister();
}
