/* SPDX-License-Identifier: GPL-2.0-only */
/* Part of nvx_hooks.h: what user space gets and sets as nested state. */
#ifndef __KVM_X86_VMX_NVX_STATE_HOOKS_H
#define __KVM_X86_VMX_NVX_STATE_HOOKS_H

/*
 * Room that the nested state of an L1 with its VMCS in memory takes beyond what
 * stock KVM accepts, so that a VMM refuses to take it to a stock host.  There is
 * nothing in it: the VMM may lose it.
 */
#define NVX_NESTED_STATE_ROOM	4096

static __always_inline u32 nvx_nested_state_room(void)
{
	return nvx_pv_offered() ? NVX_NESTED_STATE_ROOM : 0;
}

/* NVX_PV_STATE_FLAG; pv/pv.c asserts. */
#define NVX_NESTED_STATE_FLAG	0x80000000u

/* Flags of nested state that are ours. */
static __always_inline u32 nvx_nested_state_flags(void)
{
	return nvx_pv_offered() ? NVX_NESTED_STATE_FLAG : 0;
}

/* User space gets nested state; its buffer has @size bytes. */
static __always_inline void nvx_get_nested_state(struct kvm_vcpu *vcpu,
						 struct kvm_nested_state *state,
						 u32 size)
{
	if (nvx_pv_offered())
		nvx_pv_get_state(vcpu, state, size);
}

/* User space sets nested state in which L1 is in VMX operation. */
static __always_inline void nvx_nested_restored(struct kvm_vcpu *vcpu,
						struct kvm_nested_state *state)
{
	if (nvx_pv_recognized())
		nvx_pv_set_state(vcpu, state);
}

#endif /* __KVM_X86_VMX_NVX_STATE_HOOKS_H */
