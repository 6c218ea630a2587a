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
#include "nvx.h"
#include "pv.h"
#include "trace.h"

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

static u32 delegated(struct kvm_vcpu *vcpu, const struct nvx_pv *pv)
{
	if (!pv->vmcs.map.hva || !nvx_pv_pages_current(vcpu, pv))
		return 0;
	return READ_ONCE(nvx_pv_hdr(pv)->deleg);
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
	bool answered = false;
	u32 feature, deleg;

	if (exit_reason == EXIT_REASON_CPUID)
		feature = NVX_PV_FEAT_CPUID;
	else if (exit_reason == EXIT_REASON_MSR_READ)
		feature = NVX_PV_FEAT_RDMSR;
	else
		return false;

	if (!(pv->features & feature))
		return false;
	deleg = delegated(vcpu, pv);

	/* L1, or the debugger, wants a trap after the instruction. */
	if (!deleg || vcpu->guest_debug ||
	    vmx_get_rflags(vcpu) & X86_EFLAGS_TF)
		return false;

	if (exit_reason == EXIT_REASON_CPUID && deleg & NVX_PV_DELEG_CPUID) {
		answered = answer_cpuid(vcpu, pv, deleg);
		if (answered)
			nvx_count(deleg_cpuid);
	} else if (exit_reason == EXIT_REASON_MSR_READ &&
		   deleg & NVX_PV_DELEG_RDMSR) {
		answered = answer_rdmsr(vcpu, pv);
		if (answered)
			nvx_count(deleg_rdmsr);
	}
	trace_nvx_pv_deleg(vcpu->vcpu_id, exit_reason, answered);
	if (answered)
		kvm_skip_emulated_instruction(vcpu);
	return answered;
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

	keeps = pv->features & NVX_PV_FEAT_HLT &&
		delegated(vcpu, pv) & NVX_PV_DELEG_HLT && lapic_in_kernel(vcpu);
	trace_nvx_pv_deleg(vcpu->vcpu_id, EXIT_REASON_HLT, keeps);
	if (keeps)
		nvx_count(deleg_hlt);
	return keeps;
}
