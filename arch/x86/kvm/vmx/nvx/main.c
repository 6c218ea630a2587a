// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx in the life of kvm-intel.ko: the master switch, setup, teardown.
 *
 * features.h has the table of features, features.c settles which are in effect.
 */
#include <linux/kvm_host.h>
#include <linux/module.h>

#include "mmu/nvx/nvx_mmu.h"
#include "nvx.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static bool __read_mostly nvx = true;
module_param(nvx, bool, 0444);
MODULE_PARM_DESC(nvx, "master switch: 0 makes this module behave as the stock one (default: 1)");

/* Never off again: a guest must not make the host patch its code at will. */
DEFINE_STATIC_KEY_FALSE(nvx_exits_matter);

/**
 * nvx_master_switch() - May any feature be on?
 *
 * Return: false if the module was loaded with nvx=0.
 */
bool nvx_master_switch(void)
{
	return nvx;
}

/**
 * nvx_hardware_setup() - Settle which features are on
 * @nested: nested virtualization is offered to guests
 *
 * Context: Module initialization, after enable_ept and friends are final,
 * before the shadow-VMCS bitmaps and the CPUID capabilities are built.
 */
void __init nvx_hardware_setup(bool nested)
{
	nvx_features_setup(nested);
	nvx_mmu_setup(nested);
	nvx_bypass_setup();
	nvx_fast_setup();
	nvx_pv_setup(nested, nvx_fast_times_l2());
	nvx_l1_setup();
}

/**
 * nvx_register() - Show nvx to the operator
 *
 * Context: Module initialization, the last step: debugfs kvm/ exists, nothing
 * can fail any more.
 */
void __init nvx_register(void)
{
	char on[NVX_LIST_SIZE];
	int len = nvx_list_features(on);

	nvx_idle_register();
	nvx_pv_register();
	nvx_l1_register();
	nvx_l1_range_register();
	nvx_debugfs_register();
	pr_info("kvm_intel: nvx: %s\n", len ? on : "all off, as stock");
}

/**
 * nvx_unregister() - Undo nvx_register()
 *
 * Context: Module exit, before debugfs kvm/ goes.
 */
void nvx_unregister(void)
{
	nvx_debugfs_unregister();
	nvx_shim_detach();
	nvx_l1_range_unregister();
	nvx_l1_unregister();
	nvx_pv_unregister();
	nvx_idle_unregister();
	nvx_mmu_unregister();
}
