// SPDX-License-Identifier: GPL-2.0-only
/*
 * A second partition, as the kernel that makes it sees it: what it gets, how it begins, and
 * how all of it comes back.
 */
#include <linux/cpu.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/stop_machine.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>
#include <asm/smp.h>

#include "session.h"

/* Of page 0: how much memory there is below 1 MiB, in KiB (BIOS data area). */
#define BDA_LOW_MEMORY	0x413

/*
 * @given: the memory is the partition's, not this kernel's.
 * Serialized by refresh_lock(); @made is read without.
 */
static struct {
	bool made, given;
	struct refresh_ranges ranges;
	struct cpumask cpus;
} part;

/**
 * refresh_part_is_made() - Is there a second partition?
 *
 * Return: true between create and destroy.
 */
bool refresh_part_is_made(void)
{
	return READ_ONCE(part.made);
}

/**
 * refresh_shim_below() - Is there a shim that this module has not brought?
 *
 * Return: true if this kernel runs in a partition of another one's machine.
 */
bool refresh_shim_below(void)
{
	u32 version;

	return !refresh_is_virtualized() && refresh_ask_shim(&version);
}

/**
 * refresh_error_of() - Log why the shim refuses
 * @result: enum shim_error
 * @what: was tried
 *
 * Return: 0 for SHIM_OK, else -EIO.
 */
int refresh_error_of(u32 result, const char *what)
{
	static const char *const why[] = {
		[SHIM_E_CALL] = "it does not know the call",
		[SHIM_E_SHARED] = "another kernel has a part of the machine",
		[SHIM_E_STATE] = "a CPU or the partition is not in that state",
		[SHIM_E_MEMORY] = "the memory is not all this kernel's",
		[SHIM_E_TABLES] = "its memory has no more pages for tables",
		[SHIM_E_PLAN] = "it does not accept the description of the machine",
		[SHIM_E_CPU] = "a CPU does not answer",
		[SHIM_E_BOOT_CPU] = "the machine's boot CPU is offline",
		[SHIM_E_FUNCTION] = "the PCI function is not the caller's alone, or sends messages",
	};

	if (result == SHIM_OK)
		return 0;
	pr_err("%s: the shim refuses: %s\n", what,
	       result < ARRAY_SIZE(why) ? why[result] : "unknown error");
	return -EIO;
}

static int call(u32 number, u64 a, u64 b, u64 c, const char *what)
{
	return refresh_error_of(refresh_call_args(number, a, b, c), what);
}

/* The lock, with a partition; NULL in @res: no lock, and the error. */
static int lock_part(struct refresh_reserve **res)
{
	*res = refresh_lock();
	if (!*res)
		return -ENODEV;
	if (part.made)
		return 0;
	refresh_unlock();
	*res = NULL;
	return -ENXIO;
}

static const struct shim_part_info *info(const struct refresh_reserve *res, u32 number)
{
	const struct shim_info *all = res->va + res->layout.info;

	return &all->part[number];
}

static bool runs(const struct refresh_reserve *res)
{
	return READ_ONCE(info(res, 1)->state) == SHIM_PART_RUNS;
}

/* ---- create */

struct part_call {
	u32 number;
	u64 a, b;
	int result;
};

/* All other CPUs stand still: nobody is between an index and a data register. */
static int call_alone(void *data)
{
	struct part_call *args = data;

	args->result = refresh_call_args(args->number, args->a, args->b, 0);
	return 0;
}

/**
 * refresh_part_call_stopped() - A call of the shim while nothing else of this kernel runs
 * @number: of the call
 * @a: first argument
 * @b: second argument
 * @what: is tried, for the log
 *
 * Context: process, may sleep.
 * Return: 0, or an error of the kernel's.
 */
int refresh_part_call_stopped(u32 number, u64 a, u64 b, const char *what)
{
	struct part_call args = { .number = number, .a = a, .b = b };
	int r = stop_machine(call_alone, &args, NULL);

	return r ?: refresh_error_of(args.result, what);
}

static int create_locked(const struct vmm_refresh_part_create *args)
{
	struct shim_plan *plan;
	int r;

	if (part.made) {
		pr_err("there is a second partition already\n");
		return -EEXIST;
	}
	r = refresh_check_low();
	if (r)
		return r;
	plan = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, 1);
	if (!plan)
		return -ENOMEM;
	r = refresh_fill_plan(plan, args->serial, args->serial_pin);
	plan->link = args->flags & VMM_REFRESH_PART_LINK;
	if (!r)
		r = refresh_part_call_stopped(SHIM_CALL_PART_CREATE, __pa(plan), 0, "create");
	free_pages((unsigned long)plan, 1);
	if (r)
		return r;
	r = refresh_pool_share();
	if (r)
		refresh_part_call_stopped(SHIM_CALL_PART_DESTROY, 0, 0, "destroy");
	else
		WRITE_ONCE(part.made, true);
	return r;
}

/**
 * refresh_part_create() - Make a partition without CPUs and memory
 * @args: checked
 *
 * Context: process, may sleep.
 * Return: 0, or an error that vmm_refresh.h lists.
 */
int refresh_part_create(const struct vmm_refresh_part_create *args)
{
	int r;

	if (!refresh_lock())
		return -ENODEV;
	r = create_locked(args);
	refresh_unlock();
	/* Without a network there is still a partition; the log says why. */
	if (!r && args->flags & VMM_REFRESH_PART_LINK && refresh_link_create() == -ENODEV)
		pr_err("vmlink0: the shim has no link\n");
	return r;
}

/* ---- CPUs and memory */

/**
 * refresh_part_cpu() - A CPU goes offline, and is the partition's
 * @cpu: its number
 *
 * Context: process, may sleep.
 * Return: 0, or an error that vmm_refresh.h lists.
 */
int refresh_part_cpu(u32 cpu)
{
	struct refresh_reserve *res;
	int r = lock_part(&res);

	if (r)
		return r;
	r = cpu_online(cpu) ? remove_cpu(cpu) : -EBUSY;
	if (r) {
		pr_err("CPU %u cannot go offline (%d)\n", cpu, r);
	} else {
		/* It stands in a loop of this kernel, above the shim. */
		r = call(SHIM_CALL_PART_TAKE, cpu, 0, 0, "take a CPU");
		if (r)
			add_cpu(cpu);
		else
			cpumask_set_cpu(cpu, &part.cpus);
	}
	refresh_unlock();
	return r;
}

/**
 * refresh_part_device() - A PCI function is to be the partition's
 * @bdf: bus, device and function, of domain 0
 *
 * Context: process, may sleep.
 * Return: 0, or an error that vmm_refresh.h lists.
 */
int refresh_part_device(u32 bdf)
{
	struct refresh_reserve *res;
	int r = lock_part(&res);

	if (r)
		return r;
	r = runs(res) ? -EBUSY : refresh_device_give(bdf);
	refresh_unlock();
	return r;
}

/**
 * refresh_part_memory() - Memory is to be the partition's
 * @hpa: first byte, of a page
 * @bytes: whole pages
 *
 * Context: process, may sleep.
 * Return: 0, or an error that vmm_refresh.h lists.
 */
int refresh_part_memory(u64 hpa, u64 bytes)
{
	struct refresh_reserve *res;
	int r = lock_part(&res);

	if (r)
		return r;
	r = part.given && !runs(res) ? -EBUSY : refresh_check_offline(hpa, bytes);
	if (!r)
		r = refresh_ranges_add(&part.ranges, hpa, bytes);
	/* One that runs can claim it from now on. */
	if (!r && part.given) {
		r = call(SHIM_CALL_PART_MOVE, hpa, bytes, 1, "give memory");
		if (r)
			refresh_ranges_drop(&part.ranges, bytes);
	}
	refresh_unlock();
	return r;
}

/* The first @nr ranges come back; what cannot fail unless a CPU does not answer. */
static int take_back(u32 nr)
{
	int r = 0;

	while (!r && nr--)
		r = call(SHIM_CALL_PART_MOVE, part.ranges.range[nr].hpa,
			 part.ranges.range[nr].bytes, 0, "take memory back");
	return r;
}

static int give_all(void)
{
	u32 i;
	int r = call(SHIM_CALL_PART_MOVE, REFRESH_LOW_FIRST, REFRESH_LOW_END - REFRESH_LOW_FIRST,
		     1, "give low memory");

	for (i = 0; !r && i < part.ranges.nr; i++)
		r = call(SHIM_CALL_PART_MOVE, part.ranges.range[i].hpa,
			 part.ranges.range[i].bytes, 1, "give memory");
	if (!r) {
		part.given = true;
		return 0;
	}
	/* The last one has failed. */
	if (i) {
		take_back(i - 1);
		call(SHIM_CALL_PART_MOVE, REFRESH_LOW_FIRST, REFRESH_LOW_END - REFRESH_LOW_FIRST,
		     0, "take low memory back");
	}
	return r;
}

static int take_all_back(void)
{
	int r;

	if (!part.given)
		return 0;
	r = call(SHIM_CALL_PART_MOVE, REFRESH_LOW_FIRST, REFRESH_LOW_END - REFRESH_LOW_FIRST, 0,
		 "take low memory back");
	/* What is still the partition's is not to be touched by who calls. */
	if (!r)
		r = take_back(part.ranges.nr);
	if (!r)
		part.given = false;
	return r;
}

/* ---- load and start */

static int check_segments(const struct vmm_refresh_segment *segments, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (!segments[i].bytes ||
		    !refresh_ranges_have(&part.ranges, segments[i].hpa, segments[i].bytes)) {
			pr_err("%#llx + %#llx is not in the partition's memory\n",
			       segments[i].hpa, segments[i].bytes);
			return -EPERM;
		}
	return 0;
}

static int load_locked(const struct refresh_reserve *res,
		       const struct vmm_refresh_segment *segments, u32 nr)
{
	int r;

	if (runs(res))
		return -EBUSY;
	r = check_segments(segments, nr);
	if (!r)
		r = take_all_back();
	return r ?: refresh_fill_ranges(&part.ranges, segments, nr);
}

/**
 * refresh_part_load() - Fill the partition's memory
 * @args: checked but for its segments
 *
 * Context: process, may sleep.
 * Return: 0, or an error that vmm_refresh.h lists.
 */
int refresh_part_load(const struct vmm_refresh_part_load *args)
{
	struct vmm_refresh_segment *segments;
	struct refresh_reserve *res;
	int r;

	segments = memdup_user((void __user *)(uintptr_t)args->segments,
			       args->nr * sizeof(*segments));
	if (IS_ERR(segments))
		return PTR_ERR(segments);
	r = lock_part(&res);
	if (!r) {
		r = load_locked(res, segments, args->nr);
		refresh_unlock();
	}
	kfree(segments);
	return r;
}

static int copy_page0(u8 *page)
{
	memcpy(page, __va(0), PAGE_SIZE);
	page[BDA_LOW_MEMORY] = (REFRESH_LOW_END >> 10) & 0xff;
	page[BDA_LOW_MEMORY + 1] = REFRESH_LOW_END >> 18;
	return call(SHIM_CALL_PART_COPY, 0, __pa(page), 0, "copy page 0");
}

/* The partition's APIC IDs, that of @boot_cpu first; to be freed. */
static u32 *apic_ids(u32 boot_cpu, u32 *nr)
{
	u32 *ids = kmalloc_array(nr_cpu_ids, sizeof(*ids), GFP_KERNEL), cpu;

	*nr = 0;
	if (!ids)
		return NULL;
	ids[(*nr)++] = cpu_physical_id(boot_cpu);
	for_each_cpu(cpu, &part.cpus)
		if (cpu != boot_cpu)
			ids[(*nr)++] = cpu_physical_id(cpu);
	return ids;
}

static int copy_tables(void *pages, const struct vmm_refresh_part_start *args)
{
	struct refresh_copies copies = { .pages = pages };
	u32 nr, *ids = apic_ids(args->cpu, &nr), i;
	int r = -ENOMEM;

	if (ids)
		r = refresh_copy_tables(&copies, ids, nr,
					args->flags & VMM_REFRESH_START_PHYSICAL);
	kfree(ids);
	for (i = 0; !r && i < copies.nr; i++)
		r = call(SHIM_CALL_PART_COPY, copies.hpa[i], __pa(pages + i * PAGE_SIZE), 0,
			 "copy a table of the firmware");
	return r;
}

static int copy_firmware(void *pages, const struct vmm_refresh_part_start *args)
{
	int r = copy_page0(pages);

	return r ?: copy_tables(pages, args);
}

static int start_locked(const struct refresh_reserve *res,
			const struct vmm_refresh_part_start *args)
{
	struct shim_start *start;
	int r;

	if (runs(res) || !cpumask_test_cpu(args->cpu, &part.cpus)) {
		pr_err("the partition runs, or CPU %u is not its\n", args->cpu);
		return -EBUSY;
	}
	r = refresh_device_check();
	if (r)
		return r;
	start = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO,
					 get_order(REFRESH_MAX_COPIES * PAGE_SIZE));
	if (!start)
		return -ENOMEM;
	r = copy_firmware(start, args);
	if (!r && !part.given)
		r = give_all();
	if (!r) {
		*start = (struct shim_start){
			.area = args->cpu, .rip = args->rip, .rsi = args->rsi,
			.cr3 = args->cr3, .gdt = args->gdt,
		};
		r = call(SHIM_CALL_PART_START, __pa(start), 0, 0, "start");
		if (r)
			take_all_back();
	}
	free_pages((unsigned long)start, get_order(REFRESH_MAX_COPIES * PAGE_SIZE));
	return r;
}

/**
 * refresh_part_start() - Let the second kernel begin
 * @args: checked
 *
 * Context: process, may sleep.
 * Return: 0, or an error that vmm_refresh.h lists.
 */
int refresh_part_start(const struct vmm_refresh_part_start *args)
{
	struct refresh_reserve *res;
	int r = lock_part(&res);

	if (r)
		return r;
	r = start_locked(res, args);
	refresh_unlock();
	return r;
}

/* ---- the end */

/**
 * refresh_part_kill() - End the second kernel at once
 *
 * Context: process, may sleep.
 * Return: 0, or an error that vmm_refresh.h lists.
 */
int refresh_part_kill(void)
{
	struct refresh_reserve *res;
	int r = lock_part(&res);

	if (r)
		return r;
	r = runs(res) ? call(SHIM_CALL_PART_KILL, 0, 0, 0, "kill") : -EBUSY;
	refresh_unlock();
	return r;
}

/*
 * The machine's boot CPU comes online while there are two partitions still: afterwards nobody
 * would be there to make of its INIT anything but a start of the firmware.
 */
static int boot_cpu_back(void)
{
	u32 cpu, result;
	int r = 0;

	for_each_cpu(cpu, &part.cpus) {
		result = refresh_call_args(SHIM_CALL_PART_RETURN, cpu, 0, 0);
		if (result == SHIM_E_BOOT_CPU)
			continue;
		r = refresh_error_of(result, "take the boot CPU back") ?: add_cpu(cpu);
		if (r)
			pr_err("CPU %u has not come back online (%d)\n", cpu, r);
		else
			cpumask_clear_cpu(cpu, &part.cpus);
		break;
	}
	return r;
}

/* CPUs that wait for a start-up IPI come online as any other; the first error counts. */
static int cpus_back(void)
{
	int r = 0, error;
	u32 cpu;

	for_each_cpu(cpu, &part.cpus) {
		error = add_cpu(cpu);
		if (error)
			pr_err("CPU %u has not come back online (%d)\n", cpu, error);
		r = r ?: error;
	}
	cpumask_clear(&part.cpus);
	return r;
}

/**
 * refresh_part_destroy() - All that the partition had is this kernel's again
 *
 * Context: process, may sleep.
 * Return: 0, or an error that vmm_refresh.h lists.
 */
int refresh_part_destroy(void)
{
	struct refresh_reserve *res;
	int r = lock_part(&res);

	if (r)
		return r;
	if (runs(res))
		r = -EBUSY;
	else
		r = take_all_back();
	if (!r)
		r = boot_cpu_back();
	if (!r)
		r = refresh_part_call_stopped(SHIM_CALL_PART_DESTROY, 0, 0, "destroy");
	if (!r) {
		WRITE_ONCE(part.made, false);
		refresh_pool_unshare();
		memset(&part.ranges, 0, sizeof(part.ranges));
		refresh_link_destroy();
		refresh_device_back();
		r = cpus_back();
	}
	refresh_unlock();
	return r;
}

/* ---- memory that must not come online */

/* Without the lock, under which CPUs go offline: memory hotplug holds off that of CPUs. */
static int refuse_online(struct notifier_block *block, unsigned long event, void *data)
{
	const struct memory_notify *memory = data;

	if (event != MEM_GOING_ONLINE ||
	    !refresh_ranges_touch(&part.ranges, PFN_PHYS(memory->start_pfn),
				  PFN_PHYS(memory->nr_pages)))
		return NOTIFY_OK;
	pr_err("the memory at %#llx is the second partition's: destroy that first\n",
	       (u64)PFN_PHYS(memory->start_pfn));
	return NOTIFY_BAD;
}

static struct notifier_block memory_block = {
	.notifier_call = refuse_online,
};

/**
 * refresh_part_init() - Watch memory that comes online
 *
 * Return: 0, or an error of the kernel's.
 */
int refresh_part_init(void)
{
	return register_memory_notifier(&memory_block);
}

/**
 * refresh_part_exit() - The end of refresh_part_init()
 */
void refresh_part_exit(void)
{
	unregister_memory_notifier(&memory_block);
}

/* ---- what is told */

static void sum_exits(const struct refresh_reserve *res, struct vmm_refresh_part_status *status)
{
	const struct shim_shared *shared;
	u32 cpu, i;

	for_each_cpu(cpu, &part.cpus) {
		shared = refresh_shared(res, cpu);
		for (i = 0; i < VMM_REFRESH_NR_REASONS; i++) {
			status->exits[i] += shared->host_exits[i];
			status->guest_exits += shared->guest_exits[i];
		}
	}
}

static_assert(VMM_REFRESH_NR_REASONS == SHIM_NR_REASONS);
static_assert(VMM_REFRESH_MAX_DENIED == SHIM_MAX_DENIED);
static_assert(VMM_REFRESH_PART_ENDED == (int)SHIM_PART_ENDED);
static_assert(VMM_REFRESH_END_SURPRISE == (int)SHIM_END_SURPRISE);

/**
 * refresh_part_status() - Fill in the result of VMM_REFRESH_PART_STATUS
 * @status: all but @size is written
 *
 * Context: process, may sleep.
 * Return: 0; without a partition all is 0.  -ENODEV without a shim that has room for one.
 */
int refresh_part_status(struct vmm_refresh_part_status *status)
{
	const struct refresh_reserve *res = refresh_lock();
	const struct shim_part_info *second;
	const struct shim_info *all;

	if (!res)
		return -ENODEV;
	all = res->va + res->layout.info;
	second = &all->part[1];
	if (part.made) {
		status->state = READ_ONCE(second->state);
		status->why = second->why;
		status->cpus = second->cpus;
		status->running = second->running;
		status->nr_denied = all->nr_denied;
		status->memory = refresh_ranges_total(&part.ranges);
		status->word = READ_ONCE(second->word);
		status->starts = second->starts;
		memcpy(status->denied, second->denied, sizeof(status->denied));
		memcpy(status->denied_here, all->part[0].denied, sizeof(status->denied_here));
		sum_exits(res, status);
	}
	refresh_unlock();
	return 0;
}

/**
 * refresh_part_say() - Show a word to the other kernel
 * @word: the word
 *
 * Context: process, may sleep.
 * Return: 0, or -ENXIO where there is no other one.
 */
int refresh_part_say(u64 word)
{
	const struct refresh_reserve *res = NULL;
	u32 result = SHIM_E_STATE;

	if (!refresh_shim_below()) {
		res = refresh_lock();
		if (!res)
			return -ENXIO;
	}
	if (!res || part.made)
		result = refresh_call_args(SHIM_CALL_PART_SAY, word, 0, 0);
	if (res)
		refresh_unlock();
	return result == SHIM_OK ? 0 : -ENXIO;
}

/**
 * refresh_part_words() - What both kernels have said last
 * @words: @first and @second are filled in
 *
 * Context: process, may sleep.
 * Return: 0, or -ENXIO where there are no two.
 */
int refresh_part_words(struct vmm_refresh_part_words *words)
{
	const struct refresh_reserve *res;
	int r = -ENXIO;

	if (refresh_shim_below())
		return refresh_hear(&words->first) == SHIM_OK ? 0 : r;
	res = refresh_lock();
	if (!res)
		return r;
	if (part.made) {
		words->first = READ_ONCE(info(res, 0)->word);
		words->second = READ_ONCE(info(res, 1)->word);
		r = 0;
	}
	refresh_unlock();
	return r;
}
