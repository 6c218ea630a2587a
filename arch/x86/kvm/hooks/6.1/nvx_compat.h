/* SPDX-License-Identifier: GPL-2.0-only */
/* Where KVM's internal interfaces differ between bases: this is base 6.1. */
#ifndef __KVM_X86_NVX_COMPAT_H
#define __KVM_X86_NVX_COMPAT_H

#define nvx_compat_prefetch_fault(vcpu, gpa, error_code) \
	kvm_mmu_do_page_fault(vcpu, gpa, error_code, true, NULL)

/* What an unused entry of a TDP table contains. */
#define NVX_COMPAT_NONPRESENT		0ull
/* Memory of a slot that only the guest can reach; this base has none. */
#define nvx_compat_slot_private(slot)	((void)(slot), false)

/*
 * The 64-bit words of an MSR bitmap with the MSRs that
 * nested_vmx_prepare_msr_bitmap() may pass through to L2, and their bits:
 * SPEC_CTRL and PRED_CMD, FS_BASE, GS_BASE, KERNEL_GS_BASE.
 */
#define NVX_COMPAT_MSR_WORDS(WORD) \
	WORD(0 + 1, BIT_ULL(0x48 % 64)) \
	WORD(128 + 4, BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2)) \
	WORD(256 + 1, BIT_ULL(0x48 % 64) | BIT_ULL(0x49 % 64)) \
	WORD(384 + 4, BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2))

#define nvx_compat_noncanonical(la, vcpu)	is_noncanonical_address(la, vcpu)
#define nvx_compat_preempt_count		__preempt_count
#define nvx_compat_xcr0()			host_xcr0
#define nvx_compat_xss()			host_xss
#define nvx_compat_has_xsaves(vcpu)		(vcpu)->arch.xsaves_enabled
#define nvx_compat_using_evmcs()		static_branch_unlikely(&enable_evmcs)
#define nvx_compat_evmcs_enabled(vmx)		((vmx)->nested.enlightened_vmcs_enabled)
#define nvx_compat_vmx_allowed(vcpu)		nested_vmx_allowed(vcpu)
#define nvx_compat_child_sp(spte)	to_shadow_page((spte) & SPTE_BASE_ADDR_MASK)
#define nvx_compat_tdp_mmu(kvm)		is_tdp_mmu_enabled(kvm)
#define nvx_compat_prefetch_gpte(vcpu, sp, sptep, gpte)	\
	paging64_prefetch_gpte(vcpu, sp, sptep, gpte, true)
#define nvx_compat_mmio_spte(vcpu, spte)	is_mmio_spte(spte)
#define nvx_compat_phys_bits()			shadow_phys_bits
#define nvx_compat_count_insn(vcpu)		\
	kvm_pmu_trigger_event(vcpu, PERF_COUNT_HW_INSTRUCTIONS)
#define nvx_compat_write_tracked(vcpu, slot, gfn)	\
	kvm_slot_page_track_is_active((vcpu)->kvm, slot, gfn, KVM_PAGE_TRACK_WRITE)

/*
 * vm_exit_intr_info of an exit to L1 for an interrupt, vmcs01 loaded: this base
 * takes the vector off the interrupt controller here if L1 wants that.
 */
#define nvx_compat_exit_intr_info(vcpu, vmcs12, info)			\
	((vmcs12)->vm_exit_controls & VM_EXIT_ACK_INTR_ON_EXIT ?	\
	 kvm_cpu_get_interrupt(vcpu) | INTR_INFO_VALID_MASK |		\
	 INTR_TYPE_EXT_INTR : (info))

/* The vCPU has changed levels: this base queues no TLB entries for a level. */
#define nvx_compat_rearm_hv_flush(vcpu)	((void)(vcpu))

#endif /* __KVM_X86_NVX_COMPAT_H */
