/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As a guest: registers of our guests that the host below may load at VM-entry and
 * VM-exit.  What stock files call, a part of nvx_hooks.h.
 */
#ifndef __KVM_X86_VMX_NVX_L1_HOOKS_H
#define __KVM_X86_VMX_NVX_L1_HOOKS_H

/*
 * As a guest: what kvm.ko asks kvm-intel.ko instead of loading a register of a
 * guest, which is an exit to the host below.  False: it has to do so.
 */
struct nvx_l1_ops {
	bool (*put)(u32 what, u64 guest, u64 host);
	bool (*take)(u32 what);
	bool (*put_msr)(u32 slot, u32 index, u64 guest, u64 host);
	bool (*has_msr)(u32 slot);
	void (*restore_msrs)(void);
};

/* NULL unless the host below loads these registers. */
extern const struct nvx_l1_ops *nvx_l1_ops;
void nvx_load_host_xstate(struct kvm_vcpu *vcpu);

/* NVX_PV_LOAD_*; l1/registers.c asserts. */
#define NVX_LOAD_XCR0		1
#define NVX_LOAD_XSS		2

/* A guest is about to run with another value in a register.  True: it will. */
static __always_inline bool nvx_put_guest(u32 what, u64 guest, u64 host)
{
	return IS_ENABLED(CONFIG_KVM_NVX_PV) && nvx_l1_ops &&
	       nvx_l1_ops->put(what, guest, host);
}

/*
 * It has run, and a register may have its value still (@differs).  True: it has ours.
 * A call at the end of its caller, so that where nothing differs nothing is saved.
 */
#define nvx_take_guest(vcpu, differs)				\
	(IS_ENABLED(CONFIG_KVM_NVX_PV) && (differs) &&		\
	 (nvx_load_host_xstate(vcpu), true))

/* An MSR is to be the guest's when it runs next.  True: it will. */
static __always_inline bool nvx_put_msr(u32 slot, u32 index, u64 guest, u64 host)
{
	return IS_ENABLED(CONFIG_KVM_NVX_PV) && nvx_l1_ops &&
	       nvx_l1_ops->put_msr(slot, index, guest, host);
}

/* This CPU returns to user space.  True: nvx_restore_msrs() is in charge of it. */
static __always_inline bool nvx_has_msr(u32 slot)
{
	return IS_ENABLED(CONFIG_KVM_NVX_PV) && nvx_l1_ops &&
	       nvx_l1_ops->has_msr(slot);
}

static __always_inline void nvx_restore_msrs(void)
{
	if (IS_ENABLED(CONFIG_KVM_NVX_PV) && nvx_l1_ops)
		nvx_l1_ops->restore_msrs();
}

#endif /* __KVM_X86_VMX_NVX_L1_HOOKS_H */
