/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a second kernel's parts go in the memory of a partition: a pure function.
 */
#ifndef NESTCTL_BOOT_LAYOUT_H
#define NESTCTL_BOOT_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "bzimage.h"

/* Types of memory in the firmware's map. */
#define E820_RAM	1
#define E820_RESERVED	2
#define E820_ACPI	3
#define E820_NVS	4
#define E820_UNUSABLE	5
#define E820_PMEM	7
#define E820_PRAM	12
#define E820_SOFT	0xefffffff

/**
 * struct e820_entry - A piece of the firmware's map, as it is in the zero page
 * @start: first byte
 * @size: bytes
 * @type: E820_*
 */
struct e820_entry {
	uint64_t start, size;
	uint32_t type;
} __attribute__((packed));

/**
 * struct range - Memory
 * @start: first byte
 * @end: behind the last byte
 */
struct range {
	uint64_t start, end;
};

/**
 * struct boot_input - What a layout is made of
 * @kernel: the kernel
 * @initrd: bytes of the initrd
 * @initrd_size: how many
 * @cmdline: command line
 * @e820: memory of the whole machine, disjoint
 * @nr_e820: pieces of it
 * @ranges: memory of the partition: ascending, disjoint, of whole pages
 * @nr_ranges: pieces of it
 * @pool: memory of VMs, which is no kernel's: ascending, disjoint
 * @nr_pool: pieces of it
 */
struct boot_input {
	const struct bzimage *kernel;
	const void *initrd;
	size_t initrd_size;
	const char *cmdline;
	const struct e820_entry *e820;
	size_t nr_e820;
	const struct range *ranges;
	size_t nr_ranges;
	const struct range *pool;
	size_t nr_pool;
};

/**
 * struct boot_segment - A piece of memory to fill
 * @name: of what is in it
 * @data: the bytes
 * @bytes: how many
 * @hpa: where to
 */
struct boot_segment {
	const char *name;
	const void *data;
	uint64_t bytes, hpa;
};

#define BOOT_MAX_SEGMENTS 8

/**
 * struct boot_layout - How to start the kernel
 * @segments: what to fill
 * @nr_segments: how many
 * @rip: first instruction
 * @rsi: the zero page
 * @cr3: page tables that map all segments, and 4 GiB
 * @gdt: descriptors
 * @tables: memory of the small segments
 */
struct boot_layout {
	struct boot_segment segments[BOOT_MAX_SEGMENTS];
	size_t nr_segments;
	uint64_t rip, rsi, cr3, gdt;
	void *tables;
};

/**
 * struct boot_refusal - Why there is no layout
 * @id: short name
 * @text: what is wrong, allocated
 * @cure: what to do
 */
struct boot_refusal {
	const char *id;
	char *text;
	const char *cure;
};

struct boot_refusal *boot_layout_make(struct boot_layout *layout, const struct boot_input *input);
void boot_layout_free(struct boot_layout *layout);
void boot_refusal_free(struct boot_refusal *refused);

#endif /* NESTCTL_BOOT_LAYOUT_H */
