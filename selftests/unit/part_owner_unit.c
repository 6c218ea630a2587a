// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners of pages against a plain array with one byte a page, and the classes of VMCS fields.
 * TAP.  Run by partition_test.py.
 */
#include "part_unit.h"
#include "../../arch/x86/shim/vmcs_class.h"
#include "../../arch/x86/shim/vmcs.h"

#define PAGE		4096ull
#define MODEL_BITS	30			/* the array's memory: 1 GiB */
#define MODEL_PAGES	BIT(MODEL_BITS - 12)
#define NR_NODES	48

static union owner_node nodes[NR_NODES];
static struct owner_map map;
static u8 model[MODEL_PAGES];

/* ---- the array and the tree */

static bool model_is(u64 first, u64 pages, u8 owner, u64 *where)
{
	u64 i;

	for (i = first; i < first + pages; i++) {
		*where = i * PAGE;
		if (model[i] != owner)
			return false;
	}
	return true;
}

static bool same_everywhere(void)
{
	u64 i;

	for (i = 0; i < MODEL_PAGES; i++)
		if (owner_of(&map, i * PAGE) != model[i])
			return false;
	return true;
}

static u32 nodes_in_use(u32 entry, u32 level)
{
	u32 sum = 1, i;

	if (!(entry & 0x80000000u))
		return 0;
	for (i = 0; level && i < 1024; i++)
		sum += nodes_in_use(map.node[entry & 0x7fffffff].entry[i], level - 1);
	return sum;
}

/* A node that says the same of all that is below it should not be there. */
static bool is_needed(u32 entry, u32 level)
{
	const union owner_node *node = &map.node[entry & 0x7fffffff];
	bool differ = false, needed = true;
	u32 i;

	if (!(entry & 0x80000000u))
		return true;
	for (i = 0; !level && i < 4096; i++)
		differ |= node->owner[i] != node->owner[0];
	for (i = 0; level && i < 1024; i++) {
		differ |= node->entry[i] & 0x80000000u || node->entry[i] != node->entry[0];
		needed &= is_needed(node->entry[i], level - 1);
	}
	return differ && needed;
}

static bool nodes_add_up(void)
{
	u32 i, at = map.free;

	for (i = 0; i < map.nr_free && at < NR_NODES; i++)
		at = map.node[at].entry[0];
	return i == map.nr_free && nodes_in_use(map.top, 3) + map.nr_free == NR_NODES;
}

/* Ranges of all sizes, often at the edges of the tree's nodes and of each other. */
static void random_range(u64 *first, u64 *pages)
{
	u64 unit = BIT(random_below(MODEL_BITS - 12 + 1)), end;

	*first = random_below(MODEL_PAGES / unit) * unit;
	end = *first + unit;
	if (random_below(3) == 0)
		end += random_below(64);
	if (random_below(3) == 0 && *first > 64)
		*first -= random_below(64);
	if (end > MODEL_PAGES)
		end = MODEL_PAGES;
	*pages = end - *first;
}

struct moved {
	u32	done, foreign, full;
	bool	where, error;
};

static void move_once(struct moved *moved)
{
	u64 first, pages, where, model_where;
	u8 from, to = random_below(NR_OWNERS);
	enum owner_error error;
	bool good;

	random_range(&first, &pages);
	from = random_below(4) ? model[first] : random_below(NR_OWNERS);
	/* A range that is one owner's up to some page: most are refused otherwise. */
	if (random_below(2)) {
		model_is(first, pages, from, &model_where);
		if (model_where / PAGE > first)
			pages = model_where / PAGE - first;
	}
	/* Owners meet again where they had been parted. */
	if (random_below(2) && first + pages < MODEL_PAGES)
		to = model[first + pages];
	else if (random_below(2) && first)
		to = model[first - 1];
	good = model_is(first, pages, from, &model_where);
	error = owner_move(&map, first * PAGE, pages * PAGE, from, to, &where);
	if (!good) {
		moved->error &= error == OWNER_E_FOREIGN;
		moved->where &= where == model_where;
		moved->foreign++;
	} else if (error == OWNER_E_NODES) {
		moved->full++;
	} else {
		moved->error &= error == OWNER_OK;
		memset(model + first, to, pages);
		moved->done++;
	}
}

/* From run to run: each as long as the array says, and no longer than asked for. */
static bool runs_are_whole(void)
{
	u64 i, end, last, size;
	bool good = true;

	for (i = 0; i < MODEL_PAGES && good; i = end) {
		for (end = i + 1; end < MODEL_PAGES && model[end] == model[i]; end++)
			;
		good &= owner_run(&map, i * PAGE, map.limit - i * PAGE, &last) == model[i] &&
			last == (end == MODEL_PAGES ? map.limit : end * PAGE) - 1;
		size = (1 + random_below(end - i)) * PAGE;
		good &= owner_run(&map, i * PAGE, size, &last) == model[i] &&
			last == i * PAGE + size - 1;
	}
	return good;
}

static void test_moves(void)
{
	struct moved moved = { .where = true, .error = true };
	bool same = true, sums = true, needed = true;
	u64 i, end, where;

	owner_init(&map, nodes, NR_NODES, MODEL_BITS, OWNER_PART);
	memset(model, OWNER_PART, sizeof(model));
	for (i = 0; i < 20000; i++) {
		move_once(&moved);
		sums &= nodes_add_up();
		if (i % 16 == 0)
			needed &= is_needed(map.top, 3);
		if (i % 500 == 0)
			same &= same_everywhere();
	}
	printf("# %u moves, %u refused as foreign, %u for want of nodes\n", moved.done,
	       moved.foreign, moved.full);
	ok(moved.done > 2000 && moved.foreign > 2000, "moves: both kinds have been tried");
	ok(same && same_everywhere(), "moves: the owners are those of the array");
	ok(moved.error, "moves: refused exactly when a page is another's");
	ok(moved.where, "moves: the first foreign page is named");
	ok(sums, "moves: no node is lost or used twice");
	ok(needed, "moves: no node says the same of all below it");
	ok(runs_are_whole(), "moves: a run is all that has one owner, within what was asked for");
	/* Whole pieces need no cut. */
	for (i = 0; i < MODEL_PAGES; i = end) {
		for (end = i + 1; end < MODEL_PAGES && model[end] == model[i]; end++)
			;
		owner_move(&map, i * PAGE, (end - i) * PAGE, model[i], OWNER_PART, &where);
	}
	ok(map.nr_free == NR_NODES && map.top == OWNER_PART, "moves: one owner needs no node");
}

static void test_no_nodes(void)
{
	u64 where;
	u32 i;
	bool same = true;

	owner_init(&map, nodes, 5, 46, OWNER_PART);
	ok(owner_move(&map, 0x1234000, PAGE, OWNER_PART, OWNER_LENT, &where) == OWNER_OK,
	   "nodes: four are enough for a page");
	ok(owner_move(&map, BIT(40) - PAGE, 2 * PAGE, OWNER_PART, OWNER_LENT, &where) ==
	   OWNER_E_NODES, "nodes: five are not for two pages far away");
	ok(owner_of(&map, BIT(40) - PAGE) == OWNER_PART && map.nr_free == 1,
	   "nodes: nothing has changed then");
	ok(owner_move(&map, 0x1235000, 4000 * PAGE, OWNER_PART, OWNER_LENT, &where) == OWNER_OK &&
	   !map.nr_free, "nodes: the last one");
	for (i = 0; i < 4001; i++)
		same &= owner_of(&map, 0x1234000 + i * PAGE) == OWNER_LENT;
	ok(same && owner_of(&map, 0x1233000) == OWNER_PART &&
	   owner_of(&map, 0x1234000 + 4001 * PAGE) == OWNER_PART, "nodes: both edges are exact");
}

static void test_large(void)
{
	static const struct owner_range ranges[] = {
		{ 0, BIT(43), OWNER_PART },		/* 8 TiB */
		{ 0xa0000, 0x60000, OWNER_SHARED },
		{ 0xfec00000, PAGE, OWNER_SHIM },
		{ BIT(42), BIT(41), OWNER_PART + 1 },
	};
	struct owner_range odd = { 0x1000, 0x800, OWNER_PART };
	u64 where;

	owner_init(&map, nodes, NR_NODES, 46, OWNER_NONE);
	ok(owner_init_ranges(&map, ranges, ARRAY_SIZE(ranges)) == OWNER_OK,
	   "terabytes: a machine's map");
	printf("# %u nodes for 8 TiB\n", NR_NODES - map.nr_free);
	ok(NR_NODES - map.nr_free <= 8, "terabytes: in a few nodes");
	ok(owner_of(&map, BIT(42) - 1) == OWNER_PART &&
	   owner_of(&map, BIT(42)) == OWNER_PART + 1 &&
	   owner_of(&map, BIT(42) + BIT(41)) == OWNER_PART &&
	   owner_of(&map, BIT(43)) == OWNER_NONE && owner_of(&map, 0xfec00fff) == OWNER_SHIM,
	   "terabytes: later ranges win");
	ok(owner_is(&map, BIT(42), BIT(41), OWNER_PART + 1, &where) &&
	   !owner_is(&map, BIT(42), BIT(41) + 1, OWNER_PART + 1, &where) &&
	   where == BIT(42) + BIT(41), "terabytes: to the byte");
	ok(owner_init_ranges(&map, &odd, 1) == OWNER_E_RANGE, "map: half a page");
}

static void test_arguments(void)
{
	u64 where;

	ok(owner_init(&map, nodes, NR_NODES, 53, OWNER_PART) == OWNER_E_RANGE,
	   "init: no such address bits");
	owner_init(&map, nodes, NR_NODES, 36, OWNER_PART);
	ok(owner_move(&map, 0x1000, 0, 4, 5, &where) == OWNER_E_RANGE, "move: nothing");
	ok(owner_move(&map, 0x1001, PAGE, 4, 5, &where) == OWNER_E_RANGE, "move: not a page");
	ok(owner_move(&map, 0x1000, PAGE + 8, 4, 5, &where) == OWNER_E_RANGE, "move: odd end");
	ok(owner_move(&map, BIT(36), PAGE, 4, 5, &where) == OWNER_E_RANGE, "move: beyond the end");
	ok(owner_move(&map, BIT(36) - PAGE, 2 * PAGE, 4, 5, &where) == OWNER_E_RANGE,
	   "move: across the end");
	ok(owner_move(&map, ~0xfffull, 2 * PAGE, 4, 5, &where) == OWNER_E_RANGE,
	   "move: across 2^64");
	ok(owner_move(&map, 0x1000, ~0xfffull, 4, 5, &where) == OWNER_E_RANGE,
	   "move: more than there is");
	ok(owner_move(&map, 0x1000, PAGE, 4, NR_OWNERS, &where) == OWNER_E_RANGE,
	   "move: to nobody");
	ok(owner_of(&map, BIT(36)) == OWNER_NONE, "query: no such address");
	ok(owner_move(&map, BIT(36) - PAGE, PAGE, 4, 5, &where) == OWNER_OK &&
	   owner_of(&map, BIT(36) - 1) == 5, "move: the last page");
}

/* ---- who may do what */

struct access_row {
	const char *name;
	u8 owner;
	bool read[2], write[2], cpu[2];
};

static const struct access_row access_rows[] = {
	{ "nobody's", OWNER_NONE },
	{ "the shim's", OWNER_SHIM },
	{ "shared", OWNER_SHARED, { 1, 1 } },
	{ "left behind", OWNER_LEFT, { 1, 1 }, { 1, 1 } },
	{ "of the pool, the first's", OWNER_HELD, { 1, 0 }, { 1, 0 } },
	{ "of the pool, the second's", OWNER_HELD + 1, { 0, 1 }, { 0, 1 } },
	{ "lent by the first", OWNER_LENT, { 1, 1 }, { 1, 1 } },
	{ "lent by the second", OWNER_LENT + 1, { 1, 1 }, { 1, 1 } },
	{ "of the first", OWNER_PART, { 1, 0 }, { 1, 0 }, { 1, 0 } },
	{ "of the second", OWNER_PART + 1, { 0, 1 }, { 0, 1 }, { 0, 1 } },
	{ "shown by the first", OWNER_SHOWN, { 1, 1 }, { 1, 0 } },
	{ "shown by the second", OWNER_SHOWN + 1, { 1, 1 }, { 0, 1 } },
};

static void test_access(void)
{
	static const enum denied_kind kinds[] = {
		DENIED_MEMORY_READ, DENIED_MEMORY_WRITE, DENIED_MEMORY_CPU,
	};
	char name[80];
	u32 i, part, access;
	u64 where;

	for (i = 0; i < ARRAY_SIZE(access_rows); i++) {
		const struct access_row *row = &access_rows[i];
		const bool *want[] = { row->read, row->write, row->cpu };
		bool good = true;

		owner_init(&map, nodes, NR_NODES, 36, OWNER_SHIM);
		owner_move(&map, 0x5000, 2 * PAGE, OWNER_SHIM, row->owner, &where);
		for (part = 0; part < 2; part++) {
			for (access = ACCESS_READ; access <= ACCESS_CPU; access++) {
				struct denied denied = { };
				bool may = owner_check(&map, part, 0x5ff8, 16, access, &denied);

				good &= may == want[access][part];
				good &= denied.count[kinds[access]] == !may;
				good &= total_denied(&denied) == !may;
				/* A byte of the next page. */
				good &= !owner_allows(&map, part, 0x6ff8, 9, access);
				good &= !owner_allows(&map, part, 0x4fff, 2, access);
			}
		}
		snprintf(name, sizeof(name), "access: a page that is %s", row->name);
		ok(good, name);
	}
	ok(!owner_allows(&map, 2, 0x5000, 1, ACCESS_READ), "access: no such partition");
	ok(!owner_allows(&map, 0, ~0ull, 2, ACCESS_READ), "access: across 2^64");
}

/* ---- VMCS fields */

#define MINE	0x5000ull
#define OTHERS	0x7000ull
#define MINE_TOO	0x10000ull		/* and two more pages */

struct field_row {
	u16 encoding;
	struct vmcs_controls on, off;
};

#define CPU2(bit)	{ .cpu = BIT(31), .cpu2 = BIT(bit) | BIT(1) }
#define CPU3(bit)	{ .cpu = BIT(31) | BIT(17), .cpu2 = BIT(1), .cpu3 = BIT(bit) }
#define VMFUNC(mask)	{ .cpu = BIT(31), .cpu2 = BIT(13) | BIT(1), .vmfunc = mask }
#define WITH_EPT	{ .cpu = BIT(31), .cpu2 = BIT(1) }

static const struct field_row field_rows[] = {
	{ 0x2000, { .cpu = BIT(25) } }, { 0x2002, { .cpu = BIT(25) } },
	{ 0x2004, { .cpu = BIT(28) } },
	{ 0x200e, CPU2(17), { .cpu2 = BIT(17) } },
	{ 0x2012, { .cpu = BIT(21) } },
	{ 0x2014, CPU2(0), { .cpu2 = BIT(0) } },
	{ 0x2016, { .pin = BIT(7) } },
	{ 0x201a, WITH_EPT, { .cpu2 = BIT(1) } },
	{ 0x2024, VMFUNC(1), VMFUNC(2) }, { 0x2026, CPU2(14) }, { 0x2028, CPU2(14) },
	{ 0x202a, CPU2(18) }, { 0x2030, CPU2(23) }, { 0x2038, CPU2(21) },
	{ 0x203a, CPU2(21) },
	{ 0x2040, { .cpu = BIT(17), .cpu3 = BIT(1) }, CPU3(1) },
	{ 0x2042, CPU3(4), { .cpu3 = BIT(4) } },
	{ 0x6802, { }, WITH_EPT },
};

static bool one_field(const struct vmcs_field *field, u64 value, u32 nr,
		      const struct vmcs_controls *controls, bool want)
{
	struct denied denied = { };
	bool may = vmcs_address_ok(&map, 1, field, value, nr, controls, &denied);

	return may == want && total_denied(&denied) == !may;
}

static void test_addresses(void)
{
	static const struct vmcs_controls none;
	const struct vmcs_field *field;
	char name[120];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(field_rows); i++) {
		const struct field_row *row = &field_rows[i];

		field = vmcs_field(row->encoding);
		snprintf(name, sizeof(name), "VMCS: %s", field ? field->name : "?");
		ok(field && field->class == VMCS_ADDRESS &&
		   one_field(field, MINE, 0, &row->on, true) &&
		   one_field(field, OTHERS, 0, &row->on, false) &&
		   one_field(field, BIT(60), 0, &row->on, false) &&
		   one_field(field, OTHERS, 0, &row->off, true), name);
	}
	field = vmcs_field(0x2800);
	ok(one_field(field, ~0ull, 0, &none, true) && one_field(field, OTHERS, 0, &none, false) &&
	   one_field(field, MINE, 0, &none, true), "VMCS: link pointer, always");
	field = vmcs_field(0x2016);
	ok(one_field(field, MINE + PAGE - 64, 0, &field_rows[6].on, true) &&
	   one_field(field, MINE + PAGE - 32, 0, &field_rows[6].on, false),
	   "VMCS: posted-interrupt descriptor that ends in another's page");
	field = vmcs_field(0x201a);
	ok(one_field(field, MINE | 0x5e, 0, &field_rows[7].on, true), "VMCS: flags of EPTP");
}

static void test_lists(void)
{
	static const u16 lists[] = { 0x2006, 0x2008, 0x200a };
	static const struct vmcs_controls none;
	const struct vmcs_field *field = NULL;
	bool good = true;
	u32 i, addresses = 0;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		field = vmcs_field(lists[i]);
		good &= field->class == VMCS_LIST && field->bit == 0x400e + 2 * i + 2 * (i == 2);
		good &= one_field(field, OTHERS, 0, &none, true);
		good &= one_field(field, MINE, 256, &none, true);
		good &= one_field(field, MINE, 257, &none, false);
		good &= one_field(field, MINE + PAGE - 16, 1, &none, true);
		good &= one_field(field, MINE, 0x10000001, &none, false);
		good &= one_field(field, MINE_TOO, 512, &none, true);
		good &= one_field(field, MINE_TOO, 513, &none, false);
	}
	ok(good, "VMCS: lists of MSRs, by their length");
	for (field = NULL; (field = vmcs_next_address(field)); addresses++)
		;
	ok(addresses == ARRAY_SIZE(field_rows) + ARRAY_SIZE(lists) + 1,
	   "VMCS: each address has its row here");
}

static void test_classes(void)
{
	static const u16 swapped[] = {
#define SHIM_HOST_FIELD(field) field,
#include "../../include/refresh/vmcs_fields.h"
	};
	struct denied denied = { };
	u32 encoding, known = 0, i;
	bool order = true, host = true, area = true, halves = true;
	const struct vmcs_field *field, *last = NULL;

	for (encoding = 0; encoding < 0x8000; encoding++) {
		field = vmcs_field(encoding);
		if (!field)
			continue;
		known++;
		order &= field->encoding == encoding && (!last || field == last + 1);
		/* Bits 11:10 of an encoding: 3 is host state. */
		area &= (field->class == VMCS_HOST) == ((encoding >> 10 & 3) == 3);
		halves &= vmcs_write_known(encoding, &denied) &&
			  vmcs_write_known(encoding | 1, &denied) == ((encoding >> 13 & 3) == 1);
		last = field;
	}
	for (i = 0; i < ARRAY_SIZE(swapped); i++)
		host &= vmcs_field(swapped[i]) && vmcs_field(swapped[i])->class == VMCS_HOST;
	printf("# %u fields\n", known);
	ok(order && known > 180, "VMCS: the table is in order, and found");
	ok(area, "VMCS: host state is, and nothing else");
	ok(host, "VMCS: what the shim swaps is host state");
	ok(halves && denied.count[DENIED_VMCS_FIELD], "VMCS: high halves of 64-bit fields");
	ok(!vmcs_write_known(0x2ffe, &denied) && !vmcs_write_known(0xa000, &denied),
	   "VMCS: a field that is not known");
}

static void test_names(void)
{
	bool good = true;
	int i, k;

	for (i = 0; i < NR_DENIED; i++)
		for (k = 0; k < i; k++)
			good &= strcmp(denied_name(i), denied_name(k)) != 0;
	ok(good && !strcmp(denied_name(NR_DENIED), "unknown"), "denied: each kind has its name");
}

int main(int argc, char **argv)
{
	u64 where;

	random_seed(argc, argv);
	test_moves();
	test_no_nodes();
	test_large();
	test_arguments();
	test_access();
	owner_init(&map, nodes, NR_NODES, 36, OWNER_PART);
	owner_move(&map, MINE, PAGE, OWNER_PART, OWNER_PART + 1, &where);
	owner_move(&map, MINE_TOO, 3 * PAGE, OWNER_PART, OWNER_PART + 1, &where);
	test_addresses();
	test_lists();
	test_classes();
	test_names();
	return finish();
}
