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
 * L0 intercepts #PF: codes with (code & MASK) == MATCH exit.  If L1 intercepts too,
 * use the smallest filter that covers both: the mask bits that both have with the
 * same value.  If L1's bit is clear its filter is inverted: with mask = match = 0 L1
 * wants none, else let all exit.  L0 forwards what it does not want.
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
