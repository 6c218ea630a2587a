// SPDX-License-Identifier: GPL-2.0-only
/*
 * The filter of PCI configuration space: which function an access is to, and who may make it.
 */
#include "pci.h"

#define LATCH_ENABLE		0x80000000u
#define LATCH_MASK		0x80fffffcu

#define CONFIG_SPACE		4096
#define LINK_OFF		0x80
#define LINK_PIN		0x0f
#define ECAM_BUS_SHIFT		20

/* ---- which function, which register */

/* CF8: the partition's; the device's own is only ever written with one of these. */
void pci_latch_write(struct pci *pci, u32 part, u32 value)
{
	pci->latch[part] = value & LATCH_MASK;
}

/* False: the latch is off, and so CFC to CFF lead nowhere. */
bool pci_latch_target(const struct pci *pci, u32 part, u16 port, u16 *bdf, u16 *reg)
{
	u32 latch = pci->latch[part];

	*bdf = latch >> 8;
	*reg = (latch & 0xfc) | (port & 3);
	return latch & LATCH_ENABLE;
}

/* PCI Express: a page for each function, beginning with those of bus 0 at @base. */
bool pci_ecam_target(u64 base, u8 first_bus, u8 last_bus, u64 hpa, u16 *bdf, u16 *reg)
{
	u64 offset = hpa - base;

	if (hpa < base || offset >> ECAM_BUS_SHIFT < first_bus ||
	    offset >> ECAM_BUS_SHIFT > last_bus)
		return false;
	*bdf = offset / CONFIG_SPACE;
	*reg = offset % CONFIG_SPACE;
	return true;
}

struct pci_function *pci_find(const struct pci *pci, u16 bdf)
{
	u32 i;

	for (i = 0; i < pci->nr_functions; i++)
		if (pci->function[i].bdf == bdf)
			return &pci->function[i];
	return NULL;
}

static bool valid_access(u16 reg, u32 width)
{
	return (width == 1 || width == 2 || width == 4) && (reg & 3) + width <= 4 &&
	       reg < CONFIG_SPACE;
}

static bool touches_links(const struct pci_function *function, u16 reg, u32 width)
{
	return function->links && reg < function->links + PCI_NR_LINKS &&
	       reg + width > function->links;
}

/*
 * Registers of the machine's: host bridge, ISA bridge, power management.  They say what of memory
 * and ports goes where, by no BAR.  A bridge to another bus has its capabilities there.
 */
static bool is_chipset(const struct pci_function *function, u16 reg)
{
	return function->show != PCI_PRIVATE && !function->bridge && reg >= 4 * PCI_HEADER;
}

/* ---- accesses */

enum pci_verdict pci_read(const struct pci *pci, u32 part, u16 bdf, u16 reg, u32 width,
			  struct denied *denied)
{
	const struct pci_function *function = pci_find(pci, bdf);

	if (!valid_access(reg, width)) {
		deny(denied, DENIED_PCI_WIDTH);
		return PCI_DENY;
	}
	if (!function)
		return PCI_ABSENT;
	if (function->owner != part &&
	    (function->show == PCI_PRIVATE || (function->show == PCI_NAMELESS && reg < 4)))
		return PCI_ABSENT;
	return touches_links(function, reg, width) ? PCI_LINKS : PCI_PASS;
}

enum pci_verdict pci_write(struct pci *pci, u32 part, u16 bdf, u16 reg, u32 width, u32 value,
			   struct denied *denied)
{
	struct pci_function *function = pci_find(pci, bdf);

	if (!valid_access(reg, width)) {
		deny(denied, DENIED_PCI_WIDTH);
		return PCI_DENY;
	}
	if (!function)
		return PCI_ABSENT;
	if (touches_links(function, reg, width) &&
	    (function->owner == part || function->show != PCI_PRIVATE))
		return PCI_LINKS;
	if (function->owner == part && is_chipset(function, reg))
		return PCI_CHIPSET;
	if (function->owner == part) {
		return pci_function_write(pci, function, reg, width, value, denied) ? PCI_PASS :
										      PCI_DENY;
	}
	/* A kernel that sizes the BARs of what it sees does no harm. */
	if (function->show != PCI_PRIVATE && reg < 4 * PCI_HEADER)
		return PCI_DROP;
	deny(denied, DENIED_PCI_FUNCTION);
	return PCI_DENY;
}

/*
 * While there are two nobody moves what the chipset decodes, not even who has it.  @real: what is
 * there.  A write of the same needs no access, which could clear a status.
 */
bool pci_chipset_write(u32 value, u32 real, struct denied *denied)
{
	return value == real || deny(denied, DENIED_PCI_CHIPSET);
}

/*
 * PIRQ registers: each partition has its own, which read as they were written.  What the owner of a
 * link has written is in the device as well.
 */
u32 pci_links_read(const struct pci *pci, u32 part, u16 bdf, u16 reg, u32 width, u32 real)
{
	const struct pci_function *function = pci_find(pci, bdf);
	u32 i;

	for (i = 0; function && i < width; i++)
		if (touches_links(function, reg + i, 1))
			real = pci_merge(real, i, 1, pci->links[part][reg + i - function->links]);
	return real;
}

/* A link that is on leads to the pin of a partition that has both. */
static bool link_ok(const struct pci *pci, u32 part, u8 value)
{
	u32 pin = value & LINK_PIN;

	return value & LINK_OFF || !pci->ioapic || pin >= pci->ioapic->pins ||
	       pci->ioapic->owner[pin] == part;
}

/* Return: a bit for each byte that goes to the device. */
u32 pci_links_write(struct pci *pci, u32 part, u16 bdf, u16 reg, u32 width, u32 value,
		    struct denied *denied)
{
	const struct pci_function *function = pci_find(pci, bdf);
	u32 i, link, bytes = 0;
	u8 byte;

	for (i = 0; function && i < width; i++) {
		byte = value >> 8 * i;
		if (!touches_links(function, reg + i, 1))
			continue;
		link = reg + i - function->links;
		pci->links[part][link] = byte;
		if (pci->link_owner[link] != part)
			continue;
		if (link_ok(pci, part, byte))
			bytes |= 1u << i;
		else
			deny(denied, DENIED_PCI_LINK);
	}
	return bytes;
}
