// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_bypass_pf: what an unused entry of a shadow page table contains.  Part of
 * kvm.ko; the bypass*_tmpl.h beside this file are compiled into mmu.c.
 */
#include <linux/export.h>
#include <linux/kvm_host.h>

#include "mmu.h"
#include "mmu/mmu_internal.h"
#include "mmu/spte.h"
#include "nvx_compat.h"
#include "nvx_mmu.h"

/*
 * A physical address that no CPU we run on can have.  Bit 51 belongs to entries
 * that cache emulated devices.
 */
#define TRAP_BIT		50

/**
 * nvx_mmu_bypass_setup() - Let unused entries of shadow page tables trap, or not
 * @on: let them
 *
 * The value is present and has a reserved bit set, so that an access faults with
 * an error code that exits where those of absent pages do not.  KVM's own bit that
 * marks an entry as present is clear, nor does the value look like a cached device:
 * to the rest of the MMU it is an unused entry.  As in KVM's other entries of that
 * kind the address bits are those that the cache cannot hold (L1TF).
 *
 * Context: Module initialization of kvm-intel.ko, no VM exists.
 * Return: do they trap?  No if this CPU's physical addresses are too wide for it.
 */
bool nvx_mmu_bypass_setup(bool on)
{
	u64 trap = PT_PRESENT_MASK | BIT_ULL(TRAP_BIT) |
		   shadow_nonpresent_or_rsvd_mask;

	/* kvm.ko may have been there before, with another kvm-intel.ko. */
	nvx_mmu.trap = 0;
	nvx_mmu.used = ~0ull;
	if (!on || nvx_compat_phys_bits() > TRAP_BIT || is_shadow_present_pte(trap) ||
	    (enable_mmio_caching && (trap & shadow_mmio_mask) == shadow_mmio_value))
		return false;

	nvx_mmu.trap = trap;
	nvx_mmu.used = ~(trap ^ NVX_COMPAT_NONPRESENT);
	return true;
}
EXPORT_SYMBOL_GPL(nvx_mmu_bypass_setup);
