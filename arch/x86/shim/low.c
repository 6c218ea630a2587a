// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory below 1 MiB in which both kernels have code for their CPUs that start, at the same
 * addresses: a kernel that was a second one itself has it where the next second one puts its own.
 * While that memory is the second partition's the first one sees a copy of what it has there.
 */
#include "world.h"

static bool is_kept(u64 hpa, u64 bytes)
{
	const struct world_low *low = &world.low;

	return low->bytes && hpa <= low->hpa && low->bytes <= bytes &&
	       low->hpa - hpa <= bytes - low->bytes;
}

static void copy_page(void *to, const void *from)
{
	u64 *word = to;
	const u64 *source = from;
	u32 i;

	for (i = 0; i < SHIM_PAGE / sizeof(u64); i++)
		word[i] = source[i];
}

static bool map(u64 gpa, u64 hpa, u64 access)
{
	u64 eptp = shim_header.part[0].eptp;

	return ept_map(&world.pool, eptp, eptp, gpa, hpa, SHIM_PAGE, access);
}

/* The first partition sees the memory itself no more, and its copy neither. */
static void drop(struct shim_cpu *cpu)
{
	struct world_low *low = &world.low;
	u32 i;

	for (i = 0; i < low->nr; i++)
		map(low->hpa + i * SHIM_PAGE, low->hpa + i * SHIM_PAGE, 0);
	world_flush(cpu, 0);
	while (low->nr)
		ept_put_page(&world.pool, low->page[--low->nr]);
}

/* It has become the second partition's, which has not begun.  False: there are no pages left. */
bool low_keep(struct shim_cpu *cpu, u64 hpa, u64 bytes)
{
	struct world_low *low = &world.low;
	u64 at;

	if (!is_kept(hpa, bytes) || low->nr)
		return true;
	for (at = low->hpa; at < low->hpa + low->bytes; at += SHIM_PAGE) {
		low->page[low->nr] = ept_page(&world.pool);
		if (!low->page[low->nr])
			break;
		copy_page(low->page[low->nr], host_page(at));
		if (!map(at, ept_page_hpa(&world.pool, low->page[low->nr++]), EPT_RWX))
			break;
	}
	if (at == low->hpa + low->bytes && world_flush(cpu, 0))
		return true;
	drop(cpu);
	return false;
}

/* It is going to be the first one's again, with what that one had there. */
void low_return(struct shim_cpu *cpu, u64 hpa, u64 bytes)
{
	struct world_low *low = &world.low;
	u32 i;

	if (!is_kept(hpa, bytes) || !low->nr)
		return;
	for (i = 0; i < low->nr; i++)
		copy_page(host_page(low->hpa + i * SHIM_PAGE), low->page[i]);
	drop(cpu);
}
