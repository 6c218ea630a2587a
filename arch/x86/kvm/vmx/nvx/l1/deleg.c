// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_deleg_l1: leave exits of our guests to the host below.
 *
 * What the host may answer is put down anew before every VM-entry, from where
 * KVM itself would take it: the vCPU's CPUID array (its address, not a copy) and
 * the values of a few MSRs that only this vCPU's thread changes.
 */
#include <linux/debugfs.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/sched/stat.h>

#include "cpuid.h"
#include "lapic.h"
#include "vmx/vmx.h"
#include "vmx/nvx/nvx.h"

/**
 * nvx_vm_init() - A VM is created: what holds for it until the operator says else
 * @nvx: its state
 *
 * Context: Process context, nobody else knows the VM.
 */
void nvx_vm_init(struct nvx_vm *nvx)
{
	nvx->deleg = READ_ONCE(nvx_deleg_l1);
}

/**
 * nvx_show_vm() - A vCPU is created: give the operator the VM's nvx_deleg
 * @vcpu: the vCPU
 *
 * Not at the VM's creation, KVM makes the directory later.  KVM removes it
 * with all that is in it before it frees the VM.
 *
 * Context: Process context.
 */
void nvx_show_vm(struct kvm_vcpu *vcpu)
{
	struct kvm *kvm = vcpu->kvm;
	struct nvx_vm *nvx = &to_kvm_vmx(kvm)->nvx;

	if (!static_branch_unlikely(&nvx_l1_key) ||
	    xchg(&nvx->deleg_shown, true))
		return;

	debugfs_create_bool("nvx_deleg", 0644, kvm->debugfs_dentry, &nvx->deleg);
}

/* A tick of ours, in cycles. */
static u64 tick_cycles(void)
{
	return (u64)tsc_khz * (MSEC_PER_SEC / HZ);
}

/* Will a timer that the CPU knows of wake the vCPU before the next tick? */
static bool wakes_soon(struct vcpu_vmx *vmx)
{
	return vmx->hv_deadline_tsc != -1 &&
	       vmx->hv_deadline_tsc - rdtsc() < tick_cycles();
}

static u32 put_cpuid(struct kvm_vcpu *vcpu, struct nvx_pv_vmcs_hdr *hdr)
{
	void *entries = vcpu->arch.cpuid_entries;
	u32 nent = vcpu->arch.cpuid_nent;

	if (!entries || is_vmalloc_addr(entries) || cpuid_fault_enabled(vcpu) ||
	    vcpu->arch.hyperv_enabled ||
	    offset_in_page(entries) + nent * sizeof(struct nvx_pv_cpuid) > PAGE_SIZE)
		return 0;

	hdr->cpuid_gpa = __pa(entries);
	hdr->cpuid_nent = nent;
	/* KVM hides TSX in leaf 7 as an MSR says. */
	return cpu_feature_enabled(X86_FEATURE_RTM) ?
	       NVX_PV_DELEG_CPUID : NVX_PV_DELEG_CPUID | NVX_PV_DELEG_CPUID_7;
}

static void put_msr(struct nvx_pv_vmcs_hdr *hdr, u32 i, u32 index, u64 value)
{
	hdr->msrs[i].index = index;
	hdr->msrs[i].value = value;
}

static u32 put_msrs(struct kvm_vcpu *vcpu, struct nvx_pv_vmcs_hdr *hdr)
{
	/* User space wants to decide itself. */
	if (rcu_access_pointer(vcpu->kvm->arch.msr_filter))
		return 0;

	put_msr(hdr, 0, MSR_IA32_MISC_ENABLE, vcpu->arch.ia32_misc_enable_msr);
	put_msr(hdr, 1, MSR_IA32_APICBASE, vcpu->arch.apic_base);
	put_msr(hdr, 2, MSR_IA32_TSC_ADJUST, vcpu->arch.ia32_tsc_adjust_msr);
	hdr->nr_msrs = 3;
	return NVX_PV_DELEG_RDMSR;
}

/*
 * The guest's APIC timer is the VMX-preemption timer, as far as KVM can do that, and
 * nothing that an earlier deadline has set off is on its way.
 */
static u32 put_deadline(struct kvm_vcpu *vcpu, struct nvx_pv_vmcs_hdr *hdr,
			bool alone)
{
	struct kvm *kvm = vcpu->kvm;
	struct kvm_timer *timer;

	if (!lapic_in_kernel(vcpu) ||
	    !(vcpu->arch.apic_base & MSR_IA32_APICBASE_ENABLE) ||
	    !(pin_controls_get(to_vmx(vcpu)) & PIN_BASED_VMX_PREEMPTION_TIMER) ||
	    kvm_mwait_in_guest(kvm) || kvm_hlt_in_guest(kvm) ||
	    vcpu->arch.l1_tsc_scaling_ratio != kvm_caps.default_tsc_scaling_ratio)
		return 0;

	timer = &vcpu->arch.apic->lapic_timer;
	if (timer->timer_mode != APIC_LVT_TIMER_TSCDEADLINE ||
	    hrtimer_is_queued(&timer->timer) || atomic_read(&timer->pending))
		return 0;

	/* QEMU has a filter for every VM, for another MSR. */
	if (rcu_access_pointer(kvm->arch.msr_filter) &&
	    !kvm_msr_allowed(vcpu, MSR_IA32_TSC_DEADLINE,
			     KVM_MSR_FILTER_WRITE))
		return 0;

	hdr->tsc_advance = min_t(u64, U32_MAX,
				 nsec_to_cycles(vcpu, timer->timer_advance_ns));
	hdr->hlt_cycles = alone ? min_t(u64, U32_MAX, tick_cycles()) : 0;
	return NVX_PV_DELEG_TSC_DEADLINE;
}

/**
 * nvx_l1_delegate() - Say what the host below may do for this guest
 * @vcpu: vCPU about to run
 * @granted: its VM leaves exits to the host
 *
 * Context: Interrupts off, its VMCS current.
 */
void nvx_l1_delegate(struct kvm_vcpu *vcpu, bool granted)
{
	struct nvx_pv_vmcs_hdr *hdr =
		this_cpu_read(nvx_pv_region) + NVX_PV_OFFSET;
	u32 offered = nvx_l1_features, deleg = 0;
	bool alone;

	/* Exits of a guest of our guest are not ours alone to answer. */
	if (granted && !is_guest_mode(vcpu) && !vcpu->guest_debug) {
		if (offered & NVX_PV_FEAT_CPUID)
			deleg |= put_cpuid(vcpu, hdr);
		if (offered & NVX_PV_FEAT_RDMSR)
			deleg |= put_msrs(vcpu, hdr);
		alone = offered & NVX_PV_FEAT_HLT && single_task_running();
		if (alone && wakes_soon(to_vmx(vcpu)))
			deleg |= NVX_PV_DELEG_HLT;
		if (offered & NVX_PV_FEAT_TSC_DEADLINE)
			deleg |= put_deadline(vcpu, hdr, alone);
	}
	WRITE_ONCE(hdr->deleg, deleg);
}

/**
 * nvx_l1_take_deadline() - The guest has armed its APIC timer in the host below
 * @vcpu: vCPU that has just left the guest
 * @hdr: header of its VMCS
 *
 * What kvm_set_lapic_tscdeadline_msr() would have left if the guest had exited: there
 * was no hrtimer to cancel, nor an interrupt, or put_deadline() had not allowed it.
 * Whatever happens next finds KVM's state right.  If the time has come and this is the
 * timer's exit KVM's handler sends the interrupt; after any other exit it finds the timer
 * due when it sets it again, or moves it to the hrtimer.
 *
 * Context: Interrupts off, right after the VM-exit.
 */
void nvx_l1_take_deadline(struct kvm_vcpu *vcpu, struct nvx_pv_vmcs_hdr *hdr)
{
	struct kvm_timer *timer = &vcpu->arch.apic->lapic_timer;
	u64 deadline = READ_ONCE(hdr->tsc_deadline);
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	WRITE_ONCE(hdr->tsc_deadline, 0);
	timer->tscdeadline = deadline;
	timer->hv_timer_in_use = true;
	vmx->hv_deadline_tsc = deadline - hdr->tsc_advance -
			       vcpu->arch.l1_tsc_offset;
	/* The timer was on in the host, whatever this VMCS says. */
	vmx->loaded_vmcs->hv_timer_soft_disabled = false;
}

/**
 * nvx_l1_halted() - The guest has left while it waited in the host below
 * @vcpu: vCPU whose VM-exit is about to be handled
 *
 * From here on it waits as any halted vCPU of KVM does.
 *
 * Context: Process context, its VMCS current.
 */
void nvx_l1_halted(struct kvm_vcpu *vcpu)
{
	if (is_guest_mode(vcpu) ||
	    vmcs_read32(GUEST_ACTIVITY_STATE) != GUEST_ACTIVITY_HLT)
		return;

	vmcs_write32(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	if (vcpu->arch.mp_state == KVM_MP_STATE_RUNNABLE)
		vcpu->arch.mp_state = KVM_MP_STATE_HALTED;
}
