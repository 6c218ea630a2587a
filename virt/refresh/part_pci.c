// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI functions that this kernel gets: the second one after the first one's end, those that it
 * could not see when it booted; the first one, those that it had given away.  A rescan would lay
 * out their addresses anew; here they keep those of the firmware, as functions do that are there
 * at boot.
 */
#include <linux/list.h>
#include <linux/pci.h>

#include "session.h"

#define FUNCTIONS_OF_BUS	0x100
#define FUNCTIONS_OF_SLOT	8

/*
 * Registers at a fixed place that a quirk has found.  On the bare machine they come first, and
 * what ACPI uses of them is below; here ACPI has been there before them.
 */
static void claim_fixed(struct pci_dev *dev, struct resource *res)
{
	struct resource *parent;

	res->flags &= ~IORESOURCE_UNSET;
	parent = pci_find_parent_resource(dev, res);
	if (!parent || insert_resource(parent, res))
		res->flags |= IORESOURCE_UNSET;
}

/* What cannot be where it is gets a place with what has none. */
static void claim_addresses(struct pci_dev *dev)
{
	bool plain = dev->hdr_type == PCI_HEADER_TYPE_NORMAL;
	struct resource *res;
	int i;

	for (i = 0; i < PCI_NUM_RESOURCES; i++) {
		res = &dev->resource[i];
		if (!res->flags || res->parent || !res->start)
			continue;
		if (plain && i >= PCI_BRIDGE_RESOURCES) {
			claim_fixed(dev, res);
			continue;
		}
		if (res->flags & IORESOURCE_UNSET || !pci_claim_resource(dev, i))
			continue;
		res->end -= res->start;
		res->start = 0;
	}
}

/* The bridges are there since this kernel booted, and so are the buses behind them. */
static unsigned int scan(struct pci_bus *bus)
{
	unsigned int function, nr = 0;
	struct pci_bus *behind;
	struct pci_dev *dev;

	for (function = 0; function < FUNCTIONS_OF_BUS; function += FUNCTIONS_OF_SLOT)
		nr += pci_scan_slot(bus, function);
	list_for_each_entry(dev, &bus->devices, bus_list)
		claim_addresses(dev);
	list_for_each_entry(behind, &bus->children, node)
		nr += scan(behind);
	return nr;
}

/**
 * refresh_pci_return() - Take a PCI function that this kernel had given away
 * @bdf: bus, device and function, of domain 0
 *
 * Context: process, may sleep.
 */
void refresh_pci_return(u32 bdf)
{
	struct pci_bus *bus;
	struct pci_dev *dev;

	pci_lock_rescan_remove();
	bus = pci_find_bus(0, bdf >> 8);
	if (bus && pci_scan_slot(bus, bdf & ~7u & 0xff)) {
		list_for_each_entry(dev, &bus->devices, bus_list)
			claim_addresses(dev);
		pci_assign_unassigned_bus_resources(bus);
		pci_bus_add_devices(bus);
	} else {
		pr_err("PCI function %02x:%02x.%x has not come back: echo 1 >/sys/bus/pci/rescan\n",
		       bdf >> 8, PCI_SLOT(bdf), PCI_FUNC(bdf));
	}
	pci_unlock_rescan_remove();
}

/**
 * refresh_pci_claim() - Take the PCI functions of the kernel that has ended
 *
 * Context: process, may sleep.
 */
void refresh_pci_claim(void)
{
	struct pci_bus *root = NULL;
	unsigned int nr = 0, found;

	pci_lock_rescan_remove();
	while ((root = pci_find_next_bus(root))) {
		found = scan(root);
		if (!found)
			continue;
		pci_assign_unassigned_bus_resources(root);
		pci_bus_add_devices(root);
		nr += found;
	}
	pci_unlock_rescan_remove();
	if (nr)
		pr_info("%u PCI functions of the first kernel's are this one's\n", nr);
}
