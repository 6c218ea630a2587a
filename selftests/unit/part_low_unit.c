// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory below 1 MiB of which the first partition keeps a copy while the second one has it.  TAP.
 * Run by partition_test.py.
 */
#include "part_unit.h"
#include "../../arch/x86/shim/world.h"

#define PAGE		4096ull
#define POOL_PAGES	64
#define POOL_HPA	0x40000000ull
#define FIRST		0x10000ull
#define END		0x80000ull
#define KEPT		(END - SHIM_PLAN_KEPT * PAGE)

struct world world;
struct shim_header shim_header;

static char pool[POOL_PAGES * PAGE] __aligned(4096);
static u8 low[END] __aligned(4096);
static u32 flushes;
static bool answers = true;

void *host_page(u64 hpa)
{
	return low + hpa;
}

bool world_flush(struct shim_cpu *cpu, u32 part)
{
	flushes += !part;
	return answers;
}

/* The first partition's EPT: 2 GiB as they are. */
static void begin(u32 pages)
{
	u64 *top, *gib, i;

	memset(&world, 0, sizeof(world));
	world.pool = (struct ept_pool){
		.va = pool, .hpa = POOL_HPA, .next = pool, .end = pool + pages * PAGE,
	};
	world.low.hpa = KEPT;
	world.low.bytes = END - KEPT;
	top = ept_page(&world.pool);
	gib = ept_page(&world.pool);
	shim_header.part[0].eptp = ept_page_hpa(&world.pool, top) | 0x1e;
	top[0] = ept_page_hpa(&world.pool, gib) | EPT_RWX;
	for (i = 0; i < 2; i++)
		gib[i] = i << 30 | EPT_LARGE | EPT_TYPE_WB | EPT_RWX;
	for (i = 0; i < END; i++)
		low[i] = i * 7 + (i >> 12);
	flushes = 0;
}

/* As when memory changes its owner. */
static void follow(u64 hpa, u64 bytes, u64 access)
{
	u64 root = shim_header.part[0].eptp;

	ept_map(&world.pool, root, root, hpa, hpa, bytes, access);
}

/* Where the first partition sees the page; NULL: nowhere. */
static u8 *seen(u64 gpa)
{
	u64 hpa;

	if (!ept_translate(&world.pool, shim_header.part[0].eptp, gpa, EPT_RWX, &hpa))
		return NULL;
	return hpa < END ? low + hpa : (u8 *)pool + (hpa - POOL_HPA);
}

static u32 wrong(u64 first, u64 end, bool copies)
{
	u32 n = 0;
	u64 at;

	for (at = first; at < end; at++)
		n += !seen(at) || *seen(at) != (u8)(at * 7 + (at >> 12)) ||
		     (seen(at) != low + at) != copies;
	return n;
}

static u32 visible(u64 first, u64 end)
{
	u32 n = 0;

	for (; first < end; first += PAGE)
		n += !!seen(first);
	return n;
}

static void give(void)
{
	begin(POOL_PAGES);
	follow(FIRST, END - FIRST, 0);
	ok(low_keep(NULL, FIRST, END - FIRST), "it keeps a copy");
	ok(!wrong(KEPT, END, true), "the first partition sees it, may write and execute it");
	ok(!visible(FIRST, KEPT), "and nothing else of that memory");
	ok(flushes == 1, "no CPU of it has cached anything else");
	memset(low + FIRST, 0xcc, END - FIRST);
	ok(!wrong(KEPT, END, true), "what the second one writes there it does not see");
	*seen(KEPT + 5) = 0x55;
}

static void take(void)
{
	u32 nr_free = world.pool.nr_free;

	low_return(NULL, 0x200000, 0x200000);
	ok(!wrong(KEPT + PAGE, END, true), "other memory comes back: nothing happens");
	low_return(NULL, FIRST, END - FIRST);
	ok(!visible(FIRST, END), "the memory comes back: the copies are seen no more");
	follow(FIRST, END - FIRST, EPT_RWX);
	ok(!wrong(KEPT + PAGE, END, false), "what was in them is in the memory");
	ok(*seen(KEPT + 5) == 0x55, "with what the first one has written");
	ok(flushes == 2 && world.pool.nr_free == nr_free + SHIM_PLAN_KEPT, "their pages are free");
	low_return(NULL, FIRST, END - FIRST);
	ok(*seen(KEPT + 5) == 0x55 && flushes == 2, "once more: nothing happens");
}

static void refuse(void)
{
	begin(20);
	follow(FIRST, END - FIRST, 0);
	ok(!low_keep(NULL, FIRST, END - FIRST), "too few pages");
	ok(!visible(FIRST, END) && !world.low.nr, "nothing is kept, nothing seen");
	begin(POOL_PAGES);
	ok(low_keep(NULL, KEPT + PAGE, END - KEPT) && !world.low.nr, "other memory is not kept");
	ok(low_keep(NULL, KEPT, END - KEPT - PAGE) && !world.low.nr, "nor a part of it");
}

int main(void)
{
	give();
	take();
	refuse();
	return finish();
}
