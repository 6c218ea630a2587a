/* SPDX-License-Identifier: GPL-2.0-only */
/* nvx_fast: the short forms themselves. */
#ifndef __KVM_X86_VMX_NVX_FAST_H
#define __KVM_X86_VMX_NVX_FAST_H

#include <linux/kvm_host.h>

#include "vmx/nvx/fast/record.h"
#include "vmx/nvx/pv/pv.h"
#include "vmx/nvx/reasons.h"

/* exit.c, entry.c */
enum nvx_fast_reason nvx_fast_exit(struct kvm_vcpu *vcpu, struct nvx_fast *f,
				   u32 exit_reason, u32 intr_info,
				   unsigned long exit_qual, bool direct);
enum nvx_fast_reason nvx_fast_enter(struct kvm_vcpu *vcpu, struct nvx_fast *f);

/* answer.c */
bool nvx_pv_answer(struct kvm_vcpu *vcpu, const struct nvx_pv *pv,
		   u32 exit_reason);

/**
 * nvx_fast_shows_cpuid() - Will L1 have another CPUID when L2 is left?
 * @f: record of a vCPU in guest mode
 * @pv: its VMCS in memory, or NULL
 *
 * KVM looks CPUID up with interrupts on, as there can be more than a hundred entries:
 * cpuid_entry2_find() of 6.12.
 *
 * Context: Any.
 * Return: true if nvx_fast_exit() would make KVM do that.
 */
static inline bool nvx_fast_shows_cpuid(const struct nvx_fast *f,
					const struct nvx_pv *pv)
{
	return unlikely((f->cpuid_cr4 ^ f->l1.cr4) & NVX_CPUID_CR4) ||
	       (pv && nvx_pv_shows_cpuid(pv));
}

#endif /* __KVM_X86_VMX_NVX_FAST_H */
