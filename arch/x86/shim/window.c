// SPDX-License-Identifier: GPL-2.0-only
/*
 * How the shim gets at memory of the host: one page at a time, and only while it needs it.
 * A map of all memory would be a second name, with another memory type, for what the host
 * keeps uncached or has taken out of use because it is broken, and CPUs read ahead.
 */
#include "shim.h"
#include "vmx_ops.h"

#define PTE_WINDOW	0x63	/* present, writable, accessed, dirty */
#define PTE_HOST_PAGE	0x000ffffffffff000ull

/*
 * One window for each CPU: the shim's address of the VMXON region, which it never touches.
 * @type: the bits PWT, PCD and PAT of the entry; PAT is the host's.
 * What it returned before is not valid any more.
 */
void *mem_map(u64 hpa, u64 type)
{
	u64 here = (u64)__builtin_frame_address(0);
	u64 va = (here & ~(u64)(SHIM_AREA_SIZE - 1)) + SHIM_AREA_WINDOW;
	u64 *pte = (u64 *)shim_machine.image_pt_va + (va - SHIM_VA_IMAGE) / SHIM_PAGE;

	__atomic_store_n(pte, (hpa & PTE_HOST_PAGE) | type | PTE_WINDOW, __ATOMIC_RELAXED);
	asm volatile("invlpg (%0)" : : "r" (va) : "memory");
	return (void *)(va + (hpa & (SHIM_PAGE - 1)));
}
