/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Classes of VMCS fields, as lists to be included with a macro defined.  The
 * names are those of the SDM as Linux writes them (asm/vmx.h in the module,
 * vmcs.h in the shim).
 *
 * SHIM_HOST_FIELD(field): the host-state fields that differ between the host
 * and the shim.  While a VMCS of the host is borrowed, these hold the shim's
 * values and the host's are kept aside; all others stay the host's, so that
 * the CPU loads the host's PAT, SYSENTER and so on at the guest's exit.
 *
 * SHIM_SHADOW_RO(field): what hypervisors read at an exit.
 * SHIM_SHADOW_RW(field): what they also write then.  Both are served by VMCS
 * shadowing where the CPU has it.  A field the CPU lacks is not used.
 */
#if !defined(SHIM_HOST_FIELD) && !defined(SHIM_SHADOW_RO) && !defined(SHIM_SHADOW_RW)
#error "define the list you want"
#endif

#ifndef SHIM_HOST_FIELD
#define SHIM_HOST_FIELD(field)
#endif
#ifndef SHIM_SHADOW_RO
#define SHIM_SHADOW_RO(field)
#endif
#ifndef SHIM_SHADOW_RW
#define SHIM_SHADOW_RW(field)
#endif

/* Selectors first: 16 bits wide; the order is part of the ABI. */
SHIM_HOST_FIELD(HOST_ES_SELECTOR)
SHIM_HOST_FIELD(HOST_CS_SELECTOR)
SHIM_HOST_FIELD(HOST_SS_SELECTOR)
SHIM_HOST_FIELD(HOST_DS_SELECTOR)
SHIM_HOST_FIELD(HOST_FS_SELECTOR)
SHIM_HOST_FIELD(HOST_GS_SELECTOR)
SHIM_HOST_FIELD(HOST_TR_SELECTOR)
SHIM_HOST_FIELD(HOST_CR0)
SHIM_HOST_FIELD(HOST_CR3)
SHIM_HOST_FIELD(HOST_CR4)
SHIM_HOST_FIELD(HOST_FS_BASE)
SHIM_HOST_FIELD(HOST_GS_BASE)
SHIM_HOST_FIELD(HOST_TR_BASE)
SHIM_HOST_FIELD(HOST_GDTR_BASE)
SHIM_HOST_FIELD(HOST_IDTR_BASE)
SHIM_HOST_FIELD(HOST_RSP)
SHIM_HOST_FIELD(HOST_RIP)
/* The last one: with SHIM_FLAG_PERF only. */
SHIM_HOST_FIELD(HOST_IA32_PERF_GLOBAL_CTRL)

SHIM_SHADOW_RO(VM_EXIT_REASON)
SHIM_SHADOW_RO(EXIT_QUALIFICATION)
SHIM_SHADOW_RO(VM_EXIT_INTR_INFO)
SHIM_SHADOW_RO(VM_EXIT_INTR_ERROR_CODE)
SHIM_SHADOW_RO(IDT_VECTORING_INFO_FIELD)
SHIM_SHADOW_RO(IDT_VECTORING_ERROR_CODE)
SHIM_SHADOW_RO(VM_EXIT_INSTRUCTION_LEN)
SHIM_SHADOW_RO(GUEST_PHYSICAL_ADDRESS)
SHIM_SHADOW_RO(GUEST_LINEAR_ADDRESS)
SHIM_SHADOW_RO(GUEST_CS_AR_BYTES)
SHIM_SHADOW_RO(GUEST_SS_AR_BYTES)
SHIM_SHADOW_RO(GUEST_PML_INDEX)

SHIM_SHADOW_RW(GUEST_RIP)
SHIM_SHADOW_RW(GUEST_RSP)
SHIM_SHADOW_RW(GUEST_RFLAGS)
SHIM_SHADOW_RW(GUEST_INTERRUPTIBILITY_INFO)
SHIM_SHADOW_RW(VM_ENTRY_INTR_INFO_FIELD)
SHIM_SHADOW_RW(CPU_BASED_VM_EXEC_CONTROL)
SHIM_SHADOW_RW(HOST_RSP)

#undef SHIM_HOST_FIELD
#undef SHIM_SHADOW_RO
#undef SHIM_SHADOW_RW
