// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_fast: from L1 to L2.  The short form of nested_vmx_run() for a VMRESUME:
 * vmcs02 still is what prepare_vmcs02() made of vmcs12, L1 has changed a few
 * fields that are simply copied.  Whatever makes a longer form necessary is
 * looked for before the first change.
 */
#include <linux/kvm_host.h>

#include "x86.h"
#include "cpuid.h"
#include "hyperv.h"
#include "irq.h"
#include "lapic.h"
#include "mmu/mmu_internal.h"
#include "vmx/vmx.h"
#include "vmx/nested.h"
#include "nvx_compat.h"
#include "vmx/nvx/fast/fast.h"
#include "vmx/nvx/fast/parts.h"
#include "vmx/nvx/fast/record.h"
#include "vmx/nvx/pv/pv.h"

static bool same_controls(const struct vmcs_controls_shadow *a,
			  const struct vmcs_controls_shadow *b)
{
	return a->vm_entry == b->vm_entry && a->vm_exit == b->vm_exit &&
	       a->pin == b->pin && a->exec == b->exec &&
	       a->secondary_exec == b->secondary_exec &&
	       a->tertiary_exec == b->tertiary_exec;
}

/*
 * The record consists of KVM's view of vmcs01 and of what KVM derives from
 * CPUID, MSRs and modes of L1.  All of it can be compared.
 */
static bool l1_unchanged(struct kvm_vcpu *vcpu, const struct nvx_fast *f)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	return same_controls(&vmx->vmcs01.controls_shadow, &f->l2.controls01) &&
	       vcpu->arch.efer == f->l1.efer &&
	       vcpu->arch.cr0 == f->l1.cr0 && vcpu->arch.cr4 == f->l1.cr4;
}

static bool l0_unchanged(struct kvm_vcpu *vcpu, const struct nvx_fast *f)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	return vcpu->arch.l1_tsc_offset == f->l2.l1_tsc_offset &&
	       vcpu->arch.l1_tsc_scaling_ratio == f->l2.l1_tsc_ratio &&
	       vcpu->arch.host_debugctl == f->l2.host_debugctl &&
	       vcpu->arch.xfd_no_write_intercept == f->l2.xfd_no_write_intercept &&
	       !vcpu->guest_debug && !vcpu->arch.switch_db_regs &&
	       !vmx->rmode.vm86_active &&
	       vmx->msr_autoload.guest.nr == f->l2.autoload_guest &&
	       vmx->msr_autoload.host.nr == f->l2.autoload_host;
}

/* Events that VM-entry unblocks, see nested_vmx_enter_non_root_mode(). */
static bool event_waits(struct kvm_vcpu *vcpu)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	if (exec_controls_get(vmx) & (CPU_BASED_INTR_WINDOW_EXITING |
				      CPU_BASED_NMI_WINDOW_EXITING))
		return true;
	if (lapic_in_kernel(vcpu) &&
	    READ_ONCE(vcpu->arch.apic->pending_events))
		return true;
	return kvm_vcpu_apicv_active(vcpu) &&
	       (vmcs_read16(GUEST_INTR_STATUS) & 0xff);
}

/* VMRESUME itself: #UD and #GP, VM-fail, and exits that take precedence. */
static bool instruction_ok(struct kvm_vcpu *vcpu, const struct nvx_fast *f)
{
	struct nested_vmx *nested = &to_vmx(vcpu)->nested;

	return nested->vmxon && nested->current_vmptr == f->l2.vmptr &&
	       !nested->dirty_vmcs12 && !is_smm(vcpu) &&
	       !VMX_AR_DPL(vmcs_read32(GUEST_SS_AR_BYTES)) &&
	       !(vmcs_read32(GUEST_INTERRUPTIBILITY_INFO) &
		 GUEST_INTR_STATE_MOV_SS);
}

static enum nvx_fast_reason entry_check(struct kvm_vcpu *vcpu,
					struct nvx_fast *f)
{
	const struct nvx_pv *pv = nvx_pv_of(vcpu);
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	if (!f->l1_valid || !f->l2_valid)
		return NVX_WHY_NO_RECORD;
	if (kvm_request_pending(vcpu))
		return NVX_WHY_REQUEST;
	if (!instruction_ok(vcpu, f))
		return NVX_WHY_NOT_CLEAN;
	if (event_waits(vcpu))
		return NVX_WHY_EVENT;
	if (vmx->nested.vmcs02.cpu != raw_smp_processor_id())
		return NVX_WHY_CPU;
	if (!l0_unchanged(vcpu, f))
		return NVX_WHY_L0_STATE;
	if (!l1_unchanged(vcpu, f))
		return NVX_WHY_L1_STATE;
	if (f->l2.root02 == INVALID_PAGE ||
	    nvx_mmu_other_root(f, &vcpu->arch.guest_mmu,
			       &vcpu->arch.root_mmu) != f->l2.root02 ||
	    vcpu->arch.root_mmu.root.hpa == INVALID_PAGE)
		return NVX_WHY_MMU;
	if (!nvx_pages_current(vcpu, f) || (f->has_pages && !f->pages_kept))
		return NVX_WHY_PAGES;
	if (pv && !nvx_pv_direct_ok(vcpu, pv))
		return NVX_WHY_NOT_CLEAN;
	return NVX_WHY_TAKEN;
}

#define INJECT_PAGE_FAULT	(INTR_INFO_VALID_MASK | INTR_TYPE_HARD_EXCEPTION | \
				 INTR_INFO_DELIVER_CODE_MASK | PF_VECTOR)

/*
 * L1 may inject an external interrupt: the CPU checks whether L2 takes it.  Or a #PF: L2
 * is in long mode here, so only the error code has to be checked.
 */
static bool injection_ok(const struct vmcs12 *vmcs12)
{
	u32 info = vmcs12->vm_entry_intr_info_field;

	if (!(info & INTR_INFO_VALID_MASK))
		return true;
	if (!(nvx_fast_mask & NVX_FAST_EVENTS))
		return false;
	return (info & ~INTR_INFO_VECTOR_MASK) ==
	       (INTR_INFO_VALID_MASK | INTR_TYPE_EXT_INTR) ||
	       (info == INJECT_PAGE_FAULT &&
		!(vmcs12->vm_entry_exception_error_code & GENMASK(31, 16)));
}

/*
 * With "load debug controls" vmcs02 has vmcs12's values: compare.  Without, L2 runs with
 * L1's, and vmcs02 has what a VM-exit leaves (debug_known()): check DR7.  DEBUGCTL cannot
 * differ: L1's WRMSR of it makes the record void.
 */
static bool debug_ok(struct kvm_vcpu *vcpu, const struct nvx_fast *f,
		     const struct vmcs12 *vmcs12)
{
	if (unlikely(!(vmcs12->vm_entry_controls & VM_ENTRY_LOAD_DEBUG_CONTROLS)))
		return vcpu->arch.dr7 == DR7_FIXED_1;

	return vmcs12->guest_dr7 == DR7_FIXED_1 &&
	       vmcs12->guest_ia32_debugctl == f->l2.debugctl;
}

/*
 * The fields that L1 can write without an exit, and those that an exit from L2
 * writes.  All others are as the consistency checks found them: any VMWRITE that
 * exits, VMPTRLD and VMCLEAR invalidate the record.
 */
static bool vmcs12_ok(struct kvm_vcpu *vcpu, const struct nvx_fast *f,
		      struct vmcs12 *vmcs12)
{
	u32 entry = vmcs12->vm_entry_controls;
	u64 efer = entry & VM_ENTRY_LOAD_IA32_EFER ?
		   vmcs12->guest_ia32_efer : vcpu->arch.efer;
	u64 pat = entry & VM_ENTRY_LOAD_IA32_PAT ?
		  vmcs12->guest_ia32_pat : vcpu->arch.pat;

	return vmcs12->launch_state &&
	       vmcs12->pin_based_vm_exec_control == f->l2.pin &&
	       vmcs12->cpu_based_vm_exec_control == f->l2.exec &&
	       entry == f->l2.entry &&
	       vmcs12->exception_bitmap == f->l2.exception_bitmap &&
	       vmcs12->cr0_guest_host_mask == f->l2.cr0_mask &&
	       vmcs12->guest_cr0 == f->synced.cr0 &&
	       vmcs12->guest_cr4 == f->synced.cr4 &&
	       debug_ok(vcpu, f, vmcs12) &&
	       vmcs12->guest_activity_state == GUEST_ACTIVITY_ACTIVE &&
	       injection_ok(vmcs12) &&
	       efer == f->l2.efer && pat == f->l2.pat &&
	       kvm_vcpu_is_legal_gpa(vcpu, vmcs12->guest_cr3) &&
	       kvm_vcpu_is_legal_gpa(vcpu, vmcs12->host_cr3) &&
	       !((vmcs12->host_fs_selector | vmcs12->host_gs_selector) &
		 (SEGMENT_RPL_MASK | SEGMENT_TI_MASK)) &&
	       !nvx_compat_noncanonical(vmcs12->host_fs_base, vcpu) &&
	       !nvx_compat_noncanonical(vmcs12->host_gs_base, vcpu);
}

/* vmcs02 where L1 or L0 may want it different from how the last exit left it. */
static void update_vmcs02(struct kvm_vcpu *vcpu, struct nvx_fast *f,
			  struct vmcs12 *vmcs12)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	unsigned long cr0_shadow = nested_read_cr0(vmcs12);
	unsigned long cr4_shadow = nested_read_cr4(vmcs12);
	u32 timer = f->timer_state == NVX_TIMER_CPU ?
		    PIN_BASED_VMX_PREEMPTION_TIMER : 0;

	/* KVM has the control in all VMCSs, or in none. */
	f->timer_pin = timer && !(f->l2.controls02.pin & timer);
	pin_controls_set(vmx, f->l2.controls02.pin | timer);
	exec_controls_set(vmx, f->l2.controls02.exec);
	secondary_exec_controls_set(vmx, f->l2.controls02.secondary_exec);
	vm_entry_controls_set(vmx, f->l2.controls02.vm_entry);
	vm_exit_controls_set(vmx, f->l2.controls02.vm_exit);

	if (f->synced.cr0_shadow != cr0_shadow)
		vmcs_writel(CR0_READ_SHADOW, cr0_shadow);
	if (f->synced.cr4_shadow != cr4_shadow)
		vmcs_writel(CR4_READ_SHADOW, cr4_shadow);
	if (f->synced.cr3 != vmcs12->guest_cr3)
		vmcs_writel(GUEST_CR3, vmcs12->guest_cr3);
	if (f->synced.rflags != vmcs12->guest_rflags)
		vmcs_writel(GUEST_RFLAGS, vmcs12->guest_rflags);
	if (f->synced.interruptibility != vmcs12->guest_interruptibility_info)
		vmcs_write32(GUEST_INTERRUPTIBILITY_INFO,
			     vmcs12->guest_interruptibility_info);
	vmx->loaded_vmcs->nmi_known_unmasked =
		!(vmcs12->guest_interruptibility_info & GUEST_INTR_STATE_NMI);
	vmcs_write32(VM_ENTRY_INTR_INFO_FIELD,
		     vmcs12->vm_entry_intr_info_field);
	if (vmcs12->vm_entry_intr_info_field == INJECT_PAGE_FAULT)
		vmcs_write32(VM_ENTRY_EXCEPTION_ERROR_CODE,
			     vmcs12->vm_entry_exception_error_code);

	if (nested_cpu_has(vmcs12, CPU_BASED_TPR_SHADOW) &&
	    f->l2.tpr_threshold != vmcs12->tpr_threshold) {
		f->l2.tpr_threshold = vmcs12->tpr_threshold;
		vmcs_write32(TPR_THRESHOLD, vmcs12->tpr_threshold);
	}
	if (nvx_fast_has_vid(vmcs12) &&
	    f->synced.intr_status != vmcs12->guest_intr_status)
		vmcs_write16(GUEST_INTR_STATUS, vmcs12->guest_intr_status);

	if (f->msr_bitmap.map.hva)
		nvx_merge_msr_bitmap(vmx, f, vmcs12);
}

/*
 * A notification that came before this VM-entry is in L1's IRR: move it to pi_pending.
 * Call this behind enter_guest_mode(): a sender that comes later sees guest mode; before
 * it, its vector would be an interrupt of L1.
 */
static void take_notification(struct kvm_vcpu *vcpu, struct vmcs12 *vmcs12)
{
	struct nested_vmx *nested = &to_vmx(vcpu)->nested;

	if (!nested_cpu_has_posted_intr(vmcs12) ||
	    kvm_apic_has_interrupt(vcpu) != nested->posted_intr_nv)
		return;

	nested->pi_pending = true;
	kvm_make_request(KVM_REQ_EVENT, vcpu);
	kvm_apic_clear_irr(vcpu, nested->posted_intr_nv);
}

/* KVM's view of the vCPU, which is L2's while vmcs02 is loaded. */
static void load_l2_registers(struct kvm_vcpu *vcpu, const struct nvx_fast *f,
			      struct vmcs12 *vmcs12)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	vcpu->arch.regs[VCPU_REGS_RSP] = vmcs12->guest_rsp;
	vcpu->arch.regs[VCPU_REGS_RIP] = vmcs12->guest_rip;
	vcpu->arch.regs_dirty = BIT(VCPU_REGS_RSP) | BIT(VCPU_REGS_RIP);
	vcpu->arch.regs_avail = ~NVX_REGS_UNKNOWN;
	vmx->segment_cache.bitmask = 0;

	vmx->rflags = vmcs12->guest_rflags;
	vcpu->arch.cr0 = vmcs12->guest_cr0;
	vcpu->arch.cr0_guest_owned_bits = f->l2.cr0_owned;
	vcpu->arch.cr3 = vmcs12->guest_cr3;
	vcpu->arch.cr4 = vmcs12->guest_cr4;
	vcpu->arch.cr4_guest_owned_bits = f->l2.cr4_owned;
	vcpu->arch.dr7 = DR7_FIXED_1;
	vcpu->arch.pat = f->l2.pat;
	vcpu->arch.tsc_offset = f->l2.tsc_offset;
	vcpu->arch.tsc_scaling_ratio = f->l2.tsc_ratio;
	vcpu->arch.l1tf_flush_l1d = true;
}

static void enter_l2_mmu(struct kvm_vcpu *vcpu, struct nvx_fast *f)
{
	struct kvm_mmu *mmu = &vcpu->arch.guest_mmu;
	struct kvm_mmu_page *root;

	vcpu_clear_mmio_info(vcpu, MMIO_GVA_ANY);
	if (!f->ept) {
		nvx_mmu_swap(vcpu, f);
		return;
	}

	root = (struct kvm_mmu_page *)
	       page_private(pfn_to_page(mmu->root.hpa >> PAGE_SHIFT));
	vcpu->arch.mmu = mmu;
	vcpu->arch.walk_mmu = &vcpu->arch.nested_mmu;
	/* As kvm_mmu_new_pgd() does; a dummy root has no such page. */
	if (root)
		atomic_set(&root->write_flooding_count, 0);
}

/**
 * nvx_fast_enter() - Enter L2 on VMRESUME if nothing unusual is to be done
 * @vcpu: vCPU whose L1 executes VMRESUME
 * @f: its record
 *
 * Context: Preemption off.  Does not sleep.
 * Return: NVX_WHY_TAKEN, or why nothing was changed but the cached vmcs12,
 * which is as far as copy_shadow_to_vmcs12() takes it.
 */
enum nvx_fast_reason nvx_fast_enter(struct kvm_vcpu *vcpu, struct nvx_fast *f)
{
	enum nvx_fast_reason reason = entry_check(vcpu, f);
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	struct vmcs12 *vmcs12 = get_vmcs12(vcpu);
	struct nvx_pv *pv = nvx_pv_of(vcpu);

	if (reason != NVX_WHY_TAKEN)
		return reason;

	if (pv) {
		if (!nvx_pv_take_loads(vcpu, pv) ||
		    !nvx_pv_load_msrs(vcpu, pv, true) ||
		    nvx_pv_pull(vcpu, pv, NVX_PV_SHORT) & ~NVX_PV_SHORT)
			return NVX_WHY_L2_STATE;
	} else if (vmx->vmcs01.shadow_vmcs) {
		nvx_shadow_pull(vmx, f);
	}

	if (!vmcs12_ok(vcpu, f, vmcs12)) {
		reason = NVX_WHY_L2_STATE;
		goto restore;
	}
	vmx->nested.has_preemption_timer_deadline = false;
	vmx->nested.preemption_timer_expired = false;
	if (nested_cpu_has_preemption_timer(vmcs12) && !nvx_timer_enter(vmx, f)) {
		reason = NVX_WHY_TIMER;
		goto restore;
	}

	f->l2.root01 = vcpu->arch.root_mmu.root.hpa;
	vmx->nested.nested_run_pending = 1;
	vmx->nested.pi_pending = false;
	vmx->nested.l1_tpr_threshold = -1;

	nvx_fast_switch_vmcs(vmx, &vmx->nested.vmcs02);
	update_vmcs02(vcpu, f, vmcs12);
	enter_guest_mode(vcpu);
	take_notification(vcpu, vmcs12);
	nvx_fast_flush_tlb(vcpu, vmcs12);
	load_l2_registers(vcpu, f, vmcs12);
	nvx_fast_switch_efer(vmx, f, f->l2.efer);
	enter_l2_mmu(vcpu, f);
	if (pv)
		nvx_pv_load_guest(vcpu, pv);
	return NVX_WHY_TAKEN;

restore:
	if (!pv && vmx->vmcs01.shadow_vmcs)
		vmcs_load(vmx->vmcs01.vmcs);
	return reason;
}
