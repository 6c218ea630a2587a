/* SPDX-License-Identifier: GPL-2.0-only */
/* Part of nvx_hooks.h: exits of L1 that need not be. */
#ifndef __KVM_X86_VMX_NVX_EXITS_HOOKS_H
#define __KVM_X86_VMX_NVX_EXITS_HOOKS_H

#ifdef CONFIG_KVM_NVX_EXITS
extern bool nvx_shadow_host;
extern bool nvx_no_umip_emul;

void nvx_update_debugctl_intercept(struct kvm_vcpu *vcpu);
void nvx_count_host_vmwrite(void);

/* Slots that nvx needs in vmx_possible_passthrough_msrs[], and their content. */
#define NVX_NR_PASSTHROUGH_MSRS		1
#define NVX_PASSTHROUGH_MSRS		MSR_IA32_DEBUGCTLMSR,

/* Host-state fields that L1 writes between VM-entries. */
#define NVX_SHADOW_HOST_FIELDS					\
	{ HOST_RSP, offsetof(struct vmcs12, host_rsp) },	\
	{ HOST_CR3, offsetof(struct vmcs12, host_cr3) },
#else
#define nvx_shadow_host			false
#define nvx_no_umip_emul		false
#define nvx_update_debugctl_intercept(vcpu) do { } while (0)
#define nvx_count_host_vmwrite()	do { } while (0)
#define NVX_NR_PASSTHROUGH_MSRS		0
#define NVX_PASSTHROUGH_MSRS
#define NVX_SHADOW_HOST_FIELDS
#endif /* CONFIG_KVM_NVX_EXITS */

/* HOST_CR3 and HOST_RSP of asm/vmx.h, which is out of reach; exits.c asserts. */
#define NVX_ENCODING_HOST_CR3		0x6c02
#define NVX_ENCODING_HOST_RSP		0x6c14

/* Entries of NVX_SHADOW_HOST_FIELDS leave the bitmaps again when it is off. */
static __always_inline bool nvx_skip_shadow_field(unsigned long field)
{
	return IS_ENABLED(CONFIG_KVM_NVX_EXITS) &&
	       (field == NVX_ENCODING_HOST_RSP ||
		field == NVX_ENCODING_HOST_CR3) && !nvx_shadow_host;
}

/*
 * A VMWRITE of L1 that needs neither the rarely used guest fields from vmcs02
 * nor a rebuild of vmcs02: no field of vmcs02 is computed from host state, and
 * VM-entry checks all of it every time.  Encoding bits 11:10 tell the kind of
 * a field: 0 control, 1 exit information, 2 guest state, 3 host state.
 */
static __always_inline bool nvx_vmwrite_is_clean(unsigned long field)
{
	return nvx_shadow_host && ((field >> 10) & 3) == 3;
}

/* As above, asked once for each VMWRITE that exits: count the spared syncs. */
static __always_inline bool nvx_skip_rare_sync(unsigned long field)
{
	if (!nvx_vmwrite_is_clean(field))
		return false;

	nvx_count_host_vmwrite();
	return true;
}

static __always_inline bool nvx_advertise_emulated_umip(void)
{
	return !nvx_no_umip_emul;
}

#endif /* __KVM_X86_VMX_NVX_EXITS_HOOKS_H */
