// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables of an EPT: find an entry, change what a range leads to.  Entries without access keep
 * their address and memory type, so that the range can be given back.
 *
 * Tables are never taken away from an EPT that is in use, but by ept_join(): a CPU may have cached
 * where they are.
 */
#include "ept.h"

#define ENTRIES		512
#define PAGE		4096ull
#define TOP		4

static u64 size_of(u32 level)
{
	return PAGE << 9 * (level - 1);
}

static u64 *slot(u64 *table, u64 gpa, u32 level)
{
	return table + (gpa / size_of(level) & (ENTRIES - 1));
}

static u64 *table_at(const struct ept_pool *pool, u64 entry)
{
	return (u64 *)(pool->va + ((entry & EPT_ADDRESS) - pool->hpa));
}

/* A page of zeros; NULL: there is none left. */
void *ept_page(struct ept_pool *pool)
{
	u64 *page = pool->free;
	u32 i;

	if (page) {
		pool->free = (u64 *)page[0];
		pool->nr_free--;
	} else {
		if (pool->next + PAGE > pool->end)
			return NULL;
		page = (u64 *)pool->next;
		pool->next += PAGE;
	}
	for (i = 0; i < ENTRIES; i++)
		page[i] = 0;
	return page;
}

void ept_put_page(struct ept_pool *pool, void *page)
{
	*(u64 **)page = pool->free;
	pool->free = page;
	pool->nr_free++;
}

u64 ept_page_hpa(const struct ept_pool *pool, const void *page)
{
	return pool->hpa + ((const char *)page - pool->va);
}

static bool is_table(u64 entry, u32 level)
{
	return level > 1 && entry & EPT_RWX && !(entry & EPT_LARGE);
}

/* The lowest entry on the way to @gpa, at @level: a leaf, or one without access. */
u64 *ept_find(const struct ept_pool *pool, u64 root, u64 gpa, u32 *level)
{
	u64 *entry;

	*level = TOP;
	for (entry = slot(table_at(pool, root), gpa, TOP); is_table(*entry, *level);
	     entry = slot(table_at(pool, *entry), gpa, *level))
		--*level;
	return entry;
}

/* False: not with that access. */
bool ept_translate(const struct ept_pool *pool, u64 root, u64 gpa, u64 access, u64 *hpa)
{
	u32 level;
	u64 entry;

	if (gpa >= ENTRIES * size_of(TOP))
		return false;
	entry = __atomic_load_n(ept_find(pool, root, gpa, &level), __ATOMIC_RELAXED);
	if ((entry & access) != access || !(entry & EPT_RWX))
		return false;
	*hpa = (entry & EPT_ADDRESS & ~(size_of(level) - 1)) | (gpa & (size_of(level) - 1));
	return true;
}

/* The parts say what the whole has said. */
static bool split(struct ept_pool *pool, u64 *entry, u32 level)
{
	u64 *below = ept_page(pool), old = *entry;
	u32 i;

	if (!below)
		return false;
	if (level == 2)
		old &= ~EPT_LARGE;
	for (i = 0; old && i < ENTRIES; i++)
		below[i] = old + i * size_of(level - 1);
	__atomic_store_n(entry, ept_page_hpa(pool, below) | EPT_RWX, __ATOMIC_RELEASE);
	return true;
}

/* The largest entry that begins at @gpa and is part of the range. */
static u64 *make_entry(struct ept_pool *pool, u64 root, u64 gpa, u64 hpa, u64 size, u32 *level)
{
	u64 *entry = slot(table_at(pool, root), gpa, TOP);

	for (*level = TOP;; --*level) {
		if (*level < TOP && !is_table(*entry, *level) && size >= size_of(*level) &&
		    !((gpa | hpa) & (size_of(*level) - 1)))
			return entry;
		if (!is_table(*entry, *level) && !split(pool, entry, *level))
			return NULL;
		entry = slot(table_at(pool, *entry), gpa, *level - 1);
	}
}

/*
 * Lead @size bytes at @gpa to @hpa, with @access; 0: nowhere.
 * @model: the EPT whose entries say what memory type is at @hpa.
 *
 * False: no page for a table is left, or @model does not know @hpa; a part may be done.
 */
bool ept_map(struct ept_pool *pool, u64 root, u64 model, u64 gpa, u64 hpa, u64 size, u64 access)
{
	u64 *entry, known, step;
	u32 level;

	for (; size; gpa += step, hpa += step, size -= step) {
		known = *ept_find(pool, model, hpa, &level);
		if (!known)
			return false;
		step = size_of(level) - (hpa & (size_of(level) - 1));
		entry = make_entry(pool, root, gpa, hpa, step < size ? step : size, &level);
		if (!entry)
			return false;
		step = size_of(level);
		__atomic_store_n(entry, hpa | (known & EPT_TYPE) | access |
				 (level > 1 ? EPT_LARGE : 0), __ATOMIC_RELEASE);
	}
	return true;
}

/* No entry of @table has access, or leads elsewhere than to the page at @nothing. */
static bool leads_nowhere(const u64 *table, u32 level, u64 nothing, u64 *type)
{
	u64 known = 0;
	u32 i;

	for (i = 0; i < ENTRIES; i++) {
		if (!table[i])
			continue;
		if (table[i] & EPT_RWX &&
		    (level > 1 || (table[i] & (EPT_ADDRESS | EPT_RWX)) != (nothing | EPT_READ)))
			return false;
		if (known && (known ^ table[i]) & EPT_TYPE)
			return false;
		known = table[i];
	}
	*type = known & EPT_TYPE;
	return true;
}

/*
 * The 2 MiB at @gpa are one entry without access again, and so is their GiB if nothing else of it
 * has access.
 *
 * Return: how many tables are not needed any more.  They are in @gone, and the caller puts them
 * back when no CPU has them cached.
 */
u32 ept_join(struct ept_pool *pool, u64 root, u64 gpa, u64 nothing, void *gone[EPT_JOINED])
{
	u64 *entry[TOP + 1], *below, type;
	u32 level, nr = 0;

	entry[TOP] = slot(table_at(pool, root), gpa, TOP);
	for (level = TOP; level > 2; level--) {
		if (!is_table(*entry[level], level))
			return 0;
		entry[level - 1] = slot(table_at(pool, *entry[level]), gpa, level - 1);
	}
	for (; nr < EPT_JOINED && is_table(*entry[level], level); level++) {
		below = table_at(pool, *entry[level]);
		if (!leads_nowhere(below, level - 1, nothing, &type))
			break;
		__atomic_store_n(entry[level], (gpa & EPT_ADDRESS & ~(size_of(level) - 1)) | type |
				 EPT_LARGE, __ATOMIC_RELEASE);
		gone[nr++] = below;
	}
	return nr;
}

static void free_below(struct ept_pool *pool, u64 *table, u32 level)
{
	u32 i;

	/* At most four deep. */
	for (i = 0; level > 1 && i < ENTRIES; i++)
		if (is_table(table[i], level))
			free_below(pool, table_at(pool, table[i]), level - 1);
	ept_put_page(pool, table);
}

/* No CPU uses it any more. */
void ept_free(struct ept_pool *pool, u64 root)
{
	free_below(pool, table_at(pool, root), TOP);
}
