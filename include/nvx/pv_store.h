/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * How a hypervisor in L1 writes a field of its PV VMCS.  KVM's side, the selftests
 * and the unit test share it: the order is a rule of the interface.  Whoever includes
 * it has WRITE_ONCE() and __always_inline.
 */
#ifndef _NVX_PV_STORE_H
#define _NVX_PV_STORE_H

#include "pv_vmcs.h"

/**
 * nvx_pv_store() - Write a field, and say so first
 * @region: VMCS region
 * @group: group of the field, NVX_PV_*
 * @offset: where the field is
 * @size: its size in bytes
 * @value: its value
 *
 * L1 may be saved between any two instructions.  The host that goes on with it writes
 * what L2 has left to all groups whose bit is clear: with the field first and the bit
 * behind it, to the one that L1 is just writing.  L0 takes a group over at VM-entry
 * only, when both have been written.
 *
 * Context: Any; the region belongs to this logical processor.
 */
static __always_inline void nvx_pv_store(void *region, __u32 group,
					 unsigned int offset, unsigned int size,
					 __u64 value)
{
	struct nvx_pv_vmcs_hdr *hdr = region + NVX_PV_OFFSET;
	void *p = region + offset;

	/*
	 * One instruction, for the sake of interrupts.  The field as an operand keeps
	 * the compiler from writing it earlier.
	 */
	asm volatile("orl %[group], %[dirty]"
		     : [dirty] "+m" (hdr->dirty)
		     : [group] "ri" (group), "m" (*(__u64 *)p)
		     : "cc");
	switch (size) {
	case sizeof(__u16):
		WRITE_ONCE(*(__u16 *)p, value & 0xffff);
		break;
	case sizeof(__u32):
		WRITE_ONCE(*(__u32 *)p, value & 0xffffffff);
		break;
	default:
		WRITE_ONCE(*(__u64 *)p, value);
		break;
	}
}

#endif /* _NVX_PV_STORE_H */
