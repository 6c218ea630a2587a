// SPDX-License-Identifier: GPL-2.0-only
/* vCPUs that wake up: kvm.ko puts them to sleep, kvm-intel.ko has their pages. */
#include <linux/module.h>

#include "nvx_mmu.h"

nvx_woken_fn nvx_woken;
EXPORT_SYMBOL_GPL(nvx_woken);
