/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pool: memory of VMs that passes from one partition to the other without being copied.
 */
#ifndef SHIM_POOL_H
#define SHIM_POOL_H

#include "owner.h"

/* Whole large pages: both sides map nothing smaller. */
#define POOL_ALIGN	0x200000ull

/*
 * What a partition asks for a range of the pool.
 *
 * ADD:		its ordinary memory becomes pool memory that it holds
 * DROP:	the way back
 * LEND:	both may use it, until the lender has made up its mind:
 * KEEP:	it is the lender's as before
 * GIVE:	it is the other one's
 */
enum pool_op { POOL_ADD, POOL_DROP, POOL_LEND, POOL_KEEP, POOL_GIVE, NR_POOL_OPS };

bool pool_is(u8 owner);
u8 pool_next(u32 part, u32 op, u8 owner);
enum owner_error pool_move(struct owner_map *map, u32 part, u32 op, u64 hpa, u64 size,
			   u64 *where);
bool pool_find(const struct owner_map *map, u64 hpa, u64 *at, u64 *size);
void pool_inherit(struct owner_map *map, u64 hpa, u64 size, u8 to);

#endif /* SHIM_POOL_H */
