// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of the second partition: blocks that this kernel has put offline.  They stay in its
 * direct map, through which they are filled while they are its own.
 */
#include <linux/ioport.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "session.h"

#define COPY_BYTES	SZ_64K

/**
 * refresh_ranges_add() - Add a range
 * @ranges: those that there are
 * @hpa: first byte
 * @bytes: how many
 *
 * One that ends where the last one begins is a part of that.
 *
 * Return: 0, -EEXIST if a part of it is there, -ENOSPC if there are too many.
 */
int refresh_ranges_add(struct refresh_ranges *ranges, u64 hpa, u64 bytes)
{
	struct refresh_range *last = ranges->nr ? &ranges->range[ranges->nr - 1] : NULL;

	if (refresh_ranges_touch(ranges, hpa, bytes))
		return -EEXIST;
	if (last && last->hpa == hpa + bytes) {
		last->hpa = hpa;
		last->bytes += bytes;
		return 0;
	}
	if (ranges->nr == REFRESH_MAX_RANGES)
		return -ENOSPC;
	ranges->range[ranges->nr].hpa = hpa;
	ranges->range[ranges->nr].bytes = bytes;
	/* refresh_ranges_touch() looks without the lock. */
	smp_store_release(&ranges->nr, ranges->nr + 1);
	return 0;
}

/**
 * refresh_ranges_drop() - Take off what was added last
 * @ranges: those that there are
 * @bytes: as many as were added
 */
void refresh_ranges_drop(struct refresh_ranges *ranges, u64 bytes)
{
	struct refresh_range *last = &ranges->range[ranges->nr - 1];

	if (last->bytes == bytes) {
		ranges->nr--;
		return;
	}
	last->hpa += bytes;
	last->bytes -= bytes;
}

/**
 * refresh_ranges_have() - Is that in one of the ranges?
 * @ranges: the ranges
 * @hpa: first byte
 * @bytes: how many
 *
 * Return: true if all of it is.
 */
bool refresh_ranges_have(const struct refresh_ranges *ranges, u64 hpa, u64 bytes)
{
	u32 i;

	for (i = 0; i < ranges->nr; i++)
		if (hpa >= ranges->range[i].hpa && bytes <= ranges->range[i].bytes &&
		    hpa - ranges->range[i].hpa <= ranges->range[i].bytes - bytes)
			return true;
	return false;
}

/**
 * refresh_ranges_touch() - Is a part of that in one of the ranges?
 * @ranges: the ranges, to which one may be added meanwhile
 * @hpa: first byte
 * @bytes: how many
 *
 * Return: true if some of it is.
 */
bool refresh_ranges_touch(const struct refresh_ranges *ranges, u64 hpa, u64 bytes)
{
	/* Pairs with refresh_ranges_add(). */
	u32 nr = smp_load_acquire(&ranges->nr), i;

	for (i = 0; i < nr; i++)
		if (hpa < ranges->range[i].hpa + ranges->range[i].bytes &&
		    hpa + bytes > ranges->range[i].hpa)
			return true;
	return false;
}

/**
 * refresh_ranges_total() - How much it is
 * @ranges: the ranges
 *
 * Return: bytes.
 */
u64 refresh_ranges_total(const struct refresh_ranges *ranges)
{
	u64 total = 0;
	u32 i;

	for (i = 0; i < ranges->nr; i++)
		total += ranges->range[i].bytes;
	return total;
}

/**
 * refresh_check_offline() - Does this kernel use nothing of it?
 * @hpa: first byte, of a page
 * @bytes: whole pages
 *
 * Context: process, may sleep.
 * Return: 0, or -EBUSY if a page of it is online, or is no RAM.
 */
int refresh_check_offline(u64 hpa, u64 bytes)
{
	u64 pfn, end = (hpa + bytes) >> PAGE_SHIFT;

	if (region_intersects(hpa, bytes, IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) !=
	    REGION_INTERSECTS) {
		pr_err("%#llx to %#llx is not all RAM\n", hpa, hpa + bytes);
		return -EBUSY;
	}
	for (pfn = hpa >> PAGE_SHIFT; pfn < end; pfn++) {
		if (pfn_to_online_page(pfn)) {
			pr_err("the memory at %#llx is online: put its block offline first (/sys/devices/system/memory)\n",
			       pfn << PAGE_SHIFT);
			return -EBUSY;
		}
		if (!(pfn % PAGES_PER_SECTION))
			cond_resched();
	}
	return 0;
}

/**
 * refresh_check_low() - Does this kernel leave alone what the other's CPUs begin in?
 *
 * Both keep all of the first MiB from their allocators; their own code for CPUs that start
 * lies at the end of what RAM there is, because it is looked for from above.
 *
 * Return: 0, or -EBUSY.
 */
int refresh_check_low(void)
{
	u64 pfn;

	for (pfn = REFRESH_LOW_FIRST >> PAGE_SHIFT; pfn < REFRESH_LOW_END >> PAGE_SHIFT; pfn++)
		if (!PageReserved(pfn_to_page(pfn))) {
			pr_err("this kernel uses memory at %#llx, where CPUs of the second one begin\n",
			       pfn << PAGE_SHIFT);
			return -EBUSY;
		}
	return 0;
}

/*
 * By way of @buffer: copy_from_user() looks at the page that it writes to, and nothing is true of
 * the struct page of memory that is offline.
 */
static int copy_in(const struct vmm_refresh_segment *segment, void *buffer)
{
	u64 done, n;

	for (done = 0; done < segment->bytes; done += n) {
		n = min_t(u64, segment->bytes - done, COPY_BYTES);
		if (copy_from_user(buffer, (void __user *)(uintptr_t)(segment->data + done), n))
			return -EFAULT;
		memcpy(__va(segment->hpa + done), buffer, n);
		cond_resched();
	}
	return 0;
}

/**
 * refresh_fill_ranges() - Clear the ranges, then copy into them
 * @ranges: memory that is this kernel's now
 * @segments: what to copy, from the memory of the caller; each is in one of @ranges
 * @nr: how many
 *
 * Context: process, may sleep.
 * Return: 0, -EFAULT, or -ENOMEM.
 */
int refresh_fill_ranges(const struct refresh_ranges *ranges,
			const struct vmm_refresh_segment *segments, u32 nr)
{
	void *buffer = kvmalloc(COPY_BYTES, GFP_KERNEL);
	u64 done, n;
	u32 i;
	int r = 0;

	if (!buffer)
		return -ENOMEM;
	for (i = 0; i < ranges->nr; i++)
		for (done = 0; done < ranges->range[i].bytes; done += n) {
			n = min_t(u64, ranges->range[i].bytes - done, SZ_1M);
			memset(__va(ranges->range[i].hpa + done), 0, n);
			cond_resched();
		}
	for (i = 0; i < nr && !r; i++)
		r = copy_in(&segments[i], buffer);
	kvfree(buffer);
	return r;
}
