/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine with PCI functions of two partitions, and devices that do what registers say.
 */
#ifndef PART_PCI_MODEL_H
#define PART_PCI_MODEL_H

#include "../../arch/x86/shim/pci.h"

#define LOW_BASE	0xe0000000ull		/* memory of the second partition's devices */
#define LOW_SIZE	0x04000000ull
#define HIGH_BASE	0x4000000000ull
#define HIGH_SIZE	0x40000000ull
#define IOAPIC		0xfec00000ull
#define IO_BASE		0xc000u
#define IO_SIZE		0x2000u
#define PHYS_BITS	39

#define BDF(bus, device, function)	((bus) << 8 | (device) << 3 | (function))

enum {
	F_HOST, F_ISA, F_POWER, F_VGA, F_NET, F_BRIDGE, F_BEHIND, F_OTHER_BRIDGE, NR_FUNCTIONS,
};

static const struct pci_function functions[NR_FUNCTIONS] = {
	[F_HOST] = { .bdf = BDF(0, 0, 0), .show = PCI_SHOWN },
	[F_ISA] = { .bdf = BDF(0, 1, 0), .show = PCI_SHOWN, .links = 0x60 },
	[F_POWER] = { .bdf = BDF(0, 1, 3), .show = PCI_NAMELESS },
	[F_VGA] = { .bdf = BDF(0, 2, 0), .bar_kind = { BAR_MEMORY, BAR_NONE, BAR_MEMORY },
		    .bar_size = { 0x1000000, 0, 0x1000 }, .rom_size = 0x10000,
		    .config = { [1] = 3, [4] = 0xfc000008, [6] = 0xfb000000 } },
	[F_NET] = { .bdf = BDF(0, 3, 0), .owner = 1,
		    .msi = 0x50, .msi_config = { 0x00810005, 0xfee01000, 0, 0x4031 },
		    .bar_kind = { BAR_MEMORY, BAR_IO, BAR_MEMORY_64, BAR_UPPER },
		    .bar_size = { 0x20000, 64, 0x100000 }, .rom_size = 0x40000,
		    .config = { [1] = 7, [4] = 0xe0000000, [5] = 0xc001, [6] = 0xc,
				[7] = 0x40 } },
	[F_BRIDGE] = { .bdf = BDF(0, 4, 0), .owner = 1, .bridge = true,
		       .config = { [1] = 7, [6] = 0x00010100, [7] = 0xc1c1, [8] = 0xe100e100,
				   [9] = 0x00110001, [10] = 0x40, [11] = 0x40 } },
	[F_BEHIND] = { .bdf = BDF(1, 0, 0), .owner = 1,
		       .msi = 0xf4, .msi_config = { 0x00010005, 0xfee03000, 0x31 },
		       .bar_kind = { BAR_MEMORY },
		       .bar_size = { 16 }, .config = { [1] = 2, [4] = 0xe1000010 } },
	[F_OTHER_BRIDGE] = { .bdf = BDF(0, 5, 0), .show = PCI_SHOWN, .bridge = true,
			     .bar_kind = { BAR_MEMORY }, .bar_size = { 0x1000 },
			     .rom_size = 0x800,
			     .config = { [1] = 3, [4] = 0xfa000000, [6] = 0x00020200,
					 [7] = 0xf0e0, [8] = 0xf900f900, [9] = 0x0000fff0 } },
};

static struct apic_cpu cpus[] = {
	{ .id = 0, .part = 0, .runs = true, .ldr = 1u << 24, .dfr = ~0u, .ldr_real = true },
	{ .id = 1, .part = 1, .runs = true }, { .id = 3, .part = 1 },
};

static const struct apic_set set = { cpus, ARRAY_SIZE(cpus) };

static struct machine {
	struct owner_map	memory;
	union owner_node	nodes[16];
	struct ports		ports;
	struct pci		pci;
	struct pci_function	function[NR_FUNCTIONS];
	struct ioapic		ioapic;
	struct denied		denied[NR_PARTS];
	u32			hw[NR_FUNCTIONS][PCI_HEADER];	/* the devices' */
	u32			hw_msi[NR_FUNCTIONS][PCI_MSI];
} machine;

static inline void machine_init(struct machine *m)
{
	static const struct owner_range ranges[] = {
		{ LOW_BASE, LOW_SIZE, OWNER_PART + 1 },
		{ HIGH_BASE, HIGH_SIZE, OWNER_PART + 1 },
		{ IOAPIC, 0x1000, OWNER_SHIM },
	};
	u32 i;

	owner_init(&m->memory, m->nodes, ARRAY_SIZE(m->nodes), PHYS_BITS, OWNER_PART);
	owner_init_ranges(&m->memory, ranges, ARRAY_SIZE(ranges));
	m->ports = (struct ports){
		.nr_ranges = 1, .range = { { IO_BASE, IO_BASE + IO_SIZE - 1, 1 } },
	};
	m->ioapic = (struct ioapic){ .pins = IOAPIC_PINS };
	memcpy(m->function, functions, sizeof(functions));
	m->pci = (struct pci){
		.function = m->function, .nr_functions = NR_FUNCTIONS,
		.memory = &m->memory, .ports = &m->ports, .cpus = &set,
		.ioapic = &m->ioapic,
	};
	memset(m->denied, 0, sizeof(m->denied));
	for (i = 0; i < NR_FUNCTIONS; i++) {
		memcpy(m->hw[i], functions[i].config, sizeof(m->hw[i]));
		memcpy(m->hw_msi[i], functions[i].msi_config, sizeof(m->hw_msi[i]));
	}
}

/* ---- the devices */

static inline u32 hw_mask(const struct pci_function *f, u32 index)
{
	u32 bar = index - 4;

	if (index == 1)
		return 0x0547;
	if (f->bridge && index >= 6) {
		static const u32 masks[] = {
			~0u, 0xf0f0, 0xfff0fff0, 0xfff0fff0, ~0u, ~0u, ~0u, 0, 0, 0x0fff00ff,
		};
		u32 rom = f->rom_size;

		return index == 14 && rom ? ~(rom - 1) | 1 : masks[index - 6];
	}
	if (index == 12)
		return f->rom_size ? ~(f->rom_size - 1) | 1 : 0;
	if (index < 4 || index > 9)
		return index == 15 ? 0xff : 0;
	switch (f->bar_kind[bar]) {
	case BAR_UPPER:
		return ~((f->bar_size[bar - 1] - 1) >> 32);
	case BAR_NONE:
		return 0;
	default:
		return ~(u32)(f->bar_size[bar] - 1);
	}
}

static inline void hw_write(const struct pci_function *f, u32 *config, u16 reg, u32 width,
			    u32 value)
{
	u32 i;

	for (i = 0; i < width; i++) {
		u32 shift = 8 * ((reg + i) & 3), index = (reg + i) / 4;
		u32 mask = 0xffu << shift & hw_mask(f, index);

		config[index] = (config[index] & ~mask) | ((value >> 8 * i & 0xff) << shift & mask);
	}
}

/* Does the range of addresses belong to @part and nobody else? */
static inline bool memory_is(u32 part, u64 first, u64 last)
{
	static const struct { u64 base, size; } second[] = {
		{ LOW_BASE, LOW_SIZE }, { HIGH_BASE, HIGH_SIZE },
	};
	bool inside = false, apart = true;
	u32 i;

	first &= ~0xfffull;
	last |= 0xfff;
	for (i = 0; i < 2; i++) {
		inside |= first >= second[i].base && last < second[i].base + second[i].size;
		apart &= last < second[i].base || first >= second[i].base + second[i].size;
	}
	if (part)
		return inside;
	return apart && last < 1ull << PHYS_BITS && (last < IOAPIC || first > IOAPIC);
}

static inline bool io_is(u32 part, u32 first, u32 last)
{
	static const u16 special[] = {
		0x20, 0x21, 0x40, 0x41, 0x42, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x80, 0x92,
		0xa0, 0xa1, 0xed, 0x4d0, 0x4d1, 0xcf8, 0xcf9, 0xcfa, 0xcfb, 0xcfc, 0xcfd,
		0xcfe, 0xcff,
	};
	u32 i;

	if (part)
		return first >= IO_BASE && last < IO_BASE + IO_SIZE;
	for (i = 0; i < ARRAY_SIZE(special); i++)
		if (special[i] >= first && special[i] <= last)
			return false;
	return last <= 0xffff && (last < IO_BASE || first >= IO_BASE + IO_SIZE);
}

static inline bool hw_bars_ok(const struct pci_function *f, const u32 *c)
{
	bool mem = c[1] & 2, io = c[1] & 1;
	u32 rom = c[f->bridge ? 14 : 12], i;

	for (i = 0; i < (f->bridge ? 2 : 6); i++) {
		u64 size = f->bar_size[i], at = c[4 + i] & ~15u;

		if (f->bar_kind[i] == BAR_MEMORY_64)
			at += (u64)c[5 + i] << 32;
		if (f->bar_kind[i] == BAR_IO && io) {
			at = c[4 + i] & 0xfffc;
			if (!io_is(f->owner, at, at + size - 1))
				return false;
		}
		if ((f->bar_kind[i] == BAR_MEMORY || f->bar_kind[i] == BAR_MEMORY_64) && mem &&
		    !memory_is(f->owner, at, at + size - 1))
			return false;
	}
	return !f->rom_size || !(rom & 1) || !mem ||
	       memory_is(f->owner, rom & ~1u, (rom & ~1u) + f->rom_size - 1);
}

static inline bool hw_windows_ok(const struct pci_function *f, const u32 *c)
{
	u64 first, last;

	if (c[1] & 1) {
		first = (c[7] & 0xf0) << 8 | (c[7] & 1 ? (c[12] & 0xffff) << 16 : 0);
		last = (c[7] & 0xf000) | 0xfff | (c[7] & 1 ? c[12] & 0xffff0000 : 0);
		if (first <= last && !io_is(f->owner, first, last))
			return false;
	}
	if (!(c[1] & 2))
		return true;
	first = (c[8] & 0xfff0) << 16;
	last = (c[8] & 0xfff00000) | 0xfffff;
	if (first <= last && !memory_is(f->owner, first, last))
		return false;
	first = (c[9] & 0xfff0) << 16 | (c[9] & 1 ? (u64)c[10] << 32 : 0);
	last = (c[9] & 0xfff00000) | 0xfffff | (c[9] & 1 ? (u64)c[11] << 32 : 0);
	return first > last || memory_is(f->owner, first, last);
}

/* Bytes of the capability; the control word has bits that are the device's. */
static inline void hw_msi_write(u32 *msi, u32 offset, u32 width, u32 value)
{
	u8 *bytes = (u8 *)msi;
	u32 i;

	for (i = 0; i < width; i++) {
		u8 mask = offset + i == 2 ? 0x71 : offset + i < 4 ? 0 : 0xff;

		bytes[offset + i] = (bytes[offset + i] & ~mask) | (value >> 8 * i & mask);
	}
}

/* The only messages that a device may send: fixed or lowest priority, to its owner's CPU. */
static inline bool hw_msi_ok(u32 owner, const u32 *msi)
{
	u32 data = msi[msi[0] >> 23 & 1 ? 3 : 2], dest = msi[1] >> 12 & 0xff;

	if (!(msi[0] >> 16 & 1))
		return true;
	if ((msi[0] >> 23 & 1 && msi[2]) || msi[1] >> 20 != 0xfee || data >> 9 & 3 ||
	    (data & 0xff) < 16)
		return false;
	if (msi[1] & 4)
		return owner == 0 && dest != 0xff && dest & 1;
	return owner == 0 ? dest == 0 : dest == 1 || dest == 3;
}

/* Everything that the device decodes is its owner's. */
static inline bool hw_ok(const struct pci_function *f, const u32 *config)
{
	return hw_bars_ok(f, config) && (!f->bridge || hw_windows_ok(f, config));
}

#endif /* PART_PCI_MODEL_H */
