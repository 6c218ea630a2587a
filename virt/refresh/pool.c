// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pool: memory of VMs that can be handed from one kernel to the other as it is.  It is no
 * RAM of either kernel; each has it as a device of its own dax_hmem driver at the same
 * addresses, and the shim says who may touch it.
 */
#include <linux/ioport.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/memregion.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/range.h>

#include "session.h"

#define MAX_REGIONS	16

/*
 * As struct memregion_info, in which @range is there from Linux 6.2 on.  Before, the device's
 * resource says it.
 */
struct region_info {
	int target_node;
	struct range range;
};

static_assert(sizeof(struct memregion_info) <= sizeof(struct region_info));
static_assert(offsetof(struct memregion_info, target_node) == 0);

struct region {
	u64 hpa, bytes;
	int nid, id;
	struct platform_device *device;
};

/*
 * @shared: the shim has them, for two partitions.
 * Taken behind refresh_lock().
 */
static DEFINE_MUTEX(pool_mutex);
static struct {
	u32 nr;
	bool shared;
	struct region region[MAX_REGIONS];
} pool;

static_assert(VMM_REFRESH_POOL_OURS == (int)SHIM_POOL_OURS);
static_assert(VMM_REFRESH_POOL_THEIRS == (int)SHIM_POOL_THEIRS);
static_assert(VMM_REFRESH_POOL_LENT == (int)SHIM_POOL_LENT);

/* ---- devices */

static int add_device(struct region *region)
{
	struct resource res = {
		.start = region->hpa, .end = region->hpa + region->bytes - 1,
		.flags = IORESOURCE_MEM,
	};
	struct region_info info = {
		.target_node = region->nid,
		.range = { .start = res.start, .end = res.end },
	};
	struct platform_device *device = platform_device_alloc("hmem", region->id);
	int r;

	if (!device)
		return -ENOMEM;
	r = platform_device_add_resources(device, &res, 1);
	if (!r)
		r = platform_device_add_data(device, &info, sizeof(info));
	if (!r)
		r = platform_device_add(device);
	if (r)
		platform_device_put(device);
	else
		region->device = device;
	return r;
}

static int make_region(struct region *region)
{
	int r;

	region->id = memregion_alloc(GFP_KERNEL);
	if (region->id < 0)
		return region->id;
	r = add_device(region);
	if (r)
		memregion_free(region->id);
	return r;
}

/* A device of dax_hmem's, from which nestctl cuts one for each VM. */
static int publish(u64 hpa, u64 bytes, int nid)
{
	struct region region = { .hpa = hpa, .bytes = bytes, .nid = nid };
	int r = pool.nr < MAX_REGIONS ? make_region(&region) : -ENOSPC;

	if (r) {
		pr_err("pool: no device for %#llx to %#llx (%d)\n", hpa, hpa + bytes - 1, r);
		return r;
	}
	pool.region[pool.nr] = region;
	/* VMs may be in it. */
	__module_get(THIS_MODULE);
	pool.nr++;
	return 0;
}

static void withdraw(struct region *region)
{
	platform_device_unregister(region->device);
	memregion_free(region->id);
	*region = pool.region[--pool.nr];
	module_put(THIS_MODULE);
}

static struct region *find_region(u64 hpa, u64 bytes)
{
	u32 i;

	for (i = 0; i < pool.nr; i++)
		if (hpa < pool.region[i].hpa + pool.region[i].bytes &&
		    hpa + bytes > pool.region[i].hpa)
			return &pool.region[i];
	return NULL;
}

/* ---- memory comes and goes */

static bool in_blocks(u64 hpa, u64 bytes)
{
	u64 block = memory_block_size_bytes();

	return bytes && IS_ALIGNED(hpa | bytes, block) && hpa + bytes > hpa;
}

/* It is RAM again; who has asked brings it online. */
static int come_back(int nid, u64 hpa, u64 bytes)
{
	int r = add_memory(nid, hpa, bytes, MHP_NONE);

	if (r)
		pr_err("pool: the memory at %#llx is no RAM again before the next boot (%d)\n",
		       hpa, r);
	return r;
}

static int add(u64 hpa, u64 bytes)
{
	int nid, r;

	if (pool.shared || refresh_shim_below())
		return -EBUSY;
	if (pool.nr == MAX_REGIONS)
		return -ENOSPC;
	if (region_intersects(hpa, bytes, IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) !=
	    REGION_INTERSECTS) {
		pr_err("pool: %#llx to %#llx is not all RAM\n", hpa, hpa + bytes - 1);
		return -EBUSY;
	}
	nid = page_to_nid(pfn_to_page(PHYS_PFN(hpa)));
	r = refresh_split_direct_map(hpa, bytes);
	if (r)
		return r;
	r = offline_and_remove_memory(hpa, bytes);
	if (r) {
		pr_err("pool: the memory at %#llx cannot be taken out (%d): take blocks of ZONE_MOVABLE\n",
		       hpa, r);
		return r;
	}
	r = publish(hpa, bytes, nid);
	if (r)
		come_back(nid, hpa, bytes);
	else
		pr_info("pool: %#llx to %#llx, %llu MiB\n", hpa, hpa + bytes - 1, bytes >> 20);
	return r;
}

/* Nobody uses a device of it: nestctl has looked. */
static int remove(u64 hpa, u64 bytes)
{
	struct region *region = find_region(hpa, bytes);
	int nid;

	if (!region || region->hpa != hpa || region->bytes != bytes)
		return -ENOENT;
	if (pool.shared || refresh_shim_below())
		return -EBUSY;
	nid = region->nid;
	withdraw(region);
	return come_back(nid, hpa, bytes);
}

/* ---- with a shim */

static u32 ask_next(u64 *hpa, u64 *bytes, u32 *state)
{
	unsigned long rax = SHIM_CALL_POOL_FIND, rbx = *hpa, rcx = 0, rdx = 0;

	asm volatile("vmcall" : "+a" (rax), "+b" (rbx), "+c" (rcx), "+d" (rdx) : : "cc", "memory");
	*hpa = rbx;
	*bytes = rcx;
	*state = rdx;
	return rax;
}

/* In the second kernel: devices for what the first one has. */
static int attach(void)
{
	u64 hpa = 0, bytes, begin = 0, end = 0;
	u32 state;
	int r = 0;

	if (!refresh_shim_below())
		return -ENXIO;
	do {
		if (ask_next(&hpa, &bytes, &state) != SHIM_OK)
			bytes = 0;
		if (bytes && hpa == end) {
			end += bytes;
		} else {
			if (end && !find_region(begin, end - begin))
				r = publish(begin, end - begin, 0);
			begin = hpa;
			end = hpa + bytes;
		}
		hpa += bytes;
	} while (bytes && !r);
	return r;
}

static bool above_two(void)
{
	return pool.shared || refresh_shim_below();
}

static int hand(u32 op, u64 hpa, u64 bytes)
{
	static const u32 calls[] = {
		[VMM_REFRESH_POOL_LEND] = SHIM_POOL_LEND,
		[VMM_REFRESH_POOL_KEEP] = SHIM_POOL_KEEP,
		[VMM_REFRESH_POOL_GIVE] = SHIM_POOL_GIVE,
	};
	u32 result;

	if (!above_two())
		return -ENXIO;
	result = refresh_call_args(SHIM_CALL_POOL, hpa, bytes, calls[op]);
	/* Which may be what its caller wants to know. */
	if (result == SHIM_E_MEMORY)
		return -EPERM;
	return refresh_error_of(result, "pool");
}

static int find(struct vmm_refresh_pool *args)
{
	u32 result = above_two() ? SHIM_OK : SHIM_E_STATE, i;
	struct region *region, *best = NULL;
	u64 hpa = args->hpa;

	args->state = VMM_REFRESH_POOL_OURS;
	if (result == SHIM_OK)
		result = ask_next(&hpa, &args->bytes, &args->state);
	if (result == SHIM_OK) {
		region = find_region(hpa, args->bytes);
		args->hpa = hpa;
		args->device = region ? region->id : VMM_REFRESH_POOL_NO_DEVICE;
		return 0;
	}
	/* It knows of no other one. */
	if (result != SHIM_E_STATE)
		return -ENOENT;
	for (i = 0; i < pool.nr; i++) {
		region = &pool.region[i];
		if (region->hpa + region->bytes > args->hpa &&
		    (!best || region->hpa < best->hpa))
			best = region;
	}
	if (!best)
		return -ENOENT;
	args->hpa = max(args->hpa, best->hpa);
	args->bytes = best->hpa + best->bytes - args->hpa;
	args->device = best->id;
	return 0;
}

/**
 * refresh_pool_share() - A second partition is made: the shim has to know the pool
 *
 * Context: behind refresh_lock().
 * Return: 0, or -EIO after a message.
 */
int refresh_pool_share(void)
{
	int r = 0;
	u32 i;

	mutex_lock(&pool_mutex);
	for (i = 0; i < pool.nr && !r; i++)
		r = refresh_error_of(refresh_call_args(SHIM_CALL_POOL, pool.region[i].hpa,
						       pool.region[i].bytes, SHIM_POOL_ADD),
				     "pool");
	pool.shared = !r;
	mutex_unlock(&pool_mutex);
	return r;
}

/**
 * refresh_pool_unshare() - The end of it: all of the pool is this kernel's
 *
 * Context: behind refresh_lock().
 */
void refresh_pool_unshare(void)
{
	mutex_lock(&pool_mutex);
	pool.shared = false;
	mutex_unlock(&pool_mutex);
}

/**
 * refresh_pool() - Serve VMM_REFRESH_POOL
 * @args: checked but for the range; results are written
 *
 * Context: process, may sleep.
 * Return: 0, or an error that vmm_refresh.h lists.
 */
int refresh_pool(struct vmm_refresh_pool *args)
{
	/* Without a session, or in the second kernel, there is no lock to take. */
	bool locked = refresh_lock();
	int r = -EINVAL;

	mutex_lock(&pool_mutex);
	switch (args->op) {
	case VMM_REFRESH_POOL_FIND:
		r = find(args);
		break;
	case VMM_REFRESH_POOL_ATTACH:
		r = attach();
		break;
	case VMM_REFRESH_POOL_ADD:
		if (in_blocks(args->hpa, args->bytes))
			r = add(args->hpa, args->bytes);
		break;
	case VMM_REFRESH_POOL_REMOVE:
		if (in_blocks(args->hpa, args->bytes))
			r = remove(args->hpa, args->bytes);
		break;
	case VMM_REFRESH_POOL_LEND:
	case VMM_REFRESH_POOL_KEEP:
	case VMM_REFRESH_POOL_GIVE:
		r = hand(args->op, args->hpa, args->bytes);
		break;
	}
	mutex_unlock(&pool_mutex);
	if (locked)
		refresh_unlock();
	return r;
}
