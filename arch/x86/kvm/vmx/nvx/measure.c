// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parameters for measuring and for finding faults (CONFIG_KVM_NVX_MEASURE).  Two of
 * them take something from guests that stock gives them, so that its worth is seen.
 */
#include <linux/module.h>

#include "nvx.h"

module_param(nvx_vept, bool, 0444);
MODULE_PARM_DESC(nvx_vept, "measuring: offer EPT to guests; 0 makes them use shadow paging (default: 1)");

module_param(nvx_gpf_bypass, bool, 0444);
MODULE_PARM_DESC(nvx_gpf_bypass, "measuring: page faults of L2 that nobody needs do not exit; 0 traps all of them (default: 1)");

module_param(nvx_fast_parts, uint, 0444);
MODULE_PARM_DESC(nvx_fast_parts, "measuring: parts of fast: 1 exits, 2 entries, 4 without KVM's loop, 8 preemption timer, 16 pages stay mapped, 32 shadow fields that changed only, 64 interrupts, 128 preemption timer of the CPU (default: 4294967295)");
