// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory blocks, and which of them can really be taken out: "removable" is 1 for all
 * of them, but only ZONE_MOVABLE holds nothing that cannot be moved, a block with a hole is
 * never let go, and memory for a crash kernel is taken from the end of RAM, whatever zone it is in.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "nestctl.h"

#define BLOCKS "/sys/devices/system/memory"

#define RAM		" : System RAM"
#define CRASH_KERNEL	" : Crash kernel"

/*
 * Bytes of @what, @inside of something, between two addresses; -1 to others than root, who see
 * zeros.
 */
static int64_t bytes_between(const char *what, bool inside, uint64_t start, uint64_t end)
{
	static char *text;
	unsigned long long from, to;
	int64_t bytes = 0, all = 0;
	const char *line;

	if (!text)
		text = read_text("/proc/iomem");
	for (line = text; line && *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if ((*line == ' ') != inside)
			continue;
		line += strspn(line, " ");
		if (sscanf(line, "%llx-%llx", &from, &to) != 2)
			continue;
		all += to - from;
		if (strncmp(line + strcspn(line, " "), what, strlen(what)))
			continue;
		from = from > start ? from : start;
		to = to + 1 < end ? to + 1 : end;
		bytes += to > from ? to - from : 0;
	}
	return all ? bytes : -1;
}

/**
 * block_is_whole() - Is all of this block RAM?
 * @block: its number
 *
 * Return: false if there is a hole in it; true if it is not known.
 */
bool block_is_whole(unsigned int block)
{
	uint64_t size = block_size();
	int64_t ram = bytes_between(RAM, false, block * size, (block + 1) * size);

	return ram < 0 || (uint64_t)ram == size;
}

static bool has_crash_kernel(unsigned int block)
{
	uint64_t size = block_size();

	return bytes_between(CRASH_KERNEL, true, block * size, (block + 1) * size) > 0;
}

/**
 * block_is_movable() - Can the kernel take this block out?
 * @block: its number
 *
 * Return: true if it is online in ZONE_MOVABLE, without a hole and a crash kernel's memory.
 */
bool block_is_movable(unsigned int block)
{
	autofree char *zones = read_text(BLOCKS "/memory%u/valid_zones", block);

	/* Of a block that is online this is the zone that it is in. */
	return zones && !strncmp(zones, "Movable", 7) &&
	       read_int(0, BLOCKS "/memory%u/removable", block) == 1 && block_is_whole(block) &&
	       !has_crash_kernel(block);
}

/* Of a block that is online, by one bit of each page. */
#define KPF_RESERVED	(UINT64_C(1) << 32)
#define PAGE		4096u
#define FLAGS_AT_ONCE	4096u

/**
 * block_is_pinned() - Is something in this block that the kernel has allocated when it booted?
 * @block: its number
 *
 * Such pages (struct pages, hash tables) can be in ZONE_MOVABLE, too, and are never moved.
 *
 * Return: true if there is; false if it cannot be told.
 */
bool block_is_pinned(unsigned int block)
{
	autofree char *path = below_root("/proc/kpageflags");
	uint64_t flags[FLAGS_AT_ONCE], pages = block_size() / PAGE, page = block * pages, end;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool pinned = false;
	ssize_t n, i;

	for (end = page + pages; fd >= 0 && !pinned && page < end; page += n / sizeof(*flags)) {
		n = pread(fd, flags, sizeof(flags), page * sizeof(*flags));
		if (n < (ssize_t)sizeof(*flags))
			break;
		for (i = 0; i < n / (ssize_t)sizeof(*flags); i++)
			pinned |= flags[i] & KPF_RESERVED && page + i < end;
	}
	if (fd >= 0)
		close(fd);
	return pinned;
}

/**
 * block_is_online() - Does the kernel use this block?
 * @block: its number
 *
 * Return: true if it does.
 */
bool block_is_online(unsigned int block)
{
	autofree char *state = read_text(BLOCKS "/memory%u/state", block);

	return state && !strcmp(state, "online");
}

/**
 * block_size() - Bytes of a memory block
 *
 * Return: the size, 0 with errno if the kernel has none.
 */
uint64_t block_size(void)
{
	autofree char *text = read_text(BLOCKS "/block_size_bytes");

	return text ? strtoull(text, NULL, 16) : 0;
}

/**
 * read_blocks() - Count the memory blocks
 * @blocks: filled in
 *
 * Return: 0, or -1 with errno.
 */
int read_blocks(struct memory_blocks *blocks)
{
	struct dirent **entries;
	unsigned int block;
	int i, nr;
	char rest;

	memset(blocks, 0, sizeof(*blocks));
	blocks->size = block_size();
	if (!blocks->size)
		return -1;
	nr = list(&entries, BLOCKS);
	for (i = 0; i < nr; i++) {
		if (sscanf(entries[i]->d_name, "memory%u%c", &block, &rest) != 1 ||
		    !block_is_online(block))
			continue;
		blocks->online++;
		blocks->movable += block_is_movable(block);
	}
	free_list(entries, nr);
	return 0;
}
