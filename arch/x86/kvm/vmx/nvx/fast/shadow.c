// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx_fast: copies between vmcs12 and the shadow VMCS.
 *
 * The same fields in the same direction as copy_shadow_to_vmcs12() and
 * copy_vmcs12_to_shadow(), but with encoding, place and width of each field
 * known to the compiler, and with VMWRITEs only for values that the shadow VMCS
 * does not hold already.
 *
 * What it holds is known: L0 reads every field that L1 can write at each
 * VM-entry, and L1 does not run before L0 writes them back at the VM-exit.  The
 * fields that L1 cannot write change only here and in handle_vmwrite() (an exit
 * that invalidates the record).
 */
#include <linux/kvm_host.h>

#include "vmx/vmx.h"
#include "vmx/nested.h"
#include "vmx/nvx/fast/parts.h"
#include "vmx/nvx/fast/record.h"
#include "vmx/nvx/nvx.h"

/* Fields that KVM takes out of its tables when the CPU has no such field. */
static __always_inline bool field_exists(unsigned long encoding)
{
	switch (encoding) {
	case GUEST_PML_INDEX:
		return cpu_has_vmx_pml();
	case VMX_PREEMPTION_TIMER_VALUE:
		return cpu_has_vmx_preemption_timer();
	case GUEST_INTR_STATUS:
		return cpu_has_vmx_apicv();
	default:
		return !(encoding & 1);
	}
}

#define pull_field(encoding, member) do {				\
	if (field_exists(encoding)) {					\
		vmcs12->member = __vmcs_readl(encoding);		\
		values->v_##encoding = vmcs12->member;			\
	}								\
} while (0)

/**
 * nvx_shadow_pull() - Fetch what L1 may have written since the last exit
 * @vmx: vCPU that enters L2
 * @f: its record
 *
 * Context: Preemption off.  Leaves no VMCS current: the caller loads one.
 */
void nvx_shadow_pull(struct vcpu_vmx *vmx, struct nvx_fast *f)
{
	struct nvx_shadow_values *values = &f->shadow;
	struct vmcs12 *vmcs12 = get_vmcs12(&vmx->vcpu);

	vmcs_load(vmx->vmcs01.shadow_vmcs);
#define SHADOW_FIELD_RW(encoding, member) pull_field(encoding, member);
#include "vmx/vmcs_shadow_fields.h"
	if (nvx_shadow_host) {
		pull_field(HOST_RSP, host_rsp);
		pull_field(HOST_CR3, host_cr3);
	}
	vmcs_clear(vmx->vmcs01.shadow_vmcs);

	f->shadow_rw_valid = nvx_fast_mask & NVX_FAST_SHADOW;
}

#define push_field(encoding, member) do {				\
	if (field_exists(encoding) &&					\
	    (all || values->v_##encoding != vmcs12->member)) {		\
		values->v_##encoding = vmcs12->member;			\
		__vmcs_writel(encoding, vmcs12->member);		\
	}								\
} while (0)

static __always_inline void push_rw(struct nvx_shadow_values *values,
				    struct vmcs12 *vmcs12, bool all)
{
#define SHADOW_FIELD_RW(encoding, member) push_field(encoding, member);
#include "vmx/vmcs_shadow_fields.h"
	if (nvx_shadow_host) {
		push_field(HOST_RSP, host_rsp);
		push_field(HOST_CR3, host_cr3);
	}
}

static __always_inline void push_ro(struct nvx_shadow_values *values,
				    struct vmcs12 *vmcs12, bool all)
{
#define SHADOW_FIELD_RO(encoding, member) push_field(encoding, member);
#include "vmx/vmcs_shadow_fields.h"
}

/**
 * nvx_shadow_push() - Show L1 the outcome of an exit from L2
 * @vmx: vCPU that leaves L2
 * @f: its record
 *
 * Context: Preemption off.  Leaves no VMCS current: the caller loads one.
 */
void nvx_shadow_push(struct vcpu_vmx *vmx, struct nvx_fast *f)
{
	struct nvx_shadow_values *values = &f->shadow;
	struct vmcs12 *vmcs12 = get_vmcs12(&vmx->vcpu);

	vmcs_load(vmx->vmcs01.shadow_vmcs);
	if (f->shadow_rw_valid)
		push_rw(values, vmcs12, false);
	else
		push_rw(values, vmcs12, true);
	if (f->shadow_ro_valid)
		push_ro(values, vmcs12, false);
	else
		push_ro(values, vmcs12, true);
	vmcs_clear(vmx->vmcs01.shadow_vmcs);

	/* L1 runs next and may write. */
	f->shadow_rw_valid = false;
	f->shadow_ro_valid = nvx_fast_mask & NVX_FAST_SHADOW;
}

/**
 * nvx_fast_sync_shadow() - Do the work of copy_vmcs12_to_shadow()
 * @vmx: vCPU about to run L1, vmcs01 loaded
 *
 * Context: Preemption off.
 * Return: false if KVM has to do it.
 */
bool nvx_fast_sync_shadow(struct vcpu_vmx *vmx)
{
	struct nvx_fast *f = vmx->nested.nvx.fast;

	if (!f || !vmx->vmcs01.shadow_vmcs)
		return false;

	nvx_shadow_push(vmx, f);
	vmcs_load(vmx->loaded_vmcs->vmcs);
	return true;
}
