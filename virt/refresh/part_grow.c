// SPDX-License-Identifier: GPL-2.0-only
/*
 * The second kernel after the first one's end: memory that it has reserved when it booted, as it
 * was the other one's, becomes ordinary memory.
 */
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "session.h"

/* Pieces in which it is asked for: a signal is heard in between. */
#define STEP	(64ull << 20)

struct growth {
	u64 left, done;
	int error;
};

/**
 * refresh_release() - Reserved memory becomes ordinary memory
 * @hpa: first byte, of a page
 * @bytes: whole pages
 *
 * The shim gives each page once.  One that is not reserved is this kernel's already.
 *
 * Return: bytes that it were.
 */
u64 refresh_release(u64 hpa, u64 bytes)
{
	u64 pfn, done = 0;

	for (pfn = hpa >> PAGE_SHIFT; pfn < (hpa + bytes) >> PAGE_SHIFT; pfn++) {
		if (!pfn_to_online_page(pfn) || !PageReserved(pfn_to_page(pfn)))
			continue;
		free_reserved_page(pfn_to_page(pfn));
		done += PAGE_SIZE;
	}
	return done;
}

static int grow_range(struct resource *res, void *data)
{
	u64 hpa = PAGE_ALIGN(res->start), end = ALIGN_DOWN(res->end + 1, PAGE_SIZE), bytes;
	struct growth *growth = data;
	u32 result;

	for (; hpa < end && growth->left; hpa += bytes) {
		bytes = min3(end - hpa, growth->left, STEP);
		result = refresh_claim(hpa, &bytes);
		if (result == SHIM_OK) {
			growth->done += refresh_release(hpa, bytes);
			growth->left -= bytes;
		} else if (result != SHIM_E_MEMORY) {
			growth->error = result == SHIM_E_STATE ? -EBUSY : -EIO;
			return 1;
		}
		if (fatal_signal_pending(current)) {
			growth->error = -ERESTARTSYS;
			return 1;
		}
		cond_resched();
	}
	return 0;
}

/**
 * refresh_part_grow() - Take memory and PCI functions of the kernel that has ended
 * @bytes: at most so many, 0: all; how many it were is written
 *
 * Context: process, may sleep.
 * Return: 0, or an error that vmm_refresh.h lists.
 */
int refresh_part_grow(u64 *bytes)
{
	struct growth growth = { .left = *bytes ?: ~0ull };

	*bytes = 0;
	if (!refresh_shim_below())
		return -ENXIO;
	walk_iomem_res_desc(IORES_DESC_NONE, IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY, 0, -1,
			    &growth, grow_range);
	*bytes = growth.done;
	if (growth.done)
		pr_info("%llu MiB of the first kernel's are this one's memory\n",
			growth.done >> 20);
	if (!growth.error)
		refresh_pci_claim();
	return growth.error;
}
