// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's map of all memory, where a part of it goes.
 */
#include <linux/mm.h>
#include <linux/printk.h>
#include <asm/pgtable.h>
#include <asm/set_memory.h>

#include "refresh.h"

static bool in_1g_page(unsigned long addr)
{
	unsigned int level;

	return lookup_address(addr, &level) && level == PG_LEVEL_1G;
}

/* To have one page of it another type, if only for a moment, splits the large one. */
static int split(u64 hpa)
{
	unsigned long addr = (unsigned long)__va(hpa);
	int r;

	if (!in_1g_page(addr))
		return 0;
	r = set_memory_uc(addr, 1) ?: set_memory_wb(addr, 1);
	if (!r && in_1g_page(addr))
		r = -EIO;
	if (r)
		pr_err("the page of 1 GiB that maps %#llx cannot be split (%d)\n", hpa, r);
	return r;
}

/**
 * refresh_split_direct_map() - Make memory ready to be removed from the kernel's map of it
 * @hpa: first byte, of a block of memory
 * @bytes: of whole blocks
 *
 * arch_remove_memory() of Linux (6.1 and 6.12, remove_pud_table() in arch/x86/mm/init_64.c) takes a
 * page of 1 GiB away as a whole; of a part of one it takes the memory for a page table, and
 * writes there.  Memory of the boot is mapped by such pages wherever it can be, and blocks are
 * smaller in machines of less than 64 GiB.
 *
 * Context: process, may sleep; all of it is online.
 * Return: 0, or an error after a message.
 */
int refresh_split_direct_map(u64 hpa, u64 bytes)
{
	u64 end = hpa + bytes;
	int r = 0;

	if (!IS_ALIGNED(hpa, PUD_SIZE))
		r = split(hpa);
	if (!r && !IS_ALIGNED(end, PUD_SIZE))
		r = split(end - PAGE_SIZE);
	return r;
}
