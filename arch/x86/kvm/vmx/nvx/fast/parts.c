// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_fast: which parts of it are in use.
 */
#include <linux/kvm_host.h>
#include <linux/module.h>

#include "vmx/vmx.h"
#include "nvx_compat.h"
#include "vmx/nvx/fast/parts.h"
#include "vmx/nvx/nvx.h"

/* NVX_FAST_* that may be in use. */
unsigned int __read_mostly nvx_fast_parts = ~0u;

/* Those that are, 0 if nvx_fast is off. */
unsigned int __read_mostly nvx_fast_mask;

/**
 * nvx_fast_possible() - Does this machine have what the short forms rely on?
 *
 * Context: Module initialization.
 * Return: true if it has.
 */
bool __init nvx_fast_possible(void)
{
	return enable_unrestricted_guest && enable_vpid && cpu_has_load_ia32_efer() &&
	       cpu_has_vmx_msr_bitmap() && !kvm_mpx_supported();
}

/**
 * nvx_fast_direct_wanted() - May transitions do without KVM's loop?
 *
 * Context: Module initialization.
 * Return: true if they may.
 */
bool __init nvx_fast_direct_wanted(void)
{
	return nvx_fast_parts & NVX_FAST_DIRECT;
}

/**
 * nvx_fast_setup() - Settle which parts are in use
 *
 * Context: Module initialization.
 */
void __init nvx_fast_setup(void)
{
	nvx_fast_mask = nvx_fast ? nvx_fast_parts : 0;
	if (!cpu_has_vmx_preemption_timer() || nvx_compat_using_evmcs())
		nvx_fast_mask &= ~NVX_FAST_CPU_TIMER;
}

/**
 * nvx_fast_times_l2() - May the CPU's own timer end L2?  See timer.c.
 *
 * Context: Module initialization, after nvx_fast_setup().
 * Return: true if it may.
 */
bool __init nvx_fast_times_l2(void)
{
	u32 parts = NVX_FAST_DIRECT | NVX_FAST_TIMER | NVX_FAST_CPU_TIMER;

	return (nvx_fast_mask & parts) == parts;
}
