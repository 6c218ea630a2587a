// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_fast: which exits the record survives.
 *
 * The short form takes for granted that vmcs01, vmcs02, vmcs12 and the vCPU are as the
 * last transition left them, but for what it compares.  L0 handles exits in between, and
 * its handlers may change any of that.  This file lists those that do not, each with the
 * handler and the reason; all others make the record void.  Whoever adds a line has to
 * show that the handler changes
 *
 * - no field of vmcs02 but those that entry.c writes at each VM-entry, or that exit.c
 *   reads at each exit,
 * - no field of vmcs01 but those that exit.c writes at each exit,
 * - nothing that record.c derives from L1's CPUID, modes or vmcs12,
 *
 * or that entry.c and exit.c compare what it changes.  General-purpose registers and RIP
 * are no part of the record.  Whatever a handler leaves for later is a request or a
 * pending event, and both are looked for before a transition.  An exit that goes to user
 * space makes the record void in any case, see nvx_pre_run().
 *
 * KVM's functions that are named here have to be in hooks/BASE/mirrored: a stable update
 * that changes one stops the build.
 */
#include <linux/kvm_host.h>

#include "vmx/vmx.h"
#include "vmx/nvx/fast/parts.h"
#include "vmx/nvx/fast/record.h"
#include "vmx/nvx/nvx.h"

#define OF_L1	BIT(0)
#define OF_L2	BIT(1)	/* and L0 keeps it from L1 */

/* By exit reason: exits of which level are harmless. */
static const u8 harmless[] = {
	/*
	 * handle_exception_nmi(): does nothing for an NMI, which the host has had.  Of
	 * other exceptions it may inject one: see event_harmless().
	 */
	[EXIT_REASON_EXCEPTION_NMI] = OF_L1 | OF_L2,

	/*
	 * handle_external_interrupt(): counts.  The host's handler has run; what it wants
	 * of this vCPU is a request.
	 */
	[EXIT_REASON_EXTERNAL_INTERRUPT] = OF_L1 | OF_L2,

	/*
	 * handle_interrupt_window(): clears a control and makes a request.  The controls of
	 * vmcs01 are compared, those of vmcs02 written at each VM-entry.
	 */
	[EXIT_REASON_INTERRUPT_WINDOW] = OF_L1 | OF_L2,

	/*
	 * handle_ept_violation(): changes page tables, whose roots are compared, or emulates
	 * an access to a device.  An instruction that is emulated changes registers: those of
	 * L2 are read at the exit, those of L1 are compared or loaded by it.  An NMI that is
	 * blocked again is in a field that is read, and written.  The timer of L2 must not
	 * stand still meanwhile: see nvx_fast_event().
	 */
	[EXIT_REASON_EPT_VIOLATION] = OF_L1 | OF_L2,

	/*
	 * handle_preemption_timer(): kvm_lapic_expired_hv_timer() makes an interrupt of L1's
	 * APIC pending.
	 */
	[EXIT_REASON_PREEMPTION_TIMER] = OF_L1 | OF_L2,

	/* kvm_emulate_rdmsr(): loads RAX and RDX. */
	[EXIT_REASON_MSR_READ] = OF_L1 | OF_L2,

	/* kvm_emulate_wrmsr(): see msr_write_harmless(). */
	[EXIT_REASON_MSR_WRITE] = OF_L1,

	/* kvm_emulate_cpuid(): loads four registers. */
	[EXIT_REASON_CPUID] = OF_L1,

	/* kvm_emulate_halt(): changes mp_state, which is looked at. */
	[EXIT_REASON_HLT] = OF_L1,

	/* handle_io(): loads RAX, or asks user space, or emulates as above. */
	[EXIT_REASON_IO_INSTRUCTION] = OF_L1,

	/* kvm_emulate_hypercall(): loads RAX, and makes requests to other vCPUs. */
	[EXIT_REASON_VMCALL] = OF_L1,

	/*
	 * handle_pause(): makes PLE_WINDOW larger, which vmx_vcpu_run() writes to the VMCS
	 * that runs next, of whichever level, as without the short form.
	 */
	[EXIT_REASON_PAUSE_INSTRUCTION] = OF_L1,

	/*
	 * handle_vmread(): reads vmcs12, having fetched fields of vmcs02 into it that the
	 * short form leaves there (copy_vmcs02_to_vmcs12_rare()).
	 */
	[EXIT_REASON_VMREAD] = OF_L1,

	/* handle_vmresume(): asks nvx_fast_vmentry() before it changes anything. */
	[EXIT_REASON_VMRESUME] = OF_L1,

	/* handle_invept(): frees roots of EPT02, which are compared. */
	[EXIT_REASON_INVEPT] = OF_L1,

	/* handle_invvpid(): flushes vpid02 at once; no field names anything else. */
	[EXIT_REASON_INVVPID] = OF_L1,

	/*
	 * kvm_emulate_xsetbv(): changes vcpu->arch.xcr0, which is of both levels, and L1's
	 * CPUID accordingly.
	 */
	[EXIT_REASON_XSETBV] = OF_L1,

	/* handle_ept_misconfig(): an access to a device, as above. */
	[EXIT_REASON_EPT_MISCONFIG] = OF_L1,

	/*
	 * handle_apic_write(), handle_apic_eoi_induced(), handle_tpr_below_threshold():
	 * change L1's APIC; interrupts that this makes pending are looked for.
	 */
	[EXIT_REASON_APIC_WRITE] = OF_L1,
	[EXIT_REASON_EOI_INDUCED] = OF_L1,
	[EXIT_REASON_TPR_BELOW_THRESHOLD] = OF_L1,

	/*
	 * handle_desc(), with emulated UMIP: LGDT, LIDT, LLDT and LTR load registers that
	 * each exit loads anyway.
	 */
	[EXIT_REASON_GDTR_IDTR] = OF_L1,
	[EXIT_REASON_LDTR_TR] = OF_L1,
};

/* MSRs that L1 may write, and what vmx_set_msr() does then. */
static bool msr_write_harmless(u32 msr)
{
	switch (msr) {
	/* kvm_set_lapic_tscdeadline_msr(): starts a timer of L1's APIC. */
	case MSR_IA32_TSC_DEADLINE:
	/* One value for both levels; may clear bits of vmcs01's bitmap, merged anew. */
	case MSR_IA32_SPEC_CTRL:
	/* Is executed; may clear bits of vmcs01's bitmap, too. */
	case MSR_IA32_PRED_CMD:
	/* vmx_set_guest_uret_msr(): one value for both levels, in slots that stay. */
	case MSR_STAR:
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_SYSCALL_MASK:
	case MSR_TSC_AUX:
	/* pv.c: the same, for those that L1 has put down. */
	case MSR_NVX_PV_RESTORE:
	/* pv.c: zaps entries of EPT02, and no root. */
	case MSR_NVX_PV_FLUSH:
	/* Fields of vmcs01 that each exit loads. */
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	/* Is in the CPU, one value for both levels. */
	case MSR_KERNEL_GS_BASE:
	/* kvm_x2apic_msr_write(): changes L1's APIC, as above. */
	case APIC_BASE_MSR + (APIC_TASKPRI >> 4) ...
	     APIC_BASE_MSR + (APIC_SELF_IPI >> 4):
		return true;
	default:
		return false;
	}
}

static bool event_harmless(struct kvm_vcpu *vcpu)
{
	/* With any flag set, of enclave mode or a VM-entry that failed, it is none. */
	u32 reason = to_vmx(vcpu)->exit_reason.full;

	if (reason >= ARRAY_SIZE(harmless) ||
	    !(harmless[reason] & (is_guest_mode(vcpu) ? OF_L2 : OF_L1)))
		return false;

	switch (reason) {
	case EXIT_REASON_EXCEPTION_NMI:
		return is_nmi(vmx_get_intr_info(vcpu));
	case EXIT_REASON_MSR_WRITE:
		return msr_write_harmless(vcpu->arch.regs[VCPU_REGS_RCX]);
	default:
		return true;
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
		nvx_fast_forget_vmcs02(vcpu);
	else
		nvx_fast_forget(vcpu);
}
