/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The only nvx header that the distribution's KVM source sees; the build puts
 * it in front of every file of kvm.ko and kvm-intel.ko (-include).  Each hook
 * of hooks/<base>/ adds one call of a function below.
 *
 * A family that is not configured leaves empty inline functions: without
 * CONFIG_KVM_NVX the compiler emits the instructions of the stock source
 * (scripts/check-hooks-inert proves it).  With it, the inline part of a hook on
 * a hot path is one test of a flag that is false while its parameter is off.
 */
#ifndef __KVM_X86_VMX_NVX_HOOKS_H
#define __KVM_X86_VMX_NVX_HOOKS_H

#ifndef __ASSEMBLY__

/* Nothing that prints: stock files define pr_fmt() before their first include. */
#include <linux/compiler.h>
#include <linux/jump_label.h>
#include <linux/types.h>
#include "mmu/nvx/nvx_mmu.h"

struct kvm;
struct kvm_mmu_page;
struct kvm_memory_slot;
struct kvm_nested_state;
struct kvm_vcpu;
struct list_head;
struct nvx_fast;
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
 * @pv: L1 writes its VMCS as memory, see pv/pv.h
 * @pv_restored: user space has set the nested state, L1 may do so since then
 * @pv_marked: that state says so
 * @ranges: what this vCPU, as an L2, must not use any more
 * @range_head: number of ranges ever put there
 * @range_seen: number of those that the host below knows of
 * @pf_filter: page faults on absent pages do not exit, see bypass.c
 * @watched: there is @fast or @pf_filter, see nvx_watch_exits()
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
static inline void nvx_hardware_setup(bool nested) { }
static inline void nvx_register(void) { }
static inline void nvx_unregister(void) { }
static inline bool nvx_leave_without_root(struct kvm_vcpu *vcpu)
{
	return false;
}

#endif /* CONFIG_KVM_NVX */

#ifdef CONFIG_KVM_NVX_EXITS
extern bool nvx_shadow_host;
extern bool nvx_no_umip_emul;

void nvx_update_debugctl_intercept(struct kvm_vcpu *vcpu);
void nvx_count_host_vmwrite(void);

/* Slots that nvx needs in vmx_possible_passthrough_msrs[], and their content. */
#define NVX_NR_PASSTHROUGH_MSRS		1
#define NVX_PASSTHROUGH_MSRS		MSR_IA32_DEBUGCTLMSR,

/* Host-state fields that L1 writes between VM-entries. */
#define NVX_SHADOW_HOST_FIELDS					\
	{ HOST_RSP, offsetof(struct vmcs12, host_rsp) },	\
	{ HOST_CR3, offsetof(struct vmcs12, host_cr3) },

/* HOST_CR3 and HOST_RSP of asm/vmx.h, which is out of reach; exits.c asserts. */
#define NVX_ENCODING_HOST_CR3		0x6c02
#define NVX_ENCODING_HOST_RSP		0x6c14

/* Entries of NVX_SHADOW_HOST_FIELDS leave the bitmaps again when it is off. */
static __always_inline bool nvx_skip_shadow_field(unsigned long field)
{
	return (field == NVX_ENCODING_HOST_RSP ||
		field == NVX_ENCODING_HOST_CR3) && !nvx_shadow_host;
}

/*
 * A VMWRITE of L1 that needs neither the rarely used guest fields from vmcs02
 * nor a rebuild of vmcs02: no field of vmcs02 is computed from host state, and
 * VM-entry checks all of it every time.  Encoding bits 11:10 tell the kind of
 * a field: 0 control, 1 exit information, 2 guest state, 3 host state.
 */
static __always_inline bool nvx_vmwrite_is_clean(unsigned long field)
{
	return nvx_shadow_host && ((field >> 10) & 3) == 3;
}

/* As above, asked once for each VMWRITE that exits: count the spared syncs. */
static __always_inline bool nvx_skip_rare_sync(unsigned long field)
{
	if (!nvx_vmwrite_is_clean(field))
		return false;

	nvx_count_host_vmwrite();
	return true;
}

static __always_inline bool nvx_advertise_emulated_umip(void)
{
	return !nvx_no_umip_emul;
}
#else
#define NVX_NR_PASSTHROUGH_MSRS		0
#define NVX_PASSTHROUGH_MSRS
#define NVX_SHADOW_HOST_FIELDS

static inline void nvx_update_debugctl_intercept(struct kvm_vcpu *vcpu) { }

static __always_inline bool nvx_skip_shadow_field(unsigned long field)
{
	return false;
}

static __always_inline bool nvx_vmwrite_is_clean(unsigned long field)
{
	return false;
}

static __always_inline bool nvx_skip_rare_sync(unsigned long field)
{
	return false;
}

static __always_inline bool nvx_advertise_emulated_umip(void)
{
	return true;
}
#endif /* CONFIG_KVM_NVX_EXITS */

#ifdef CONFIG_KVM_NVX_VEPT
void nvx_reflect_ept_fault(struct kvm_vcpu *vcpu, u32 exit_reason, u64 gpa);
void nvx_map_reflected(struct kvm_vcpu *vcpu);
void nvx_populate(struct kvm_vcpu *vcpu, struct kvm_memory_slot *slot, u64 gfn);

static __always_inline void nvx_vept_entered(struct kvm_vcpu *vcpu,
					     const struct nvx_vcpu *nvx)
{
	if (unlikely(nvx->prefault_pending))
		nvx_map_reflected(vcpu);
}

extern bool nvx_keep_roots;
extern bool nvx_vept;
extern bool nvx_gpf_bypass;
extern bool nvx_pfec;

void nvx_count_kept_roots(void);
void nvx_write_pfec(struct vcpu_vmx *vmx, struct vmcs12 *vmcs12);

/* The current VMCS changes.  True: the roots of EPT02 stay in the vCPU's cache. */
static __always_inline bool nvx_keep_ept02_roots(void)
{
	if (nvx_keep_roots)
		nvx_count_kept_roots();
	return nvx_keep_roots;
}

/* Do guests get EPT, and what needs it? */
static __always_inline bool nvx_offer_ept(void)
{
	return nvx_vept;
}

/* Do all page faults of L2 exit? */
static __always_inline bool nvx_traps_pf(void)
{
	return unlikely(!nvx_gpf_bypass);
}

/* Which page faults of L2 exit has been written to vmcs02: make them fewer. */
static __always_inline void nvx_merge_pfec(struct vcpu_vmx *vmx,
					   struct vmcs12 *vmcs12)
{
	if (nvx_pfec)
		nvx_write_pfec(vmx, vmcs12);
}

/* The host is about to be asked for the page of a TDP fault. */
static __always_inline void nvx_faultin(struct kvm_vcpu *vcpu,
					struct kvm_memory_slot *slot, u64 gfn)
{
	if (unlikely(nvx_mmu.populate > 1))
		nvx_populate(vcpu, slot, gfn);
	if (nvx_mmu.tdp_fault_around > 1)
		nvx_mmu_note_faultin(vcpu);
}

/* The same for a page of L2, or of any guest whose page tables are shadowed. */
static __always_inline void nvx_shadow_faultin(struct kvm_vcpu *vcpu)
{
	if (nvx_mmu.fault_around > 1)
		nvx_mmu_note_faultin(vcpu);
}
#else
static inline void nvx_faultin(struct kvm_vcpu *vcpu,
			       struct kvm_memory_slot *slot, u64 gfn) { }

static inline void nvx_shadow_faultin(struct kvm_vcpu *vcpu) { }

static __always_inline bool nvx_keep_ept02_roots(void)
{
	return false;
}

/* Constants, not functions: around a call the compiler orders code differently. */
#define nvx_offer_ept()		true
#define nvx_traps_pf()		false

static __always_inline void nvx_merge_pfec(struct vcpu_vmx *vmx,
					   struct vmcs12 *vmcs12)
{
}

static inline void nvx_reflect_ept_fault(struct kvm_vcpu *vcpu,
					 u32 exit_reason, u64 gpa) { }
static inline void nvx_vept_entered(struct kvm_vcpu *vcpu,
				    const struct nvx_vcpu *nvx) { }
#endif /* CONFIG_KVM_NVX_VEPT */

#include "bypass_hooks.h"

/* Does VM-entry bring work that may sleep? */
static __always_inline bool nvx_work_at_entry(const struct nvx_vcpu *nvx)
{
#ifdef CONFIG_KVM_NVX_VEPT
	return nvx->prefault_pending;
#else
	return false;
#endif
}

/* Bits of the parameter nvx_fast_parts. */
#define NVX_FAST_EXIT		0x01
#define NVX_FAST_ENTRY		0x02
#define NVX_FAST_DIRECT		0x04
#define NVX_FAST_TIMER		0x08
#define NVX_FAST_PAGES		0x10
#define NVX_FAST_SHADOW		0x20
#define NVX_FAST_EVENTS		0x40
#define NVX_FAST_CPU_TIMER	0x80

/* Exits of some guest are ours to look at: one has been a hypervisor, or bypass_pf. */
DECLARE_STATIC_KEY_FALSE(nvx_exits_matter);

#ifdef CONFIG_KVM_NVX_FAST
extern unsigned int nvx_fast_mask;

void nvx_fast_entered(struct kvm_vcpu *vcpu);
void nvx_fast_exited(struct kvm_vcpu *vcpu);
void nvx_fast_forget(struct kvm_vcpu *vcpu);
void nvx_fast_forget_vmcs02(struct kvm_vcpu *vcpu);
void nvx_fast_free(struct kvm_vcpu *vcpu);
void nvx_fast_event(struct kvm_vcpu *vcpu);
bool nvx_fast_vmexit(struct kvm_vcpu *vcpu, u32 exit_reason, u32 intr_info,
		     unsigned long exit_qual);
bool nvx_fast_vmentry(struct kvm_vcpu *vcpu, bool launch);
bool nvx_fast_run(struct kvm_vcpu *vcpu);
bool nvx_fast_handled(struct kvm_vcpu *vcpu, int exit_fastpath);
bool nvx_timer_early(struct vcpu_vmx *vmx);
void nvx_timer_arm(struct kvm_vcpu *vcpu, bool immediate);
bool nvx_fast_sync_shadow(struct vcpu_vmx *vmx);
#else
#define nvx_fast_mask	0u
static inline void nvx_fast_entered(struct kvm_vcpu *vcpu) { }
static inline void nvx_fast_exited(struct kvm_vcpu *vcpu) { }
static inline void nvx_fast_forget(struct kvm_vcpu *vcpu) { }
static inline void nvx_fast_free(struct kvm_vcpu *vcpu) { }
static inline void nvx_fast_event(struct kvm_vcpu *vcpu) { }
static inline bool nvx_fast_vmexit(struct kvm_vcpu *vcpu, u32 exit_reason,
				   u32 intr_info, unsigned long exit_qual)
{
	return false;
}

static inline bool nvx_fast_vmentry(struct kvm_vcpu *vcpu, bool launch)
{
	return false;
}

static inline bool nvx_fast_run(struct kvm_vcpu *vcpu)
{
	return false;
}

static inline bool nvx_fast_handled(struct kvm_vcpu *vcpu, int exit_fastpath)
{
	return false;
}

static inline bool nvx_timer_early(struct vcpu_vmx *vmx)
{
	return false;
}

static inline void nvx_timer_arm(struct kvm_vcpu *vcpu, bool immediate) { }

static inline bool nvx_fast_sync_shadow(struct vcpu_vmx *vmx)
{
	return false;
}
#endif /* CONFIG_KVM_NVX_FAST */

#ifdef CONFIG_KVM_NVX_PV
/* What nvx needs of nested.c. */
#define nvx_static
void copy_vmcs02_to_vmcs12_rare(struct kvm_vcpu *vcpu, struct vmcs12 *vmcs12);

extern bool nvx_pv_probing;
extern bool nvx_pv;

void nvx_pv_enter(struct kvm_vcpu *vcpu);
void nvx_pv_exited(struct kvm_vcpu *vcpu);
void nvx_pv_entered(struct kvm_vcpu *vcpu);
void nvx_pv_leave(struct kvm_vcpu *vcpu, u32 exit_reason);
bool nvx_pv_sync(struct vcpu_vmx *vmx);
void nvx_pv_vmread(struct kvm_vcpu *vcpu);
bool nvx_pv_failed(struct kvm_vcpu *vcpu);
bool nvx_pv_release(struct kvm_vcpu *vcpu);
bool nvx_pv_pre_run(struct kvm_vcpu *vcpu);
void nvx_pv_free(struct kvm_vcpu *vcpu);
void nvx_pv_get_state(struct kvm_vcpu *vcpu, struct kvm_nested_state *state,
		      u32 size);
void nvx_pv_set_state(struct kvm_vcpu *vcpu, struct kvm_nested_state *state);
int nvx_pv_l1_online(void *vmxon_region);
void nvx_vm_init(struct nvx_vm *nvx);
void nvx_show_vm(struct kvm_vcpu *vcpu);
bool nvx_pv_keeps_exit(struct kvm_vcpu *vcpu);

/*
 * What kvm.ko asks kvm-intel.ko before it gives up: a leaf that the vCPU has no
 * entry for, an MSR that nobody knows.  True: it is ours.
 */
struct nvx_pv_ops {
	bool (*cpuid)(struct kvm_vcpu *vcpu, u32 function, u32 *eax, u32 *ebx,
		      u32 *ecx, u32 *edx);
	bool (*get_msr)(struct kvm_vcpu *vcpu, u32 index, u64 *data);
	bool (*set_msr)(struct kvm_vcpu *vcpu, u32 index, u64 data);
	bool (*restore_msrs)(struct kvm_vcpu *vcpu, u64 data);
};

/* NULL without nvx_pv. */
extern const struct nvx_pv_ops *nvx_pv_ops;

#define NVX_DEFINE_PV_OPS \
	const struct nvx_pv_ops *nvx_pv_ops; EXPORT_SYMBOL_GPL(nvx_pv_ops); \
	const struct nvx_l1_ops *nvx_l1_ops; EXPORT_SYMBOL_GPL(nvx_l1_ops);

/* MSR_NVX_PV_ASSIST and MSR_NVX_PV_FLUSH; pv/pv.c asserts. */
#define NVX_MSR_ASSIST		0x4b564e00
#define NVX_MSR_IS_OURS(index)	(((index) & ~1u) == NVX_MSR_ASSIST)
/* And MSR_NVX_PV_RESTORE. */
#define NVX_MSR_RESTORE		(NVX_MSR_ASSIST + 2)

/* What nvx needs of mmu.c, and lends it: mmu/nvx/range.c. */
int mmu_page_zap_pte(struct kvm *kvm, struct kvm_mmu_page *sp, u64 *spte,
		     struct list_head *invalid_list);
unsigned long nvx_mmu_fault_begin(struct kvm *kvm);
bool nvx_mmu_fault_stale(struct kvm *kvm, unsigned long seq);
bool nvx_mmu_flush_range(struct kvm *kvm, u64 first, u64 end);
extern bool (*nvx_range_flush)(struct kvm *kvm, u64 root, u64 first, u64 nr);
#else
#define nvx_static		static
#define NVX_DEFINE_PV_OPS

static inline void nvx_pv_enter(struct kvm_vcpu *vcpu) { }
static inline void nvx_pv_exited(struct kvm_vcpu *vcpu) { }
static inline void nvx_pv_entered(struct kvm_vcpu *vcpu) { }
static inline void nvx_pv_leave(struct kvm_vcpu *vcpu, u32 exit_reason) { }
static inline void nvx_pv_vmread(struct kvm_vcpu *vcpu) { }
static inline void nvx_pv_free(struct kvm_vcpu *vcpu) { }
static inline void nvx_vm_init(struct nvx_vm *nvx) { }
static inline void nvx_show_vm(struct kvm_vcpu *vcpu) { }

static inline bool nvx_pv_sync(struct vcpu_vmx *vmx)
{
	return false;
}

static inline bool nvx_pv_release(struct kvm_vcpu *vcpu)
{
	return false;
}

static inline bool nvx_pv_keeps_exit(struct kvm_vcpu *vcpu)
{
	return false;
}

static inline int nvx_pv_l1_online(void *vmxon_region)
{
	return 0;
}
#endif /* CONFIG_KVM_NVX_PV */

#include "l1_hooks.h"

/* CPUID of a leaf that the vCPU has no entry for.  True: it is one of ours. */
static __always_inline bool nvx_cpuid(struct kvm_vcpu *vcpu, u32 function,
				      u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
#ifdef CONFIG_KVM_NVX_PV
	return nvx_pv_ops &&
	       nvx_pv_ops->cpuid(vcpu, function, eax, ebx, ecx, edx);
#else
	return false;
#endif
}

/* Does L1 write its VMCS as memory? */
static __always_inline bool nvx_pv_on(const struct nvx_vcpu *nvx)
{
#ifdef CONFIG_KVM_NVX_PV
	return unlikely(nvx->pv);
#else
	return false;
#endif
}

/* A VMX instruction of L1 has failed.  True: the error is to be shown in memory. */
static __always_inline bool nvx_pv_shows_error(struct kvm_vcpu *vcpu,
					       const struct nvx_vcpu *nvx)
{
#ifdef CONFIG_KVM_NVX_PV
	return nvx_pv_on(nvx) && nvx_pv_failed(vcpu);
#else
	return false;
#endif
}

/* L1 wants an exit from L2, but perhaps leaves it to L0. */
static __always_inline bool nvx_l0_keeps_exit(struct kvm_vcpu *vcpu,
					      const struct nvx_vcpu *nvx)
{
	return nvx_pv_on(nvx) && nvx_pv_keeps_exit(vcpu);
}

/* An MSR that KVM does not know.  True: it is ours. */
static __always_inline bool nvx_get_msr(struct kvm_vcpu *vcpu, u32 index,
					u64 *data)
{
#ifdef CONFIG_KVM_NVX_PV
	return NVX_MSR_IS_OURS(index) && nvx_pv_ops &&
	       nvx_pv_ops->get_msr(vcpu, index, data);
#else
	return false;
#endif
}

static __always_inline bool nvx_set_msr(struct kvm_vcpu *vcpu, u32 index,
					u64 data)
{
#ifdef CONFIG_KVM_NVX_PV
	if (!nvx_pv_ops)
		return false;
	if (index == NVX_MSR_RESTORE)
		return nvx_pv_ops->restore_msrs(vcpu, data);
	return NVX_MSR_IS_OURS(index) && nvx_pv_ops->set_msr(vcpu, index, data);
#else
	return false;
#endif
}

#ifndef CONFIG_KVM_NVX_PV
static inline unsigned long nvx_mmu_fault_begin(struct kvm *kvm)
{
	return 0;
}

static inline bool nvx_mmu_fault_stale(struct kvm *kvm, unsigned long seq)
{
	return false;
}
#endif

/*
 * kvm_unmap_gfn_range() ends.  True: TLBs are to be flushed, unless the host below
 * has forgotten the range.
 */
static __always_inline bool nvx_unmapped(struct kvm *kvm, u64 first, u64 end,
					 bool flush)
{
#ifdef CONFIG_KVM_NVX_PV
	if (flush && nvx_range_flush)
		return !nvx_mmu_flush_range(kvm, first, end);
#endif
	return flush;
}

static __always_inline bool nvx_has_record(const struct nvx_vcpu *nvx)
{
#ifdef CONFIG_KVM_NVX_FAST
	return nvx->fast;
#else
	return false;
#endif
}

/*
 * A vCPU without nested guests has no record, and pays for this test only; before
 * the first guest has been a hypervisor, for a no-op.
 */
static __always_inline bool nvx_fast_record(const struct nvx_vcpu *nvx)
{
#ifdef CONFIG_KVM_NVX_FAST
	return static_branch_unlikely(&nvx_exits_matter) &&
	       unlikely(nvx_has_record(nvx));
#else
	return false;
#endif
}

/* Each exit of each guest passes nvx_handle_exit(): let it find out by one test. */
static __always_inline void nvx_watch_exits(struct nvx_vcpu *nvx)
{
	nvx->watched = nvx_has_record(nvx) || nvx_pf_filter(nvx);
}

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
	nvx_vept_entered(vcpu, nvx);
}

/* nested_vmx_vmexit(): L2 is to leave for L1.  True: it has. */
static __always_inline bool nvx_nested_vmexit(struct kvm_vcpu *vcpu,
					      const struct nvx_vcpu *nvx,
					      u32 exit_reason, u32 intr_info,
					      unsigned long exit_qual)
{
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

/* Part of nvx_exit_fastpath().  True: run the vCPU again. */
static __always_inline bool nvx_l0_exit_fastpath(struct kvm_vcpu *vcpu,
						 const struct nvx_vcpu *nvx)
{
	return nvx_fast_record(nvx) && nvx_fast_run(vcpu);
}

/* KVM has set the VMX-preemption timer, @immediate: to 0. */
static __always_inline void nvx_arm_timer(struct kvm_vcpu *vcpu,
					  const struct nvx_vcpu *nvx,
					  bool immediate)
{
	if (nvx_fast_record(nvx))
		nvx_timer_arm(vcpu, immediate);
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
#if defined(CONFIG_KVM_NVX_FAST) || defined(CONFIG_KVM_NVX_BYPASS)
	return static_branch_unlikely(&nvx_exits_matter) &&
	       unlikely(nvx->watched) &&
	       ((nvx_has_record(nvx) && nvx_fast_handled(vcpu, exit_fastpath)) ||
		nvx_bypass_handled(vcpu, nvx));
#else
	return false;
#endif
}

/* KVM is about to handle an exit from L2 that it does not reflect to L1. */
static __always_inline void nvx_l2_exit_kept(struct kvm_vcpu *vcpu,
					     const struct nvx_vcpu *nvx)
{
	if (nvx_fast_record(nvx))
		nvx_fast_event(vcpu);
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
#ifdef CONFIG_KVM_NVX_PV
	return likely(!nvx->pv_restored) || nvx_pv_pre_run(vcpu);
#else
	return true;
#endif
}

#include "state_hooks.h"

/* L1 leaves VMX operation. */
static __always_inline void nvx_free_nested(struct kvm_vcpu *vcpu)
{
	if (nvx_fast_mask)
		nvx_fast_free(vcpu);
	nvx_pv_free(vcpu);
}

#endif /* !__ASSEMBLY__ */
#endif /* __KVM_X86_VMX_NVX_HOOKS_H */
