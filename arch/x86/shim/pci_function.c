// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a PCI function would do after a write of its registers.  The addresses that it decodes,
 * by its BARs or behind a bridge, and the CPUs that it interrupts have to be its owner's.  The
 * rule holds whenever decoding is on, so that sizing a BAR with decoding off needs none.
 */
#include "pci.h"

#define REG_COMMAND		1
#define REG_CLASS		2
#define REG_BAR			4
#define REG_ROM			12
#define REG_BRIDGE_BUSES	6
#define REG_BRIDGE_IO		7
#define REG_BRIDGE_MEMORY	8
#define REG_BRIDGE_PREFETCH	9
#define REG_BRIDGE_BASE_HIGH	10
#define REG_BRIDGE_LIMIT_HIGH	11
#define REG_BRIDGE_IO_HIGH	12
#define REG_BRIDGE_ROM		14
#define REG_BRIDGE_CONTROL	15

#define COMMAND_IO		0x1u
#define COMMAND_MEMORY		0x2u
#define COMMAND_MASTER		0x4u
#define COMMAND_MASK		0xffffu
#define CLASS_SHIFT		24
#define CLASS_BRIDGE		0x06u
#define BUSES_MASK		0xffffffu
#define CONTROL_VGA		0x00180000u	/* 16-bit decoding of it, too */
#define ROM_ENABLE		0x1u
#define WINDOW_BITS		0xfff0fff0u
#define IO_WINDOW_BITS		0xf0f0u
#define WINDOW_WIDE		0x1u		/* the registers with the high bits are there */

#define MSI_ENABLE		0x00010000u
#define MSI_WIDE		0x00800000u
#define MSI_CONTROL		0x00710000u	/* what can be written */

/* ---- what a function would decode */

static bool memory_ok(const struct pci *pci, const struct pci_function *function, u64 first,
		      u64 size)
{
	return owner_allows(pci->memory, function->owner, first, size, ACCESS_CPU);
}

static bool bar_ok(const struct pci *pci, const struct pci_function *function, const u32 *config,
		   u32 bar)
{
	u64 size = function->bar_size[bar], address = config[REG_BAR + bar];

	switch (function->bar_kind[bar]) {
	case BAR_IO:
		if (!(config[REG_COMMAND] & COMMAND_IO))
			return true;
		/* Devices need not have the high half, and nobody reaches it. */
		return ports_own(pci->ports, function->owner, address & 0xffff & ~(size - 1),
				 size);
	case BAR_MEMORY_64:
		if (bar == PCI_NR_BARS - 1)
			return false;
		address |= (u64)config[REG_BAR + bar + 1] << 32;
		break;
	case BAR_MEMORY:
		break;
	default:
		return true;
	}
	if (!(config[REG_COMMAND] & COMMAND_MEMORY))
		return true;
	return memory_ok(pci, function, address & ~(size - 1), size);
}

static bool rom_ok(const struct pci *pci, const struct pci_function *function, const u32 *config)
{
	u32 rom = config[function->bridge ? REG_BRIDGE_ROM : REG_ROM], size = function->rom_size;

	if (!size || !(rom & ROM_ENABLE) || !(config[REG_COMMAND] & COMMAND_MEMORY))
		return true;
	return memory_ok(pci, function, rom & ~(size - 1), size);
}

static bool io_window_ok(const struct pci *pci, const struct pci_function *function,
			 const u32 *config)
{
	u32 low = config[REG_BRIDGE_IO], high = config[REG_BRIDGE_IO_HIGH];
	u32 first = (low & 0xf0) << 8, last = (low & 0xf000) | 0xfff;

	if (low & WINDOW_WIDE) {
		first |= high << 16;
		last |= high & 0xffff0000;
	}
	if (first > last)
		return true;
	return ports_own(pci->ports, function->owner, first, last - first + 1);
}

/* Base and limit in units of 1 MiB, in the halves of a register. */
static bool window_ok(const struct pci *pci, const struct pci_function *function, u32 window,
		      u32 base_high, u32 limit_high)
{
	u64 first = (u64)(window & 0xfff0) << 16 | (u64)base_high << 32;
	u64 last = (window & 0xfff00000) | 0xfffff | (u64)limit_high << 32;

	return first > last || memory_ok(pci, function, first, last - first + 1);
}

static bool bridge_ok(const struct pci *pci, const struct pci_function *function,
		      const u32 *config)
{
	u32 prefetch = config[REG_BRIDGE_PREFETCH];
	bool wide = prefetch & WINDOW_WIDE;

	if (config[REG_COMMAND] & COMMAND_IO && !io_window_ok(pci, function, config))
		return false;
	if (!(config[REG_COMMAND] & COMMAND_MEMORY))
		return true;
	return window_ok(pci, function, config[REG_BRIDGE_MEMORY], 0, 0) &&
	       window_ok(pci, function, prefetch, wide ? config[REG_BRIDGE_BASE_HIGH] : 0,
			 wide ? config[REG_BRIDGE_LIMIT_HIGH] : 0);
}

static bool decodes_ok(const struct pci *pci, const struct pci_function *function,
		       const u32 *config)
{
	u32 bars = function->bridge ? 2 : PCI_NR_BARS, bar;

	for (bar = 0; bar < bars; bar++)
		if (!bar_ok(pci, function, config, bar))
			return false;
	return rom_ok(pci, function, config) &&
	       (!function->bridge || bridge_ok(pci, function, config));
}

/* ---- writes of the owner */

/* Bits that a write to the register changes in the device. */
static u32 writable(const struct pci_function *function, u32 index)
{
	if (index == REG_COMMAND)
		return COMMAND_MASK;
	if (index < REG_BAR)
		return 0;
	if (!function->bridge)
		return ~0u;
	switch (index) {
	case REG_BRIDGE_IO:
		return IO_WINDOW_BITS;
	case REG_BRIDGE_MEMORY:
	case REG_BRIDGE_PREFETCH:
		return WINDOW_BITS;
	default:
		return ~0u;
	}
}

/* What is behind a bridge stays behind it, and VGA is not taken along. */
static bool bridge_write_ok(u32 index, u32 old, u32 value)
{
	if (index == REG_BRIDGE_BUSES)
		return !((old ^ value) & BUSES_MASK);
	if (index == REG_BRIDGE_CONTROL)
		return !(~old & value & CONTROL_VGA);
	return true;
}

static bool write_header(const struct pci *pci, struct pci_function *function, u16 reg,
			 u32 width, u32 value, struct denied *denied)
{
	u32 index = reg / 4, old = function->config[index], mask = writable(function, index);
	u32 next = (old & ~mask) | (pci_merge(old, reg, width, value) & mask);

	if (function->bridge && !bridge_write_ok(index, old, next))
		return deny(denied, DENIED_PCI_BRIDGE);
	function->config[index] = next;
	if (decodes_ok(pci, function, function->config))
		return true;
	/* With decoding on, or to turn it on. */
	function->config[index] = old;
	return deny(denied, DENIED_PCI_DECODE);
}

/* The message is looked at as long as it can be sent. */
static bool msi_ok(const struct pci *pci, const struct pci_function *function)
{
	const u32 *msi = function->msi_config;
	bool wide = msi[0] & MSI_WIDE;
	u64 address = msi[1] | (wide ? (u64)msi[2] << 32 : 0);

	return !(msi[0] & MSI_ENABLE) ||
	       msi_message_ok(pci->cpus, function->owner, address, msi[wide ? 3 : 2]);
}

static bool write_msi(const struct pci *pci, struct pci_function *function, u16 reg, u32 width,
		      u32 value, struct denied *denied)
{
	u32 index = (reg - function->msi) / 4, old, mask;

	if (!function->msi || reg < function->msi || index >= PCI_MSI)
		return true;
	old = function->msi_config[index];
	mask = index ? ~0u : MSI_CONTROL;
	function->msi_config[index] = (old & ~mask) | (pci_merge(old, reg, width, value) & mask);
	if (msi_ok(pci, function))
		return true;
	function->msi_config[index] = old;
	return deny(denied, DENIED_PCI_MSI);
}

/* Before a function is given away, and after it has been read in. */
bool pci_function_valid(const struct pci *pci, const struct pci_function *function)
{
	return function->owner < NR_PARTS && decodes_ok(pci, function, function->config) &&
	       (!function->msi || msi_ok(pci, function));
}

/* May the owner write that?  Then it is as if written. */
bool pci_function_write(const struct pci *pci, struct pci_function *function, u16 reg,
			u32 width, u32 value, struct denied *denied)
{
	if (reg < 4 * PCI_HEADER)
		return write_header(pci, function, reg, width, value, denied);
	return write_msi(pci, function, reg, width, value, denied);
}

/*
 * Its partition has ended: what it is to have in its command register, so that it writes no memory
 * and sends no message.  False: a bridge, by which others may do so.
 */
bool pci_function_stop(struct pci_function *function, u16 *command)
{
	if (function->bridge || function->config[REG_CLASS] >> CLASS_SHIFT == CLASS_BRIDGE)
		return false;
	function->config[REG_COMMAND] &= ~COMMAND_MASTER;
	*command = function->config[REG_COMMAND];
	return true;
}
