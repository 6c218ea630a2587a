// SPDX-License-Identifier: GPL-2.0-only
/*
 * In the second kernel, when the first one has ended: take its memory.  Some of it becomes movable,
 * so that it can be given away when this kernel is to be replaced in its turn.
 *
 * A block becomes movable as soon as it has been taken: later on something may be in it that stays.
 * From before it is taken until it is movable it is in the journal (offline.c), and so are blocks
 * of which a part is not the kernel's yet, or that were busy.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot.h"
#include "device.h"
#include "nestctl.h"
#include "offline.h"

#define BLOCKS		"/sys/devices/system/memory"
#define GROW_STEP	(256ull << 20)

/* ---- how much */

static int64_t memory_total(void)
{
	autofree char *text = read_text("/proc/meminfo");
	long long kib;

	return text && sscanf(text, "MemTotal: %lld", &kib) == 1 ? kib << 10 : 0;
}

/**
 * grow_default() - How much memory is to be movable if nobody says so
 *
 * As much as this kernel has now, before it has taken any: then the next one can have what this one
 * had.  Its struct pages are not counted there, so it is never less than a plan asks for.
 *
 * Return: bytes, in whole memory blocks.
 */
uint64_t grow_default(void)
{
	uint64_t size = block_size(), least, want = memory_total();
	struct memory_blocks blocks;

	if (!size || read_blocks(&blocks))
		return 0;
	least = blocks.online * size / 100 * PLAN_LEAST;
	want = want > least ? want : least;
	return (want + size - 1) / size * size;
}

/* ---- blocks */

static int by_number(const void *a, const void *b)
{
	const unsigned int *one = a, *other = b;

	return *one < *other ? -1 : *one > *other;
}

static void count_movable(struct partition *partition)
{
	struct memory_blocks blocks;

	if (!read_blocks(&blocks))
		partition->moved = blocks.movable * blocks.size;
}

/* Numbers of all that are online and whole. */
static size_t find_blocks(unsigned int **numbers)
{
	struct dirent **entries;
	int i, nr = list(&entries, BLOCKS);
	unsigned int number;
	size_t found = 0;
	char rest;

	*numbers = calloc(nr > 0 ? nr : 1, sizeof(**numbers));
	if (!*numbers)
		die(EXIT_UNKNOWN, "out of memory");
	for (i = 0; i < nr; i++)
		if (sscanf(entries[i]->d_name, "memory%u%c", &number, &rest) == 1 &&
		    block_is_online(number) && block_is_whole(number))
			(*numbers)[found++] = number;
	free_list(entries, nr);
	qsort(*numbers, found, sizeof(**numbers), by_number);
	return found;
}

/* False: it is as before, as something in it cannot be moved; it stays in the journal. */
static bool make_movable(unsigned int number)
{
	autofree char *path = text_of(BLOCKS "/memory%u/state", number);

	/* Outside of ZONE_MOVABLE what does not move as a rule never does. */
	if (block_offline(number, 1))
		return false;
	if (!device_write(path, "online_movable")) {
		offline_forget(number);
		return true;
	}
	if (device_write(path, "online"))
		complain("memory block %u does not come online again (%s): nestctl refresh commit tries it once more",
			 number, strerror(errno));
	return false;
}

static int take(struct partition *partition, uint64_t first, uint64_t end, uint64_t *bytes)
{
	struct vmm_refresh_part_grow args = {
		.size = sizeof(args), .bytes = *bytes, .first = first, .end = end,
	};

	if (units_interrupted())
		return -1;
	*bytes = 0;
	if (device_call(partition->fd, VMM_REFRESH_PART_GROW, &args)) {
		if (errno == EBUSY && partition->early)
			return 0;
		complain("the first kernel's memory cannot be taken (%s): dmesg says why",
			 strerror(errno));
		return -1;
	}
	partition->grown += args.bytes;
	*bytes = args.bytes;
	return 0;
}

/* All that was the first kernel's in one block; of this kernel's own there is none. */
static int take_block(struct partition *partition, unsigned int number)
{
	uint64_t size = block_size(), bytes = 0;
	bool again = offline_noted(number);

	if (offline_note(number) || take(partition, number * size, (number + 1) * size, &bytes))
		return -1;
	if ((bytes == size || again) && make_movable(number))
		partition->moved += size;
	else if (!bytes && !again)
		offline_forget(number);
	return 0;
}

/*
 * As a plan chooses them: one below 4 GiB, then the last ones.  That leaves another one below 4 GiB
 * for the kernel that comes after the next one.
 */
static int take_movable(struct partition *partition, unsigned int *numbers, size_t nr)
{
	uint64_t size = block_size();
	bool low = partition->moved;
	size_t i, pass;

	for (pass = 0; pass < 2; pass++)
		for (i = nr; i-- > 0;) {
			if (partition->moved >= partition->movable || (!pass && low))
				break;
			if (numbers[i] == UINT32_MAX ||
			    (!pass && numbers[i] * size >= PLAN_LOW_END))
				continue;
			if (take_block(partition, numbers[i]))
				return -1;
			numbers[i] = UINT32_MAX;
			low |= partition->moved;
		}
	return 0;
}

/**
 * grow_given() - Take what the first kernel has given while it runs: memory, and CPUs
 * @partition: as for run_grow()
 */
void grow_given(struct partition *partition)
{
	unsigned int *numbers;
	size_t nr = find_blocks(&numbers);
	uint64_t bytes = 0;

	partition->early = true;
	if (!take_movable(partition, numbers, nr))
		take(partition, 0, 0, &bytes);
	partition->early = false;
	free(numbers);
}

/**
 * run_grow() - Take all memory of the kernel that has ended
 * @partition: @movable says how much is to be movable; @grown and @moved are written
 * @unit: its text gets the figures
 *
 * In pieces, so that a signal is heard; what has been taken is this kernel's.
 *
 * Return: 0, or -1, after a message unless a signal has come.
 */
int run_grow(struct partition *partition, struct unit *unit)
{
	unsigned int *numbers;
	size_t nr = find_blocks(&numbers);
	uint64_t bytes;
	int status;

	count_movable(partition);
	status = take_movable(partition, numbers, nr);
	free(numbers);
	do {
		bytes = GROW_STEP;
		status = status ?: take(partition, 0, 0, &bytes);
	} while (!status && bytes);
	if (status)
		return status;
	free(unit->text);
	unit->text = text_of("take %llu MiB that were the first kernel's",
			     (unsigned long long)partition->grown >> 20);
	return 0;
}

/**
 * grow_late() - Make movable what could not be before
 * @partition: after run_grow(), and without the shim, whose memory was in one of the blocks
 *
 * That there is less than was wanted is no reason to undo anything.
 */
void grow_late(struct partition *partition)
{
	uint64_t size = block_size();
	unsigned int *numbers;
	size_t i, nr = offline_list(&numbers);

	count_movable(partition);
	for (i = 0; i < nr && partition->moved < partition->movable && !units_interrupted(); i++)
		if (make_movable(numbers[i]))
			partition->moved += size;
	free(numbers);
	if (partition->moved < partition->movable)
		complain("%llu MiB of %llu MiB are movable memory: a kernel after this one may get less",
			 (unsigned long long)partition->moved >> 20,
			 (unsigned long long)partition->movable >> 20);
}
