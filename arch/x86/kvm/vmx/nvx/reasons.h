/* SPDX-License-Identifier: GPL-2.0-only */
/* Why a transition took KVM's own path: the names, once, for code and trace. */
#ifndef __KVM_X86_VMX_NVX_REASONS_H
#define __KVM_X86_VMX_NVX_REASONS_H

#define NVX_FAST_REASONS(R)						\
	R(TAKEN,	"taken")	/* it did not */		\
	R(NO_RECORD,	"no-record")	/* or an event has made it void */ \
	R(REQUEST,	"request-pending") /* KVM_REQ_* to be served at this level */ \
	R(EVENT,	"event-pending") /* something to deliver, or left to do */ \
	R(CPU,		"other-cpu")	/* the vCPU has moved */	\
	R(L0_STATE,	"l0-state")	/* what L0 wants has changed */	\
	R(L1_STATE,	"l1-state")	/* L1's own modes have changed */ \
	R(L2_STATE,	"l2-state")	/* vmcs12 has changed in more than values */ \
	R(MMU,		"mmu-root")	/* another root, or none */	\
	R(PAGES,	"pages")	/* memslots or host page tables have changed */ \
	R(TIMER,	"timer")	/* the preemption timer is due, or its turn */ \
	R(NOT_CLEAN,	"not-clean")	/* VMRESUME fails, or another vmcs12 */

enum nvx_fast_reason {
#define NVX_FAST_REASON(name, text) NVX_WHY_##name,
	NVX_FAST_REASONS(NVX_FAST_REASON)
#undef NVX_FAST_REASON
};

#endif /* __KVM_X86_VMX_NVX_REASONS_H */
