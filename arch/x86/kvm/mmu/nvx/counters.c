// SPDX-License-Identifier: GPL-2.0-only
/* The counters of nvx: in kvm.ko, because its MMU counts, too. */
#include <linux/module.h>

#include "mmu/nvx/count.h"

DEFINE_PER_CPU(struct nvx_counters, nvx_counters);
EXPORT_PER_CPU_SYMBOL_GPL(nvx_counters);
