// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pool as two partitions have it: the EPTs follow its owners.
 */
#include "pool.h"
#include "world.h"

static_assert((int)POOL_ALIGN == SHIM_POOL_ALIGN, "pages of the pool");
static_assert((int)SHIM_POOL_ADD == POOL_ADD, "operations");
static_assert((int)SHIM_POOL_DROP == POOL_DROP, "operations");
static_assert((int)SHIM_POOL_LEND == POOL_LEND, "operations");
static_assert((int)SHIM_POOL_KEEP == POOL_KEEP, "operations");
static_assert((int)SHIM_POOL_GIVE == POOL_GIVE, "operations");

/* Who loses it has forgotten it before anybody goes on. */
static u32 follow_both(struct shim_cpu *cpu, u64 hpa, u64 bytes)
{
	u32 part;

	for (part = 0; part < SHIM_NR_PARTS; part++)
		if (!world_follow(part, hpa, bytes))
			return SHIM_E_TABLES;
	for (part = 0; part < SHIM_NR_PARTS; part++)
		if (!world_flush(cpu, part))
			return SHIM_E_CPU;
	return SHIM_OK;
}

static u32 pool_locked(struct shim_cpu *cpu, u64 hpa, u64 bytes, u32 op)
{
	u8 before = owner_of(&world.memory, hpa);
	u64 where;
	u32 error;

	switch (pool_move(&world.memory, part_of(cpu), op, hpa, bytes, &where)) {
	case OWNER_OK:
		break;
	case OWNER_E_NODES:
		return SHIM_E_TABLES;
	default:
		return SHIM_E_MEMORY;
	}
	error = follow_both(cpu, hpa, bytes);
	if (error) {
		/* The tables that the way back needs are there. */
		owner_move(&world.memory, hpa, bytes, owner_of(&world.memory, hpa), before,
			   &where);
		follow_both(cpu, hpa, bytes);
	}
	return error;
}

/* A partition does @op with a range of the pool. */
u32 world_pool(struct shim_cpu *cpu, u64 hpa, u64 bytes, u64 op)
{
	u32 error;

	if (policy_may_give() || world.alone || op >= NR_POOL_OPS)
		return SHIM_E_STATE;
	/* There is nobody to lend it to. */
	if ((op == POOL_LEND || op == POOL_GIVE) && part_info(1)->state != SHIM_PART_RUNS)
		return SHIM_E_STATE;
	if (!host_pages_ok(hpa, bytes))
		return SHIM_E_MEMORY;
	world_lock(cpu);
	error = pool_locked(cpu, hpa, bytes, op);
	world_unlock();
	return error;
}

/* The first piece of the pool at @hpa or above: where, how long, and whose. */
u32 world_pool_find(struct shim_cpu *cpu, u64 *hpa, u64 *bytes, u64 *whose)
{
	u64 at = 0, size = 0;
	u8 owner;

	if (policy_may_give())
		return SHIM_E_STATE;
	world_lock(cpu);
	if (pool_find(&world.memory, *hpa, &at, &size)) {
		owner = owner_of(&world.memory, at);
		*whose = owner_is_lent(owner) ? SHIM_POOL_LENT : SHIM_POOL_OURS;
		if (owner_is_held(owner) && owner != OWNER_HELD_BY(part_of(cpu)))
			*whose = SHIM_POOL_THEIRS;
	}
	world_unlock();
	*hpa = at;
	*bytes = size;
	return size ? SHIM_OK : SHIM_E_MEMORY;
}

/*
 * The second partition has ended, or goes: all of the pool is the first one's, and with @ordinary
 * no pool any more.  The caller has the lock, and flushes if there was one.
 */
bool world_pool_back(bool ordinary)
{
	u64 hpa = 0, bytes;
	bool any = false;
	u32 part;

	for (; pool_find(&world.memory, hpa, &hpa, &bytes); hpa += bytes) {
		pool_inherit(&world.memory, hpa, bytes,
			     ordinary ? OWNER_OF_PART(0) : OWNER_HELD_BY(0));
		for (part = 0; part < SHIM_NR_PARTS; part++)
			world_follow(part, hpa, bytes);
		any = true;
	}
	return any;
}
