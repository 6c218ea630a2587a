// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI functions of the second partition's own.  Each leaves this kernel's list of PCI functions
 * before the shim gives it away, and is found anew, at its old addresses, when it has come back.
 */
#include <linux/acpi.h>
#include <linux/interrupt.h>
#include <linux/pci.h>
#include <linux/pci-acpi.h>
#include <linux/string.h>

#include "session.h"

#define MAX_DEVICES	16
#define LAST_PIN	23

/* Where an interrupt pin leads: to a link, by its name, or to @index of the system's interrupts. */
struct lead {
	char link[32];
	u32 index;
};

/* Serialized by refresh_lock(). */
static struct {
	u32 nr;
	struct {
		u32 bdf;
		bool has_pin;
		struct lead lead;
	} device[MAX_DEVICES];
} given;

static bool is_given(u32 bdf)
{
	u32 i;

	for (i = 0; i < given.nr; i++)
		if (given.device[i].bdf == bdf)
			return true;
	return false;
}

static int refuse(const struct pci_dev *dev, int error, const char *why)
{
	pr_err("PCI function %s cannot be given: %s\n", pci_name(dev), why);
	return error;
}

/* ---- its interrupt */

static bool find_in_table(const struct acpi_pci_routing_table *entry, u32 slot, u32 pin,
			  struct lead *lead)
{
	for (; entry->length; entry = (const void *)entry + entry->length) {
		if (entry->address >> 16 != slot || entry->pin + 1 != pin)
			continue;
		strscpy(lead->link, entry->source, sizeof(lead->link));
		lead->index = entry->source_index;
		return true;
	}
	return false;
}

/* The firmware's table of one bus, if there is one and it says so. */
static bool find_on_bus(struct pci_bus *bus, u32 slot, u32 pin, struct lead *lead)
{
	struct acpi_buffer buffer = { ACPI_ALLOCATE_BUFFER, NULL };
	acpi_handle handle = acpi_pci_get_bridge_handle(bus);
	bool found = false;

	if (handle && ACPI_SUCCESS(acpi_get_irq_routing_table(handle, &buffer)))
		found = find_in_table(buffer.pointer, slot, pin, lead);
	kfree(buffer.pointer);
	return found;
}

/* Through bridges as the PCI-to-PCI bridge specification turns pins; false: it has no pin. */
static bool find_lead(struct pci_dev *dev, struct lead *lead)
{
	u32 pin = dev->pin;

	memset(lead, 0, sizeof(*lead));
	while (pin && !find_on_bus(dev->bus, PCI_SLOT(dev->devfn), pin, lead)) {
		if (!dev->bus->self)
			return false;
		pin = (pin - 1 + PCI_SLOT(dev->devfn)) % 4 + 1;
		dev = dev->bus->self;
	}
	return pin;
}

static bool same_lead(const struct lead *a, const struct lead *b)
{
	return !strcmp(a->link, b->link) && a->index == b->index;
}

/* Another one that interrupts by the same pin or link, to be put; @any: without driver, too. */
static struct pci_dev *find_sharer(const struct lead *lead, u32 bdf, u32 irq, bool any)
{
	struct pci_dev *dev = NULL;
	struct lead other;

	for_each_pci_dev(dev) {
		if (pci_dev_id(dev) == bdf || (!any && !dev->driver && !pci_is_enabled(dev)))
			continue;
		if ((irq && pci_is_enabled(dev) && dev->pin && dev->irq == irq) ||
		    (find_lead(dev, &other) && same_lead(lead, &other)))
			return dev;
	}
	return NULL;
}

static int refuse_sharer(u32 bdf, struct pci_dev *other)
{
	pr_err("PCI function %02x:%02x.%x cannot be given: it interrupts by the same pin as %s, which is this kernel's: give both, or put one into another slot\n",
	       bdf >> 8, PCI_SLOT(bdf), PCI_FUNC(bdf), pci_name(other));
	pci_dev_put(other);
	return -EBUSY;
}

/* Enabled for a moment, so that the pin is chosen, and the link leads there. */
static int find_pin(struct pci_dev *dev, const struct lead *lead, u32 *pin)
{
	struct pci_dev *other;
	u32 irq;
	int r;

	r = pci_enable_device(dev);
	if (r)
		return refuse(dev, r, "it cannot be enabled");
	irq = dev->irq;
	other = find_sharer(lead, pci_dev_id(dev), irq, false);
	pci_disable_device(dev);
	if (other)
		return refuse_sharer(pci_dev_id(dev), other);
	/* The first IOAPIC's pins have the numbers of the interrupts. */
	if (!irq || irq > LAST_PIN)
		return refuse(dev, -EOPNOTSUPP,
			      "its interrupt is no pin of the first IOAPIC, the only one that two kernels can share yet");
	if (irq_has_action(irq)) {
		pr_err("PCI function %s cannot be given: this kernel uses its interrupt %u, /proc/interrupts says what for\n",
		       pci_name(dev), irq);
		return -EBUSY;
	}
	*pin = irq;
	return 0;
}

/* ---- what it is */

/* Its slot is looked for by function 0, which the other kernel has to see. */
static bool has_first(const struct pci_dev *dev)
{
	u32 first = pci_dev_id((struct pci_dev *)dev) & ~7u;
	struct pci_dev *zero;
	bool shown;

	if (!PCI_FUNC(dev->devfn) || is_given(first))
		return true;
	zero = pci_get_slot(dev->bus, first & 0xff);
	shown = zero && zero->class >> 16 == PCI_BASE_CLASS_BRIDGE;
	pci_dev_put(zero);
	return shown;
}

static int check_addresses(const struct pci_dev *dev)
{
	const struct resource *res;
	int i;

	for (i = 0; i <= PCI_ROM_RESOURCE; i++) {
		res = &dev->resource[i];
		if (!resource_size(res) || !res->flags)
			continue;
		if (res->flags & IORESOURCE_PCI_FIXED && i < PCI_ROM_RESOURCE)
			return refuse(dev, -EOPNOTSUPP,
				      "it has registers at fixed addresses that are no BAR's");
		if (i < PCI_ROM_RESOURCE && (res->flags & IORESOURCE_UNSET || !res->start))
			return refuse(dev, -EOPNOTSUPP,
				      "a BAR of it has no address: lspci -v shows which; boot with pci=realloc");
		if (!(res->flags & IORESOURCE_MEM) || resource_size(res) >= PAGE_SIZE)
			continue;
		pr_err("PCI function %s cannot be given: BAR %d has %llu bytes, and something else can be in its page: boot with pci=resource_alignment=12@%s\n",
		       pci_name(dev), i, (u64)resource_size(res), pci_name(dev));
		return -EOPNOTSUPP;
	}
	return 0;
}

static bool has_ecam(void)
{
	struct acpi_table_header *table;

	if (ACPI_FAILURE(acpi_get_table(ACPI_SIG_MCFG, 0, &table)))
		return false;
	acpi_put_table(table);
	return true;
}

static int check_kind(const struct pci_dev *dev)
{
	if (has_ecam())
		return refuse(dev, -EOPNOTSUPP,
			      "this machine has PCI Express configuration space (MCFG), which the shim does not filter yet");
	if (!pci_is_root_bus(dev->bus))
		return refuse(dev, -EOPNOTSUPP, "it is behind a bridge, which is not possible yet");
	if (dev->hdr_type != PCI_HEADER_TYPE_NORMAL || dev->class >> 16 == PCI_BASE_CLASS_BRIDGE)
		return refuse(dev, -EOPNOTSUPP, "bridges are both kernels'");
	if (dev->class >> 8 == PCI_CLASS_DISPLAY_VGA)
		return refuse(dev, -EOPNOTSUPP,
			      "VGA has registers at fixed addresses that are no BAR's");
	if (!has_first(dev))
		return refuse(dev, -EOPNOTSUPP,
			      "the other kernel would not look for it without function 0 of its slot: give that first");
	return check_addresses(dev);
}

static int check(const struct pci_dev *dev)
{
	if (dev->driver) {
		pr_err("PCI function %s cannot be given: driver %s has it: unbind it\n",
		       pci_name(dev), dev->driver->name);
		return -EBUSY;
	}
	if (pci_is_enabled((struct pci_dev *)dev) || dev->msi_enabled || dev->msix_enabled)
		return refuse(dev, -EBUSY, "something in this kernel has enabled it");
	return check_kind(dev);
}

/* ---- give, and have back */

static int give_away(struct pci_dev *dev)
{
	u32 bdf = pci_dev_id(dev), pin = SHIM_NO_PIN;
	struct lead lead;
	bool has_pin = find_lead(dev, &lead);
	int r;

	if (given.nr == MAX_DEVICES)
		return refuse(dev, -ENOSPC, "too many have been given");
	r = has_pin ? find_pin(dev, &lead, &pin) : 0;
	if (r)
		return r;
	pci_stop_and_remove_bus_device_locked(dev);
	r = refresh_part_call_stopped(SHIM_CALL_PART_FUNCTION, bdf, pin, "give a PCI function");
	if (r) {
		refresh_pci_return(bdf);
		return r;
	}
	given.device[given.nr].bdf = bdf;
	given.device[given.nr].has_pin = has_pin;
	given.device[given.nr].lead = lead;
	given.nr++;
	return 0;
}

/**
 * refresh_device_give() - A PCI function is to be the partition's
 * @bdf: bus, device and function, of domain 0
 *
 * Context: process, may sleep; under refresh_lock().
 * Return: 0, or an error that vmm_refresh.h lists, after one line in the kernel log.
 */
int refresh_device_give(u32 bdf)
{
	struct pci_dev *dev = pci_get_domain_bus_and_slot(0, bdf >> 8, bdf & 0xff);
	int r;

	if (!dev) {
		pr_err("there is no PCI function %02x:%02x.%x\n", bdf >> 8, PCI_SLOT(bdf),
		       PCI_FUNC(bdf));
		return -ENOENT;
	}
	r = check(dev);
	if (!r)
		r = give_away(dev);
	pci_dev_put(dev);
	return r;
}

/**
 * refresh_device_check() - May the second kernel begin with the functions that were given?
 *
 * A function that has no driver yet can get one, whose interrupt would never come.
 *
 * Context: process, may sleep; under refresh_lock().
 * Return: 0, or -EBUSY after one line in the kernel log.
 */
int refresh_device_check(void)
{
	struct pci_dev *other;
	u32 i;

	for (i = 0; i < given.nr; i++) {
		if (!given.device[i].has_pin)
			continue;
		other = find_sharer(&given.device[i].lead, given.device[i].bdf, 0, true);
		if (other)
			return refuse_sharer(given.device[i].bdf, other);
	}
	return 0;
}

/**
 * refresh_device_back() - The partition is gone, and its functions are this kernel's
 *
 * Context: process, may sleep; under refresh_lock().
 */
void refresh_device_back(void)
{
	while (given.nr)
		refresh_pci_return(given.device[--given.nr].bdf);
}
