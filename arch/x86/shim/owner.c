// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners of pages: a radix tree with nodes from a pool.  A change either happens as a whole
 * or not at all, so all reasons to refuse it come first.
 */
#include "owner.h"

#define ENTRY_NODE	0x80000000u
#define PAGE_BITS	12
#define TOP_LEVEL	3
#define NR_ENTRIES	1024
#define NR_PAGES	4096
#define NO_NODE		0xffffffffu

/* Address bits below an entry of a node at @level; those of level 0 are pages. */
static u32 shift_of(u32 level)
{
	return level ? PAGE_BITS + 12 + 10 * (level - 1) : PAGE_BITS;
}

static u64 below(u32 level)
{
	return BIT(shift_of(level)) - 1;
}

static union owner_node *node_at(const struct owner_map *map, u32 entry)
{
	return &map->node[entry & ~ENTRY_NODE];
}

static u32 index_of(u64 hpa, u32 level)
{
	return hpa >> shift_of(level) & (level ? NR_ENTRIES - 1 : NR_PAGES - 1);
}

/* The owner of @hpa, and the last address up to which the tree knows of no other. */
static u8 lookup(const struct owner_map *map, u64 hpa, u64 *last)
{
	u32 entry = map->top, level = TOP_LEVEL + 1;

	while (entry & ENTRY_NODE) {
		level--;
		if (!level) {
			entry = node_at(map, entry)->owner[index_of(hpa, 0)];
			break;
		}
		entry = node_at(map, entry)->entry[index_of(hpa, level)];
	}
	*last = hpa | below(level);
	return entry;
}

u8 owner_of(const struct owner_map *map, u64 hpa)
{
	u64 last;

	return hpa < map->limit ? lookup(map, hpa, &last) : OWNER_NONE;
}

/*
 * Whose @hpa is, and the last address up to which all of the @size bytes there are.  Who changes
 * owners goes from run to run: each change looks at all pages of the nodes at its ends.
 */
u8 owner_run(const struct owner_map *map, u64 hpa, u64 size, u64 *last)
{
	u64 end = size < map->limit - hpa ? hpa + size - 1 : map->limit - 1, next;
	u8 owner = lookup(map, hpa, last);

	while (*last < end && lookup(map, *last + 1, &next) == owner)
		*last = next;
	if (*last > end)
		*last = end;
	return owner;
}

static bool range_exists(const struct owner_map *map, u64 hpa, u64 size)
{
	return size && hpa < map->limit && size <= map->limit - hpa;
}

/*
 * Is each page that @size bytes at @hpa touch @owner's?  @where: the first one that is not.
 */
bool owner_is(const struct owner_map *map, u64 hpa, u64 size, u8 owner, u64 *where)
{
	u64 at = hpa, last;

	*where = hpa;
	if (!range_exists(map, hpa, size))
		return false;
	for (;;) {
		if (lookup(map, at, &last) != owner) {
			*where = at;
			return false;
		}
		if (last - hpa >= size - 1)
			return true;
		at = last + 1;
	}
}

static bool may(u32 part, u8 owner, enum access access)
{
	if (owner == OWNER_OF_PART(part))
		return true;
	if (access == ACCESS_CPU)
		return false;
	if (owner == OWNER_LEFT || owner == OWNER_SHOWN_BY(part) ||
	    owner == OWNER_HELD_BY(part) || owner_is_lent(owner))
		return true;
	return access == ACCESS_READ && (owner == OWNER_SHARED || owner_is_shown(owner));
}

static const enum denied_kind access_kind[] = {
	[ACCESS_READ] = DENIED_MEMORY_READ,
	[ACCESS_WRITE] = DENIED_MEMORY_WRITE,
	[ACCESS_CPU] = DENIED_MEMORY_CPU,
};

/* May @part do that with every byte of the range? */
bool owner_allows(const struct owner_map *map, u32 part, u64 hpa, u64 size, enum access access)
{
	u64 at = hpa, last;

	if (part >= NR_PARTS || !range_exists(map, hpa, size))
		return false;
	for (;;) {
		if (!may(part, lookup(map, at, &last), access))
			return false;
		if (last - hpa >= size - 1)
			return true;
		at = last + 1;
	}
}

/* The same, counted. */
bool owner_check(const struct owner_map *map, u32 part, u64 hpa, u64 size,
		 enum access access, struct denied *denied)
{
	return owner_allows(map, part, hpa, size, access) || deny(denied, access_kind[access]);
}

/* ---- nodes */

static u32 take_node(struct owner_map *map)
{
	u32 node = map->free;

	map->free = map->node[node].entry[0];
	map->nr_free--;
	return node;
}

static void put_node(struct owner_map *map, u32 node)
{
	map->node[node].entry[0] = map->free;
	map->free = node;
	map->nr_free++;
}

/* @entry is of a node at @level + 1, what is below it is not needed any more. */
static void put_below(struct owner_map *map, u32 entry, u32 level)
{
	u32 i;

	if (!(entry & ENTRY_NODE))
		return;
	/* At most four deep. */
	for (i = 0; level && i < NR_ENTRIES; i++)
		put_below(map, node_at(map, entry)->entry[i], level - 1);
	put_node(map, entry & ~ENTRY_NODE);
}

/* A node at @level whose entries all say what @owner said for all of them. */
static u32 split(struct owner_map *map, u8 owner, u32 level)
{
	u32 node = take_node(map), i;

	for (i = 0; level && i < NR_ENTRIES; i++)
		map->node[node].entry[i] = owner;
	for (i = 0; !level && i < NR_PAGES; i++)
		map->node[node].owner[i] = owner;
	return node | ENTRY_NODE;
}

/* Is there a node at @level on the way to @hpa? */
static bool has_node(const struct owner_map *map, u64 hpa, u32 level)
{
	u32 entry = map->top, at;

	for (at = TOP_LEVEL; entry & ENTRY_NODE && at > level; at--)
		entry = node_at(map, entry)->entry[index_of(hpa, at)];
	return entry & ENTRY_NODE;
}

/* Nodes that are missing for cuts at @first and @end. */
static u32 nodes_missing(const struct owner_map *map, u64 first, u64 end)
{
	u32 missing = 0, level;

	for (level = 0; level <= TOP_LEVEL; level++) {
		bool at_first = first & below(level + 1);
		bool at_end = end & below(level + 1);

		if (at_first && !has_node(map, first, level))
			missing++;
		/* One node is enough for both. */
		if (at_first && first >> shift_of(level + 1) == end >> shift_of(level + 1))
			continue;
		if (at_end && !has_node(map, end, level))
			missing++;
	}
	return missing;
}

/* ---- changes */

/* Owner of the largest piece that begins at @at and does not go beyond @end; its end. */
static u64 set_piece(struct owner_map *map, u64 at, u64 end, u8 owner)
{
	u32 *entry = &map->top, level = TOP_LEVEL + 1;
	union owner_node *node;

	while (at & below(level) || end - at <= below(level)) {
		level--;
		if (!(*entry & ENTRY_NODE))
			*entry = split(map, *entry, level);
		node = node_at(map, *entry);
		if (!level) {
			node->owner[index_of(at, 0)] = owner;
			return at + below(0) + 1;
		}
		entry = &node->entry[index_of(at, level)];
	}
	put_below(map, *entry, level - 1);
	*entry = owner;
	return at + below(level) + 1;
}

static bool is_uniform(const union owner_node *node, u32 level, u32 *owner)
{
	u32 i;

	if (!level) {
		*owner = node->owner[0];
		for (i = 1; i < NR_PAGES; i++)
			if (node->owner[i] != node->owner[0])
				return false;
		return true;
	}
	*owner = node->entry[0];
	for (i = 0; i < NR_ENTRIES; i++)
		if (node->entry[i] & ENTRY_NODE || node->entry[i] != *owner)
			return false;
	return true;
}

/* Give back the nodes on the way to @hpa that have become needless, lowest first. */
static void merge(struct owner_map *map, u64 hpa)
{
	u32 *way[TOP_LEVEL + 1], *entry = &map->top, level = TOP_LEVEL + 1, owner;

	while (level && *entry & ENTRY_NODE) {
		way[--level] = entry;
		if (level)
			entry = &node_at(map, *entry)->entry[index_of(hpa, level)];
	}
	for (; level <= TOP_LEVEL; level++) {
		entry = way[level];
		if (!is_uniform(node_at(map, *entry), level, &owner))
			return;
		put_node(map, *entry & ~ENTRY_NODE);
		*entry = owner;
	}
}

static enum owner_error set(struct owner_map *map, u64 hpa, u64 size, u8 owner)
{
	u64 at, end = hpa + size;

	/* What does not exist may belong to the last owner: nothing is cut there. */
	if (end == map->limit)
		end = below(TOP_LEVEL + 1) + 1;
	if (nodes_missing(map, hpa, end) > map->nr_free)
		return OWNER_E_NODES;
	for (at = hpa; at < end; )
		at = set_piece(map, at, end, owner);
	merge(map, hpa);
	merge(map, end - 1);
	return OWNER_OK;
}

static bool in_pages(u64 hpa, u64 size)
{
	return !((hpa | size) & (BIT(PAGE_BITS) - 1));
}

/*
 * The range passes from one owner to another; if a page of it is not @from's, nothing
 * happens and @where is that page.
 */
enum owner_error owner_move(struct owner_map *map, u64 hpa, u64 size, u8 from, u8 to,
			    u64 *where)
{
	*where = hpa;
	if (!in_pages(hpa, size) || !range_exists(map, hpa, size) || to >= NR_OWNERS)
		return OWNER_E_RANGE;
	if (!owner_is(map, hpa, size, from, where))
		return OWNER_E_FOREIGN;
	return set(map, hpa, size, to);
}

/* Everything is @owner's at first. */
enum owner_error owner_init(struct owner_map *map, union owner_node *nodes, u32 nr_nodes,
			    u8 phys_bits, u8 owner)
{
	u32 i;

	if (phys_bits <= PAGE_BITS || phys_bits > 52 || owner >= NR_OWNERS ||
	    nr_nodes > ~ENTRY_NODE)
		return OWNER_E_RANGE;
	map->node = nodes;
	map->nr_nodes = nr_nodes;
	map->nr_free = 0;
	map->free = NO_NODE;
	map->top = owner;
	map->limit = BIT(phys_bits);
	for (i = nr_nodes; i; i--)
		put_node(map, i - 1);
	return OWNER_OK;
}

/* The memory map of the machine, over what owner_init() said; a later range wins. */
enum owner_error owner_init_ranges(struct owner_map *map, const struct owner_range *ranges,
				   u32 nr)
{
	enum owner_error error;
	u32 i;

	for (i = 0; i < nr; i++) {
		if (!in_pages(ranges[i].hpa, ranges[i].size) || ranges[i].owner >= NR_OWNERS ||
		    !range_exists(map, ranges[i].hpa, ranges[i].size))
			return OWNER_E_RANGE;
		error = set(map, ranges[i].hpa, ranges[i].size, ranges[i].owner);
		if (error)
			return error;
	}
	return OWNER_OK;
}
