// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables of an EPT against a flat array of pages: random ranges are mapped, taken away and given
 * back, in an EPT that begins with pages of 1 GiB.  TAP.  Run by partition_test.py.
 */
#include "part_unit.h"
#include "../../arch/x86/shim/ept.h"

#define PAGE		4096ull
#define ENTRIES		512
#define POOL_PAGES	600
#define POOL_HPA	0x4000000000ull
#define MIB2		(512 * PAGE)
#define GIB		(512 * MIB2)
#define NR_PAGES	(3 * 512 * 512)		/* 3 GiB, the third one uncached */

static char memory[POOL_PAGES * PAGE] __aligned(4096);
static struct ept_pool pool;
static u64 machine, second;

/* For each EPT and page: where to, with its access; 0: nowhere. */
static u64 model[2][NR_PAGES];

static u64 type_of(u64 hpa)
{
	return hpa < 2 * GIB ? EPT_TYPE_WB : 0;
}

static void begin(u32 pages)
{
	u64 *top, *gib, i;

	pool = (struct ept_pool){
		.va = memory, .hpa = POOL_HPA, .next = memory,
		.end = memory + pages * PAGE,
	};
	top = ept_page(&pool);
	gib = ept_page(&pool);
	machine = ept_page_hpa(&pool, top) | 0x1e;
	top[0] = ept_page_hpa(&pool, gib) | EPT_RWX;
	for (i = 0; i < 3; i++)
		gib[i] = i * GIB | EPT_LARGE | type_of(i * GIB) | EPT_RWX;
	second = ept_page_hpa(&pool, ept_page(&pool)) | 0x1e;
	for (i = 0; i < NR_PAGES; i++) {
		model[0][i] = i * PAGE | EPT_RWX;
		model[1][i] = 0;
	}
}

static bool map(u32 which, u64 gpa, u64 hpa, u64 size, u64 access)
{
	u64 i;

	if (!ept_map(&pool, which ? second : machine, machine, gpa, hpa, size, access))
		return false;
	for (i = 0; i < size / PAGE; i++)
		model[which][gpa / PAGE + i] = access ? (hpa + i * PAGE) | access : 0;
	return true;
}

static bool page_ok(u32 which, u64 page)
{
	static const u64 accesses[] = { EPT_READ, EPT_WRITE, EPT_EXECUTE, EPT_READ | EPT_WRITE };
	u64 root = which ? second : machine, want = model[which][page], hpa, entry;
	u32 level, i;

	for (i = 0; i < ARRAY_SIZE(accesses); i++) {
		bool may = (want & accesses[i]) == accesses[i];

		if (ept_translate(&pool, root, page * PAGE + 0x123, accesses[i], &hpa) != may)
			return false;
		if (may && hpa != (want & EPT_ADDRESS) + 0x123)
			return false;
	}
	entry = *ept_find(&pool, root, page * PAGE, &level);
	return !(want & EPT_RWX) || (entry & EPT_TYPE) == type_of(want & EPT_ADDRESS);
}

static u32 wrong_pages(u32 step)
{
	u32 wrong = 0, i;

	for (i = random_below(step); i < NR_PAGES; i += 1 + random_below(step))
		wrong += !page_ok(0, i) + !page_ok(1, i);
	return wrong;
}

static u32 tables_used(void)
{
	return (pool.next - memory) / PAGE - pool.nr_free;
}

static void test_rows(void)
{
	u64 hpa;
	u32 used;

	begin(POOL_PAGES);
	used = tables_used();
	ok(map(1, 0, 0, GIB, EPT_RWX) && tables_used() == used + 1 && !wrong_pages(999),
	   "1 GiB is one entry");
	ok(map(1, 0, 0, MIB2, 0) && tables_used() == used + 2 && !wrong_pages(999),
	   "2 MiB of it are one, below one table more");
	ok(map(1, 5 * PAGE, 7 * PAGE, PAGE, EPT_READ | EPT_WRITE) && tables_used() == used + 3 &&
	   !wrong_pages(999), "a page that is another one");
	ok(map(1, 0, 0, GIB, EPT_RWX) && !wrong_pages(99), "all of it again");
	ok(map(0, GIB, GIB, GIB, 0) && !ept_translate(&pool, machine, GIB, EPT_READ, &hpa) &&
	   map(0, GIB + 3 * PAGE, GIB + 3 * PAGE, PAGE, EPT_RWX) && page_ok(0, 512 * 512 + 3) &&
	   !wrong_pages(99), "what is taken away keeps its place and type");
	ok(map(1, 2 * GIB, 2 * GIB, PAGE, EPT_READ) && page_ok(1, 2 * 512 * 512),
	   "uncached stays uncached");
	ok(!ept_map(&pool, second, machine, 0, 4 * GIB, PAGE, EPT_RWX),
	   "not what the machine's EPT does not know");
	ok(!ept_translate(&pool, machine, BIT(48), EPT_READ, &hpa), "nothing beyond four levels");
}

static void test_pool(void)
{
	u32 pages = 5, used;

	begin(pages);
	used = tables_used();
	ok(!map(1, PAGE, PAGE, PAGE, EPT_RWX), "three tables where there are two");
	ept_free(&pool, second);
	ok(tables_used() == used - 1, "all of it comes back");
	begin(POOL_PAGES);
	used = tables_used();
	map(1, 3 * PAGE, 3 * PAGE, 2 * GIB, EPT_RWX);
	ept_free(&pool, second);
	ok(tables_used() == used - 1, "of a whole tree, too");
	second = ept_page_hpa(&pool, ept_page(&pool));
	memset(model[1], 0, sizeof(model[1]));
	ok(!wrong_pages(99), "and is empty when it is used again");
}

static void put_back(u32 nr, void **gone)
{
	while (nr--)
		ept_put_page(&pool, gone[nr]);
}

/* Some pages of 2 MiB that are not to be read are shown as the one at @nothing, then none is. */
static void test_join(void)
{
	const u64 nothing = 77 * PAGE, at = GIB + 6 * MIB2;
	void *gone[EPT_JOINED];
	u32 used, which, nr;

	for (which = 0; which < 2; which++) {
		u64 root;

		begin(POOL_PAGES);
		root = which ? second : machine;
		map(which, GIB, GIB, GIB, 0);
		map(which, at - MIB2, at - MIB2, PAGE, EPT_RWX);
		used = tables_used();
		ok(!ept_join(&pool, root, at, nothing, gone), "join: there is no table");
		ept_map(&pool, root, machine, at + 3 * PAGE, nothing, PAGE, EPT_READ);
		ept_map(&pool, root, machine, at + 511 * PAGE, nothing, PAGE, EPT_READ);
		ok(tables_used() == used + 1 && !ept_join(&pool, root, at - MIB2, nothing, gone) &&
		   !ept_join(&pool, root, at, nothing + PAGE, gone),
		   "join: what leads elsewhere stays");
		nr = ept_join(&pool, root, at + 5 * PAGE, nothing, gone);
		ok(nr == 1, "join: what leads to nothing");
		put_back(nr, gone);
		ok(tables_used() == used && !wrong_pages(9), "join: no table, no page");
		ok(map(which, at, at, MIB2, EPT_RWX) && tables_used() == used && !wrong_pages(9),
		   "join: it can be given as one");
	}
}

/* In a machine of SWEPT GiB all of which is another's but 3 GiB. */
#define SWEPT		600
#define KEPT		32	/* tables, as world.c keeps them */

static void make_swept(void)
{
	u64 *top, *gib = NULL, i;

	begin(POOL_PAGES);
	top = (u64 *)(memory + (machine & EPT_ADDRESS) - POOL_HPA);
	for (i = 3; i < SWEPT; i++) {
		if (i == 3)
			gib = (u64 *)(memory + (top[0] & EPT_ADDRESS) - POOL_HPA);
		if (i == ENTRIES) {
			gib = ept_page(&pool);
			top[1] = ept_page_hpa(&pool, gib) | EPT_RWX;
		}
		gib[i % ENTRIES] = i * GIB | EPT_LARGE | EPT_TYPE_WB;
	}
}

/* A page of each GiB is shown as nothing, and joined when KEPT others have been. */
static u32 sweep(u64 root, u32 *most)
{
	const u64 nothing = 77 * PAGE;
	void *gone[EPT_JOINED];
	u32 i, nr;

	for (i = 3; i < SWEPT + KEPT; i++) {
		if (i < SWEPT && !ept_map(&pool, root, machine, i * GIB, nothing, PAGE, EPT_READ))
			break;
		if (tables_used() > *most)
			*most = tables_used();
		if (i < 3 + KEPT)
			continue;
		nr = ept_join(&pool, root, (i - KEPT) * GIB, nothing, gone);
		put_back(nr, gone);
	}
	return i - KEPT;
}

static void test_sweep(void)
{
	u32 which, used, most, level;
	u64 root, *entry;

	for (which = 0; which < 2; which++) {
		make_swept();
		root = which ? second : machine;
		most = 0;
		used = tables_used();
		ok(sweep(root, &most) == SWEPT && most <= used + 2 + 2 * (KEPT + 1) &&
		   tables_used() <= used + 2, "join: a GiB needs no table afterwards");
		entry = ept_find(&pool, root, 500 * GIB, &level);
		ok(level == 3 && *entry == (500 * GIB | EPT_LARGE | EPT_TYPE_WB) &&
		   !wrong_pages(99), "join: it is one entry, of its own address and type");
		ok(ept_map(&pool, root, machine, 500 * GIB, 500 * GIB, GIB, EPT_RWX) &&
		   tables_used() <= used + 2, "join: it can be given as one");
	}
}

static void test_random(void)
{
	static const u64 accesses[] = { 0, EPT_READ, EPT_READ | EPT_WRITE, EPT_RWX };
	static const u64 sizes[] = { PAGE, 7 * PAGE, MIB2, 5 * MIB2 + 3 * PAGE, GIB };
	u64 gpa, hpa, size, access;
	u32 i, which, wrong = 0;

	begin(POOL_PAGES);
	for (i = 0; i < 400; i++) {
		size = sizes[random_below(ARRAY_SIZE(sizes))];
		gpa = random_below((NR_PAGES * PAGE - size) / PAGE + 1) * PAGE;
		if (random_below(2))
			gpa &= ~(MIB2 - 1);
		which = random_below(2);
		access = accesses[random_below(ARRAY_SIZE(accesses))];
		/* The machine's own is an identity; a copy is of memory of the same type. */
		hpa = gpa;
		if (which && size == PAGE && gpa < 2 * GIB)
			hpa = random_below(2 * 512 * 512) * PAGE;
		if (!map(which, gpa, hpa, size, access))
			break;
		wrong += wrong_pages(5000);
	}
	ok(i > 100 && !wrong && !wrong_pages(40), "random ranges");
}

int main(int argc, char **argv)
{
	random_seed(argc, argv);
	test_rows();
	test_pool();
	test_join();
	test_sweep();
	test_random();
	return finish();
}
