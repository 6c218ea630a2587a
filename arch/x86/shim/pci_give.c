// SPDX-License-Identifier: GPL-2.0-only
/*
 * A PCI function changes its owner: what goes with it, and what it has to be like when it comes
 * back.  Pages and ports that it decodes are the new owner's before the function is.
 */
#include "pci.h"

#define REG_COMMAND		1
#define REG_CLASS		2
#define REG_BIST		3
#define REG_BAR			4
#define REG_ROM			12
#define COMMAND_DECODES		0x3u
#define COMMAND_MASTER		0x4u
#define COMMAND_MASK		0xffffu
#define NO_BIST			0xffffffu
#define CLASS_SHIFT		24
#define CLASS_BRIDGE		0x06u
#define MSI_ENABLE		0x00010000u
#define PAGE			4096ull

/* ---- what it decodes */

static void add_memory(struct pci_decoded *decoded, u64 hpa, u64 size)
{
	decoded->memory[decoded->nr_memory].hpa = hpa;
	decoded->memory[decoded->nr_memory].size = size;
	decoded->nr_memory++;
}

/* False: it has no address, or not whole pages. */
static bool add_bar(const struct pci_function *function, u32 bar, struct pci_decoded *decoded)
{
	u64 size = function->bar_size[bar], address = function->config[REG_BAR + bar];

	switch (function->bar_kind[bar]) {
	case BAR_IO:
		address &= 0xffff & ~(size - 1);
		if (!address || !size || address + size > 0x10000)
			return false;
		decoded->ports[decoded->nr_ports].first = address;
		decoded->ports[decoded->nr_ports].last = address + size - 1;
		decoded->nr_ports++;
		return true;
	case BAR_MEMORY_64:
		if (bar == PCI_NR_BARS - 1)
			return false;
		address |= (u64)function->config[REG_BAR + bar + 1] << 32;
		break;
	case BAR_MEMORY:
		break;
	default:
		return true;
	}
	address &= ~(size - 1);
	if (!address || size < PAGE || size & (size - 1))
		return false;
	add_memory(decoded, address, size);
	return true;
}

/* One that has no address is off, and stays so: no address is its owner's. */
static bool add_rom(const struct pci_function *function, struct pci_decoded *decoded)
{
	u64 size = function->rom_size, address = function->config[REG_ROM] & ~(size - 1);

	if (!size || !address)
		return true;
	if (size < PAGE || size & (size - 1))
		return false;
	add_memory(decoded, address, size);
	return true;
}

static bool is_owners(const struct pci *pci, const struct pci_function *function,
		      const struct pci_decoded *decoded)
{
	u64 where;
	u32 i;

	for (i = 0; i < decoded->nr_memory; i++)
		if (!owner_is(pci->memory, decoded->memory[i].hpa, decoded->memory[i].size,
			      OWNER_OF_PART(function->owner), &where))
			return false;
	for (i = 0; i < decoded->nr_ports; i++)
		if (!ports_own(pci->ports, function->owner, decoded->ports[i].first,
			       decoded->ports[i].last - decoded->ports[i].first + 1))
			return false;
	return true;
}

/*
 * May its owner give it away as its registers are?  @decoded is what goes with it.  What shares a
 * page with it would go, too, so a BAR has whole pages.
 */
enum pci_give_error pci_give_check(const struct pci *pci, const struct pci_function *function,
				   struct pci_decoded *decoded)
{
	u32 bar;

	*decoded = (struct pci_decoded){ };
	if (function->show != PCI_PRIVATE || function->bridge ||
	    function->config[REG_CLASS] >> CLASS_SHIFT == CLASS_BRIDGE)
		return PCI_GIVE_E_KIND;
	for (bar = 0; bar < PCI_NR_BARS; bar++)
		if (!add_bar(function, bar, decoded))
			return PCI_GIVE_E_PAGES;
	if (!add_rom(function, decoded))
		return PCI_GIVE_E_PAGES;
	if (function->msi && function->msi_config[0] & MSI_ENABLE)
		return PCI_GIVE_E_MESSAGES;
	return is_owners(pci, function, decoded) ? PCI_GIVE_OK : PCI_GIVE_E_FOREIGN;
}

/* False: there are too many ranges, and nothing has changed. */
bool pci_give_ports(struct ports *ports, const struct pci_decoded *decoded, u32 to)
{
	u32 i;

	if (ports->nr_ranges + decoded->nr_ports > PORT_MAX_RANGES)
		return false;
	for (i = 0; i < decoded->nr_ports; i++) {
		ports->range[ports->nr_ranges].first = decoded->ports[i].first;
		ports->range[ports->nr_ranges].last = decoded->ports[i].last;
		ports->range[ports->nr_ranges].part = to;
		ports->nr_ranges++;
	}
	return true;
}

/* Links that lead to the pin go with it; its new owner finds them as they are. */
void pci_give_links(struct pci *pci, u32 pin, u32 to)
{
	u32 link;

	for (link = 0; link < PCI_NR_LINKS; link++) {
		if (pci->link_owner[link] == to || pci->links[!to][link] != pin)
			continue;
		pci->link_owner[link] = to;
		pci->link_given[link] = pin;
		pci->links[to][link] = pin;
	}
}

/*
 * As it was given, but it does not master the bus.  Its decoders are off while addresses change.
 *
 * Return: how many registers are to be written, of two bytes the first one and the last one (the
 * command), of four all others: @order has their numbers, @value what to write.
 */
u32 pci_give_restore(struct pci_function *function, u32 *order, u32 *value)
{
	u32 nr = 0, reg;

	order[nr] = REG_COMMAND;
	value[nr++] = function->given_config[REG_COMMAND] & COMMAND_MASK &
		      ~(COMMAND_DECODES | COMMAND_MASTER);
	for (reg = REG_BIST; reg < PCI_HEADER; reg++) {
		order[nr] = reg;
		value[nr++] = function->given_config[reg] & (reg == REG_BIST ? NO_BIST : ~0u);
		function->config[reg] = function->given_config[reg];
	}
	order[nr] = REG_COMMAND;
	value[nr++] = function->given_config[REG_COMMAND] & COMMAND_MASK & ~COMMAND_MASTER;
	function->config[REG_COMMAND] = function->given_config[REG_COMMAND] & ~COMMAND_MASTER;
	return nr;
}
