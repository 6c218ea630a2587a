// SPDX-License-Identifier: GPL-2.0-only
/*
 * A shim that this module has not brought: one that an earlier module has left behind, or the one
 * below a second kernel, when the first one has ended.
 */
#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/cpumask.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/stop_machine.h>
#include <asm/smp.h>

#include "session.h"

#define LAST_INSTRUCTIONS_MS	10

/**
 * refresh_below() - What there is below this kernel that this module has not brought
 *
 * Context: without a session.
 * Return: VMM_REFRESH_BARE, _BELOW or _ADOPTABLE.
 */
u32 refresh_below(void)
{
	u32 version;
	u64 hpa;

	if (!refresh_ask_shim(&version))
		return VMM_REFRESH_BARE;
	if (version != SHIM_ABI_VERSION || refresh_find(&hpa) != SHIM_OK)
		return VMM_REFRESH_BELOW;
	return VMM_REFRESH_ADOPTABLE;
}

/* Its information page; NULL: it says nothing that makes sense. */
static const struct shim_info *info_at(u64 hpa)
{
	const struct shim_info *info;

	if (!pfn_to_online_page(hpa >> PAGE_SHIFT))
		return NULL;
	info = __va(hpa);
	if (info->magic != SHIM_MAGIC || info->version != SHIM_ABI_VERSION ||
	    !PAGE_ALIGNED(info->reserve_hpa) || info->end > info->reserve_bytes ||
	    !info->nr_areas || info->nr_areas > SHIM_MAX_AREAS)
		return NULL;
	return info;
}

/**
 * refresh_is_heir() - Has this kernel got the machine of one that has ended?
 *
 * Context: refresh_below() says that there is a shim to adopt.
 * Return: true if the shim still keeps two partitions apart.
 */
bool refresh_is_heir(void)
{
	const struct shim_info *info;
	u64 hpa;

	if (refresh_find(&hpa) != SHIM_OK)
		return false;
	info = info_at(hpa);
	return info && info->nr_parts > 1;
}

static int find_info(const struct shim_info **info)
{
	u32 version;
	u64 hpa;

	if (!refresh_ask_shim(&version))
		return -ENODEV;
	if (version != SHIM_ABI_VERSION) {
		pr_err("the shim below is of ABI version %u, this module knows %u: load a vmm-refresh of the same build as the one that brought it\n",
		       version, SHIM_ABI_VERSION);
		return -EPROTO;
	}
	if (refresh_find(&hpa) != SHIM_OK) {
		pr_err("another kernel has a part of the machine: power it off first\n");
		return -EBUSY;
	}
	*info = info_at(hpa);
	if (*info)
		return 0;
	pr_err("what the shim below tells of itself at %#llx makes no sense\n", hpa);
	return -EPROTO;
}

/**
 * refresh_adopt_reserve() - Find the memory of the shim below
 * @res: filled in
 * @nr_areas: CPUs that it knows
 * @flags: SHIM_FLAG_* with which it was put there
 *
 * Return: 0, or an error that vmm_refresh.h lists for DEVIRTUALIZE, after a message.
 */
int refresh_adopt_reserve(struct refresh_reserve *res, u32 *nr_areas, u32 *flags)
{
	const struct shim_info *info;
	int r = find_info(&info);

	if (r)
		return r;
	memset(res, 0, sizeof(*res));
	res->hpa = info->reserve_hpa;
	res->va = __va(res->hpa);
	res->header = res->va;
	res->contig = info->memory == SHIM_MEMORY_CONTIG;
	res->reserved = info->memory == SHIM_MEMORY_RESERVED || info->nr_parts > 1;
	/* What its allocator gave in excess was not the shim's. */
	res->size = res->reserved ? PAGE_ALIGN(info->end) : info->reserve_bytes;
	res->layout.console = info->console;
	res->layout.areas = info->areas;
	res->layout.end = info->end;
	res->layout.info = (u64)info - (u64)res->va;
	res->shim_cr3 = info->cr3;
	res->eptp = info->eptp;
	*nr_areas = info->nr_areas;
	*flags = info->flags;
	return 0;
}

static bool find_area(const struct refresh_reserve *res, unsigned long *used, u32 nr_areas,
		      u32 apic_id, u32 *area)
{
	u32 i;

	for (i = 0; i < nr_areas; i++) {
		if (test_bit(i, used) || refresh_shared(res, i)->apic_id != apic_id)
			continue;
		__set_bit(i, used);
		*area = i;
		return true;
	}
	return false;
}

/* A CPU that has never been above the shim takes any area that no other one has. */
static int map_areas(struct refresh_cpu *cpus, const struct refresh_reserve *res,
		     unsigned long *used, u32 nr_areas)
{
	cpumask_var_t others;
	unsigned int cpu;
	int r = 0;

	if (!zalloc_cpumask_var(&others, GFP_KERNEL))
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		if (!find_area(res, used, nr_areas, cpu_physical_id(cpu), &cpus[cpu].area))
			cpumask_set_cpu(cpu, others);
	for_each_cpu(cpu, others)
		if (cpu_online(cpu) ||
		    !find_area(res, used, nr_areas, SHIM_NO_APIC_ID, &cpus[cpu].area))
			r = -ENOSPC;
	free_cpumask_var(others);
	if (r)
		pr_err("the shim below has room for %u CPUs, this kernel for more: boot with possible_cpus= as many as there are\n",
		       nr_areas);
	return r;
}

/**
 * refresh_adopt_areas() - Find out which area is which CPU's
 * @cpus: by number of the CPU here, zeroed; filled in
 * @res: from refresh_adopt_reserve()
 * @nr_areas: likewise
 * @caps: of the machine
 *
 * Return: 0, -ENOMEM, or -ENOSPC after a message.
 */
int refresh_adopt_areas(struct refresh_cpu *cpus, struct refresh_reserve *res, u32 nr_areas,
			const struct refresh_caps *caps)
{
	unsigned long *used = bitmap_zalloc(nr_areas, GFP_KERNEL);
	unsigned int cpu;
	int r;

	if (!used)
		return -ENOMEM;
	for (cpu = 0; cpu < nr_cpu_ids; cpu++) {
		cpus[cpu].res = res;
		cpus[cpu].caps = caps;
	}
	r = map_areas(cpus, res, used, nr_areas);
	bitmap_free(used);
	return r;
}

struct adoption {
	struct refresh_cpu *cpus;
	struct shim_adopt *page;
	bool *on;
	u32 result;
};

/* All other CPUs stand still: who is online does not change. */
static int adopt_alone(void *data)
{
	struct adoption *adoption = data;
	unsigned int cpu;
	u32 area;

	for_each_online_cpu(cpu) {
		area = adoption->cpus[cpu].area;
		adoption->page->online[area / 64] |= BIT_ULL(area % 64);
	}
	adoption->result = refresh_call_args(SHIM_CALL_ADOPT, __pa(adoption->page), 0, 0);
	if (adoption->result == SHIM_OK)
		WRITE_ONCE(*adoption->on, true);
	return 0;
}

static int set_target(void *data)
{
	struct adoption *adoption = data;
	struct refresh_cpu *rc = &adoption->cpus[raw_smp_processor_id()];

	/* One that has come online since is as it should be. */
	refresh_set_target(rc, true);
	rc->launched = true;
	return 0;
}

/**
 * refresh_adopt_shim() - Take it over
 * @cpus: from refresh_adopt_areas()
 * @on: set when it is ours
 *
 * The shim keeps two partitions apart no longer, and leaves this kernel's CPUs when it asks for it.
 *
 * Context: process, may sleep.
 * Return: 0, or an error that vmm_refresh.h lists for DEVIRTUALIZE, after a message.
 */
int refresh_adopt_shim(struct refresh_cpu *cpus, bool *on)
{
	struct adoption adoption = { .cpus = cpus, .on = on };
	int r;

	adoption.page = (void *)get_zeroed_page(GFP_KERNEL);
	if (!adoption.page)
		return -ENOMEM;
	r = stop_machine(adopt_alone, &adoption, NULL);
	free_page((unsigned long)adoption.page);
	/* CPUs that were let go have said so before their last instructions of the shim. */
	msleep(LAST_INSTRUCTIONS_MS);
	if (!r)
		r = refresh_error_of(adoption.result, "adopt");
	if (adoption.result == SHIM_E_BOOT_CPU)
		return -EBUSY;
	return r ?: stop_machine(set_target, &adoption, cpu_online_mask);
}
