/* SPDX-License-Identifier: GPL-2.0-only */
/* nvx_fast: the short forms themselves, and why one is not taken. */
#ifndef __KVM_X86_VMX_NVX_FAST_H
#define __KVM_X86_VMX_NVX_FAST_H

#include <linux/kvm_host.h>

#include "vmx/nvx/fast/record.h"

/* Why a transition took KVM's own path; the tracepoint has the names. */
enum nvx_fast_reason {
	NVX_WHY_TAKEN,		/* it did not */
	NVX_WHY_NO_RECORD,	/* or an event has invalidated it */
	NVX_WHY_REQUEST,	/* KVM_REQ_* to be served at this level */
	NVX_WHY_EVENT,		/* something to deliver, or left to do */
	NVX_WHY_CPU,		/* the vCPU has moved */
	NVX_WHY_L0_STATE,	/* what L0 wants has changed */
	NVX_WHY_L1_STATE,	/* L1's own modes have changed */
	NVX_WHY_L2_STATE,	/* vmcs12 has changed in more than values */
	NVX_WHY_MMU,		/* another root, or none */
	NVX_WHY_PAGES,		/* memslots or host page tables have changed */
	NVX_WHY_TIMER,		/* the preemption timer is due, or its turn */
	NVX_WHY_NOT_CLEAN,	/* VMRESUME fails, or another vmcs12 */
};

/* exit.c, entry.c */
enum nvx_fast_reason nvx_fast_exit(struct kvm_vcpu *vcpu, struct nvx_fast *f,
				   u32 exit_reason, u32 intr_info,
				   unsigned long exit_qual, bool direct);
enum nvx_fast_reason nvx_fast_enter(struct kvm_vcpu *vcpu, struct nvx_fast *f);

/* answer.c */
bool nvx_pv_answer(struct kvm_vcpu *vcpu, const struct nvx_pv *pv,
		   u32 exit_reason);

#endif /* __KVM_X86_VMX_NVX_FAST_H */
