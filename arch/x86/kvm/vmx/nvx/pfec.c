// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page faults of L2: which of them exit when L0 needs some for itself.
 */
#include <linux/kvm_host.h>
#include <linux/module.h>

#include "vmx/vmx.h"
#include "vmx/nested.h"
#include "nvx.h"

/* 0: all page faults of L2 exit to L0, which hands them on. */
bool __read_mostly nvx_gpf_bypass = true;

/* What L0 looks at: present, not reserved.  May be an illegal address. */
#define L0_MASK		(PFERR_PRESENT_MASK | PFERR_RSVD_MASK)
#define L0_MATCH	PFERR_PRESENT_MASK

/**
 * nvx_write_pfec() - Let those page faults exit that L0 or L1 wants
 * @vmx: vCPU with vmcs02 loaded
 * @vmcs12: what L1 wants
 *
 * With the #PF bit set in the exception bitmap, as L0 does, the error codes that
 * exit are those with (code & MASK) == MATCH.  Those of L1 are of the same kind if
 * its bit is set, too; the smallest such set with both of them in it has the bits
 * in its mask that both have, with the same value.  If L1 has the bit clear, its
 * set is what is left of one, i.e. nothing (as of KVM), or to be taken for all.
 * Faults of neither are forwarded, as those of L1 are: L0 looks at each one.
 *
 * Does nothing if L0 needs no page faults of its own, or all.
 *
 * Context: prepare_vmcs02_rare(), vmcs02 is loaded, the fields have been written.
 */
void nvx_write_pfec(struct vcpu_vmx *vmx, struct vmcs12 *vmcs12)
{
	u32 l1_mask = vmcs12->page_fault_error_code_mask;
	u32 l1_match = vmcs12->page_fault_error_code_match;
	bool l1_bit = vmcs12->exception_bitmap & BIT(PF_VECTOR);
	u32 mask = L0_MASK, match = L0_MATCH;

	if (!enable_ept || !nvx_gpf_bypass || !vmx_need_pf_intercept(&vmx->vcpu))
		return;

	if (!l1_bit) {
		if (l1_mask || l1_match)
			mask = 0;
	} else if (!(l1_match & ~l1_mask)) {
		mask &= l1_mask & ~(l1_match ^ match);
	}

	vmcs_write32(PAGE_FAULT_ERROR_CODE_MASK, mask);
	vmcs_write32(PAGE_FAULT_ERROR_CODE_MATCH, match & mask);
}
