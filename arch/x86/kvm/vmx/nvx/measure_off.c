// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a module without measure.c says to its parameters.  The kernel ignores a
 * parameter that it does not know: a measurement without its switch would be wrong.
 */
#include <linux/module.h>

#include "nvx.h"

static int refuse(const char *val, const struct kernel_param *kp)
{
	pr_err("kvm_intel: %s=%s refused: it is for measuring, and this module was built without CONFIG_KVM_NVX_MEASURE\n",
	       kp->name, val);
	return -EINVAL;
}

static const struct kernel_param_ops refuse_ops = {
	.set = refuse,
};

/* Neither modinfo nor /sys shows them. */
module_param_cb(nvx_vept, &refuse_ops, NULL, 0);
module_param_cb(nvx_gpf_bypass, &refuse_ops, NULL, 0);
module_param_cb(nvx_fast_parts, &refuse_ops, NULL, 0);
