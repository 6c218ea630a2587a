// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of VMs that two partitions hand to each other: rows of what is allowed, and both of them
 * asking for anything in any order, against a model that knows lenders and holders.  TAP.  Run by
 * partition_test.py.
 */
#include "part_unit.h"
#include "../../arch/x86/shim/pool.h"

#define PAGE		4096ull
#define NR_RANGES	64			/* of POOL_ALIGN each, from FIRST on */
#define FIRST		(40 * POOL_ALIGN)
#define NR_NODES	16

static union owner_node nodes[NR_NODES];
static struct owner_map map;

/* Of a range: is it in the pool, who holds it (lent: who has lent it), is it lent? */
static struct range {
	bool pool, lent;
	u32 whose;
} model[NR_RANGES];

/* ---- rows */

struct row {
	const char *name;
	u8 owner;
	u8 to[2][NR_POOL_OPS];			/* by partition; 0: refused */
};

#define P0	OWNER_OF_PART(0)
#define H0	OWNER_HELD_BY(0)
#define H1	OWNER_HELD_BY(1)
#define L0	OWNER_LENT_BY(0)
#define L1	OWNER_LENT_BY(1)

/* ADD, DROP, LEND, KEEP, GIVE */
static const struct row rows[] = {
	{ "nobody's", OWNER_NONE },
	{ "the shim's", OWNER_SHIM },
	{ "the firmware's", OWNER_SHARED },
	{ "left behind", OWNER_LEFT },
	{ "ordinary, the first's", P0, { { H0 } } },
	{ "ordinary, the second's", OWNER_OF_PART(1) },
	{ "shown by the first", OWNER_SHOWN_BY(0) },
	{ "shown by the second", OWNER_SHOWN_BY(1) },
	{ "held by the first", H0, { { 0, P0, L0 } } },
	{ "held by the second", H1, { { 0, 0, L1 }, { 0, 0, L1 } } },
	{ "lent by the first", L0, { { 0, 0, 0, H0, H1 } } },
	{ "lent by the second", L1, { { 0, 0, 0, H1, H0 }, { 0, 0, 0, H1, H0 } } },
};

static void test_rows(void)
{
	char name[80];
	u32 i, part, op;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		bool good = true;

		for (part = 0; part < 2; part++)
			for (op = 0; op < NR_POOL_OPS; op++)
				good &= pool_next(part, op, rows[i].owner) == rows[i].to[part][op];
		good &= pool_next(0, NR_POOL_OPS, rows[i].owner) == OWNER_NONE;
		snprintf(name, sizeof(name), "pool: memory that is %s", rows[i].name);
		ok(good, name);
	}
	ok(ARRAY_SIZE(rows) == NR_OWNERS, "pool: each owner has its row");
}

/* ---- both ask for anything */

static u8 model_owner(u32 i)
{
	if (!model[i].pool)
		return P0;
	return model[i].lent ? OWNER_LENT_BY(model[i].whose) : OWNER_HELD_BY(model[i].whose);
}

/* In words of the model, not of owners. */
static bool model_may(u32 part, u32 op, const struct range *range)
{
	bool entitled = range->pool && (part == 0 || range->whose == part);

	switch (op) {
	case POOL_ADD:
		return part == 0 && !range->pool;
	case POOL_DROP:
		return part == 0 && entitled && range->whose == 0 && !range->lent;
	case POOL_LEND:
		return entitled && !range->lent;
	default:
		return entitled && range->lent;
	}
}

static void model_do(u32 op, struct range *range)
{
	switch (op) {
	case POOL_ADD:
		*range = (struct range){ .pool = true };
		break;
	case POOL_DROP:
		range->pool = false;
		break;
	case POOL_LEND:
		range->lent = true;
		break;
	default:
		range->whose ^= op == POOL_GIVE;
		range->lent = false;
	}
}

/* No byte is written by two but while it is lent, none by nobody; no CPU works with any of it. */
static bool is_as_modelled(u32 i)
{
	u64 hpa = FIRST + i * POOL_ALIGN + random_below(POOL_ALIGN / PAGE) * PAGE;
	u32 part, writers = 0, readers = 0, cpus = 0;

	for (part = 0; part < 2; part++) {
		writers += owner_allows(&map, part, hpa, PAGE, ACCESS_WRITE);
		readers += owner_allows(&map, part, hpa, PAGE, ACCESS_READ);
		cpus += owner_allows(&map, part, hpa, PAGE, ACCESS_CPU);
	}
	return owner_of(&map, hpa) == model_owner(i) &&
	       writers == (model[i].pool && model[i].lent ? 2 : 1) && readers == writers &&
	       cpus == !model[i].pool && (model[i].lent || !model[i].pool ||
		owner_allows(&map, model[i].whose, hpa, PAGE, ACCESS_WRITE));
}

struct counts {
	u32 done[NR_POOL_OPS], refused, odd;
	bool right;
};

static void ask_once(struct counts *counts)
{
	u32 part = random_below(2), op = random_below(NR_POOL_OPS);
	u32 first = random_below(NR_RANGES), nr = 1 + random_below(3), i;
	u64 where, size, hpa = FIRST + first * POOL_ALIGN;
	bool may = true;
	enum owner_error error;

	if (first + nr > NR_RANGES)
		nr = NR_RANGES - first;
	size = nr * POOL_ALIGN;
	if (!random_below(16)) {
		/* Not in large pages. */
		counts->odd++;
		counts->right &= pool_move(&map, part, op, hpa + PAGE, size, &where) != OWNER_OK;
		counts->right &= pool_move(&map, part, op, hpa, size - PAGE, &where) != OWNER_OK;
		return;
	}
	for (i = first; i < first + nr; i++)
		may &= model_may(part, op, &model[i]) && model_owner(i) == model_owner(first);
	error = pool_move(&map, part, op, hpa, size, &where);
	counts->right &= (error == OWNER_OK) == may;
	if (error) {
		counts->refused++;
		return;
	}
	counts->done[op]++;
	for (i = first; i < first + nr; i++)
		model_do(op, &model[i]);
}

/* The pieces that are found are those of the model, once each. */
static bool find_agrees(void)
{
	u64 hpa = 0, at, size;
	u32 i = 0, end;

	while (pool_find(&map, hpa, &at, &size)) {
		while (i < NR_RANGES && !model[i].pool)
			i++;
		for (end = i; end < NR_RANGES && model[end].pool &&
		     model_owner(end) == model_owner(i); end++)
			;
		if (i == NR_RANGES || at != FIRST + i * POOL_ALIGN ||
		    size != (end - i) * POOL_ALIGN)
			return false;
		i = end;
		hpa = at + size;
	}
	while (i < NR_RANGES && !model[i].pool)
		i++;
	return i == NR_RANGES;
}

static void inherit(u32 heir)
{
	u32 i;

	pool_inherit(&map, 0, map.limit, OWNER_HELD_BY(heir));
	for (i = 0; i < NR_RANGES; i++)
		if (model[i].pool)
			model[i] = (struct range){ .pool = true, .whose = heir };
}

static void test_any_order(void)
{
	struct counts counts = { .right = true };
	bool same = true, found = true, inherited = true;
	u32 i, k, op, tried = 0;

	owner_init(&map, nodes, NR_NODES, 36, P0);
	for (i = 0; i < 20000; i++) {
		ask_once(&counts);
		for (k = 0; k < NR_RANGES; k++)
			same &= is_as_modelled(k);
		if (i % 16 == 0)
			found &= find_agrees();
		if (i % 1000 == 999) {
			inherit(random_below(2));
			inherited &= find_agrees();
		}
	}
	for (op = 0; op < NR_POOL_OPS; op++)
		tried += counts.done[op] > 100;
	printf("# add %u, drop %u, lend %u, keep %u, give %u, refused %u, odd %u\n",
	       counts.done[0], counts.done[1], counts.done[2], counts.done[3], counts.done[4],
	       counts.refused, counts.odd);
	ok(tried == NR_POOL_OPS && counts.refused > 2000 && counts.odd > 500,
	   "pool: all has been tried");
	ok(counts.right, "pool: allowed exactly to whom it is");
	ok(same, "pool: two write what is lent, one all else, and no CPU works in it");
	ok(found, "pool: the pieces that are found");
	ok(inherited, "pool: an end leaves all of it to the other one");
	pool_inherit(&map, 0, map.limit, P0);
	ok(map.nr_free == NR_NODES && map.top == P0, "pool: nothing is left of it");
}

/* What the second one was never lent or given it does not get, whatever it asks for. */
static void test_second_alone(void)
{
	bool good = true;
	u64 where;
	u32 i, k;

	owner_init(&map, nodes, NR_NODES, 36, P0);
	pool_move(&map, 0, POOL_ADD, FIRST, 8 * POOL_ALIGN, &where);
	pool_move(&map, 0, POOL_LEND, FIRST + 4 * POOL_ALIGN, POOL_ALIGN, &where);
	for (i = 0; i < 5000; i++) {
		u64 hpa = random_below(100) * POOL_ALIGN;

		pool_move(&map, 1, random_below(NR_POOL_OPS), hpa, POOL_ALIGN, &where);
		for (k = 0; k < 100; k++)
			good &= owner_allows(&map, 1, k * POOL_ALIGN, PAGE, ACCESS_READ) ==
				(k * POOL_ALIGN == FIRST + 4 * POOL_ALIGN);
	}
	ok(good && owner_of(&map, FIRST) == H0 && owner_of(&map, FIRST + 4 * POOL_ALIGN) == L0,
	   "pool: the second one helps itself to nothing");
}

int main(int argc, char **argv)
{
	random_seed(argc, argv);
	test_rows();
	test_any_order();
	test_second_alone();
	return finish();
}
