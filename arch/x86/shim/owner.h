/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The owner of each 4 KiB page of the physical address space, RAM and devices alike.
 */
#ifndef SHIM_OWNER_H
#define SHIM_OWNER_H

#include "partition.h"

/*
 * OWNER_SHARED: firmware and the shim's information page; all read.
 * OWNER_LEFT: of the first partition, which has ended; the second one may claim it.
 * OWNER_SHOWN: one partition's, the others read; a ring of the link.
 * OWNER_HELD: of the pool, memory of VMs, and one partition's until it lends or gives it.
 * OWNER_LENT: of the pool, while a VM moves from that partition to the other; both write it.
 */
enum owner {
	OWNER_NONE,
	OWNER_SHIM,
	OWNER_SHARED,
	OWNER_LEFT,
	OWNER_PART,
	OWNER_SHOWN	= OWNER_PART + NR_PARTS,
	OWNER_HELD	= OWNER_SHOWN + NR_PARTS,
	OWNER_LENT	= OWNER_HELD + NR_PARTS,
	NR_OWNERS	= OWNER_LENT + NR_PARTS,
};

#define OWNER_OF_PART(part)	(OWNER_PART + (part))
#define OWNER_SHOWN_BY(part)	(OWNER_SHOWN + (part))
#define OWNER_HELD_BY(part)	(OWNER_HELD + (part))
#define OWNER_LENT_BY(part)	(OWNER_LENT + (part))

static inline bool owner_is_shown(u8 owner)
{
	return owner >= OWNER_SHOWN && owner < OWNER_HELD;
}

static inline bool owner_is_held(u8 owner)
{
	return owner >= OWNER_HELD && owner < OWNER_LENT;
}

static inline bool owner_is_lent(u8 owner)
{
	return owner >= OWNER_LENT && owner < NR_OWNERS;
}

/* What for; ACCESS_CPU: the CPU itself reads and writes there, whatever the EPT says. */
enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_CPU };

enum owner_error {
	OWNER_OK,
	OWNER_E_RANGE,		/* empty, not in whole pages, or no such addresses */
	OWNER_E_FOREIGN,	/* a page of it is not the one's who gives it away */
	OWNER_E_NODES,		/* no nodes left for so many pieces */
};

/* A page: owners of 4096 pages, or 1024 entries for as many nodes below. */
union owner_node {
	u8	owner[4096];
	u32	entry[1024];
};

/*
 * A tree as deep as page tables, in which an entry for pages with one owner has nothing
 * below it: a TiB in one piece costs nothing, a stray page costs at most four nodes.
 */
struct owner_map {
	union owner_node	*node;
	u32			nr_nodes, nr_free, free;
	u32			top;
	u64			limit;		/* first address that does not exist */
};

struct owner_range {
	u64	hpa, size;
	u8	owner;
};

enum owner_error owner_init(struct owner_map *map, union owner_node *nodes, u32 nr_nodes,
			    u8 phys_bits, u8 owner);
enum owner_error owner_init_ranges(struct owner_map *map, const struct owner_range *ranges,
				   u32 nr);
enum owner_error owner_move(struct owner_map *map, u64 hpa, u64 size, u8 from, u8 to,
			    u64 *where);
u8 owner_of(const struct owner_map *map, u64 hpa);
u8 owner_run(const struct owner_map *map, u64 hpa, u64 size, u64 *last);
bool owner_is(const struct owner_map *map, u64 hpa, u64 size, u8 owner, u64 *where);
bool owner_allows(const struct owner_map *map, u32 part, u64 hpa, u64 size, enum access access);
bool owner_check(const struct owner_map *map, u32 part, u64 hpa, u64 size,
		 enum access access, struct denied *denied);

#endif /* SHIM_OWNER_H */
