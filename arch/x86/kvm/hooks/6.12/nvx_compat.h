/* SPDX-License-Identifier: GPL-2.0-only */
/* Where KVM's internal interfaces differ between bases: this is base 6.12. */
#ifndef __KVM_X86_NVX_COMPAT_H
#define __KVM_X86_NVX_COMPAT_H

#define nvx_compat_prefetch_fault(vcpu, gpa, error_code) \
	kvm_mmu_do_page_fault(vcpu, gpa, error_code, true, NULL, NULL)

/* What an unused entry of a TDP table contains. */
#define NVX_COMPAT_NONPRESENT		SHADOW_NONPRESENT_VALUE
/* Memory of a slot that only the guest can reach. */
#define nvx_compat_slot_private(slot)	kvm_slot_can_be_private(slot)

/*
 * The 64-bit words of an MSR bitmap with the MSRs that
 * nested_vmx_prepare_msr_bitmap() may pass through to L2, and their bits:
 * SPEC_CTRL and PRED_CMD, FLUSH_CMD, FS_BASE, GS_BASE, KERNEL_GS_BASE.
 */
#define NVX_COMPAT_MSR_WORDS(WORD) \
	WORD(0 + 1, BIT_ULL(0x48 % 64)) \
	WORD(128 + 4, BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2)) \
	WORD(256 + 1, BIT_ULL(0x48 % 64) | BIT_ULL(0x49 % 64)) \
	WORD(384 + 4, BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2)) \
	WORD(256 + 4, BIT_ULL(0x10b % 64))

#define nvx_compat_noncanonical(la, vcpu)	is_noncanonical_msr_address(la, vcpu)
#define nvx_compat_preempt_count		pcpu_hot.preempt_count
#define nvx_compat_xcr0()			kvm_host.xcr0
#define nvx_compat_xss()			kvm_host.xss
#define nvx_compat_has_xsaves(vcpu)		guest_cpu_cap_has(vcpu, X86_FEATURE_XSAVES)
#define nvx_compat_using_evmcs()		kvm_is_using_evmcs()
#define nvx_compat_evmcs_enabled(vmx)		((vmx)->nested.enlightened_vmcs_enabled)
#define nvx_compat_vmx_allowed(vcpu)		guest_cpu_cap_has(vcpu, X86_FEATURE_VMX)
#define nvx_compat_child_sp(spte)	spte_to_child_sp(spte)
#define nvx_compat_tdp_mmu(kvm)		tdp_mmu_enabled
#define nvx_compat_prefetch_gpte(vcpu, sp, sptep, gpte)	\
	paging64_prefetch_gpte(vcpu, sp, sptep, gpte)
#define nvx_compat_mmio_spte(vcpu, spte)	is_mmio_spte((vcpu)->kvm, spte)
#define nvx_compat_phys_bits()			kvm_host.maxphyaddr
#define nvx_compat_count_insn(vcpu)		\
	kvm_pmu_trigger_event(vcpu, kvm_pmu_eventsel.INSTRUCTIONS_RETIRED)
#define nvx_compat_write_tracked(vcpu, slot, gfn)	\
	kvm_gfn_is_write_tracked((vcpu)->kvm, slot, gfn)

/*
 * vm_exit_intr_info of an exit to L1 for an interrupt: this base brings it along,
 * and takes the vector off the interrupt controller later.
 */
#define nvx_compat_exit_intr_info(vcpu, vmcs12, info)			\
	((void)(vcpu), (void)(vmcs12), (info))

/*
 * The vCPU has changed levels: entries that others have queued for this level while
 * it was at the other one.  Stock makes the request whether there are any or not,
 * see kvm_hv_nested_transtion_tlb_flush(); who queues one afterwards makes it.
 */
#ifdef CONFIG_KVM_HYPERV
#define nvx_compat_rearm_hv_flush(vcpu) do {				\
	if (unlikely(to_hv_vcpu(vcpu)) &&				\
	    !kfifo_is_empty(&kvm_hv_get_tlb_flush_fifo(vcpu,		\
					is_guest_mode(vcpu))->entries))	\
		kvm_make_request(KVM_REQ_HV_TLB_FLUSH, vcpu);		\
} while (0)
#else
#define nvx_compat_rearm_hv_flush(vcpu)	((void)(vcpu))
#endif

#endif /* __KVM_X86_NVX_COMPAT_H */
