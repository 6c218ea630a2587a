// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_fast: from L2 to L1.  The short form of nested_vmx_vmexit(): the same
 * fields of vmcs12 get the same values, vmcs01 and the vCPU end up in the state
 * that load_vmcs12_host_state() leaves.  Whatever makes a longer form necessary
 * is looked for before the first change.
 */
#include <linux/kvm_host.h>

#include "x86.h"
#include "cpuid.h"
#include "hyperv.h"
#include "vmx/vmx.h"
#include "vmx/nested.h"
#include "nvx_compat.h"
#include "vmx/nvx/fast/fast.h"
#include "vmx/nvx/fast/parts.h"
#include "vmx/nvx/fast/record.h"
#include "vmx/nvx/pv/pv.h"

/* Work that KVM left for the exit because vmcs01 was not loaded. */
static bool vmcs01_work_pending(const struct nested_vmx *nested)
{
	return nested->change_vmcs01_virtual_apic_mode ||
	       nested->reload_vmcs01_apic_access_page ||
	       nested->update_vmcs01_cpu_dirty_logging ||
	       nested->update_vmcs01_apicv_status ||
	       nested->update_vmcs01_hwapic_isr ||
	       nested->l1_tpr_threshold != -1 || nested->mtf_pending;
}

/* Events that vmcs12_save_pending_event() has to describe to L1. */
static bool event_in_flight(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.exception.injected || vcpu->arch.exception.pending ||
	       vcpu->arch.nmi_injected || vcpu->arch.interrupt.injected ||
	       vcpu->arch.exception_vmexit.pending;
}

static bool roots_kept(struct kvm_vcpu *vcpu, const struct nvx_fast *f)
{
	hpa_t root01 = nvx_mmu_other_root(f, &vcpu->arch.root_mmu,
					  vcpu->arch.mmu);

	return f->l2.root01 != INVALID_PAGE && root01 == f->l2.root01 &&
	       vcpu->arch.mmu->root.hpa != INVALID_PAGE;
}

static enum nvx_fast_reason exit_check(struct kvm_vcpu *vcpu,
				       struct nvx_fast *f)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	struct vmcs12 *vmcs12 = get_vmcs12(vcpu);
	const struct nvx_pv *pv = nvx_pv_of(vcpu);
	u64 efer = vcpu->arch.efer;

	if (!f->l1_valid || !f->l2_valid)
		return NVX_WHY_NO_RECORD;

	/*
	 * A request for L2 must not be served with L1's state loaded.  To look
	 * for events is one for whoever runs next.
	 */
	if (READ_ONCE(vcpu->requests) &
	    ~BIT_ULL(KVM_REQ_EVENT & KVM_REQUEST_MASK))
		return NVX_WHY_REQUEST;

	if (vmx->fail || vmx->emulation_required ||
	    vcpu->arch.mp_state != KVM_MP_STATE_RUNNABLE ||
	    vcpu->arch.load_eoi_exitmap_pending ||
	    vmcs01_work_pending(&vmx->nested) || event_in_flight(vcpu))
		return NVX_WHY_EVENT;

	if (vmx->vmcs01.cpu != raw_smp_processor_id())
		return NVX_WHY_CPU;

	if (vcpu->guest_debug || vcpu->arch.switch_db_regs ||
	    vcpu->arch.dr7 != DR7_FIXED_1 ||
	    vcpu->arch.l1_tsc_offset != f->l2.l1_tsc_offset ||
	    vcpu->arch.l1_tsc_scaling_ratio != f->l2.l1_tsc_ratio ||
	    vmx->msr_autoload.guest.nr != f->l2.autoload_guest ||
	    vmx->msr_autoload.host.nr != f->l2.autoload_host)
		return NVX_WHY_L0_STATE;

	/* Without a value for EFER L1 goes on with L2's, both are in long mode. */
	if (vmcs12->vm_exit_controls & VM_EXIT_LOAD_IA32_EFER)
		efer = vmcs12->host_ia32_efer;

	if (efer != f->l1.efer ||
	    vmcs12->host_cr0 != f->l1.cr0 || vmcs12->host_cr4 != f->l1.cr4)
		return NVX_WHY_L1_STATE;

	if (vcpu->arch.efer != f->l2.efer)
		return NVX_WHY_L2_STATE;

	/* Or else the pages that the CPU has written may have to be logged. */
	if (f->has_pages && !nvx_pages_current(vcpu, f))
		return NVX_WHY_PAGES;
	if (pv && !nvx_pins_current(&pv->pins, vcpu))
		return NVX_WHY_PAGES;

	return roots_kept(vcpu, f) ? NVX_WHY_TAKEN : NVX_WHY_MMU;
}

/* The register may have been changed by L0 on behalf of L2. */
static unsigned long read_l2_reg(struct kvm_vcpu *vcpu, enum kvm_reg reg,
				 unsigned long encoding)
{
	if (vcpu->arch.regs_avail & BIT(reg))
		return vcpu->arch.regs[reg];
	return vmcs_readl(encoding);
}

/* sync_vmcs02_to_vmcs12(), and what the next VM-entry may take for granted. */
static void save_l2(struct kvm_vcpu *vcpu, struct nvx_fast *f,
		    struct vmcs12 *vmcs12)
{
	unsigned long cr0_owned = vcpu->arch.cr0_guest_owned_bits;
	unsigned long cr4_owned = vcpu->arch.cr4_guest_owned_bits;
	unsigned long mask;

	mask = vmcs12->cr0_guest_host_mask;
	f->synced.cr0_shadow = vmcs_readl(CR0_READ_SHADOW);
	vmcs12->guest_cr0 = (vmcs_readl(GUEST_CR0) & cr0_owned) |
			    (vmcs12->guest_cr0 & mask) |
			    (f->synced.cr0_shadow & ~(mask | cr0_owned));

	mask = vmcs12->cr4_guest_host_mask;
	f->synced.cr4_shadow = vmcs_readl(CR4_READ_SHADOW);
	vmcs12->guest_cr4 = (vmcs_readl(GUEST_CR4) & cr4_owned) |
			    (vmcs12->guest_cr4 & mask) |
			    (f->synced.cr4_shadow & ~(mask | cr4_owned));

	vmcs12->guest_rsp = read_l2_reg(vcpu, VCPU_REGS_RSP, GUEST_RSP);
	vmcs12->guest_rip = read_l2_reg(vcpu, VCPU_REGS_RIP, GUEST_RIP);
	vmcs12->guest_rflags = vmcs_readl(GUEST_RFLAGS);
	vmcs12->guest_cs_ar_bytes = vmcs_read32(GUEST_CS_AR_BYTES);
	vmcs12->guest_ss_ar_bytes = vmcs_read32(GUEST_SS_AR_BYTES);
	vmcs12->guest_interruptibility_info =
		vmcs_read32(GUEST_INTERRUPTIBILITY_INFO);
	vmcs12->guest_activity_state = GUEST_ACTIVITY_ACTIVE;
	vmcs12->guest_cr3 = vmcs_readl(GUEST_CR3);
	vmcs12->guest_linear_address = vmcs_readl(GUEST_LINEAR_ADDRESS);
	if (nvx_fast_has_vid(vmcs12))
		vmcs12->guest_intr_status = vmcs_read16(GUEST_INTR_STATUS);
	if (vmcs12->vm_exit_controls & VM_EXIT_SAVE_DEBUG_CONTROLS)
		vmcs12->guest_dr7 = vcpu->arch.dr7;
	if (vmcs12->vm_exit_controls & VM_EXIT_SAVE_IA32_EFER)
		vmcs12->guest_ia32_efer = vcpu->arch.efer;

	to_vmx(vcpu)->nested.need_sync_vmcs02_to_vmcs12_rare = true;

	nvx_fast_note_synced(f, vmcs12);
}

/* prepare_vmcs12() for an exit that interrupts no event delivery. */
static void save_exit_info(struct vcpu_vmx *vmx, struct vmcs12 *vmcs12,
			   u32 exit_reason, u32 intr_info,
			   unsigned long exit_qual)
{
	vmcs12->vm_exit_reason = exit_reason;
	if (vmx->exit_reason.enclave_mode)
		vmcs12->vm_exit_reason |= VMX_EXIT_REASONS_SGX_ENCLAVE_MODE;
	vmcs12->exit_qualification = exit_qual;
	vmcs12->launch_state = 1;
	vmcs12->vm_entry_intr_info_field &= ~INTR_INFO_VALID_MASK;
	vmcs12->idt_vectoring_info_field = 0;
	vmcs12->vm_exit_intr_info = intr_info;
	vmcs12->vm_exit_instruction_len = vmcs_read32(VM_EXIT_INSTRUCTION_LEN);
	vmcs12->vmx_instruction_info = vmcs_read32(VMX_INSTRUCTION_INFO);
}

/* SDM 28.5.2: access rights that every VM-exit to a 64-bit host loads. */
#define AR_HOST_CODE	(VMX_AR_P_MASK | VMX_AR_S_MASK | 11 | \
			 VMX_AR_L_MASK | VMX_AR_G_MASK)
#define AR_HOST_DATA	(VMX_AR_P_MASK | VMX_AR_S_MASK | 3 | \
			 VMX_AR_DB_MASK | VMX_AR_G_MASK)
#define AR_HOST_TSS	(VMX_AR_P_MASK | 11)

#define load_segment(seg, sel, base, limit, ar) do {			\
	vmcs_writel(GUEST_##seg##_BASE, base);				\
	vmcs_write32(GUEST_##seg##_LIMIT, limit);			\
	vmcs_write16(GUEST_##seg##_SELECTOR, sel);			\
	vmcs_write32(GUEST_##seg##_AR_BYTES, ar);			\
} while (0)

/* L1 can load these registers without an exit: nothing is known of them. */
static void load_l1_segments(struct vmcs12 *vmcs12)
{
	load_segment(CS, vmcs12->host_cs_selector, 0, ~0u, AR_HOST_CODE);
	load_segment(DS, vmcs12->host_ds_selector, 0, ~0u, AR_HOST_DATA);
	load_segment(ES, vmcs12->host_es_selector, 0, ~0u, AR_HOST_DATA);
	load_segment(SS, vmcs12->host_ss_selector, 0, ~0u, AR_HOST_DATA);
	load_segment(FS, vmcs12->host_fs_selector, vmcs12->host_fs_base, ~0u,
		     AR_HOST_DATA);
	load_segment(GS, vmcs12->host_gs_selector, vmcs12->host_gs_base, ~0u,
		     AR_HOST_DATA);
	load_segment(TR, vmcs12->host_tr_selector, vmcs12->host_tr_base, 0x67,
		     AR_HOST_TSS);
	load_segment(LDTR, 0, 0, 0, VMX_AR_UNUSABLE_MASK);

	vmcs_writel(GUEST_IDTR_BASE, vmcs12->host_idtr_base);
	vmcs_writel(GUEST_GDTR_BASE, vmcs12->host_gdtr_base);
	vmcs_write32(GUEST_IDTR_LIMIT, 0xffff);
	vmcs_write32(GUEST_GDTR_LIMIT, 0xffff);
}

/* Control and debug registers and MSRs of load_vmcs12_host_state(). */
static void load_l1_registers(struct kvm_vcpu *vcpu, const struct nvx_fast *f,
			      struct vmcs12 *vmcs12)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	vcpu->arch.regs[VCPU_REGS_RSP] = vmcs12->host_rsp;
	vcpu->arch.regs[VCPU_REGS_RIP] = vmcs12->host_rip;
	vcpu->arch.regs_dirty = BIT(VCPU_REGS_RSP) | BIT(VCPU_REGS_RIP);
	vcpu->arch.regs_avail = ~NVX_REGS_UNKNOWN;
	vmx->segment_cache.bitmask = 0;

	vmx->rflags = X86_EFLAGS_FIXED;
	vmcs_writel(GUEST_RFLAGS, X86_EFLAGS_FIXED);
	vmx_set_interrupt_shadow(vcpu, 0);

	vcpu->arch.cr0_guest_owned_bits = vmx_l1_guest_owned_cr0_bits();
	vcpu->arch.cr0 = f->l1.cr0;
	vmcs_writel(CR0_READ_SHADOW, f->l1.cr0);
	vmcs_writel(GUEST_CR0, f->l1.hw_cr0);

	vcpu->arch.cr4_guest_owned_bits = f->l1.cr4_owned;
	vcpu->arch.cr4 = f->l1.cr4;
	vmcs_writel(CR4_READ_SHADOW, f->l1.cr4);
	vmcs_writel(GUEST_CR4, f->l1.hw_cr4);

	vcpu->arch.cr3 = vmcs12->host_cr3;
	vmcs_writel(GUEST_CR3, vmcs12->host_cr3);

	vmcs_write32(GUEST_SYSENTER_CS, vmcs12->host_ia32_sysenter_cs);
	vmcs_writel(GUEST_SYSENTER_ESP, vmcs12->host_ia32_sysenter_esp);
	vmcs_writel(GUEST_SYSENTER_EIP, vmcs12->host_ia32_sysenter_eip);
	if (vmcs12->vm_exit_controls & VM_EXIT_LOAD_IA32_PAT) {
		vmcs_write64(GUEST_IA32_PAT, vmcs12->host_ia32_pat);
		vcpu->arch.pat = vmcs12->host_ia32_pat;
	}

	vmcs_writel(GUEST_DR7, DR7_FIXED_1);
	vmx_guest_debugctl_write(vcpu, 0);
}

static void leave_l2_mmu(struct kvm_vcpu *vcpu, struct nvx_fast *f)
{
	vcpu_clear_mmio_info(vcpu, MMIO_GVA_ANY);
	if (!f->ept) {
		nvx_mmu_swap(vcpu, f);
		return;
	}
	vcpu->arch.mmu = &vcpu->arch.root_mmu;
	vcpu->arch.walk_mmu = &vcpu->arch.root_mmu;
}

/*
 * Copy vmcs12 to where L1 reads it, the PV page or the shadow VMCS: at once if L1 runs next.
 * Else KVM may still write a field or two, and calls nvx_pv_sync() or nvx_fast_sync_shadow()
 * before it runs L1.
 */
static void show_exit(struct vcpu_vmx *vmx, struct nvx_fast *f, bool direct)
{
	struct nvx_pv *pv = nvx_pv_of(&vmx->vcpu);

	if (pv && direct) {
		nvx_pv_push_exit(pv, get_vmcs12(&vmx->vcpu));
	} else if (pv) {
		pv->short_push = true;
		vmx->nested.need_vmcs12_to_shadow_sync = true;
	} else if (vmx->vmcs01.shadow_vmcs) {
		if (direct)
			nvx_shadow_push(vmx, f);
		else
			vmx->nested.need_vmcs12_to_shadow_sync = true;
	}
}

/*
 * CPUID shows two bits of CR4.  KVM's own path has made the vCPU's CPUID that of L2 at
 * VM-entry: make it L1's again.  VM-entries in the short form leave it L1's, as CPUID of
 * L2 exits to L1, which answers it.  Leaf 0xD depends on XCR0 and XSS: call this behind
 * nvx_pv_load_host(), when they are L1's.
 */
static void show_cpuid(struct kvm_vcpu *vcpu, struct nvx_fast *f)
{
	if (likely(!((f->cpuid_cr4 ^ f->l1.cr4) & NVX_CPUID_CR4)))
		return;

	kvm_update_cpuid_runtime(vcpu);
	f->cpuid_cr4 = f->l1.cr4;
}

/**
 * nvx_fast_exit() - Leave L2 for L1 if nothing unusual is to be done
 * @vcpu: vCPU in guest mode
 * @f: its record
 * @exit_reason: as for nested_vmx_vmexit()
 * @intr_info: as for nested_vmx_vmexit()
 * @exit_qual: as for nested_vmx_vmexit()
 * @direct: L1 runs next, nobody adds to vmcs12 any more
 *
 * Context: Preemption off.  Does not sleep.
 * Return: NVX_WHY_TAKEN, or why nothing was changed.
 */
enum nvx_fast_reason nvx_fast_exit(struct kvm_vcpu *vcpu, struct nvx_fast *f,
				   u32 exit_reason, u32 intr_info,
				   unsigned long exit_qual, bool direct)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);
	struct vmcs12 *vmcs12 = get_vmcs12(vcpu);
	enum nvx_fast_reason reason = exit_check(vcpu, f);
	struct nvx_pv *pv = nvx_pv_of(vcpu);

	if (reason != NVX_WHY_TAKEN)
		return reason;

	if (nested_cpu_has_preemption_timer(vmcs12) && !nvx_timer_leave(vmx, f))
		return NVX_WHY_TIMER;

	vmx->nested.nvx.l2_exits++;
	leave_guest_mode(vcpu);
	save_l2(vcpu, f, vmcs12);
	save_exit_info(vmx, vmcs12, exit_reason, intr_info, exit_qual);
	f->l2.root02 = vcpu->arch.mmu->root.hpa;
	f->pages_kept = true;

	show_exit(vmx, f, direct);
	nvx_fast_switch_vmcs(vmx, &vmx->vmcs01);
	/* The vector goes into service in vmcs01 if APICv is active. */
	if (exit_reason == EXIT_REASON_EXTERNAL_INTERRUPT)
		vmcs12->vm_exit_intr_info =
			nvx_compat_exit_intr_info(vcpu, vmcs12, intr_info);

	/* L1 expects its branch predictors to be separate from L2's. */
	if (f->has_ibrs)
		indirect_branch_prediction_barrier();

	vcpu->arch.tsc_offset = vcpu->arch.l1_tsc_offset;
	vcpu->arch.tsc_scaling_ratio = vcpu->arch.l1_tsc_scaling_ratio;

	nvx_fast_flush_tlb(vcpu, vmcs12);
	leave_l2_mmu(vcpu, f);
	nvx_fast_switch_efer(vmx, f, f->l1.efer);
	load_l1_registers(vcpu, f, vmcs12);
	load_l1_segments(vmcs12);
	if (pv)
		nvx_pv_load_host(vcpu, pv, true);
	/* nvx_fast_run() has seen that there is nothing to show. */
	if (!direct)
		show_cpuid(vcpu, f);

	/* vmcs01 has its own EPTP, of the root that L1 ran with. */
	return NVX_WHY_TAKEN;
}
