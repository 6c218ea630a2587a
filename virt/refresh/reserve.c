// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory for the reserve, which is physically contiguous: from the buddy
 * allocator while it has blocks that large (4 MiB, about 50 CPUs), else by moving
 * away what is in a range of movable memory.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/sched/signal.h>

#include "session.h"

/*
 * Same zone from end to end, and nothing that can be told to be in the way.  What is in
 * ZONE_MOVABLE is there to be taken away: only if nothing else fits.
 */
static bool looks_usable(unsigned long pfn, unsigned long end, bool movable)
{
	struct zone *zone = NULL;
	struct page *page;

	for (; pfn < end; pfn += pageblock_nr_pages) {
		page = pfn_to_online_page(pfn);
		if (!page || PageReserved(page) || page_zonenum(page) == ZONE_DMA ||
		    (page_zonenum(page) == ZONE_MOVABLE) != movable)
			return false;
		if (zone && page_zone(page) != zone)
			return false;
		zone = page_zone(page);
	}
	return true;
}

/* The highest range first: that is where memory that can be moved is. */
static unsigned long take_range(int nid, unsigned long nr, bool movable)
{
	unsigned long step = max_t(unsigned long, nr, pageblock_nr_pages);
	unsigned long first = ALIGN(node_start_pfn(nid), pageblock_nr_pages);
	unsigned long pfn = ALIGN_DOWN(node_end_pfn(nid), pageblock_nr_pages);

	while (pfn >= first + step) {
		pfn = ALIGN_DOWN(pfn - nr, pageblock_nr_pages);
		if (looks_usable(pfn, pfn + nr, movable) &&
		    !alloc_contig_range(pfn, pfn + nr, MIGRATE_MOVABLE,
					GFP_KERNEL | __GFP_NOWARN))
			return pfn;
		if (fatal_signal_pending(current))
			break;
		cond_resched();
	}
	return 0;
}

static unsigned long take_any_range(unsigned long nr, bool movable)
{
	unsigned long pfn;
	int nid;

	for_each_online_node(nid) {
		pfn = take_range(nid, nr, movable);
		if (pfn)
			return pfn;
	}
	return 0;
}

/**
 * refresh_alloc_reserve() - Find memory for the reserve
 * @res: hpa, size and va are written
 * @size: bytes
 *
 * Context: process, may sleep, may move pages.
 * Return: 0 with zeroed memory, or -ENOMEM.
 */
int refresh_alloc_reserve(struct refresh_reserve *res, u64 size)
{
	unsigned int order = get_order(size);
	unsigned long nr = PAGE_ALIGN(size) >> PAGE_SHIFT, pfn;

	res->va = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN |
					   __GFP_NORETRY, order);
	res->contig = !res->va;
	if (res->contig) {
		pfn = take_any_range(nr, false);
		if (!pfn) {
			pfn = take_any_range(nr, true);
			if (!pfn)
				return -ENOMEM;
			pr_info("the shim's memory is in a movable zone: its block cannot go offline until the shim leaves\n");
		}
		res->va = page_to_virt(pfn_to_page(pfn));
		memset(res->va, 0, nr << PAGE_SHIFT);
	}
	res->hpa = __pa(res->va);
	res->size = res->contig ? nr << PAGE_SHIFT : PAGE_SIZE << order;
	return 0;
}

/**
 * refresh_free_reserve() - Give the memory of the reserve back
 * @res: the reserve, or one without memory
 *
 * Nothing of the shim's, and so of the host's, is left in it.
 *
 * Context: process.
 */
void refresh_free_reserve(struct refresh_reserve *res)
{
	if (res->va) {
		memset(res->va, 0, res->size);
		if (res->reserved)
			refresh_release(res->hpa, res->size);
		else if (res->contig)
			free_contig_range(res->hpa >> PAGE_SHIFT, res->size >> PAGE_SHIFT);
		else
			free_pages((unsigned long)res->va, get_order(res->size));
	}
	memset(res, 0, sizeof(*res));
}
