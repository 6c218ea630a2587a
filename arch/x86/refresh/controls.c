// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control words and MSR bitmap of the VMCS that runs the host, from what the CPU allows.
 * Pure, so that the unit tests run it on the build machine.
 */
#ifdef __KERNEL__
#include <asm/vmx.h>

#include "vmx.h"
#else
#include "controls_test.h"
#endif

#include "refresh.h"

/* Bits of @need that the capability MSR does not allow go to @missing. */
static u32 pick(u64 cap, u32 need, u32 wish, u32 *missing)
{
	*missing |= need & ~(u32)(cap >> 32);
	return ((need | wish) & (u32)(cap >> 32)) | (u32)cap;
}

/*
 * refresh_pick_controls() - Choose the control words
 * @cap: the capability MSRs, those with true controls
 * @pebs: the CPU writes records of events to memory by itself
 * @caps: the control words are written
 *
 * A PEBS record goes to an address of the host's, and the shim has other page tables: its
 * counters have to stand from the exit on.
 *
 * Return: bits that the shim needs and that the CPU lacks, of all words together.
 */
u32 refresh_pick_controls(const struct refresh_vmx_caps *cap, bool pebs,
			  struct refresh_caps *caps)
{
	u32 missing = 0;

	caps->pin = pick(cap->pin, PIN_BASED_NMI_EXITING | PIN_BASED_VIRTUAL_NMIS, 0,
			 &missing);
	caps->cpu = pick(cap->cpu, CPU_BASED_USE_MSR_BITMAPS |
			 CPU_BASED_ACTIVATE_SECONDARY_CONTROLS, 0, &missing);
	caps->exit = pick(cap->exit, VM_EXIT_HOST_ADDR_SPACE_SIZE |
			  VM_EXIT_SAVE_DEBUG_CONTROLS | VM_EXIT_SAVE_IA32_EFER |
			  VM_EXIT_LOAD_IA32_EFER |
			  (pebs ? VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL : 0), 0, &missing);
	caps->entry = pick(cap->entry, VM_ENTRY_IA32E_MODE | VM_ENTRY_LOAD_DEBUG_CONTROLS |
			   VM_ENTRY_LOAD_IA32_EFER, 0, &missing);
	/* What the host may execute must not become #UD: take all there is. */
	caps->cpu2 = pick(cap->cpu2, SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_ENABLE_VPID |
			  SECONDARY_EXEC_UNRESTRICTED_GUEST,
			  SECONDARY_EXEC_ENABLE_RDTSCP | SECONDARY_EXEC_ENABLE_INVPCID |
			  REFRESH_EXEC2_XSAVES | REFRESH_EXEC2_USER_WAIT |
			  REFRESH_EXEC2_PCONFIG, &missing);
	return missing;
}

/* Bitmap of writes of MSRs 0 to 1fffh: the third kilobyte of the page. */
#define BITMAP_WRITE_LOW	2048

static void trap_writes(u8 *bitmap, u32 first, u32 last)
{
	u32 msr;

	for (msr = first; msr <= last; msr++)
		bitmap[BITMAP_WRITE_LOW + msr / 8] |= 1u << msr % 8;
}

/*
 * refresh_fill_msr_bitmap() - Say which of the host's accesses leave to the shim
 * @bitmap: a page of zeros
 *
 * Those that would do nothing, or something else than on the bare CPU.
 */
void refresh_fill_msr_bitmap(u8 *bitmap)
{
	trap_writes(bitmap, SHIM_MSR_UCODE, SHIM_MSR_UCODE);
	trap_writes(bitmap, SHIM_MSR_MTRR_FIRST, SHIM_MSR_MTRR_LAST);
	trap_writes(bitmap, SHIM_MSR_FIX_64K, SHIM_MSR_FIX_64K);
	trap_writes(bitmap, SHIM_MSR_FIX_16K, SHIM_MSR_FIX_16K + 1);
	trap_writes(bitmap, SHIM_MSR_FIX_4K, SHIM_MSR_FIX_4K + 7);
	trap_writes(bitmap, SHIM_MSR_MTRR_DEF, SHIM_MSR_MTRR_DEF);
}

#define PERF_FIXED_SHIFT	32
#define PERF_METRICS		BIT_ULL(48)

/*
 * refresh_perf_mask() - Bits of PERF_GLOBAL_CTRL that the CPU has
 * @eax: of CPUID leaf 10
 * @ecx: likewise
 * @edx: likewise
 * @metrics: PERF_CAPABILITIES has PERF_METRICS
 *
 * Return: the bits; VM entry refuses others in HOST_IA32_PERF_GLOBAL_CTRL.
 */
u64 refresh_perf_mask(u32 eax, u32 ecx, u32 edx, bool metrics)
{
	u32 version = eax & 0xff, general = eax >> 8 & 0xff, fixed = edx & 0x1f;
	u64 mask = (1ull << general) - 1;

	mask |= ((1ull << fixed) - 1) << PERF_FIXED_SHIFT;
	/* Since version 5 fixed counters need not be the first ones. */
	if (version >= 5)
		mask |= (u64)ecx << PERF_FIXED_SHIFT;
	return metrics ? mask | PERF_METRICS : mask;
}
