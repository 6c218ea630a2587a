// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that the second kernel has reserved when it booted, as it was the other one's, becomes
 * ordinary memory when that one has ended, or has given it.
 */
#include <linux/cpu.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/page_ref.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <asm/smp.h>

#include "session.h"

/* Pieces in which it is asked for: a signal is heard in between. */
#define STEP	(64ull << 20)

struct growth {
	u64 left, done;
	bool shared;	/* the first kernel runs */
	int error;
};

/*
 * At once, as the page allocator itself does when a kernel boots: of pages that are freed one by
 * one the last ones are at hand for whoever allocates next, and their memory block could not go
 * offline any more.
 */
#define CHUNK	(SZ_4M >> PAGE_SHIFT)

static bool is_reserved(u64 pfn)
{
	return pfn_to_online_page(pfn) && PageReserved(pfn_to_page(pfn));
}

static bool chunk_is_reserved(u64 pfn, u64 end)
{
	u64 last = pfn + CHUNK;

	if (pfn % CHUNK || end - pfn < CHUNK)
		return false;
	while (pfn < last && is_reserved(pfn))
		pfn++;
	return pfn == last;
}

static void release_chunk(u64 pfn)
{
	struct page *page = pfn_to_page(pfn);
	u64 i;

	for (i = 0; i < CHUNK; i++) {
		ClearPageReserved(page + i);
		set_page_count(page + i, !i);
	}
	adjust_managed_page_count(page, CHUNK);
	__free_pages(page, get_order(SZ_4M));
}

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
	u64 pfn = hpa >> PAGE_SHIFT, end = pfn + (bytes >> PAGE_SHIFT), nr, done = 0;

	for (; pfn < end; pfn += nr) {
		nr = 1;
		if (chunk_is_reserved(pfn, end)) {
			nr = CHUNK;
			release_chunk(pfn);
		} else if (is_reserved(pfn)) {
			free_reserved_page(pfn_to_page(pfn));
		} else {
			continue;
		}
		done += nr << PAGE_SHIFT;
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
		} else if (result == SHIM_E_STATE) {
			growth->shared = true;
		} else if (result != SHIM_E_MEMORY) {
			growth->error = -EIO;
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

/* CPUs that the first kernel has given since this one runs. */
static unsigned int take_cpus(void)
{
	unsigned int cpu, taken = 0;

	for_each_present_cpu(cpu)
		if (!cpu_online(cpu) &&
		    refresh_call_args(SHIM_CALL_PART_CPU, cpu_physical_id(cpu), 0, 0) == SHIM_OK)
			taken += !add_cpu(cpu);
	return taken;
}

/**
 * refresh_part_grow() - Take memory and PCI functions of the kernel that has ended
 * @bytes: at most so many, 0: all; how many it were is written
 * @first: nothing below this address
 * @end: nothing from this address on, 0: no limit
 *
 * Context: process, may sleep.
 * Return: 0, or an error that vmm_refresh.h lists.
 */
int refresh_part_grow(u64 *bytes, u64 first, u64 end)
{
	struct growth growth = { .left = *bytes ?: ~0ull };

	*bytes = 0;
	if (!refresh_shim_below())
		return -ENXIO;
	walk_iomem_res_desc(IORES_DESC_NONE, IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY, first,
			    end - 1, &growth, grow_range);
	*bytes = growth.done;
	if (growth.done)
		pr_info("%llu MiB of the first kernel's are this one's memory\n",
			growth.done >> 20);
	if (growth.error)
		return growth.error;
	if (growth.shared)
		return take_cpus() || growth.done ? 0 : -EBUSY;
	/* Who takes it block by block asks for all that is left in the end. */
	if (!end)
		refresh_pci_claim();
	return 0;
}

/**
 * refresh_part_functions() - Take the PCI functions alone
 *
 * Memory takes its time, and whoever waits for a network card or a disk need not wait for that.
 *
 * Context: process, may sleep.
 * Return: 0, or an error that vmm_refresh.h lists.
 */
int refresh_part_functions(void)
{
	if (!refresh_shim_below())
		return -ENXIO;
	if (refresh_below() != VMM_REFRESH_ADOPTABLE)
		return -EBUSY;
	refresh_pci_claim();
	return 0;
}
