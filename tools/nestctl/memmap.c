// SPDX-License-Identifier: GPL-2.0-only
/*
 * The firmware's memory map, as the kernel got it: what options of its command line have
 * changed in its own copy is not in it.
 */
#include <stdlib.h>
#include <string.h>

#include "boot.h"
#include "nestctl.h"

#define MEMMAP "/sys/firmware/memmap"

/* What the kernel calls the types. */
static const struct {
	const char *name;
	uint32_t type;
} types[] = {
	{ "System RAM", E820_RAM },
	{ "Reserved", E820_RESERVED },
	{ "ACPI Tables", E820_ACPI },
	{ "ACPI Non-volatile Storage", E820_NVS },
	{ "Unusable memory", E820_UNUSABLE },
	{ "Persistent Memory", E820_PMEM },
	{ "Persistent Memory (legacy)", E820_PRAM },
	{ "Soft Reserved", E820_SOFT },
};

static uint32_t type_of(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(name, types[i].name))
			return types[i].type;
	return E820_RESERVED;
}

static bool read_entry(struct e820_entry *entry, const char *name)
{
	autofree char *start = read_text(MEMMAP "/%s/start", name);
	autofree char *end = read_text(MEMMAP "/%s/end", name);
	autofree char *type = read_text(MEMMAP "/%s/type", name);

	if (!start || !end || !type)
		return false;
	entry->start = strtoull(start, NULL, 0);
	entry->size = strtoull(end, NULL, 0) - entry->start + 1;
	entry->type = type_of(type);
	return true;
}

static int by_start(const void *a, const void *b)
{
	const struct e820_entry *one = a, *other = b;

	return one->start < other->start ? -1 : one->start > other->start;
}

/**
 * read_memory_map() - Read it
 * @entries: by address, to be freed
 *
 * Return: how many, 0 if it cannot be read.
 */
size_t read_memory_map(struct e820_entry **entries)
{
	struct dirent **names;
	int i, nr = list(&names, MEMMAP);
	size_t n = 0;

	*entries = calloc(nr > 0 ? nr : 1, sizeof(**entries));
	if (!*entries)
		die(EXIT_UNKNOWN, "out of memory");
	for (i = 0; i < nr; i++) {
		if (!read_entry(&(*entries)[n], names[i]->d_name)) {
			n = 0;
			break;
		}
		n++;
	}
	free_list(names, nr);
	qsort(*entries, n, sizeof(**entries), by_start);
	return n;
}
