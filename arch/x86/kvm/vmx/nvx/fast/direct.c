// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_fast: when a transition takes the short form.
 *
 * nvx_fast_run() is asked right after each VM-exit, before KVM's loop: does L1 want
 * this exit of L2, or does L1 execute VMRESUME, and does nothing stand against it?
 * Then the vCPU runs on at the other level at once.  nvx_fast_vmexit() and
 * nvx_fast_vmentry() are asked where KVM's own path begins, for transitions that
 * KVM's loop has found out about itself.
 */
#include <linux/kvm_host.h>
#include <linux/module.h>

#include "../../../trace.h"
#include "lapic.h"
#include "vmx/vmx.h"
#include "vmx/nested.h"
#include "vmx/nvx/fast/fast.h"
#include "vmx/nvx/fast/parts.h"
#include "vmx/nvx/fast/record.h"
#include "vmx/nvx/nvx.h"
#include "vmx/nvx/pv/pv.h"
#include "vmx/nvx/trace.h"

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
	/* Only the tracepoint asks where L1 was. */
	unsigned long rip = trace_kvm_nested_vmenter_enabled() ?
			    kvm_rip_read(vcpu) : 0;
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
	if (!(nvx_fast_mask & NVX_FAST_EXIT) || f->direct_refused ||
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

	if (exit_reason == -1u || vmx->fail) {
		nvx_fast_forget(vcpu);
	} else if (exit_possible(f, exit_reason)) {
		preempt_disable();
		taken = try_exit(vcpu, f, exit_reason, intr_info, exit_qual,
				 false);
		preempt_enable();
	}

	if (!taken) {
		/* A root whose load is still requested is not in vmcs02's EPTP yet. */
		f->l2.root02 = kvm_test_request(KVM_REQ_LOAD_MMU_PGD, vcpu) ?
			       INVALID_PAGE : vcpu->arch.mmu->root.hpa;
		nvx_mmu_save(vcpu, f);
		/* vmcs02 has counts of lists that L1 may run without. */
		if (vmx->msr_autoload.guest.nr != f->l2.autoload_guest ||
		    vmx->msr_autoload.host.nr != f->l2.autoload_host)
			f->l2_valid = false;
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

	if (!launch && (nvx_fast_mask & NVX_FAST_ENTRY) && !f->direct_refused) {
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
	    !nvx_fast_shows_cpuid(f, nvx_pv_of(vcpu)) &&
	    try_exit(vcpu, f, EXIT_REASON_PREEMPTION_TIMER, 0, 0, true))
		return;

	/* As the hrtimer does; KVM finds out what comes first. */
	vmx->nested.preemption_timer_expired = true;
	kvm_make_request(KVM_REQ_EVENT, vcpu);
}

/*
 * The CPU's buffer of pages that L1 has modified (PML) is not empty.  KVM flushes it into
 * the dirty log when it handles an exit of L1, which the short form leaves out, and not
 * while the vCPU is in guest mode; whoever reads the log kicks the vCPU and takes the
 * buffer for flushed.  nvx_handle_exit(), which stands in front of that flush, relies on
 * this, too.
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

	f->direct_done = false;
	f->direct_refused = false;
	if (!(nvx_fast_mask & NVX_FAST_DIRECT))
		return false;

	if (is_guest_mode(vcpu)) {
		if (vmx->exit_reason.basic == EXIT_REASON_PREEMPTION_TIMER &&
		    f->timer_armed) {
			/* KVM tells of a bus lock, too.  The timer was not L1's. */
			if (unlikely(exit_reason != EXIT_REASON_PREEMPTION_TIMER)) {
				vmx->loaded_vmcs->hv_timer_soft_disabled = true;
				return false;
			}
			timer_ends_l2(vcpu, f);
			f->direct_done = true;
			return true;
		}

		if (!(nvx_fast_mask & NVX_FAST_EXIT) ||
		    vmx->idt_vectoring_info & VECTORING_INFO_VALID_MASK ||
		    !l1_wants(vcpu, f, exit_reason))
			return false;

		if (pv && nvx_pv_answer(vcpu, pv, exit_reason)) {
			f->direct_done = true;
			return true;
		}

		/* In the short form, with interrupts on. */
		if (unlikely(nvx_fast_shows_cpuid(f, pv)))
			return false;

		trace_kvm_nested_vmexit(vcpu, KVM_ISA_VMX);
		f->direct_done = try_exit(vcpu, f, exit_reason,
					  vmx_get_intr_info(vcpu),
					  vmx_get_exit_qual(vcpu), true);
		f->direct_refused = !f->direct_done;
	} else if (exit_reason == EXIT_REASON_VMRESUME &&
		   (nvx_fast_mask & NVX_FAST_ENTRY) &&
		   !nvx_work_at_entry(&vmx->nested.nvx) && !log_waits(vmx)) {
		f->direct_done = try_enter(vcpu, f, true);
		f->direct_refused = !f->direct_done;
	}
	return f->direct_done;
}

/**
 * nvx_fast_irr_empty() - Does no interrupt wait in L1's APIC?
 * @vcpu: vCPU with an APIC in the kernel
 *
 * KVM looks for the highest one before each run, word by word; between two transitions
 * that follow each other there is none.
 *
 * Context: Any.  As for kvm_lapic_find_highest_irr(), one may come at the same time.
 * Return: true if kvm_lapic_find_highest_irr() would find none.
 */
bool nvx_fast_irr_empty(const struct kvm_vcpu *vcpu)
{
	const u32 *irr = vcpu->arch.apic->regs + APIC_IRR;

	/* 256 bits in eight registers, 16 bytes from one to the next (SDM 3A, 11.8.4). */
	return !(READ_ONCE(irr[0]) | READ_ONCE(irr[4]) | READ_ONCE(irr[8]) |
		 READ_ONCE(irr[12]) | READ_ONCE(irr[16]) | READ_ONCE(irr[20]) |
		 READ_ONCE(irr[24]) | READ_ONCE(irr[28]));
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

	if (exit_fastpath == EXIT_FASTPATH_EXIT_HANDLED && f->direct_done)
		return true;

	/* Of exits from L2 only those that L0 keeps may change anything. */
	if (is_guest_mode(vcpu))
		return false;

	nvx_fast_event(vcpu);
	return false;
}
