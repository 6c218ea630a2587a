/* SPDX-License-Identifier: GPL-2.0-only */
/* nvx_fast: the short forms themselves. */
#ifndef __KVM_X86_VMX_NVX_FAST_H
#define __KVM_X86_VMX_NVX_FAST_H

#include <linux/kvm_host.h>

#include "vmx/nvx/fast/record.h"
#include "vmx/nvx/reasons.h"

/* exit.c, entry.c */
enum nvx_fast_reason nvx_fast_exit(struct kvm_vcpu *vcpu, struct nvx_fast *f,
				   u32 exit_reason, u32 intr_info,
				   unsigned long exit_qual, bool direct);
bool nvx_fast_shows_cpuid(struct kvm_vcpu *vcpu, const struct nvx_fast *f);
enum nvx_fast_reason nvx_fast_enter(struct kvm_vcpu *vcpu, struct nvx_fast *f);

/* answer.c */
bool nvx_pv_answer(struct kvm_vcpu *vcpu, const struct nvx_pv *pv,
		   u32 exit_reason);

#endif /* __KVM_X86_VMX_NVX_FAST_H */
