// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_pv, delegation: L0 answers for L1 what L1 allows.
 *
 * There is no copy that could get stale.  Whether, and with what, is read from
 * L1's memory when L2 executes the instruction: the CPUID table is the array in
 * which L1 itself would look, values of MSRs are what L1 has put down at its last
 * VM-entry.  A bit of @deleg cleared by any CPU of L1 is obeyed by the next exit.
 */
#include <linux/kvm_host.h>

#include "x86.h"
#include "vmx/vmx.h"
#include "vmx/nested.h"
#include "vmx/nvx/fast/fast.h"
#include "vmx/nvx/fast/parts.h"
#include "vmx/nvx/nvx.h"
#include "vmx/nvx/pv/pv.h"
#include "vmx/nvx/trace.h"

/* A table has to be in one page. */
#define MAX_ENTRIES	(PAGE_SIZE / sizeof(struct nvx_pv_cpuid))

static bool answer_cpuid(struct kvm_vcpu *vcpu, const struct nvx_pv *pv,
			 u32 deleg)
{
	const struct nvx_pv_vmcs_hdr *hdr = nvx_pv_hdr(pv);
	u32 i, nent = READ_ONCE(hdr->cpuid_nent);
	gpa_t gpa = READ_ONCE(hdr->cpuid_gpa);
	const struct nvx_pv_cpuid *entry;
	u32 function = kvm_rax_read(vcpu);
	u32 index = kvm_rcx_read(vcpu);

	if (!pv->cpuid.map.hva || (gpa & PAGE_MASK) != pv->cpuid.gpa ||
	    nent > MAX_ENTRIES || gpa & 3 ||
	    offset_in_page(gpa) + nent * sizeof(*entry) > PAGE_SIZE)
		return false;

	/* L1 computes something on top of its table. */
	if (function == 0x80000007 ||
	    (function == 7 && !(deleg & NVX_PV_DELEG_CPUID_7)))
		return false;

	entry = pv->cpuid.map.hva + offset_in_page(gpa);
	for (i = 0; i < nent; i++, entry++) {
		if (READ_ONCE(entry->function) != function)
			continue;
		if (READ_ONCE(entry->flags) & NVX_PV_CPUID_INDEX &&
		    READ_ONCE(entry->index) != index)
			continue;
		kvm_rax_write(vcpu, READ_ONCE(entry->eax));
		kvm_rbx_write(vcpu, READ_ONCE(entry->ebx));
		kvm_rcx_write(vcpu, READ_ONCE(entry->ecx));
		kvm_rdx_write(vcpu, READ_ONCE(entry->edx));
		return true;
	}
	/* L1 knows what a CPU returns for leaves that it does not have. */
	return false;
}

static bool answer_rdmsr(struct kvm_vcpu *vcpu, const struct nvx_pv *pv)
{
	const struct nvx_pv_vmcs_hdr *hdr = nvx_pv_hdr(pv);
	u32 i, nr = min_t(u32, READ_ONCE(hdr->nr_msrs), NVX_PV_NR_MSRS);
	u32 msr = kvm_rcx_read(vcpu);
	u64 value;

	for (i = 0; i < nr; i++) {
		if (READ_ONCE(hdr->msrs[i].index) != msr)
			continue;
		value = READ_ONCE(hdr->msrs[i].value);
		kvm_rax_write(vcpu, (u32)value);
		kvm_rdx_write(vcpu, value >> 32);
		return true;
	}
	return false;
}

/* L2 arms its APIC timer: end it when L1 would have it ended. */
static bool answer_tsc_deadline(struct kvm_vcpu *vcpu, const struct nvx_pv *pv)
{
	struct nvx_pv_vmcs_hdr *hdr = nvx_pv_hdr(pv);
	u64 value = kvm_read_edx_eax(vcpu);

	if ((u32)kvm_rcx_read(vcpu) != MSR_IA32_TSC_DEADLINE ||
	    !nvx_timer_rearm(vcpu, value, READ_ONCE(hdr->tsc_advance)))
		return false;

	WRITE_ONCE(hdr->tsc_deadline, value);
	return true;
}

static u32 delegated(struct kvm_vcpu *vcpu, const struct nvx_pv *pv)
{
	if (!pv->vmcs.map.hva || !nvx_pins_current(&pv->pins, vcpu))
		return 0;
	return READ_ONCE(nvx_pv_hdr(pv)->deleg);
}

/* What L1 has to have asked for, and the bit of @deleg. */
static u32 feature_of(u32 exit_reason, u32 *bit)
{
	switch (exit_reason) {
	case EXIT_REASON_CPUID:
		*bit = NVX_PV_DELEG_CPUID;
		return NVX_PV_FEAT_CPUID;
	case EXIT_REASON_MSR_READ:
		*bit = NVX_PV_DELEG_RDMSR;
		return NVX_PV_FEAT_RDMSR;
	case EXIT_REASON_MSR_WRITE:
		*bit = NVX_PV_DELEG_TSC_DEADLINE;
		return NVX_PV_FEAT_TSC_DEADLINE;
	default:
		return 0;
	}
}

static bool answer(struct kvm_vcpu *vcpu, const struct nvx_pv *pv,
		   u32 exit_reason, u32 deleg)
{
	bool answered;

	switch (exit_reason) {
	case EXIT_REASON_CPUID:
		answered = answer_cpuid(vcpu, pv, deleg);
		if (answered)
			nvx_count(deleg_cpuid);
		break;
	case EXIT_REASON_MSR_READ:
		answered = answer_rdmsr(vcpu, pv);
		if (answered)
			nvx_count(deleg_rdmsr);
		break;
	default:
		answered = answer_tsc_deadline(vcpu, pv);
		if (answered)
			nvx_count(deleg_tsc_deadline);
		break;
	}
	return answered;
}

/**
 * nvx_pv_answer() - Has L1 left this exit from L2 to L0?
 * @vcpu: vCPU that has left L2
 * @pv: its state
 * @exit_reason: basic exit reason
 *
 * Context: Interrupts off, right after the VM-exit.
 * Return: true if L2 can go on.
 */
bool nvx_pv_answer(struct kvm_vcpu *vcpu, const struct nvx_pv *pv,
		   u32 exit_reason)
{
	u32 bit = 0, deleg;
	bool answered;

	if (!(pv->features & feature_of(exit_reason, &bit)))
		return false;
	deleg = delegated(vcpu, pv);

	/*
	 * L1, or the debugger, wants a trap after the instruction, or L1's PMU to count it:
	 * KVM may have to sleep for that.
	 */
	if (!deleg || vcpu->guest_debug ||
	    to_vmx(vcpu)->nested.nvx.fast->counts_instructions ||
	    vmx_get_rflags(vcpu) & X86_EFLAGS_TF)
		return false;

	answered = deleg & bit && answer(vcpu, pv, exit_reason, deleg);
	trace_nvx_pv_deleg(vcpu->vcpu_id, exit_reason, answered);
	if (answered)
		kvm_skip_emulated_instruction(vcpu);
	return answered;
}

/*
 * May L0 wait until L2's timer, or an event, ends HLT?  L1 has said so at VM-entry
 * (NVX_PV_DELEG_HLT), by the deadline that it knew then.  If L0 has answered a WRMSR of
 * L2 to the timer since (@tsc_deadline), L1 does not know the new one: L0 waits if it is
 * due within L1's limit (@hlt_cycles), whatever L1 said.
 */
static bool may_halt(struct kvm_vcpu *vcpu, const struct nvx_pv *pv)
{
	const struct nvx_pv_vmcs_hdr *hdr;
	u32 deleg = delegated(vcpu, pv);

	if (!deleg || !lapic_in_kernel(vcpu))
		return false;
	hdr = nvx_pv_hdr(pv);
	if (pv->features & NVX_PV_FEAT_TSC_DEADLINE &&
	    deleg & NVX_PV_DELEG_TSC_DEADLINE && READ_ONCE(hdr->tsc_deadline))
		return nvx_timer_left(vcpu) < READ_ONCE(hdr->hlt_cycles);
	return deleg & NVX_PV_DELEG_HLT;
}

/**
 * nvx_pv_keeps_exit() - May L2 halt in L0?
 * @vcpu: vCPU that has left L2
 *
 * Whatever wakes L1 up wakes the vCPU up as well: it leaves L2 then, with the
 * activity state HLT.
 *
 * Context: Any.
 */
bool nvx_pv_keeps_exit(struct kvm_vcpu *vcpu)
{
	const struct nvx_pv *pv = nvx_pv_of(vcpu);
	bool keeps;

	if (to_vmx(vcpu)->exit_reason.basic != EXIT_REASON_HLT)
		return false;

	keeps = pv->features & NVX_PV_FEAT_HLT && may_halt(vcpu, pv);
	trace_nvx_pv_deleg(vcpu->vcpu_id, EXIT_REASON_HLT, keeps);
	if (keeps)
		nvx_count(deleg_hlt);
	return keeps;
}
