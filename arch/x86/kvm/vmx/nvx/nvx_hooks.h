/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only nvx header that the distribution's KVM source sees; the build puts
 * it in front of every file of kvm.ko and kvm-intel.ko (-include).  Each hook
 * of hooks/<base>/ adds one call of a function below.
 *
 * Each family has a header for its hooks, all of which are made in one way.  If the
 * family is not compiled, its functions and flags are macros that stand for constants,
 * or the hook tests IS_ENABLED() first.  No empty functions here: around a call the
 * compiler may order code differently.  Where a name cannot be a macro (templates that are
 * compiled several times) or types are known (nvx_ops.h, mmu/nvx/), an empty inline
 * function does as well.  So without CONFIG_KVM_NVX the compiler emits the instructions of
 * the stock source (scripts/check-hooks-inert proves it, for either kind).  With it, the
 * inline part of a hook on a hot path is one test of a flag that is false while its
 * parameter is off.
 */
#ifndef __KVM_X86_VMX_NVX_HOOKS_H
#define __KVM_X86_VMX_NVX_HOOKS_H

#ifndef __ASSEMBLY__

/* Nothing that prints: stock files define pr_fmt() before their first include. */
#include <linux/compiler.h>
#include <linux/jump_label.h>
#include <linux/kconfig.h>
#include <linux/types.h>
#include "mmu/nvx/nvx_mmu.h"

struct kvm;
struct kvm_mmu_page;
struct kvm_memory_slot;
struct kvm_nested_state;
struct kvm_vcpu;
struct list_head;
struct nvx_fast;
struct nvx_idle;
struct nvx_pv;
struct vcpu_vmx;
struct vmcs12;

/* Range flushes of L2 that a vCPU of L1 has not passed on yet, see l1/range.c. */
#define NVX_NR_RANGES		8

struct nvx_range {
	u64	root;
	u64	first;
	u64	nr;
};

/**
 * struct nvx_vcpu - nvx state of one L0 vCPU, embedded in struct nested_vmx
 * @reflected_gpa: L2 GPA of the EPT violation that was reflected to L1 last
 * @reflected_eptp: EPTP12 that was in use then
 * @prefault_pending: @reflected_gpa waits to be mapped at the next VM-entry
 * @mmu: what kvm.ko's MMU keeps
 * @fast: record of the last complete transition, see fast/record.h
 * @idle: gives pages of L1 back that stay mapped, see fast/idle.c
 * @l2_exits: exits from L2, ever
 * @give_back: the vCPU's thread is to do what @idle wants
 * @pv: L1 writes its VMCS as memory, see pv/pv.h
 * @pv_restored: user space has set the nested state, L1 may do so since then
 * @pv_marked: that state says so
 * @ranges: what this vCPU, as an L2, must not use any more
 * @range_head: number of ranges ever put there
 * @range_seen: number of those that the host below knows of
 * @pf_filter: page faults on absent pages do not exit, see bypass.c
 * @watched: there is @fast, @idle or @pf_filter, see nvx_watch_exits()
 *
 * All of it only moves or spares work.  It is not part of the nested state:
 * losing it by migration costs one EPT violation and one round trip on KVM's own
 * path.
 */
struct nvx_vcpu {
#ifdef CONFIG_KVM_NVX_VEPT
	u64	reflected_gpa;
	u64	reflected_eptp;
	bool	prefault_pending;
	struct nvx_mmu_vcpu mmu;
#endif
#ifdef CONFIG_KVM_NVX_FAST
	struct nvx_fast *fast;
	struct nvx_idle *idle;
	unsigned int l2_exits;
	bool	give_back;
#endif
#ifdef CONFIG_KVM_NVX_PV
	struct nvx_pv *pv;
	bool	pv_restored;
	bool	pv_marked;
	struct nvx_range ranges[NVX_NR_RANGES];
	unsigned int range_head;
	unsigned int range_seen;
#endif
#ifdef CONFIG_KVM_NVX_BYPASS
	bool	pf_filter;
#endif
	bool	watched;
};

/**
 * struct nvx_vm - nvx state of one VM, embedded in struct kvm_vmx
 * @mmu: what kvm.ko's MMU keeps
 * @deleg: as a guest: the host below may answer for this VM's vCPUs
 * @deleg_shown: the operator has a file to change that
 */
struct nvx_vm {
#ifdef CONFIG_KVM_NVX_PV
	struct nvx_mmu_vm mmu;
	bool	deleg;
	bool	deleg_shown;
#endif
};

/**
 * struct nvx_sp - nvx state of one shadow page, embedded in struct kvm_mmu_page
 * @missed: entry that trapped last, plus 1
 * @pending: entry whose write is being emulated, plus 1
 * @last: entry that was written last that way, plus 1
 * @open: chunks in which absent entries do not trap, a bit each
 * @streak: writes emulated since the guest may not write, each for a page it has used
 * @distrust: how many times more the guest may write at once
 *
 * See mmu/nvx/bypass_tmpl.h.
 */
struct nvx_sp {
#ifdef CONFIG_KVM_NVX_BYPASS
	u16	missed;
	u16	pending;
	u16	last;
	u8	open;
	u8	streak;
	u8	distrust;
#endif
};

#ifdef CONFIG_KVM_NVX
void nvx_hardware_setup(bool nested);
void nvx_register(void);
void nvx_unregister(void);
bool nvx_leave_without_root(struct kvm_vcpu *vcpu);
#else
#define nvx_hardware_setup(nested)	do { } while (0)
#define nvx_register()			do { } while (0)
#define nvx_unregister()		do { } while (0)
#define nvx_leave_without_root(vcpu)	false
#endif /* CONFIG_KVM_NVX */

/* Exits of some guest are ours to look at: one has been a hypervisor, or bypass_pf. */
DECLARE_STATIC_KEY_FALSE(nvx_exits_matter);

#include "exits_hooks.h"
#include "vept_hooks.h"
#include "bypass_hooks.h"
#include "fast_hooks.h"
#include "pv_hooks.h"
#include "l1_hooks.h"

/* vmcs12 is to be copied to the shadow VMCS.  True: it has been. */
static __always_inline bool nvx_sync_shadow(struct vcpu_vmx *vmx)
{
	return nvx_pv_sync(vmx) || (nvx_fast_mask && nvx_fast_sync_shadow(vmx));
}

/* nested_vmx_run(): L1 wants to enter L2.  True: it has. */
static __always_inline bool nvx_nested_run(struct kvm_vcpu *vcpu,
					   const struct nvx_vcpu *nvx,
					   bool launch)
{
	if (!nvx_fast_mask || !nvx_fast_vmentry(vcpu, launch)) {
		if (nvx_pv_on(nvx))
			nvx_pv_enter(vcpu);
		return false;
	}

	nvx_vept_entered(vcpu, nvx);
	return true;
}

/* KVM's own path has entered L2. */
static __always_inline void nvx_nested_entry(struct kvm_vcpu *vcpu,
					     const struct nvx_vcpu *nvx)
{
	if (nvx_pv_on(nvx))
		nvx_pv_entered(vcpu);
	if (nvx_fast_mask)
		nvx_fast_entered(vcpu);
	if (nvx_fast_mask || nvx_pv_on(nvx))
		nvx_idle_mapped(vcpu);
	nvx_vept_entered(vcpu, nvx);
}

/* nested_vmx_vmexit(): L2 is to leave for L1.  True: it has. */
static __always_inline bool nvx_nested_vmexit(struct kvm_vcpu *vcpu,
					      const struct nvx_vcpu *nvx,
					      u32 exit_reason, u32 intr_info,
					      unsigned long exit_qual)
{
	/* -1 leaves L2 without an exit, perhaps for good and in another thread. */
	if (exit_reason == -1u && nvx_has_idle(nvx))
		nvx_idle_stop(vcpu);

	if (nvx_fast_mask &&
	    nvx_fast_vmexit(vcpu, exit_reason, intr_info, exit_qual))
		return true;

	if (nvx_pv_on(nvx))
		nvx_pv_leave(vcpu, exit_reason);
	return false;
}

/* KVM's own path has left L2 for L1. */
static __always_inline void nvx_nested_exited(struct kvm_vcpu *vcpu,
					      const struct nvx_vcpu *nvx)
{
	if (nvx_pv_on(nvx))
		nvx_pv_exited(vcpu);
	if (nvx_fast_mask)
		nvx_fast_exited(vcpu);
}

/* The first of what nvx looks for at an exit.  The others have not been: false. */
static __always_inline bool nvx_idle_handled(struct kvm_vcpu *vcpu,
					     const struct nvx_vcpu *nvx)
{
	if (nvx_gives_back(nvx))
		nvx_idle_give_back(vcpu);
	return false;
}

/*
 * KVM is about to handle an exit.  True: that has been done already.  The log of
 * modified pages is not flushed then: it is empty (log_waits()), and without EPT
 * there is none.
 */
static __always_inline bool nvx_handle_exit(struct kvm_vcpu *vcpu,
					    const struct nvx_vcpu *nvx,
					    int exit_fastpath)
{
	return (IS_ENABLED(CONFIG_KVM_NVX_FAST) ||
		IS_ENABLED(CONFIG_KVM_NVX_BYPASS)) &&
	       static_branch_unlikely(&nvx_exits_matter) &&
	       unlikely(nvx->watched) &&
	       (nvx_idle_handled(vcpu, nvx) ||
		(nvx_has_record(nvx) && nvx_fast_handled(vcpu, exit_fastpath)) ||
		nvx_bypass_handled(vcpu, nvx));
}

/*
 * User space has had the vCPU, and may have changed anything.  False: it must not
 * run.
 */
static __always_inline bool nvx_pre_run(struct kvm_vcpu *vcpu,
					const struct nvx_vcpu *nvx)
{
	if (nvx_fast_record(nvx))
		nvx_fast_forget(vcpu);
	return !nvx_pv_is_restored(nvx) || nvx_pv_pre_run(vcpu);
}

#include "state_hooks.h"

/* L1 leaves VMX operation. */
static __always_inline void nvx_free_nested(struct kvm_vcpu *vcpu)
{
	nvx_idle_free(vcpu);
	if (nvx_fast_mask)
		nvx_fast_free(vcpu);
	nvx_pv_free(vcpu);
}

#endif /* !__ASSEMBLY__ */
#endif /* __KVM_X86_VMX_NVX_HOOKS_H */
