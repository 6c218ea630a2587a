// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lay a second kernel out for its 64-bit entry: nothing is read or changed here.
 *
 * It sees the memory map of the whole machine, so that it can own all of it some day.
 * What is not its own by now is named in a list of setup_data: it keeps off these pieces
 * from its first instruction on, also when it chooses its address at random.  Below
 * 1 MiB no entry is needed, because Linux never uses that for anything but the start
 * of CPUs.
 *
 *	kernel	at the beginning of the first range below 4 GiB that it fits in
 *	tables	at the end of that range
 *	initrd	as high as possible
 */
#include <stdlib.h>
#include <string.h>

#include "boot_layout.h"
#include "nestctl.h"

#define PAGE		UINT64_C(4096)
#define HUGE_PAGE	UINT64_C(0x200000)
#define GIB		UINT64_C(0x40000000)
#define ENTRIES		512u		/* of a page table */
/* Linux' decompressor goes up to here by itself. */
#define LEAST_LOAD	UINT64_C(0x1000000)
#define LOW_END		UINT64_C(0x100000)
#define ENTRY_64	0x200
#define MAPPED		4u		/* GiB that are mapped in any case */
#define LAST_ADDRESS	UINT64_C(0x800000000000)
/* memblock cannot grow its list of reserved pieces when it is told of them. */
#define MAX_FOREIGN	64

/* Fields of the zero page. */
#define ZERO_RAMDISK_HIGH	0x0c0
#define ZERO_RAMDISK_SIZE_HIGH	0x0c4
#define ZERO_CMDLINE_HIGH	0x0c8
#define ZERO_NR_E820		0x1e8
#define ZERO_LOADER		0x210
#define ZERO_RAMDISK		0x218
#define ZERO_RAMDISK_SIZE	0x21c
#define ZERO_CMDLINE		0x228
#define ZERO_SETUP_DATA		0x250
#define ZERO_E820		0x2d0
#define MAX_E820		128

#define LOADER_UNKNOWN		0xff

#define PTE_TABLE		UINT64_C(0x3)
#define PTE_HUGE		UINT64_C(0x83)

#define SETUP_INDIRECT		0x80000000u

/* An entry of setup_data that names memory with no data of any kind in it. */
struct foreign {
	uint64_t next;
	uint32_t type, length;
	uint32_t kind, reserved;
	uint64_t bytes, start;
};

/* The small segments: pages one after the other. */
struct tables {
	uint64_t hpa, zero, cmdline, gdt, setup, paging, bytes;
	uint8_t *data;
	struct e820_entry map[MAX_E820];
	size_t nr_map;
	struct foreign foreign[MAX_FOREIGN];
	size_t nr_foreign;
	uint64_t nr_paging, pointers;
};

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) & ~(to - 1);
}

static struct boot_refusal *refusal(const char *id, char *text, const char *cure)
{
	struct boot_refusal *it = malloc(sizeof(*it));

	if (!it)
		die(EXIT_UNKNOWN, "out of memory");
	*it = (struct boot_refusal){ id, text, cure };
	return it;
}

/* ---- the machine's memory */

static uint64_t overlap(const struct e820_entry *entry, const struct range *range)
{
	uint64_t start = entry->start > range->start ? entry->start : range->start;
	uint64_t end = entry->start + entry->size;

	end = end < range->end ? end : range->end;
	return end > start ? end - start : 0;
}

static struct boot_refusal *check_memory(const struct boot_input *input)
{
	size_t i, k;

	for (i = 0; i < input->nr_ranges; i++) {
		const struct range *range = &input->ranges[i];
		uint64_t ram = 0;

		for (k = 0; k < input->nr_e820; k++)
			if (input->e820[k].type == E820_RAM)
				ram += overlap(&input->e820[k], range);
		if (ram != range->end - range->start || range->end > LAST_ADDRESS)
			return refusal("memory-map",
				       text_of("%#llx-%#llx is not all RAM in the firmware's memory map",
					       (unsigned long long)range->start,
					       (unsigned long long)range->end - 1),
				       "give other memory");
	}
	return NULL;
}

static struct boot_refusal *add_piece(struct tables *tables, const struct boot_input *input,
				      uint64_t start, uint64_t end, uint32_t type)
{
	if (start >= end)
		return NULL;
	if (tables->nr_map == MAX_E820)
		return refusal("memory-map",
			       text_of("the second kernel's memory map needs more than the %d pieces of a zero page (the firmware's has %zu)",
				       MAX_E820, input->nr_e820),
			       "use another machine, or firmware settings with fewer");
	tables->map[tables->nr_map++] = (struct e820_entry){ start, end - start, type };
	return NULL;
}

/* RAM, but what is of the pool is no RAM of a kernel. */
static struct boot_refusal *add_ram(struct tables *tables, const struct boot_input *input,
				    uint64_t start, uint64_t end)
{
	struct boot_refusal *refused = NULL;
	size_t i;

	for (i = 0; i < input->nr_pool && !refused; i++) {
		const struct range *piece = &input->pool[i];

		if (piece->end <= start || piece->start >= end)
			continue;
		refused = add_piece(tables, input, start, piece->start, E820_RAM);
		start = piece->start > start ? piece->start : start;
		if (!refused)
			refused = add_piece(tables, input, start,
					    piece->end < end ? piece->end : end, E820_RESERVED);
		start = piece->end;
	}
	return refused ?: add_piece(tables, input, start, end, E820_RAM);
}

/*
 * Where the RAM ends that the second kernel is to see as such.  Linux counts pages up to the last
 * one that is its own RAM, or an ACPI table (from 6.10 on): if RAM that is not its own ends the
 * machine, with no table behind it, the last page of it is such a table.
 */
static uint64_t counted_end(const struct boot_input *input, uint64_t last)
{
	uint64_t end = 0;
	bool tables = false;
	size_t i;

	for (i = 0; i < input->nr_e820; i++)
		if (input->e820[i].type == E820_RAM)
			end = input->e820[i].start + input->e820[i].size;
	for (i = 0; i < input->nr_e820; i++)
		tables |= input->e820[i].type == E820_ACPI && input->e820[i].start >= end;
	return tables || input->kernel->physical || last >= (end & ~(PAGE - 1)) ? UINT64_MAX :
	       (end & ~(PAGE - 1)) - PAGE;
}

/*
 * The firmware's map, as the second kernel is to see it.  Before 6.10, Linux counts RAM that
 * setup_data names as no RAM when it looks for its last page, and nevertheless as memory: it
 * would have memory without a node behind its own last page, and panic in free_area_init().
 * There it is reserved, so such a kernel cannot get it when the other one has ended.
 */
static struct boot_refusal *make_map(struct tables *tables, const struct boot_input *input)
{
	uint64_t last = input->nr_ranges ? input->ranges[input->nr_ranges - 1].end : 0;
	uint64_t counted = counted_end(input, last);
	struct boot_refusal *refused = NULL;
	size_t i;

	for (i = 0; i < input->nr_e820 && !refused; i++) {
		const struct e820_entry *entry = &input->e820[i];
		uint64_t end = entry->start + entry->size, middle = end;

		if (entry->type == E820_RAM && input->kernel->physical && end > last)
			middle = last > entry->start ? last : entry->start;
		else if (entry->type == E820_RAM && end > counted)
			middle = counted > entry->start ? counted : entry->start;
		refused = entry->type == E820_RAM ?
			  add_ram(tables, input, entry->start, middle) :
			  add_piece(tables, input, entry->start, middle, entry->type);
		if (!refused)
			refused = add_piece(tables, input, middle, end,
					    input->kernel->physical ? E820_RESERVED : E820_ACPI);
	}
	return refused;
}

/* False if there are too many. */
static bool add_foreign(struct tables *tables, uint64_t start, uint64_t end)
{
	if (start >= end)
		return true;
	if (tables->nr_foreign == MAX_FOREIGN)
		return false;
	tables->foreign[tables->nr_foreign++] = (struct foreign){
		.type = SETUP_INDIRECT, .length = 24, .start = start, .bytes = end - start,
	};
	return true;
}

/* RAM above 1 MiB that is not the partition's. */
static struct boot_refusal *find_foreign(struct tables *tables, const struct boot_input *input)
{
	bool room = true;
	size_t i, k;

	for (i = 0; i < tables->nr_map; i++) {
		uint64_t start = tables->map[i].start, end = start + tables->map[i].size;

		if (tables->map[i].type != E820_RAM)
			continue;
		if (start < LOW_END)
			start = LOW_END;
		for (k = 0; k < input->nr_ranges && start < end; k++) {
			const struct range *range = &input->ranges[k];

			if (range->end <= start || range->start >= end)
				continue;
			room &= add_foreign(tables, start, range->start);
			start = range->end;
		}
		room &= add_foreign(tables, start, end);
	}
	if (room)
		return NULL;
	return refusal("pieces",
		       text_of("the second kernel's memory is in too many pieces: it would have to be told of more than %d that are not its own",
			       MAX_FOREIGN),
		       "give memory that is in one piece");
}

/* ---- page tables */

/* The next GiB that is mapped, and whether there is one; the first is behind -1. */
static bool next_gib(const struct boot_input *input, uint64_t *gib)
{
	uint64_t first, last;
	size_t i;

	if (++*gib < MAPPED)
		return true;
	for (i = 0; i < input->nr_ranges; i++) {
		first = input->ranges[i].start / GIB;
		last = (input->ranges[i].end - 1) / GIB;
		if (*gib > last)
			continue;
		*gib = *gib > first ? *gib : first;
		return true;
	}
	return false;
}

/* A table of pages for each, a table of these for the first of 512 GiB. */
static void count_gib(struct tables *tables, uint64_t gib)
{
	if (!tables->nr_paging)
		tables->nr_paging = 1;
	if (tables->nr_paging == 1 || tables->pointers != gib / ENTRIES)
		tables->nr_paging++;
	tables->pointers = gib / ENTRIES;
	tables->nr_paging++;
}

static uint64_t *table(struct tables *tables, uint64_t number)
{
	return (uint64_t *)(tables->data + tables->paging + number * PAGE);
}

/* The table that an entry points to; a new one if there is none. */
static uint64_t *next_table(struct tables *tables, uint64_t *entry)
{
	uint64_t base = tables->hpa + tables->paging;

	if (!*entry)
		*entry = (base + tables->nr_paging++ * PAGE) | PTE_TABLE;
	return table(tables, (*entry - base) / PAGE);
}

static void map_gib(struct tables *tables, uint64_t gib)
{
	uint64_t *pointers = next_table(tables, &table(tables, 0)[gib / ENTRIES]);
	uint64_t *pages = next_table(tables, &pointers[gib % ENTRIES]);
	unsigned int i;

	for (i = 0; i < ENTRIES; i++)
		pages[i] = (gib * GIB + i * HUGE_PAGE) | PTE_HUGE;
}

/* ---- places */

/* The first that has room for the kernel and the tables. */
static bool find_kernel_range(struct range *range, const struct boot_input *input, uint64_t tables)
{
	const struct bzimage *kernel = input->kernel;
	size_t i;

	for (i = 0; i < input->nr_ranges; i++) {
		*range = input->ranges[i];
		if (range->start < LEAST_LOAD)
			range->start = LEAST_LOAD;
		range->start = round_up(range->start, kernel->alignment);
		if (range->end > MAPPED * GIB)
			range->end = MAPPED * GIB;
		if (range->start < range->end &&
		    range->end - range->start >= round_up(kernel->init_size, PAGE) + tables)
			return true;
	}
	return false;
}

/* The highest page from which on there is room, 0 if there is none. */
static uint64_t initrd_place(const struct boot_input *input, const struct range *kernel,
			     uint64_t tables)
{
	uint64_t floor, top, bytes = round_up(input->initrd_size, PAGE);
	size_t i;

	for (i = input->nr_ranges; i-- > 0;) {
		floor = input->ranges[i].start;
		top = input->ranges[i].end;
		/* Between the kernel and the tables. */
		if (kernel->start >= floor && kernel->start < top) {
			floor = kernel->start + round_up(input->kernel->init_size, PAGE);
			top = tables;
		}
		if (top > input->kernel->initrd_end)
			top = input->kernel->initrd_end & ~(PAGE - 1);
		if (top > floor && top - floor >= bytes)
			return top - bytes;
	}
	return 0;
}

static void place_tables(struct tables *tables, const struct boot_input *input)
{
	tables->zero = 0;
	tables->cmdline = PAGE;
	tables->gdt = tables->cmdline + round_up(strlen(input->cmdline) + 1, PAGE);
	tables->setup = tables->gdt + PAGE;
	tables->paging = tables->setup +
			 round_up(tables->nr_foreign * sizeof(struct foreign) + 1, PAGE);
	tables->bytes = tables->paging + tables->nr_paging * PAGE;
}

/* ---- contents */

static void put32(struct tables *tables, size_t offset, uint64_t value)
{
	uint32_t word = value;

	memcpy(tables->data + offset, &word, sizeof(word));
}

static void fill_zero_page(struct tables *tables, const struct boot_input *input, uint64_t initrd)
{
	const struct bzimage *kernel = input->kernel;
	uint64_t cmdline = tables->hpa + tables->cmdline;
	uint64_t setup = tables->nr_foreign ? tables->hpa + tables->setup : 0;

	memcpy(tables->data + SETUP_BEGIN, kernel->data + SETUP_BEGIN,
	       kernel->header_end - SETUP_BEGIN);
	tables->data[ZERO_LOADER] = LOADER_UNKNOWN;
	put32(tables, ZERO_RAMDISK, initrd);
	put32(tables, ZERO_RAMDISK_HIGH, initrd >> 32);
	put32(tables, ZERO_RAMDISK_SIZE, input->initrd_size);
	put32(tables, ZERO_RAMDISK_SIZE_HIGH, input->initrd_size >> 32);
	put32(tables, ZERO_CMDLINE, cmdline);
	put32(tables, ZERO_CMDLINE_HIGH, cmdline >> 32);
	put32(tables, ZERO_SETUP_DATA, setup);
	put32(tables, ZERO_SETUP_DATA + 4, setup >> 32);
	tables->data[ZERO_NR_E820] = tables->nr_map;
	memcpy(tables->data + ZERO_E820, tables->map, tables->nr_map * sizeof(*tables->map));
}

static void fill_tables(struct tables *tables, const struct boot_input *input, uint64_t initrd)
{
	/* Code at 10h, data at 18h: flat, present, accessed. */
	static const uint64_t gdt[4] = { 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
	uint64_t gib = -1;
	size_t i;

	tables->data = calloc(1, tables->bytes);
	if (!tables->data)
		die(EXIT_UNKNOWN, "out of memory");
	fill_zero_page(tables, input, initrd);
	memcpy(tables->data + tables->cmdline, input->cmdline, strlen(input->cmdline) + 1);
	memcpy(tables->data + tables->gdt, gdt, sizeof(gdt));
	for (i = 0; i + 1 < tables->nr_foreign; i++)
		tables->foreign[i].next = tables->hpa + tables->setup +
					  (i + 1) * sizeof(struct foreign);
	memcpy(tables->data + tables->setup, tables->foreign,
	       tables->nr_foreign * sizeof(struct foreign));
	tables->nr_paging = 1;
	while (next_gib(input, &gib))
		map_gib(tables, gib);
}

static void add_segment(struct boot_layout *layout, const char *name, const void *data,
			uint64_t bytes, uint64_t hpa)
{
	if (bytes)
		layout->segments[layout->nr_segments++] =
			(struct boot_segment){ name, data, bytes, hpa };
}

static void add_segments(struct boot_layout *layout, const struct boot_input *input,
			 const struct tables *tables, uint64_t load, uint64_t initrd)
{
	const struct bzimage *kernel = input->kernel;
	const uint8_t *data = tables->data;
	uint64_t hpa = tables->hpa;

	add_segment(layout, "kernel", kernel->data + kernel->kernel,
		    kernel->size - kernel->kernel, load);
	add_segment(layout, "initrd", input->initrd, input->initrd_size, initrd);
	add_segment(layout, "zero-page", data, PAGE, hpa);
	add_segment(layout, "cmdline", data + tables->cmdline, strlen(input->cmdline) + 1,
		    hpa + tables->cmdline);
	add_segment(layout, "gdt", data + tables->gdt, 32, hpa + tables->gdt);
	add_segment(layout, "setup-data", data + tables->setup,
		    tables->nr_foreign * sizeof(struct foreign), hpa + tables->setup);
	add_segment(layout, "page-tables", data + tables->paging, tables->nr_paging * PAGE,
		    hpa + tables->paging);
	layout->rip = load + ENTRY_64;
	layout->rsi = hpa;
	layout->cr3 = hpa + tables->paging;
	layout->gdt = hpa + tables->gdt;
	layout->tables = tables->data;
}

static struct boot_refusal *check_cmdline(const struct boot_input *input)
{
	if (strlen(input->cmdline) <= input->kernel->cmdline_size)
		return NULL;
	return refusal("command-line",
		       text_of("the command line has %zu characters, and the kernel takes %llu",
			       strlen(input->cmdline),
			       (unsigned long long)input->kernel->cmdline_size),
		       "shorten --append");
}

/**
 * boot_layout_make() - Lay a kernel out
 * @layout: filled in if there is no refusal, for boot_layout_free(); it points into @input
 * @input: what there is
 *
 * Return: NULL; or why not, for boot_refusal_free().
 */
struct boot_refusal *boot_layout_make(struct boot_layout *layout, const struct boot_input *input)
{
	struct boot_refusal *refused = check_cmdline(input);
	struct tables tables = { 0 };
	uint64_t gib = -1, initrd;
	struct range kernel;

	memset(layout, 0, sizeof(*layout));
	if (!refused)
		refused = check_memory(input);
	if (!refused)
		refused = make_map(&tables, input);
	if (!refused)
		refused = find_foreign(&tables, input);
	if (refused)
		return refused;
	while (next_gib(input, &gib))
		count_gib(&tables, gib);
	place_tables(&tables, input);
	if (!find_kernel_range(&kernel, input, tables.bytes))
		return refusal("kernel-room",
			       text_of("no piece of the second kernel's memory has %llu KiB below 4 GiB for the kernel when it starts",
				       (unsigned long long)(input->kernel->init_size +
							    tables.bytes) >> 10),
			       "give more with --memory, or memory in one piece");
	tables.hpa = kernel.end - tables.bytes;
	initrd = initrd_place(input, &kernel, tables.hpa);
	if (input->initrd_size && !initrd)
		return refusal("initrd-room",
			       text_of("no piece of the second kernel's memory has %zu KiB for the initrd beside the kernel",
				       input->initrd_size >> 10),
			       "give more with --memory, or memory in one piece");
	fill_tables(&tables, input, input->initrd_size ? initrd : 0);
	add_segments(layout, input, &tables, kernel.start, initrd);
	return NULL;
}

void boot_layout_free(struct boot_layout *layout)
{
	free(layout->tables);
	memset(layout, 0, sizeof(*layout));
}

void boot_refusal_free(struct boot_refusal *refused)
{
	free(refused->text);
	free(refused);
}
