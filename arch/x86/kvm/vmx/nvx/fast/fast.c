// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_fast: when a transition may take the short form, and the record that it
 * relies on.  See fast.h for the idea, Documentation/nvx.rst for the argument.
 *
 * The record is made by KVM's own path: nvx_nested_entry() after VM-entry,
 * nvx_nested_exited() after VM-exit.  It dies with every event outside of a short
 * list (event_harmless()), and with every return to user space, which may
 * change any state of the vCPU.  What the list lets through is compared.
 */
#include <linux/kvm_host.h>
#include <linux/module.h>

#include "../../../trace.h"
#include "cpuid.h"
#include "vmx/vmx.h"
#include "vmx/nested.h"
#include "nvx_compat.h"
#include "vmx/nvx/fast/fast.h"
#include "vmx/nvx/pv/pv.h"
#include "vmx/nvx/nvx.h"
#include "vmx/nvx/trace.h"

bool __read_mostly nvx_fast = true;
module_param(nvx_fast, bool, 0444);
MODULE_PARM_DESC(nvx_fast, "do not repeat unchanged work at nested VM-entries and exits (default: 1)");

static unsigned int __read_mostly nvx_fast_parts = ~0u;
module_param(nvx_fast_parts, uint, 0444);
MODULE_PARM_DESC(nvx_fast_parts, "parts of nvx_fast: 1 exits, 2 entries, 4 without KVM's loop, 8 preemption timer, 16 pages stay mapped, 32 shadow fields that changed only, 64 interrupts, 128 preemption timer of the CPU (default: all)");

/* nvx_fast_parts in effect, 0 if nvx_fast is off. */
unsigned int __read_mostly nvx_fast_mask;

/**
 * nvx_fast_setup() - Clear what cannot work here
 * @nested: nested virtualization is offered to guests
 *
 * Context: Module initialization.
 */
void __init nvx_fast_setup(bool nested)
{
	if (!nested || !enable_ept || !enable_unrestricted_guest ||
	    !enable_vpid || !cpu_has_load_ia32_efer() ||
	    !cpu_has_vmx_msr_bitmap() || kvm_mpx_supported())
		nvx_fast = false;

	nvx_fast_mask = nvx_fast ? nvx_fast_parts : 0;
	if (!cpu_has_vmx_preemption_timer() || nvx_compat_using_evmcs())
		nvx_fast_mask &= ~NVX_FAST_CPU_TIMER;
}

/**
 * nvx_fast_switch_vmcs() - Load another VMCS of the same vCPU
 * @vmx: the vCPU
 * @to: VMCS that was loaded on this CPU before and has not left it
 *
 * What is left of vmx_switch_vmcs() when the CPU is known to be the same.
 *
 * Context: Preemption off.
 */
void nvx_fast_switch_vmcs(struct vcpu_vmx *vmx, struct loaded_vmcs *to)
{
	struct vmcs_host_state *src = &vmx->loaded_vmcs->host_state;
	struct vmcs_host_state *dest = &to->host_state;

	vmx->loaded_vmcs = to;
	this_cpu_write(current_vmcs, to->vmcs);
	vmcs_load(to->vmcs);

	if (unlikely(!vmx->guest_state_loaded))
		return;

	vmx_set_host_fs_gs(dest, src->fs_sel, src->gs_sel, src->fs_base,
			   src->gs_base);
	dest->ldt_sel = src->ldt_sel;
	dest->ds_sel = src->ds_sel;
	dest->es_sel = src->es_sel;
}

/**
 * nvx_fast_switch_efer() - Take over the EFER of the other level
 * @vmx: the vCPU
 * @f: its record
 * @efer: EFER of the level that runs next, in long mode as the other
 *
 * What is left of vmx_set_efer() when both VMCSs hold their EFER already: it
 * tells whether the MSRs of SYSCALL have to be the guest's.
 *
 * Context: Preemption off.
 */
void nvx_fast_switch_efer(struct vcpu_vmx *vmx, struct nvx_fast *f, u64 efer)
{
	u64 changed = vmx->vcpu.arch.efer ^ efer;
	struct vmx_uret_msr *msr;
	int i;

	vmx->vcpu.arch.efer = efer;
	if (!(changed & EFER_SCE))
		return;

	for (i = 0; i < ARRAY_SIZE(f->syscall_msrs); i++) {
		msr = f->syscall_msrs[i];
		if (!msr)
			continue;
		msr->load_into_hardware = efer & EFER_SCE;
		if (msr->load_into_hardware)
			kvm_set_user_return_msr(msr - vmx->guest_uret_msrs,
						msr->data, msr->mask);
	}
}

/**
 * nvx_fast_flush_tlb() - The TLB at a transition
 * @vcpu: the vCPU, at the level that runs next
 * @vmcs12: its VMCS, which decides whether the levels share a tag
 *
 * What is left of nested_vmx_transition_tlb_flush(): the VPID is known not to have
 * changed, and with EPT in vmcs01 either level has a tag of its own, but for an L2
 * without VPID, whose linear addresses every transition forgets.
 *
 * Context: Preemption off.
 */
void nvx_fast_flush_tlb(struct kvm_vcpu *vcpu, struct vmcs12 *vmcs12)
{
	nvx_compat_rearm_hv_flush(vcpu);
	if (nested_cpu_has_vpid(vmcs12))
		return;

	kvm_make_request(KVM_REQ_TLB_FLUSH_GUEST, vcpu);
	kvm_service_local_tlb_flush_requests(vcpu);
}

/* Is vmcs12 of the kind that the short forms know? */
static bool config_known(struct kvm_vcpu *vcpu, struct vmcs12 *vmcs12)
{
	const u32 entry_bars = VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL |
			       VM_ENTRY_LOAD_BNDCFGS;
	const u32 exit_bars = VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL |
			      VM_EXIT_SAVE_VMX_PREEMPTION_TIMER;
	const u32 second_bars = SECONDARY_EXEC_SHADOW_VMCS |
				SECONDARY_EXEC_ENCLS_EXITING;
	u32 second = vmcs12->secondary_vm_exec_control;

	return nested_cpu_has(vmcs12, CPU_BASED_ACTIVATE_SECONDARY_CONTROLS) &&
	       !(second & second_bars) &&
	       vmcs12->vm_entry_controls & VM_ENTRY_IA32E_MODE &&
	       !(vmcs12->vm_entry_controls & entry_bars) &&
	       (vmcs12->vm_exit_controls & VM_EXIT_HOST_ADDR_SPACE_SIZE) &&
	       !(vmcs12->vm_exit_controls & exit_bars) &&
	       vmcs12->vmcs_link_pointer == INVALID_GPA &&
	       !vmcs12->hdr.shadow_vmcs && !vmcs12->vm_entry_msr_load_count &&
	       !vmcs12->vm_exit_msr_load_count &&
	       !vmcs12->vm_exit_msr_store_count;
}

/* Without "load debug controls" L2 has those of L1; vmcs02 is loaded. */
static bool debug_known(struct kvm_vcpu *vcpu, struct vmcs12 *vmcs12)
{
	return vmcs12->vm_entry_controls & VM_ENTRY_LOAD_DEBUG_CONTROLS ||
	       (vcpu->arch.dr7 == DR7_FIXED_1 && !vmx_guest_debugctl_read());
}

/*
 * An MMU that both levels use has the protection keys of one of them.  With EPT each
 * has an MMU of its own; L1's CPUID is brought up to date by nvx_fast_exit().
 */
static bool modes_match(struct kvm_vcpu *vcpu, const struct nvx_fast *f,
			struct vmcs12 *vmcs12)
{
	return (vcpu->arch.efer & EFER_LMA) && !is_smm(vcpu) &&
	       (f->ept || !((vmcs12->guest_cr4 ^ vmcs12->host_cr4) &
			    NVX_CPUID_CR4));
}

static void record_entry(struct kvm_vcpu *vcpu, struct nvx_fast *f,
			 struct vmcs12 *vmcs12)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	f->l2.controls01 = vmx->vmcs01.controls_shadow;
	f->l2.controls02 = vmx->nested.vmcs02.controls_shadow;
	f->cpuid_cr4 = vcpu->arch.cr4;
	f->l2.efer = vcpu->arch.efer;
	f->l2.pat = vcpu->arch.pat;
	f->l2.host_debugctl = vcpu->arch.host_debugctl;
	f->l2.l1_tsc_offset = vcpu->arch.l1_tsc_offset;
	f->l2.l1_tsc_ratio = vcpu->arch.l1_tsc_scaling_ratio;
	f->l2.tsc_offset = vcpu->arch.tsc_offset;
	f->l2.tsc_ratio = vcpu->arch.tsc_scaling_ratio;
	f->l2.vmptr = vmx->nested.current_vmptr;
	f->l2.cr0_owned = vcpu->arch.cr0_guest_owned_bits;
	f->l2.cr4_owned = ~vmcs_readl(CR4_GUEST_HOST_MASK);
	f->l2.autoload_guest = vmx->msr_autoload.guest.nr;
	f->l2.autoload_host = vmx->msr_autoload.host.nr;
	f->l2.xfd_no_write_intercept = vcpu->arch.xfd_no_write_intercept;

	f->l2.pin = vmcs12->pin_based_vm_exec_control;
	f->l2.exec = vmcs12->cpu_based_vm_exec_control;
	f->l2.entry = vmcs12->vm_entry_controls;
	f->l2.exception_bitmap = vmcs12->exception_bitmap;
	f->l2.tpr_threshold = vmcs12->tpr_threshold;
	f->l2.cr0_mask = vmcs12->cr0_guest_host_mask;
	f->l2.debugctl = vmcs12->guest_ia32_debugctl;
	f->has_pages = nested_cpu_has(vmcs12, CPU_BASED_TPR_SHADOW) ||
		       nested_cpu_has2(vmcs12, SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES) ||
		       nested_cpu_has_posted_intr(vmcs12);
	f->syscall_msrs[0] = vmx_find_uret_msr(vmx, MSR_STAR);
	f->syscall_msrs[1] = vmx_find_uret_msr(vmx, MSR_LSTAR);
	f->syscall_msrs[2] = vmx_find_uret_msr(vmx, MSR_SYSCALL_MASK);
	f->has_ibrs = guest_cpuid_has(vcpu, X86_FEATURE_SPEC_CTRL);
}

/**
 * nvx_fast_entered() - KVM's own path has entered L2: record how
 * @vcpu: the vCPU, vmcs02 loaded
 *
 * Context: Process context, may sleep.
 */
void nvx_fast_entered(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	struct vmcs12 *vmcs12 = get_vmcs12(vcpu);
	struct nvx_fast *f = vmx->nested.nvx.fast;

	if (!f) {
		f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
		if (f && !static_branch_unlikely(&nvx_exits_matter))
			static_branch_enable(&nvx_exits_matter);
		if (f)
			nvx_idle_init(vcpu, f);
		vmx->nested.nvx.fast = f;
		nvx_watch_exits(&vmx->nested.nvx);
		/* Without memory every transition takes KVM's own path. */
		return;
	}

	nvx_count(fast_entry_full);
	nvx_idle_entered(f);
	f->shadow_rw_valid = false;
	f->ept = nested_cpu_has_ept(vmcs12);
	f->l2_valid = config_known(vcpu, vmcs12) && modes_match(vcpu, f, vmcs12) &&
		      debug_known(vcpu, vmcs12) &&
		      (f->ept || nvx_mmu_alike(vcpu, f)) &&
		      !nvx_compat_evmptr_valid(vmx) &&
		      !nvx_pages_logged(vcpu) && !nvx_pv_logged(vcpu) &&
		      nvx_pages_end(vcpu, f);
	if (!f->l2_valid)
		return;

	record_entry(vcpu, f, vmcs12);
	if (nested_cpu_has_preemption_timer(vmcs12)) {
		f->timer_value = vmcs12->vmx_preemption_timer_value;
		f->hrtimer_value = f->timer_value;
		f->timer_khz = vcpu->arch.virtual_tsc_khz;
	}
}

/**
 * nvx_fast_exited() - KVM's own path has left L2 for L1: record how
 * @vcpu: the vCPU, vmcs01 loaded with L1's state
 *
 * Context: Process context.
 */
void nvx_fast_exited(struct kvm_vcpu *vcpu)
{
	struct vmcs12 *vmcs12 = get_vmcs12(vcpu);
	struct nvx_fast *f = to_vmx(vcpu)->nested.nvx.fast;

	if (!f)
		return;

	nvx_count(fast_exit_full);
	f->idle.exits++;
	f->l1.cr0 = vcpu->arch.cr0;
	f->l1.hw_cr0 = vmcs_readl(GUEST_CR0);
	f->l1.cr4 = vcpu->arch.cr4;
	f->l1.hw_cr4 = vmcs_readl(GUEST_CR4);
	f->l1.cr4_owned = vcpu->arch.cr4_guest_owned_bits;
	f->cpuid_cr4 = vcpu->arch.cr4;
	f->l1.efer = vcpu->arch.efer;
	f->l1_valid = (vcpu->arch.efer & EFER_LMA) &&
		      vcpu->arch.cr0 == vmcs12->host_cr0 &&
		      vcpu->arch.cr4 == vmcs12->host_cr4;

	f->synced.cr0 = vmcs12->guest_cr0;
	f->synced.cr3 = vmcs12->guest_cr3;
	f->synced.cr4 = vmcs12->guest_cr4;
	f->synced.rflags = vmcs12->guest_rflags;
	f->synced.interruptibility = vmcs12->guest_interruptibility_info;
	f->synced.intr_status = vmcs12->guest_intr_status;
	/* Not read from vmcs02: make the next VM-entry write them. */
	f->synced.cr0_shadow = ~nested_read_cr0(vmcs12);
	f->synced.cr4_shadow = ~nested_read_cr4(vmcs12);

	/* KVM has unmapped its pages, and written the shadow VMCS. */
	f->pages_kept = false;
	f->shadow_rw_valid = false;
	f->shadow_ro_valid = false;
}

/**
 * nvx_fast_reset_l2() - vmcs12 may have changed, or is another one
 * @vcpu: the vCPU
 *
 * What is known of vmcs01 stays: exits load all other host state of vmcs12 anew.
 *
 * Context: Thread of the vCPU.
 */
void nvx_fast_reset_l2(struct kvm_vcpu *vcpu)
{
	struct nvx_fast *f = to_vmx(vcpu)->nested.nvx.fast;

	if (f) {
		f->l2_valid = false;
		f->shadow_rw_valid = false;
		f->shadow_ro_valid = false;
	}
}

/**
 * nvx_fast_reset() - Anything may have changed: rely on nothing
 * @vcpu: the vCPU
 *
 * Context: Thread of the vCPU.
 */
void nvx_fast_reset(struct kvm_vcpu *vcpu)
{
	struct nvx_fast *f = to_vmx(vcpu)->nested.nvx.fast;

	if (f) {
		if (is_guest_mode(vcpu))
			nvx_timer_fall_back(to_vmx(vcpu), f);
		f->l1_valid = false;
		f->l2_valid = false;
		f->shadow_rw_valid = false;
		f->shadow_ro_valid = false;
	}
}

/**
 * nvx_fast_free() - L1 leaves VMX operation
 * @vcpu: the vCPU
 *
 * Context: Process context.
 */
void nvx_fast_free(struct kvm_vcpu *vcpu)
{
	struct nested_vmx *nested = &to_vmx(vcpu)->nested;
	struct nvx_fast *f = nested->nvx.fast;

	if (!f)
		return;

	nvx_idle_stop(f);
	WRITE_ONCE(f->timer_state, NVX_TIMER_L1);
	hrtimer_cancel(&nested->preemption_timer);
	nvx_pages_release(vcpu, f);
	nested->nvx.fast = NULL;
	nvx_watch_exits(&nested->nvx);
	kfree(f);
}

/* MSRs that L1 may write without touching anything the record is made of. */
static bool msr_write_harmless(u32 msr)
{
	switch (msr) {
	case MSR_IA32_TSC_DEADLINE:
	case MSR_IA32_SPEC_CTRL:
	case MSR_IA32_PRED_CMD:
	case MSR_STAR:
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_SYSCALL_MASK:
	case MSR_TSC_AUX:
	case MSR_NVX_PV_FLUSH:
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE:
	case MSR_NVX_PV_RESTORE:
	case APIC_BASE_MSR + (APIC_TASKPRI >> 4) ...
	     APIC_BASE_MSR + (APIC_SELF_IPI >> 4):
		return true;
	default:
		return false;
	}
}

/*
 * Exits that L0 handles without changing state of vmcs01, vmcs02, vmcs12 or the
 * vCPU that the record neither contains nor compares.
 */
static bool event_harmless(struct kvm_vcpu *vcpu)
{
	switch (to_vmx(vcpu)->exit_reason.full) {
	case EXIT_REASON_EXTERNAL_INTERRUPT:
	case EXIT_REASON_INTERRUPT_WINDOW:
	case EXIT_REASON_EPT_VIOLATION:
	case EXIT_REASON_PREEMPTION_TIMER:
	case EXIT_REASON_MSR_READ:
		return true;
	case EXIT_REASON_EXCEPTION_NMI:
		return is_nmi(vmx_get_intr_info(vcpu));
	case EXIT_REASON_CPUID:
	case EXIT_REASON_HLT:
	case EXIT_REASON_IO_INSTRUCTION:
	case EXIT_REASON_VMCALL:
	case EXIT_REASON_PAUSE_INSTRUCTION:
	case EXIT_REASON_VMREAD:
	case EXIT_REASON_VMRESUME:
	case EXIT_REASON_INVEPT:
	case EXIT_REASON_INVVPID:
	case EXIT_REASON_XSETBV:
	case EXIT_REASON_EPT_MISCONFIG:
	case EXIT_REASON_APIC_WRITE:
	case EXIT_REASON_EOI_INDUCED:
	case EXIT_REASON_TPR_BELOW_THRESHOLD:
	/* Emulated with UMIP: loads of registers that every exit loads anyway. */
	case EXIT_REASON_GDTR_IDTR:
	case EXIT_REASON_LDTR_TR:
		return !is_guest_mode(vcpu);
	case EXIT_REASON_MSR_WRITE:
		return !is_guest_mode(vcpu) &&
		       msr_write_harmless(vcpu->arch.regs[VCPU_REGS_RCX]);
	default:
		return false;
	}
}

/* Instructions that change vmcs12 and nothing of L1. */
static bool event_of_vmcs12(struct kvm_vcpu *vcpu)
{
	switch (to_vmx(vcpu)->exit_reason.full) {
	case EXIT_REASON_VMCLEAR:
	case EXIT_REASON_VMPTRLD:
	case EXIT_REASON_VMWRITE:
		return true;
	default:
		return false;
	}
}

/**
 * nvx_fast_event() - An exit that KVM's own handlers are about to deal with
 * @vcpu: the vCPU, in guest mode or not
 *
 * Exits from L2 that KVM reflects change nothing by themselves; they come here
 * only if L0 keeps them.
 *
 * Context: Exit handling.
 */
void nvx_fast_event(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	if (event_harmless(vcpu)) {
		/* L0 may have to wait for the page. */
		if (is_guest_mode(vcpu) &&
		    vmx->exit_reason.basic == EXIT_REASON_EPT_VIOLATION)
			nvx_timer_fall_back(vmx, vmx->nested.nvx.fast);
		return;
	}

	if (!is_guest_mode(vcpu) && event_of_vmcs12(vcpu))
		nvx_fast_reset_l2(vcpu);
	else
		nvx_fast_reset(vcpu);
}

/* The counters fast_why_* stand in the order of enum nvx_fast_reason. */
static void count_refusal(enum nvx_fast_reason reason)
{
	BUILD_BUG_ON(NVX_fast_why_not_clean - NVX_fast_why_no_record !=
		     NVX_WHY_NOT_CLEAN - NVX_WHY_NO_RECORD);
	this_cpu_inc(nvx_counters.n[NVX_fast_why_no_record + reason -
				    NVX_WHY_NO_RECORD]);
}

static void account(struct kvm_vcpu *vcpu, bool entry, bool direct,
		    enum nvx_fast_reason reason)
{
	if (reason == NVX_WHY_TAKEN) {
		if (entry)
			nvx_count(fast_entry);
		else
			nvx_count(fast_exit);
		if (direct)
			nvx_count(fast_direct);
	} else {
		count_refusal(reason);
	}
	trace_nvx_fast(vcpu->vcpu_id, entry, direct, reason);
}

static bool try_exit(struct kvm_vcpu *vcpu, struct nvx_fast *f, u32 exit_reason,
		     u32 intr_info, unsigned long exit_qual, bool direct)
{
	struct vmcs12 *vmcs12 = get_vmcs12(vcpu);
	enum nvx_fast_reason reason;

	reason = nvx_fast_exit(vcpu, f, exit_reason, intr_info, exit_qual,
			       direct);
	account(vcpu, false, direct, reason);
	if (reason != NVX_WHY_TAKEN)
		return false;

	trace_kvm_nested_vmexit_inject(vmcs12->vm_exit_reason,
				       vmcs12->exit_qualification,
				       vmcs12->idt_vectoring_info_field,
				       vmcs12->vm_exit_intr_info,
				       vmcs12->vm_exit_intr_error_code,
				       KVM_ISA_VMX);
	return true;
}

static bool try_enter(struct kvm_vcpu *vcpu, struct nvx_fast *f, bool direct)
{
	unsigned long rip = kvm_rip_read(vcpu);
	enum nvx_fast_reason reason = nvx_fast_enter(vcpu, f);
	struct vmcs12 *vmcs12 = get_vmcs12(vcpu);

	account(vcpu, true, direct, reason);
	if (reason != NVX_WHY_TAKEN)
		return false;

	trace_kvm_nested_vmenter(rip, to_vmx(vcpu)->nested.current_vmptr,
				 vmcs12->guest_rip, vmcs12->guest_intr_status,
				 vmcs12->vm_entry_intr_info_field, true,
				 vmcs12->ept_pointer, vmcs12->guest_cr3,
				 KVM_ISA_VMX);
	return true;
}

static bool exit_possible(const struct nvx_fast *f, u32 exit_reason)
{
	if (!(nvx_fast_mask & NVX_FAST_EXIT) || f->refused ||
	    exit_reason & VMX_EXIT_REASONS_FAILED_VMENTRY)
		return false;

	return exit_reason != EXIT_REASON_EXTERNAL_INTERRUPT ||
	       nvx_fast_mask & NVX_FAST_EVENTS;
}

/**
 * nvx_fast_vmexit() - nested_vmx_vmexit() begins
 * @vcpu: vCPU in guest mode
 * @exit_reason: as for nested_vmx_vmexit()
 * @intr_info: as for nested_vmx_vmexit()
 * @exit_qual: as for nested_vmx_vmexit()
 *
 * Context: Process context.
 * Return: true if the vCPU is in L1 now and nothing is left to be done.
 */
bool nvx_fast_vmexit(struct kvm_vcpu *vcpu, u32 exit_reason, u32 intr_info,
		     unsigned long exit_qual)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	struct nvx_fast *f = vmx->nested.nvx.fast;
	bool taken = false;

	if (!f)
		return false;

	/* -1 leaves L2 without an exit, perhaps for good and in another thread. */
	if (exit_reason == -1u)
		nvx_idle_stop(f);
	if (exit_reason == -1u || vmx->fail) {
		nvx_fast_reset(vcpu);
	} else if (exit_possible(f, exit_reason)) {
		preempt_disable();
		taken = try_exit(vcpu, f, exit_reason, intr_info, exit_qual,
				 false);
		preempt_enable();
	}

	if (!taken) {
		/* vmcs02 has not got the EPTP of a root that is still to be loaded. */
		f->l2.root02 = kvm_test_request(KVM_REQ_LOAD_MMU_PGD, vcpu) ?
			       INVALID_PAGE : vcpu->arch.mmu->root.hpa;
		nvx_mmu_save(vcpu, f);
		/* It cancels the hrtimer.  SMM may bring L2 back without asking. */
		WRITE_ONCE(f->timer_state, NVX_TIMER_KVM);
	}
	return taken;
}

/**
 * nvx_fast_vmentry() - nested_vmx_run() begins
 * @vcpu: vCPU whose L1 executes VMLAUNCH or VMRESUME
 * @launch: VMLAUNCH
 *
 * Context: Process context.
 * Return: true if the vCPU is in L2 now and nothing is left to be done.
 */
bool nvx_fast_vmentry(struct kvm_vcpu *vcpu, bool launch)
{
	struct nvx_fast *f = to_vmx(vcpu)->nested.nvx.fast;
	bool taken = false;

	if (!f)
		return false;

	if (!launch && (nvx_fast_mask & NVX_FAST_ENTRY) && !f->refused) {
		preempt_disable();
		taken = try_enter(vcpu, f, false);
		preempt_enable();
	}
	if (!taken) {
		/* VM-entry may fail, and KVM write the shadow VMCS then. */
		f->l2_valid = false;
		f->shadow_rw_valid = false;
		f->shadow_ro_valid = false;
		WRITE_ONCE(f->timer_state, NVX_TIMER_KVM);
		/* As at VM-exit: the EPTP of vmcs01. */
		f->l2.root01 = kvm_test_request(KVM_REQ_LOAD_MMU_PGD, vcpu) ?
			       INVALID_PAGE : vcpu->arch.root_mmu.root.hpa;
		nvx_mmu_save(vcpu, f);
		nvx_pages_begin(vcpu, f);
	}
	return taken;
}

/*
 * Page faults.  If L0 is a guest, one may be news from its own host, which KVM's
 * loop finds out.
 */
static bool page_fault_wanted(struct kvm_vcpu *vcpu, struct vmcs12 *vmcs12)
{
	u32 code;

	if (!is_page_fault(vmx_get_intr_info(vcpu)) ||
	    !(vmcs12->exception_bitmap & BIT(PF_VECTOR)) ||
	    boot_cpu_has(X86_FEATURE_HYPERVISOR) || vmx_need_pf_intercept(vcpu))
		return false;

	code = vmcs_read32(VM_EXIT_INTR_ERROR_CODE);
	if (((u16)code & vmcs12->page_fault_error_code_mask) !=
	    vmcs12->page_fault_error_code_match)
		return false;

	vmcs12->vm_exit_intr_error_code = code;
	return true;
}

static bool cr3_access_wanted(struct kvm_vcpu *vcpu, struct vmcs12 *vmcs12)
{
	/* Register, and access type: MOV to CR 0, MOV from CR 1 (SDM table 28-3). */
	switch (vmx_get_exit_qual(vcpu) & 0x3f) {
	case 0x03:
		return nested_cpu_has(vmcs12, CPU_BASED_CR3_LOAD_EXITING);
	case 0x13:
		return nested_cpu_has(vmcs12, CPU_BASED_CR3_STORE_EXITING);
	default:
		return false;
	}
}

/* Does L1 certainly want this exit from L2?  See nested_vmx_reflect_vmexit(). */
static bool l1_wants(struct kvm_vcpu *vcpu, struct nvx_fast *f, u32 exit_reason)
{
	struct vmcs12 *vmcs12 = get_vmcs12(vcpu);

	switch (exit_reason) {
	case EXIT_REASON_CPUID:
	case EXIT_REASON_VMCALL:
		return true;
	case EXIT_REASON_HLT:
		return nested_cpu_has(vmcs12, CPU_BASED_HLT_EXITING) &&
		       !nvx_pv_of(vcpu);
	case EXIT_REASON_IO_INSTRUCTION:
		return nested_cpu_has(vmcs12, CPU_BASED_UNCOND_IO_EXITING) &&
		       !nested_cpu_has(vmcs12, CPU_BASED_USE_IO_BITMAPS);
	case EXIT_REASON_MSR_READ:
		return nvx_msr_exit_wanted(vcpu, f, false);
	case EXIT_REASON_MSR_WRITE:
		return nvx_msr_exit_wanted(vcpu, f, true);
	/* What an L1 without EPT needs to see. */
	case EXIT_REASON_EXCEPTION_NMI:
		return page_fault_wanted(vcpu, vmcs12);
	case EXIT_REASON_CR_ACCESS:
		return cr3_access_wanted(vcpu, vmcs12);
	case EXIT_REASON_INVLPG:
		return nested_cpu_has(vmcs12, CPU_BASED_INVLPG_EXITING);
	default:
		return false;
	}
}

/* The CPU's timer, set for L2, has ended it. */
static void timer_ends_l2(struct kvm_vcpu *vcpu, struct nvx_fast *f)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	/* It counts 32 bits; more than that was left. */
	if (rdtsc() < f->timer_deadline)
		return;

	nvx_count(fast_timer);
	if (nvx_fast_mask & NVX_FAST_EXIT && !kvm_request_pending(vcpu) &&
	    try_exit(vcpu, f, EXIT_REASON_PREEMPTION_TIMER, 0, 0, true))
		return;

	/* As the hrtimer does; KVM finds out what comes first. */
	vmx->nested.preemption_timer_expired = true;
	kvm_make_request(KVM_REQ_EVENT, vcpu);
}

/*
 * Pages that the CPU has logged for L1 are still in its buffer.  KVM empties it when
 * it handles an exit of L1, and takes it for empty as soon as L2 runs; so does
 * nvx_handle_exit(), which stands in front of that flush.
 */
static bool log_waits(struct vcpu_vmx *vmx)
{
	return secondary_exec_controls_get(vmx) & SECONDARY_EXEC_ENABLE_PML &&
	       vmcs_read16(GUEST_PML_INDEX) != PML_ENTITY_NUM - 1;
}

/**
 * nvx_fast_run() - Can the vCPU go on at the other level at once?
 * @vcpu: vCPU that has just left L1 or L2
 *
 * Context: Interrupts off, right after the VM-exit, kvm->srcu not held.  The
 * vCPU has a record.
 * Return: true if the vCPU is to be run again.
 */
bool nvx_fast_run(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	struct nvx_fast *f = vmx->nested.nvx.fast;
	const struct nvx_pv *pv = nvx_pv_of(vcpu);
	u32 exit_reason = vmx->exit_reason.full;

	f->switched = false;
	f->refused = false;
	if (!(nvx_fast_mask & NVX_FAST_DIRECT))
		return false;

	if (is_guest_mode(vcpu)) {
		if (exit_reason == EXIT_REASON_PREEMPTION_TIMER &&
		    f->timer_armed) {
			timer_ends_l2(vcpu, f);
			f->switched = true;
			return true;
		}

		if (!(nvx_fast_mask & NVX_FAST_EXIT) ||
		    vmx->idt_vectoring_info & VECTORING_INFO_VALID_MASK ||
		    !l1_wants(vcpu, f, exit_reason))
			return false;

		if (pv && nvx_pv_answer(vcpu, pv, exit_reason)) {
			f->switched = true;
			return true;
		}

		trace_kvm_nested_vmexit(vcpu, KVM_ISA_VMX);
		f->switched = try_exit(vcpu, f, exit_reason,
				       vmx_get_intr_info(vcpu),
				       vmx_get_exit_qual(vcpu), true);
		f->refused = !f->switched;
	} else if (exit_reason == EXIT_REASON_VMRESUME &&
		   (nvx_fast_mask & NVX_FAST_ENTRY) &&
		   !nvx_work_at_entry(&vmx->nested.nvx) && !log_waits(vmx)) {
		f->switched = try_enter(vcpu, f, true);
		f->refused = !f->switched;
	}
	return f->switched;
}

/**
 * nvx_fast_handled() - KVM is about to handle an exit
 * @vcpu: the vCPU
 * @exit_fastpath: what KVM's fast path says of the exit (fastpath_t)
 *
 * KVM may have to leave its inner loop after nvx_fast_run(), say because a
 * request came in.  The exit has been handled then, but KVM would take it for one
 * of the level that the vCPU is at now.
 *
 * Context: Start of exit handling.  The vCPU has a record.
 * Return: true if nothing is left to be done for this exit.
 */
bool nvx_fast_handled(struct kvm_vcpu *vcpu, int exit_fastpath)
{
	struct nvx_fast *f = to_vmx(vcpu)->nested.nvx.fast;

	if (exit_fastpath == EXIT_FASTPATH_EXIT_HANDLED && f->switched)
		return true;

	/* Of exits from L2 only those that L0 keeps may change anything. */
	if (is_guest_mode(vcpu))
		return false;

	nvx_fast_event(vcpu);
	if (unlikely(READ_ONCE(f->idle.give_back)))
		nvx_idle_give_back(vcpu, f);
	return false;
}
