/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tables of an EPT (SDM 3C, 29.3) in the reserve.  Pure but for writing into the reserve.
 */
#ifndef SHIM_EPT_H
#define SHIM_EPT_H

#include "types.h"

#define EPT_READ		BIT(0)
#define EPT_WRITE		BIT(1)
#define EPT_EXECUTE		BIT(2)
#define EPT_RWX			(EPT_READ | EPT_WRITE | EPT_EXECUTE)
#define EPT_TYPE		(7ull << 3)
#define EPT_TYPE_WB		(6ull << 3)
#define EPT_LARGE		BIT(7)
#define EPT_ADDRESS		0x000ffffffffff000ull

/* Tables that ept_join() takes away at most. */
#define EPT_JOINED		2

/*
 * Pages: @va is where the memory at @hpa is mapped, in which all tables lie; those from @next to
 * @end have not been used yet, @free begins the list of those that have been given back.
 */
struct ept_pool {
	char	*va;
	u64	hpa;
	char	*next, *end;
	u64	*free;
	u32	nr_free;
};

void *ept_page(struct ept_pool *pool);
void ept_put_page(struct ept_pool *pool, void *page);
u64 ept_page_hpa(const struct ept_pool *pool, const void *page);
u64 *ept_find(const struct ept_pool *pool, u64 root, u64 gpa, u32 *level);
bool ept_translate(const struct ept_pool *pool, u64 root, u64 gpa, u64 access, u64 *hpa);
bool ept_map(struct ept_pool *pool, u64 root, u64 model, u64 gpa, u64 hpa, u64 size, u64 access);
u32 ept_join(struct ept_pool *pool, u64 root, u64 gpa, u64 nothing, void *gone[EPT_JOINED]);
void ept_free(struct ept_pool *pool, u64 root);

#endif /* SHIM_EPT_H */
