/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shim page: what KVM reads and writes of its current VMCS between two
 * VM-entries, in memory instead of by VMREAD and VMWRITE, which are exits to the
 * shim below the host.  Agreed upon by the shim (arch/x86/shim), its loader (vmm-refresh.ko) and
 * kvm-intel.ko with nvx; Documentation/shim-abi.rst has the rules, this file the
 * numbers.
 *
 * Unlike the VMCS region of pv_vmcs.h the page belongs to a CPU, not to a VMCS: it
 * is a copy of a few fields of whichever VMCS is current there.  VMPTRLD, VMCLEAR,
 * VMREAD and VMWRITE go on to do what the SDM says, so nobody has to use the page.
 */
#ifndef _NVX_SHIM_PAGE_H
#define _NVX_SHIM_PAGE_H

#include <linux/types.h>

#define NVX_SHIM_VERSION	1u

/*
 * In @dirty: the page holds nothing.  Set while no VMCS is current, and when the
 * shim has left the CPU.
 */
#define NVX_SHIM_OFF		0x80000000u

/*
 * The fields: F(encoding, name).  A field of the first list may be written, and its
 * number is that of its bit in @dirty.
 */
#define NVX_SHIM_WRITABLE(F)						\
	F(0x681e, GUEST_RIP)						\
	F(0x681c, GUEST_RSP)						\
	F(0x6820, GUEST_RFLAGS)						\
	F(0x4824, GUEST_INTERRUPTIBILITY_INFO)				\
	F(0x4016, VM_ENTRY_INTR_INFO_FIELD)				\
	F(0x4018, VM_ENTRY_EXCEPTION_ERROR_CODE)			\
	F(0x401a, VM_ENTRY_INSTRUCTION_LEN)				\
	F(0x4002, CPU_BASED_VM_EXEC_CONTROL)				\
	F(0x6c14, HOST_RSP)						\
	F(0x4816, GUEST_CS_AR_BYTES)					\
	F(0x4818, GUEST_SS_AR_BYTES)					\
	F(0x0812, GUEST_PML_INDEX)					\
	F(0x482e, VMX_PREEMPTION_TIMER_VALUE)

#define NVX_SHIM_READ_ONLY(F)						\
	F(0x4402, VM_EXIT_REASON)					\
	F(0x4404, VM_EXIT_INTR_INFO)					\
	F(0x4406, VM_EXIT_INTR_ERROR_CODE)				\
	F(0x4408, IDT_VECTORING_INFO_FIELD)				\
	F(0x440a, IDT_VECTORING_ERROR_CODE)				\
	F(0x440c, VM_EXIT_INSTRUCTION_LEN)				\
	F(0x440e, VMX_INSTRUCTION_INFO)					\
	F(0x6400, EXIT_QUALIFICATION)					\
	F(0x2400, GUEST_PHYSICAL_ADDRESS)				\
	F(0x640a, GUEST_LINEAR_ADDRESS)

#define NVX_SHIM_FIELDS(F)	NVX_SHIM_WRITABLE(F) NVX_SHIM_READ_ONLY(F)

/* Where a field is: its number in @field. */
enum nvx_shim_slot {
#define NVX_SHIM_SLOT(encoding, name) NVX_SHIM_##name,
	NVX_SHIM_WRITABLE(NVX_SHIM_SLOT)
	NVX_SHIM_NR_WRITABLE,
	NVX_SHIM_LAST_WRITABLE = NVX_SHIM_NR_WRITABLE - 1,
	NVX_SHIM_READ_ONLY(NVX_SHIM_SLOT)
#undef NVX_SHIM_SLOT
	NVX_SHIM_NR_FIELDS,
};

/**
 * struct nvx_shim_page - One CPU's shim page
 * @dirty: bits of fields that the host has written since the shim took them over
 *	last, and NVX_SHIM_OFF.  The host sets bits with one instruction each, behind the
 *	write of the field; the shim alone clears them.
 * @want: the host uses the page; written by the host
 * @rsvd: zero
 * @field: values, zero-extended
 */
struct nvx_shim_page {
	__u32	dirty;
	__u32	want;
	__u64	rsvd;
	__u64	field[NVX_SHIM_NR_FIELDS];
};

/*
 * nvx_shim_slot() - Where is a field in the page?
 * @field: encoding
 *
 * Return: its number, or -1 if the page does not have it.  With a constant encoding
 * nothing is left of it in the object.
 */
static __always_inline int nvx_shim_slot(unsigned long field)
{
	switch (field) {
#define NVX_SHIM_CASE(encoding, name) case encoding: return NVX_SHIM_##name;
	NVX_SHIM_FIELDS(NVX_SHIM_CASE)
#undef NVX_SHIM_CASE
	}
	return -1;
}

#ifdef __KERNEL__
/* Exported by kvm-intel.ko with nvx; vmm-refresh.ko looks for them by name. */
int nvx_shim_attach(__u32 version, struct nvx_shim_page *(*page)(unsigned int cpu));
void nvx_shim_detach(void);
#endif

#endif /* _NVX_SHIM_PAGE_H */
