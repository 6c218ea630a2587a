// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_fast: the record of what a transition on KVM's own path has left.
 *
 * KVM's own path makes it: nvx_nested_entry() after VM-entry calls
 * nvx_fast_entered(), nvx_nested_exited() after VM-exit nvx_fast_exited().  It is
 * forgotten at every event outside of a short list (harmless.c), and at every return
 * to user space, which may change any state of the vCPU.  What the list lets through
 * is compared at the next transition (entry.c, exit.c).
 */
#include <linux/kvm_host.h>

#include "x86.h"
#include "cpuid.h"
#include "pmu.h"
#include "vmx/vmx.h"
#include "vmx/nested.h"
#include "nvx_compat.h"
#include "vmx/nvx/fast/parts.h"
#include "vmx/nvx/fast/record.h"
#include "vmx/nvx/nvx.h"
#include "vmx/nvx/pv/pv.h"

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
 * Both levels must be in long mode.  Without EPT in vmcs12 they share an MMU, which
 * has the protection keys of one of them: then they must also agree on PKE and OSXSAVE.
 * With EPT they need not, nvx_fast_exit() brings L1's CPUID up to date.
 */
static bool modes_match(struct kvm_vcpu *vcpu, const struct nvx_fast *f,
			struct vmcs12 *vmcs12)
{
	return (vcpu->arch.efer & EFER_LMA) && !is_smm(vcpu) &&
	       (f->ept || !((vmcs12->guest_cr4 ^ vmcs12->host_cr4) &
			    NVX_CPUID_CR4));
}

/* Events of L1's PMU that KVM counts itself, by their number (SDM 3B, 20.2.1.2). */
#define EVENT_INSTRUCTIONS	0xc0
#define EVENT_BRANCHES		0xc4

/* Whatever the unit mask, and whether that counter is on just now. */
static bool l1_counts(struct kvm_vcpu *vcpu, u64 event)
{
	const struct kvm_pmu *pmu = vcpu_to_pmu(vcpu);
	unsigned int i;
	u64 select;

	for (i = 0; i < pmu->nr_arch_gp_counters; i++) {
		select = pmu->gp_counters[i].eventsel;
		if (select & ARCH_PERFMON_EVENTSEL_ENABLE &&
		    (select & ARCH_PERFMON_EVENTSEL_EVENT) == event)
			return true;
	}
	return false;
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
	/* Perf may have changed them while L1 ran; KVM writes them with a dirty vmcs12 only. */
	vmcs_write32(VM_ENTRY_MSR_LOAD_COUNT, f->l2.autoload_guest);
	vmcs_write32(VM_EXIT_MSR_LOAD_COUNT, f->l2.autoload_host);
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
		if (f)
			f->counts_instructions = true;
		if (f && !static_branch_unlikely(&nvx_exits_matter))
			static_branch_enable(&nvx_exits_matter);
		vmx->nested.nvx.fast = f;
		nvx_watch_exits(&vmx->nested.nvx);
		/* Without memory every transition takes KVM's own path. */
		return;
	}

	nvx_count(fast_entry_full);
	f->shadow_rw_valid = false;
	f->ept = nested_cpu_has_ept(vmcs12);
	/* The first fixed counter is for instructions, too. */
	f->counts_instructions = vcpu_to_pmu(vcpu)->fixed_ctr_ctrl & 3 ||
				 l1_counts(vcpu, EVENT_INSTRUCTIONS);
	f->l2_valid = config_known(vcpu, vmcs12) && modes_match(vcpu, f, vmcs12) &&
		      debug_known(vcpu, vmcs12) &&
		      !l1_counts(vcpu, EVENT_BRANCHES) &&
		      (f->ept || nvx_mmu_alike(vcpu, f)) &&
		      !nvx_compat_evmcs_enabled(vmx) &&
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
	to_vmx(vcpu)->nested.nvx.l2_exits++;
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

	nvx_fast_note_synced(f, vmcs12);
	/* Not read from vmcs02: make the next VM-entry write them. */
	f->synced.cr0_shadow = ~nested_read_cr0(vmcs12);
	f->synced.cr4_shadow = ~nested_read_cr4(vmcs12);

	/* KVM has unmapped its pages, and written the shadow VMCS. */
	f->pages_kept = false;
	f->shadow_rw_valid = false;
	f->shadow_ro_valid = false;
}

/**
 * nvx_fast_forget_vmcs02() - vmcs12 may have changed, or is another one
 * @vcpu: the vCPU
 *
 * What is known of vmcs01 stays: exits load all other host state of vmcs12 anew.
 *
 * Context: Thread of the vCPU.
 */
void nvx_fast_forget_vmcs02(struct kvm_vcpu *vcpu)
{
	struct nvx_fast *f = to_vmx(vcpu)->nested.nvx.fast;

	if (f) {
		f->l2_valid = false;
		f->shadow_rw_valid = false;
		f->shadow_ro_valid = false;
	}
}

/**
 * nvx_fast_forget() - Anything may have changed: rely on nothing
 * @vcpu: the vCPU
 *
 * Context: Thread of the vCPU.
 */
void nvx_fast_forget(struct kvm_vcpu *vcpu)
{
	struct nvx_fast *f = to_vmx(vcpu)->nested.nvx.fast;

	if (f) {
		if (is_guest_mode(vcpu))
			nvx_timer_fall_back(to_vmx(vcpu), f);
		f->counts_instructions = true;
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

	WRITE_ONCE(f->timer_state, NVX_TIMER_L1);
	hrtimer_cancel(&nested->preemption_timer);
	nvx_pages_release(vcpu, f);
	nested->nvx.fast = NULL;
	nvx_watch_exits(&nested->nvx);
	kfree(f);
}
