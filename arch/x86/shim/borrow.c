// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which VMCSs of the host carry the shim's host state on this CPU.  A VMCS that
 * is not in the map holds nothing but what the host wrote.  A VMCS is active on one
 * CPU at a time, and the host executes VMCLEAR before it moves it, so a map per
 * CPU without locks is enough.
 *
 * Which of them are active, by VMPTRLD: other CPUs look whether one is that the host makes
 * active there, so an entry does not move.
 */
#include "semantics.h"

void borrow_init(struct borrow_map *map)
{
	int i;

	for (i = 0; i < SHIM_NR_BORROWED; i++)
		map->slot[i].hpa = SHIM_NO_VMCS;
}

struct borrowed *borrow_find(struct borrow_map *map, u64 hpa)
{
	int i;

	if (hpa == SHIM_NO_VMCS)
		return NULL;
	for (i = 0; i < SHIM_NR_BORROWED; i++)
		if (map->slot[i].hpa == hpa)
			return &map->slot[i];
	return NULL;
}

/* NULL: full; give a victim back first. */
struct borrowed *borrow_free_slot(struct borrow_map *map)
{
	int i;

	for (i = 0; i < SHIM_NR_BORROWED; i++)
		if (map->slot[i].hpa == SHIM_NO_VMCS)
			return &map->slot[i];
	return NULL;
}

/* The one whose installation is longest ago; never the current one. */
struct borrowed *borrow_victim(struct borrow_map *map, u64 current_hpa)
{
	struct borrowed *oldest = NULL;
	int i;

	for (i = 0; i < SHIM_NR_BORROWED; i++) {
		struct borrowed *slot = &map->slot[i];

		if (slot->hpa == SHIM_NO_VMCS || slot->hpa == current_hpa)
			continue;
		if (!oldest || slot->used < oldest->used)
			oldest = slot;
	}
	return oldest;
}

struct borrowed *borrow_add(struct borrow_map *map, u64 hpa)
{
	struct borrowed *slot = borrow_free_slot(map);

	if (!slot)
		return NULL;
	slot->hpa = hpa;
	slot->used = ++map->clock;
	slot->checked = false;
	return slot;
}

void borrow_drop(struct borrowed *slot)
{
	slot->hpa = SHIM_NO_VMCS;
}

/* ---- active ones: a hash by page, the next entry if that is another one's */

#define ENTRY_GONE	2ull	/* something was here, so the search goes on */

static void clear(struct active_set *set)
{
	u32 i;

	for (i = 0; i < SHIM_NR_ACTIVE; i++)
		__atomic_store_n(&set->entry[i], 0, __ATOMIC_RELEASE);
	set->nr = 0;
}

void active_init(struct active_set *set)
{
	clear(set);
	set->more = false;
}

static u64 *find(struct active_set *set, u64 hpa)
{
	u32 home = active_home(hpa), i;
	u64 *entry, there;

	for (i = 0; i < SHIM_NR_ACTIVE; i++) {
		entry = &set->entry[(home + i) % SHIM_NR_ACTIVE];
		there = __atomic_load_n(entry, __ATOMIC_SEQ_CST);
		if (there == (hpa | ACTIVE_ENTRY))
			return entry;
		if (!there)
			return NULL;
	}
	return NULL;
}

bool active_has(struct active_set *set, u64 hpa)
{
	return find(set, hpa);
}

/* @hpa is not there.  False: no room.  Of two CPUs that add one at least one sees the other's. */
bool active_add(struct active_set *set, u64 hpa)
{
	u32 home = active_home(hpa), i;
	u64 *entry;

	for (i = 0; i < SHIM_NR_ACTIVE; i++) {
		entry = &set->entry[(home + i) % SHIM_NR_ACTIVE];
		if (*entry & ACTIVE_ENTRY)
			continue;
		__atomic_store_n(entry, hpa | ACTIVE_ENTRY, __ATOMIC_SEQ_CST);
		set->nr++;
		return true;
	}
	return false;
}

/* No search goes on behind an entry that is the last one of its row. */
void active_remove(struct active_set *set, u64 hpa)
{
	u64 *entry = find(set, hpa);
	u32 i;

	if (!entry)
		return;
	__atomic_store_n(entry, ENTRY_GONE, __ATOMIC_RELEASE);
	i = entry - set->entry;
	set->nr--;
	if (set->entry[(i + 1) % SHIM_NR_ACTIVE]) {
		/* All of it was one row, and none is left. */
		if (!set->nr)
			clear(set);
		return;
	}
	for (; set->entry[i] == ENTRY_GONE; i = (i - 1) % SHIM_NR_ACTIVE)
		__atomic_store_n(&set->entry[i], 0, __ATOMIC_RELEASE);
}

u64 active_at(const struct active_set *set, u32 index)
{
	u64 entry = set->entry[index];

	return entry & ACTIVE_ENTRY ? entry & ~ACTIVE_ENTRY : SHIM_NO_VMCS;
}
