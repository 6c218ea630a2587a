// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which VMCSs of the host carry the shim's host state on this CPU.  A VMCS that
 * is not in the map holds nothing but what the host wrote.  A host makes a VMCS
 * active on one CPU at a time and executes VMCLEAR before it moves it, so a map
 * per CPU without locks is enough.
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
