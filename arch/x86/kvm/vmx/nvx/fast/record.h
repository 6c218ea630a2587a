/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nvx_fast: nested transitions that repeat nothing.  The record that they rely on.
 *
 * KVM rebuilds everything at each transition between L1 and L2.  Nearly always
 * the result is what was there before: L1 changes RIP and little else between
 * two VM-entries.  These files keep a record of what the last complete
 * transition left in vmcs01 and vmcs02, compare the inputs of the next one with
 * it, and write only what differs.  A difference that they do not know how to
 * carry over, or an event that may have changed anything (see nvx_fast_event()),
 * sends the transition down KVM's own path, which leaves a new record.
 */
#ifndef __KVM_X86_VMX_NVX_FAST_RECORD_H
#define __KVM_X86_VMX_NVX_FAST_RECORD_H

#include <linux/kvm_host.h>

#include "vmx/vmx.h"
#include "vmx/vmcs12.h"
#include "vmx/nvx/pins.h"

/*
 * Shadow fields by encoding.  vmcs_shadow_fields.h has one line per field,
 * those with odd encodings are upper halves for 32-bit hosts.
 */
struct nvx_shadow_values {
#define SHADOW_FIELD_RO(encoding, member) \
	typeof_member(struct vmcs12, member) v_##encoding;
#define SHADOW_FIELD_RW(encoding, member) \
	typeof_member(struct vmcs12, member) v_##encoding;
#include "vmx/vmcs_shadow_fields.h"
	u64 v_HOST_RSP;
	u64 v_HOST_CR3;
};

/* Cached registers that a transition does not fill. */
#define NVX_REGS_UNKNOWN	((u32)(BIT(VCPU_EXREG_PDPTR) |		\
				       BIT(VCPU_EXREG_SEGMENTS) |	\
				       BIT(VCPU_EXREG_EXIT_INFO_1) |	\
				       BIT(VCPU_EXREG_EXIT_INFO_2)))

/* Bits of CR4 that CPUID shows, see kvm_update_cpuid_runtime(). */
#define NVX_CPUID_CR4		(X86_CR4_OSXSAVE | X86_CR4_PKE)

/* L2's preemption timer counts TSC >> 5: the value of nested.c, which keeps it. */
#define NVX_TIMER_RATE		5

/* Who answers for the hrtimer of the preemption timer, see timer.c. */
enum nvx_timer_state {
	NVX_TIMER_KVM,		/* KVM's own path started it, or nobody */
	NVX_TIMER_L1,		/* left ticking, L1 runs */
	NVX_TIMER_L2,		/* L2 runs, may be early */
	NVX_TIMER_CPU,		/* L2 runs, the CPU's own timer does it */
};

/* What root_mmu has of the control registers of a level, see mmu.c. */
struct nvx_mmu_view {
	union kvm_cpu_role cpu_role;
	union kvm_mmu_page_role root_role;
	u32 pkru_mask;
	u8 permissions[16];
	struct rsvd_bits_validate guest_rsvd_check;
};

/**
 * struct nvx_fast - What the last complete transition left behind
 * @l1_valid: the @l1 record describes vmcs01, L1 about to run or running
 * @l2_valid: the @l2 record describes vmcs02 and the L1 that entered L2
 * @ept: vmcs12 has EPT, each level an MMU of its own
 * @has_pages: vmcs02 points to pages of L1 that the CPU accesses
 * @pages_kept: KVM's own maps of vmcs12 pages survived the last exit
 * @shadow_rw_valid: read/write members of @shadow are in the shadow VMCS
 * @shadow_ro_valid: read-only members of @shadow are in the shadow VMCS
 * @has_ibrs: L1's CPUID has SPEC_CTRL
 * @counts_instructions: L1's PMU may count those that L0 carries out for L2
 * @direct_done: nvx_fast_run() has dealt with the last exit: KVM's handlers must not,
 *	see nvx_fast_handled()
 * @direct_refused: nvx_fast_run() has tried the short form for the last exit in vain:
 *	nvx_fast_vmexit() and nvx_fast_vmentry() need not try again
 * @timer_armed: the CPU's own timer was set for L2 at the last VM-entry
 * @timer_pin: its control is set in vmcs02 for L2 only
 * @timer_state: who answers for the hrtimer
 * @cpuid_cr4: CR4 that the vCPU's CPUID shows bits of
 * @pins: what pages that stay mapped depend on
 * @timer_start: host TSC at VM-entry
 * @timer_value: vmx_preemption_timer_value of vmcs12 in force, or nvx_timer_rearm()'s
 * @timer_deadline: host TSC at which L2's timer is due, with NVX_TIMER_CPU
 * @hrtimer_value: @timer_value that the hrtimer was started for
 * @timer_khz: frequency of L1's TSC that the hrtimer was computed with
 * @l1: vmcs01 and L1's software state after load_vmcs12_host_state()
 * @l2: inputs and results of prepare_vmcs02()
 * @synced: guest state that vmcs02 held at the last exit from L2
 * @shadow: content of the shadow VMCS
 * @other_view: root_mmu of the level that does not run, without @ept
 * @msr_bitmap: L1's MSR bitmap for L2
 * @syscall_msrs: STAR, LSTAR and SYSCALL_MASK among vmx->guest_uret_msrs, which the CPU
 *	has only while the level that runs has EFER.SCE; NULL: there is none
 *
 * Allocated when L1 first enters L2, freed at VMXOFF.  Only the thread of the
 * vCPU uses it, but for the timer members, which the hrtimer callback reads.
 * All of it is derived state: it is not part of the nested state that user
 * space saves, losing it costs one transition on KVM's own path.
 */
struct nvx_fast {
	bool l1_valid;
	bool l2_valid;
	bool ept;
	bool has_pages;
	bool pages_kept;
	bool shadow_rw_valid;
	bool shadow_ro_valid;
	bool has_ibrs;
	bool counts_instructions;
	bool direct_done;
	bool direct_refused;
	bool timer_armed;
	bool timer_pin;
	enum nvx_timer_state timer_state;
	unsigned long cpuid_cr4;

	struct nvx_pins pins;

	u64 timer_start;
	u64 timer_deadline;
	u32 timer_value;
	u32 hrtimer_value;
	u32 timer_khz;

	struct {
		unsigned long cr0, hw_cr0;
		unsigned long cr4, hw_cr4;
		unsigned long cr4_owned;
		u64 efer;
	} l1;

	struct {
		struct vmcs_controls_shadow controls01;
		struct vmcs_controls_shadow controls02;
		hpa_t root01, root02;
		u64 efer;
		u64 pat;
		u64 host_debugctl;
		u64 l1_tsc_offset, l1_tsc_ratio;
		u64 tsc_offset, tsc_ratio;
		gpa_t vmptr;
		unsigned long cr0_owned, cr4_owned;
		u32 autoload_guest, autoload_host;
		bool xfd_no_write_intercept;

		/* vmcs12 as prepare_vmcs02() saw it */
		u32 pin, exec, entry;
		u32 exception_bitmap;
		u32 tpr_threshold;
		unsigned long cr0_mask;
		u64 debugctl;
	} l2;

	struct {
		unsigned long cr0, cr3, cr4;
		unsigned long cr0_shadow, cr4_shadow;
		unsigned long rflags;
		u32 interruptibility;
		u16 intr_status;
	} synced;

	struct nvx_shadow_values shadow;
	struct nvx_mmu_view other_view;
	struct nvx_page msr_bitmap;
	struct vmx_uret_msr *syscall_msrs[3];
};

/* Where the root of the level that does not run is: with @ept in an MMU of its own. */
static inline hpa_t nvx_mmu_other_root(const struct nvx_fast *f,
				       const struct kvm_mmu *other,
				       const struct kvm_mmu *mmu)
{
	return f->ept ? other->root.hpa : mmu->prev_roots[0].hpa;
}

#endif /* __KVM_X86_VMX_NVX_FAST_RECORD_H */
