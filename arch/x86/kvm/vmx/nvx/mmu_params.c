// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parameters of virtual EPT: how much is mapped at once, and what stays.  The
 * work is done in kvm.ko (mmu/nvx/), which learns of it through nvx_mmu.
 */
#include <linux/kvm_host.h>
#include <linux/log2.h>
#include <linux/module.h>

#include "vmx/vmx.h"
#include "mmu/nvx/nvx_mmu.h"
#include "nvx.h"

/*
 * A size in pages.  @value is what was asked for, @setting what the MMU does;
 * @usable says, once setup is done, whether they may agree.
 */
struct nvx_size {
	const char *name;
	unsigned int value;
	unsigned int *setting;
	bool usable;
};

static struct nvx_size fault_around = {
	.name = "nvx_fault_around", .value = 16, .setting = &nvx_mmu.fault_around,
};

static struct nvx_size tdp_fault_around = {
	.name = "nvx_tdp_fault_around", .value = 16, .setting = &nvx_mmu.tdp_fault_around,
};

static struct nvx_size populate = {
	.name = "nvx_populate", .value = 1, .setting = &nvx_mmu.populate,
};

/* 0: guests get no EPT, nor what needs it. */
bool __read_mostly nvx_vept = true;

static bool setup_done;

static int size_set(const char *val, const struct kernel_param *kp)
{
	struct nvx_size *size = kp->arg;
	unsigned int n;
	int r;

	r = kstrtouint(val, 0, &n);
	if (r)
		return r;

	if (!n || n > NVX_AROUND_MAX) {
		pr_warn("kvm_intel: %s=%u refused: give a number of pages from 1 to %u\n",
			size->name, n, NVX_AROUND_MAX);
		return -EINVAL;
	}

	n = rounddown_pow_of_two(n);
	if (n > 1 && setup_done && !size->usable) {
		pr_warn("kvm_intel: %s=%u refused: the module was loaded with nvx=0, ept=0 or nested=0; reload it without\n",
			size->name, n);
		return -EPERM;
	}

	size->value = n;
	if (setup_done)
		WRITE_ONCE(*size->setting, n);
	return 0;
}

static int size_get(char *buffer, const struct kernel_param *kp)
{
	const struct nvx_size *size = kp->arg;

	return sysfs_emit(buffer, "%u\n", size->value);
}

static const struct kernel_param_ops size_ops = {
	.set = size_set,
	.get = size_get,
};

module_param_cb(nvx_fault_around, &size_ops, &fault_around, 0644);
__MODULE_PARM_TYPE(nvx_fault_around, "uint");
MODULE_PARM_DESC(nvx_fault_around, "pages around an EPT violation of L2 that L0 maps at once, 1 to 64 (default: 16)");

module_param_cb(nvx_tdp_fault_around, &size_ops, &tdp_fault_around, 0644);
__MODULE_PARM_TYPE(nvx_tdp_fault_around, "uint");
MODULE_PARM_DESC(nvx_tdp_fault_around, "pages around an EPT violation of a guest that are mapped at once if the host has them, 1 to 64 (default: 16)");

module_param_cb(nvx_populate, &size_ops, &populate, 0644);
__MODULE_PARM_TYPE(nvx_populate, "uint");
MODULE_PARM_DESC(nvx_populate, "pages of anonymous memory that are allocated with one that a guest touches first, 1 to 64 (default: 1)");

static void __init settle(struct nvx_size *size, bool usable)
{
	size->usable = usable;
	if (!usable)
		size->value = 1;
	WRITE_ONCE(*size->setting, size->value);
}

/**
 * nvx_mmu_setup() - Tell kvm.ko's MMU what to do
 * @nested: nested virtualization is offered to guests
 *
 * Context: Module initialization.
 */
void __init nvx_mmu_setup(bool nested)
{
	bool usable = nvx_master_switch() && enable_ept;

	nvx_mmu.vcpu_offset = offsetof(struct vcpu_vmx, nested.nvx.mmu) -
			      offsetof(struct vcpu_vmx, vcpu);
	settle(&fault_around, usable && nested);
	settle(&tdp_fault_around, usable);
	settle(&populate, usable);
	setup_done = true;

	/* These two take something from stock. */
	if (!nvx_master_switch()) {
		nvx_vept = true;
		nvx_gpf_bypass = true;
	}
	nvx_mmu.keep_tables = nvx_keep_tables;
}

/**
 * nvx_count_kept_roots() - Count a VMCS that ceases to be current
 *
 * Context: Exit handling of a vCPU.
 */
void nvx_count_kept_roots(void)
{
	nvx_count(roots_kept);
}

/**
 * nvx_mmu_unregister() - Leave kvm.ko's MMU as stock for the next module
 *
 * Context: Module exit, no VM is left.
 */
void nvx_mmu_unregister(void)
{
	memset(&nvx_mmu, 0, sizeof(nvx_mmu));
}
