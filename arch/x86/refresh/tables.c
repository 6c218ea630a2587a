// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layout of the reserve, and the tables in it: the shim's page tables, the
 * host's EPT, descriptor tables.  Pure but for writing into the reserve, so that
 * the unit tests run it on the build machine.
 */
#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/minmax.h>
#else
#include "tables_test.h"
#endif

#include "refresh.h"

#define KIB		1024ull
#define MIB		(1024 * KIB)
#define GIB		(1024 * MIB)
#define PML4_SIZE	(512 * GIB)
#define ENTRIES		512

#define PT_TABLE	0x63	/* present, writable, accessed, dirty */
#define PT_READ_ONLY	0x61
#define PT_LARGE	0x80

#define EPT_RWX		0x7
#define EPT_R		0x1
#define EPT_W		0x2
#define EPT_TYPE_SHIFT	3
#define EPT_WB		6
#define EPT_WALK_4	(3 << 3)

#define MTRR_UC		0
#define MTRR_WT		4
#define MTRR_WB		6
#define MTRR_VALID	0x800
#define MTRR_TYPE	0xff

/*
 * Pages for tables: the largest part of any machine is a PDPT of the EPT per
 * 512 GiB; the reserve itself takes two tables per 2 MiB, the
 * shim's and one of the EPT; regions whose memory types differ within 1 GiB take
 * the rest.
 */
#define SPARE_TABLES	64

/*
 * For a second partition: nodes of the tree of owners, one table of an EPT for each 2 MiB in
 * which something has an owner of its own, bitmaps, and copies of low memory.
 */
#define POOL_PAGES	(512 + SHIM_PLAN_KEPT)

#define MAP_BITS	46	/* what Linux puts memory into without LA57 */

static u64 pages(u64 bytes)
{
	return (bytes + SHIM_PAGE - 1) & ~(u64)(SHIM_PAGE - 1);
}

/*
 * refresh_map_size() - How much of the address space the host's EPT has to map
 * @bits: physical address bits of the CPU
 * @used_end: end of all that has an address, memory and devices
 * @size: result, bytes
 *
 * What is used, and as a rule all that the CPU has bits for, for what is added later.  Not
 * with 52 bits: nobody has that much, and a walk of four levels reaches 48.
 *
 * Return: 0, or -ERANGE if the host uses addresses that its EPT does not reach.
 */
int refresh_map_size(u32 bits, u64 used_end, u64 *size)
{
	u64 whole = bits < MAP_BITS ? 1ull << bits : 1ull << MAP_BITS;

	if (used_end > ENTRIES * PML4_SIZE)
		return -ERANGE;
	used_end = (used_end + PML4_SIZE - 1) / PML4_SIZE * PML4_SIZE;
	*size = used_end > whole ? used_end : whole;
	return 0;
}

/*
 * refresh_layout() - Lay the reserve out
 * @res: only @res->layout is written
 * @image_size: bytes of the image in memory
 * @nr_cpus: areas
 * @phys_size: from refresh_map_size()
 * @partition: with room for a second partition
 *
 * Return: 0, or -E2BIG if the EPT would not reach @phys_size, or the areas of all CPUs take
 * more than the shim's map of the reserve can hold.
 */
int refresh_layout(struct refresh_reserve *res, u64 image_size, u32 nr_cpus,
		   u64 phys_size, bool partition)
{
	struct refresh_layout *layout = &res->layout;
	u64 pdpts = (phys_size + PML4_SIZE - 1) / PML4_SIZE;
	u64 cpus = nr_cpus * (u64)SHIM_AREA_SIZE;
	u64 at = pages(image_size);

	if (pdpts > ENTRIES || cpus >= GIB / 2)
		return -E2BIG;
	layout->image_end = at;
	layout->console = at;
	at += pages(SHIM_RING_SIZE);
	layout->msr_bitmap = at;
	layout->vmread_bitmap = at + SHIM_PAGE;
	layout->vmwrite_bitmap = at + 2 * SHIM_PAGE;
	layout->nothing = at + 3 * SHIM_PAGE;
	layout->info = at + 4 * SHIM_PAGE;
	at += 5 * SHIM_PAGE;
	layout->io_bitmap = partition ? at : 0;
	at += partition ? 2 * SHIM_PAGE : 0;
	layout->tables = at;
	at += (pdpts + 2 * (cpus / (2 * MIB)) + SPARE_TABLES) * SHIM_PAGE;
	layout->tables_end = at;
	layout->pool = at;
	at += partition ? (POOL_PAGES + pages(nr_cpus * 32) / SHIM_PAGE) * SHIM_PAGE : 0;
	layout->pool_end = at;
	layout->link = at;
	at += partition ? SHIM_NR_PARTS * SHIM_LINK_SECTION : 0;
	layout->link_end = at;
	/* The shim finds the area by the address of a stack. */
	at = (at + SHIM_AREA_SIZE - 1) & ~(u64)(SHIM_AREA_SIZE - 1);
	layout->areas = at;
	layout->end = at + cpus;
	return 0;
}

/* Offset of an area. */
u64 refresh_area(const struct refresh_reserve *res, u32 area)
{
	return res->layout.areas + area * (u64)SHIM_AREA_SIZE;
}

static u64 *new_table(struct refresh_reserve *res)
{
	u64 *table;

	if (res->next_table >= res->layout.tables_end)
		return NULL;
	table = res->va + res->next_table;
	res->next_table += SHIM_PAGE;
	memset(table, 0, SHIM_PAGE);
	return table;
}

static u64 table_hpa(const struct refresh_reserve *res, const u64 *table)
{
	return res->hpa + ((const char *)table - (const char *)res->va);
}

/* ---- the shim's own page tables */

/* CR0.WP is set in the shim.  (Not no-execute: EFER is the host's there.) */
static u64 shim_access(const struct refresh_reserve *res, u64 offset)
{
	u64 va = SHIM_VA_IMAGE + offset;

	return va >= res->header->text_va && va < res->header->data_va ? PT_READ_ONLY : PT_TABLE;
}

/* The reserve, by pages: at most 1 GiB, which is one page directory. */
static int map_image(struct refresh_reserve *res, u64 *pml4)
{
	u64 *pdpt = new_table(res), *pd = new_table(res), *pt = NULL;
	u64 offset;

	if (!pdpt || !pd)
		return -ENOSPC;
	/* The tables of the lowest level follow, one behind the other. */
	res->image_pt = res->next_table;
	pml4[SHIM_VA_IMAGE >> 39 & (ENTRIES - 1)] = table_hpa(res, pdpt) | PT_TABLE;
	pdpt[SHIM_VA_IMAGE >> 30 & (ENTRIES - 1)] = table_hpa(res, pd) | PT_TABLE;
	for (offset = 0; offset < res->layout.end; offset += SHIM_PAGE) {
		if (offset % (2 * MIB) == 0) {
			pt = new_table(res);
			if (!pt)
				return -ENOSPC;
			pd[offset / (2 * MIB)] = table_hpa(res, pt) | PT_TABLE;
		}
		pt[offset / SHIM_PAGE % ENTRIES] = (res->hpa + offset) | shim_access(res, offset);
	}
	return 0;
}

/* ---- memory types */

/* Overlapping MTRRs: UC wins, then WT over WB; anything else is undefined. */
static u8 combine(u8 a, u8 b)
{
	if (a == b)
		return a;
	if ((a == MTRR_WT && b == MTRR_WB) || (a == MTRR_WB && b == MTRR_WT))
		return MTRR_WT;
	return MTRR_UC;
}

static u8 fixed_type(const struct refresh_mtrr *mtrr, u64 hpa)
{
	if (hpa < 512 * KIB)
		return mtrr->fixed[hpa / (64 * KIB)];
	if (hpa < 768 * KIB)
		return mtrr->fixed[8 + (hpa - 512 * KIB) / (16 * KIB)];
	return mtrr->fixed[24 + (hpa - 768 * KIB) / (4 * KIB)];
}

/*
 * refresh_memory_type() - Memory type of a naturally aligned block
 *
 * Return: the type, or -1 if the block is larger than a page and parts of it may
 * have different types.
 */
int refresh_memory_type(const struct refresh_mtrr *mtrr, u64 hpa, u64 size)
{
	bool found = false;
	u8 type = 0;
	u32 i;

	if (!mtrr->enabled)
		return MTRR_UC;
	if (hpa < MIB && mtrr->fixed_enabled)
		return size > SHIM_PAGE ? -1 : fixed_type(mtrr, hpa);

	for (i = 0; i < mtrr->nr; i++) {
		u64 base = mtrr->variable[i].base, mask = mtrr->variable[i].mask;
		u64 outer = mask & ~(size - 1) & ~(u64)(SHIM_PAGE - 1);

		if (!(mask & MTRR_VALID) || (hpa & outer) != (base & outer))
			continue;
		if (mask & (size - 1) & ~(u64)(SHIM_PAGE - 1))
			return -1;
		type = found ? combine(type, base & MTRR_TYPE) : base & MTRR_TYPE;
		found = true;
	}
	return found ? type : mtrr->default_type;
}

/* ---- the host's EPT */

static bool is_told(const struct refresh_reserve *res, u64 offset)
{
	return (offset >= res->layout.console &&
		offset < res->layout.console + pages(SHIM_RING_SIZE)) ||
	       offset == res->layout.info;
}

/* The first partition writes the first section, and reads the second one. */
static bool is_link(const struct refresh_reserve *res, u64 offset)
{
	return offset >= res->layout.link && offset < res->layout.link_end;
}

static u64 link_access(const struct refresh_reserve *res, u64 offset)
{
	return offset - res->layout.link < SHIM_LINK_SECTION ? EPT_R | EPT_W : EPT_R;
}

/* The host sees its own memory, and of the shim's only what it may read. */
static bool is_private(const struct refresh_reserve *res, u64 offset, u32 nr_cpus)
{
	const struct refresh_layout *layout = &res->layout;

	if (is_told(res, offset) || is_link(res, offset))
		return false;
	if (offset < layout->areas || offset >= layout->end)
		return offset < layout->end;
	return (offset - layout->areas) % SHIM_AREA_SIZE >= SHIM_AREA_PRIVATE;
}

static bool overlaps(const struct refresh_reserve *res, u64 hpa, u64 size)
{
	return hpa < res->hpa + res->layout.end && hpa + size > res->hpa;
}

static int ept_map(struct refresh_reserve *res, u64 *table, u64 hpa, u64 size,
		   const struct refresh_mtrr *mtrr, u32 nr_cpus);

static int ept_entry(struct refresh_reserve *res, u64 *entry, u64 hpa, u64 size,
		     const struct refresh_mtrr *mtrr, u32 nr_cpus)
{
	int type = refresh_memory_type(mtrr, hpa, size);
	u64 *below;

	if (size > SHIM_PAGE && (type < 0 || overlaps(res, hpa, size))) {
		below = new_table(res);
		if (!below)
			return -ENOSPC;
		*entry = table_hpa(res, below) | EPT_RWX;
		return ept_map(res, below, hpa, size / ENTRIES, mtrr, nr_cpus);
	}
	if (size == SHIM_PAGE && overlaps(res, hpa, size) &&
	    is_private(res, hpa - res->hpa, nr_cpus))
		*entry = (res->hpa + res->layout.nothing) | EPT_RWX |
			 EPT_WB << EPT_TYPE_SHIFT;
	else if (size == SHIM_PAGE && is_told(res, hpa - res->hpa))
		*entry = hpa | EPT_R | (u64)type << EPT_TYPE_SHIFT;
	else if (size == SHIM_PAGE && is_link(res, hpa - res->hpa))
		*entry = hpa | link_access(res, hpa - res->hpa) | (u64)type << EPT_TYPE_SHIFT;
	else
		*entry = hpa | EPT_RWX | (u64)type << EPT_TYPE_SHIFT |
			 (size > SHIM_PAGE ? PT_LARGE : 0);
	return 0;
}

static int ept_map(struct refresh_reserve *res, u64 *table, u64 hpa, u64 size,
		   const struct refresh_mtrr *mtrr, u32 nr_cpus)
{
	int i, r;

	for (i = 0; i < ENTRIES; i++) {
		r = ept_entry(res, &table[i], hpa + i * size, size, mtrr, nr_cpus);
		if (r)
			return r;
	}
	return 0;
}

static int build_ept(struct refresh_reserve *res, u64 phys_size,
		     const struct refresh_mtrr *mtrr, u32 nr_cpus)
{
	u64 *pml4 = new_table(res), *pdpt;
	u64 hpa;
	int r;

	if (!pml4)
		return -ENOSPC;
	res->eptp = table_hpa(res, pml4) | EPT_WALK_4 | EPT_WB;
	for (hpa = 0; hpa < phys_size; hpa += PML4_SIZE) {
		pdpt = new_table(res);
		if (!pdpt)
			return -ENOSPC;
		pml4[hpa / PML4_SIZE] = table_hpa(res, pdpt) | EPT_RWX;
		r = ept_map(res, pdpt, hpa, GIB, mtrr, nr_cpus);
		if (r)
			return r;
	}
	return 0;
}

/*
 * refresh_build_tables() - Build the shim's page tables and the host's EPT
 *
 * Return: 0, or -ENOSPC if the memory types of this machine are cut so finely
 * that the reserve has too few pages for tables.
 */
int refresh_build_tables(struct refresh_reserve *res, u64 phys_size,
			 const struct refresh_mtrr *mtrr, u32 nr_cpus)
{
	u64 *pml4;
	int r;

	res->next_table = res->layout.tables;
	pml4 = new_table(res);
	if (!pml4)
		return -ENOSPC;
	res->shim_cr3 = table_hpa(res, pml4);
	r = map_image(res, pml4);
	if (!r)
		r = build_ept(res, phys_size, mtrr, nr_cpus);
	return r;
}

/* ---- GDT, TSS and IDT of one CPU */

#define GDT_CODE64	0x00af9b000000ffffull
#define GDT_DATA	0x00cf93000000ffffull
#define GDT_TSS_BUSY	0x00008b0000000000ull
#define GATE_INTERRUPT	0x00008e0000000000ull
#define TSS_IST1	0x24

#define IDT_OFFSET	0x400	/* in the page of tables: 32 gates of 16 bytes */

static void build_gdt(u64 *gdt, u64 tss)
{
	gdt[SHIM_SEL_CS / 8] = GDT_CODE64;
	gdt[SHIM_SEL_SS / 8] = GDT_DATA;
	gdt[SHIM_SEL_TSS / 8] = GDT_TSS_BUSY | SHIM_TSS_LIMIT |
		(tss & 0xffffff) << 16 | (tss >> 24 & 0xff) << 56;
	gdt[SHIM_SEL_TSS / 8 + 1] = tss >> 32;
}

static u32 trap_stack(u32 vector)
{
	switch (vector) {
	case 2:		/* NMI */
		return 1;
	case 18:	/* #MC */
		return 2;
	case 8:		/* #DF */
		return 3;
	}
	return 0;
}

static void build_idt(u64 *idt, u64 stubs)
{
	u64 handler;
	u32 vector;

	for (vector = 0; vector < SHIM_IDT_VECTORS; vector++) {
		handler = stubs + vector * SHIM_TRAP_STUB_SIZE;
		idt[2 * vector] = (handler & 0xffff) | SHIM_SEL_CS << 16 |
			(u64)trap_stack(vector) << 32 | GATE_INTERRUPT |
			(handler >> 16 & 0xffff) << 48;
		idt[2 * vector + 1] = handler >> 32;
	}
}

/* Descriptor tables, stacks, and where the shim finds its data from them. */
void refresh_build_descriptors(struct refresh_reserve *res, u32 area)
{
	u64 offset = refresh_area(res, area);
	char *base = res->va + offset;
	u64 va = SHIM_VA_IMAGE + offset;
	u64 private = va + SHIM_AREA_PRIVATE, top;
	u32 i;

	build_gdt((u64 *)(base + SHIM_AREA_TABLES),
		  va + SHIM_AREA_TABLES + SHIM_TSS_OFFSET);
	build_idt((u64 *)(base + SHIM_AREA_TABLES + IDT_OFFSET),
		  res->header->trap_stubs_va);
	for (i = 0; i < SHIM_NR_IST; i++) {
		top = SHIM_AREA_IST + (i + 1) * SHIM_PAGE - 16;
		memcpy(base + top, &private, sizeof(private));
		top += va;
		memcpy(base + SHIM_AREA_TABLES + SHIM_TSS_OFFSET + TSS_IST1 + 8 * i,
		       &top, sizeof(top));
	}
	memcpy(base + SHIM_AREA_SIZE - 16, &private, sizeof(private));
}
