// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pool: who may do what with it, and whose it is afterwards.
 *
 * The first partition may act for the second one, whose memory it could take by ending it.  The
 * second one decides about what it holds or has lent, and about nothing else.
 */
#include "pool.h"

/* Whatever state it is in. */
bool pool_is(u8 owner)
{
	return owner_is_held(owner) || owner_is_lent(owner);
}

/* Whose memory of @owner is when @part has done @op with it; OWNER_NONE: it may not. */
u8 pool_next(u32 part, u32 op, u8 owner)
{
	u32 whose = owner_is_lent(owner) ? owner - OWNER_LENT : owner - OWNER_HELD;

	if (op == POOL_ADD)
		return !part && owner == OWNER_OF_PART(0) ? OWNER_HELD_BY(0) : OWNER_NONE;
	if (!pool_is(owner) || (part && part != whose))
		return OWNER_NONE;
	if (op == POOL_DROP)
		return owner == OWNER_HELD_BY(0) ? OWNER_OF_PART(0) : OWNER_NONE;
	if (op == POOL_LEND)
		return owner_is_held(owner) ? OWNER_LENT_BY(whose) : OWNER_NONE;
	if (!owner_is_lent(owner))
		return OWNER_NONE;
	if (op == POOL_KEEP)
		return OWNER_HELD_BY(whose);
	return op == POOL_GIVE ? OWNER_HELD_BY(!whose) : OWNER_NONE;
}

/* All of the range, or nothing: then @where is the first page that is in another state. */
enum owner_error pool_move(struct owner_map *map, u32 part, u32 op, u64 hpa, u64 size, u64 *where)
{
	u8 from = owner_of(map, hpa), to = pool_next(part, op, from);

	*where = hpa;
	if ((hpa | size) & (POOL_ALIGN - 1))
		return OWNER_E_RANGE;
	if (to == OWNER_NONE)
		return OWNER_E_FOREIGN;
	return owner_move(map, hpa, size, from, to, where);
}

/* The first piece of the pool in one state at @hpa or above it. */
bool pool_find(const struct owner_map *map, u64 hpa, u64 *at, u64 *size)
{
	u64 last;
	u8 owner;

	for (; hpa < map->limit; hpa = last + 1) {
		owner = owner_run(map, hpa, map->limit - hpa, &last);
		if (!pool_is(owner))
			continue;
		*at = hpa;
		*size = last + 1 - hpa;
		return true;
	}
	return false;
}

/* What of the range is pool is @to's.  There is a cut where owners change: that takes no node. */
void pool_inherit(struct owner_map *map, u64 hpa, u64 size, u8 to)
{
	u64 at, last, where;
	u8 owner;

	for (at = hpa; at < map->limit && at - hpa < size; at = last + 1) {
		owner = owner_run(map, at, size - (at - hpa), &last);
		if (pool_is(owner) && owner != to)
			owner_move(map, at, last + 1 - at, owner, to, &where);
	}
}
