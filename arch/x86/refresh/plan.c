// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the machine has that two kernels have to share, for the shim: from ACPI, from the
 * kernel's own list of PCI functions and from /proc/iomem.
 */
#include <linux/acpi.h>
#include <linux/efi.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/pci.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <asm/apic.h>

#include "refresh.h"

/* As enum pci_show and enum pci_bar_kind of the shim. */
enum { SHOW_PRIVATE, SHOW_ALL, SHOW_NAMELESS };
enum { BAR_NONE, BAR_IO, BAR_MEMORY, BAR_MEMORY_64, BAR_UPPER };

#define TIMER_PIN	2
#define PIIX_LINKS	0x60		/* PIRQ registers of PIIX and ICH */

/* ---- ports and chips */

static int fill_s5(struct shim_plan *plan)
{
	struct acpi_buffer buffer = { ACPI_ALLOCATE_BUFFER, NULL };
	union acpi_object *package;
	int i, r = -EOPNOTSUPP;

	if (ACPI_FAILURE(acpi_evaluate_object(NULL, "\\_S5", NULL, &buffer)))
		goto out;
	package = buffer.pointer;
	if (package->type != ACPI_TYPE_PACKAGE || package->package.count < 2)
		goto out;
	for (i = 0; i < 2; i++) {
		if (package->package.elements[i].type != ACPI_TYPE_INTEGER)
			goto out;
		plan->s5_type[i] = package->package.elements[i].integer.value;
	}
	r = 0;
out:
	if (r)
		pr_err("the firmware does not say how to power off (\\_S5): the second kernel's power-off could not be told from the machine's\n");
	kfree(buffer.pointer);
	return r;
}

static int fill_fadt(struct shim_plan *plan)
{
	const struct acpi_table_fadt *fadt = &acpi_gbl_FADT;

	if (acpi_disabled || fadt->flags & ACPI_FADT_HW_REDUCED) {
		pr_err("no ACPI, or a machine without its fixed hardware: a second kernel is not possible yet\n");
		return -EOPNOTSUPP;
	}
	plan->pm1_event[0] = fadt->pm1a_event_block;
	plan->pm1_event[1] = fadt->pm1b_event_block;
	plan->pm1_control[0] = fadt->pm1a_control_block;
	plan->pm1_control[1] = fadt->pm1b_control_block;
	plan->pm1_event_length = fadt->pm1_event_length;
	plan->pm_timer = fadt->pm_timer_block;
	plan->smi_command = fadt->smi_command;
	if (fadt->flags & ACPI_FADT_RESET_REGISTER &&
	    fadt->reset_register.space_id == ACPI_ADR_SPACE_SYSTEM_IO) {
		plan->reset = fadt->reset_register.address;
		plan->reset_value = fadt->reset_value;
	}
	return fill_s5(plan);
}

/* The one IOAPIC, if there is only one. */
static int fill_ioapic(struct shim_plan *plan)
{
	struct acpi_subtable_header *entry;
	struct acpi_table_header *madt;
	unsigned int n = 0;
	char *at, *end;

	if (ACPI_FAILURE(acpi_get_table(ACPI_SIG_MADT, 0, &madt)))
		return -EOPNOTSUPP;
	end = (char *)madt + madt->length;
	for (at = (char *)madt + sizeof(struct acpi_table_madt);
	     at + sizeof(*entry) <= end; at += entry->length) {
		entry = (void *)at;
		if (entry->length < sizeof(*entry))
			break;
		if (entry->type != ACPI_MADT_TYPE_IO_APIC)
			continue;
		plan->ioapic_hpa = ((struct acpi_madt_io_apic *)entry)->address;
		n++;
	}
	acpi_put_table(madt);
	if (n == 1)
		return 0;
	pr_err("%u IOAPICs: a second kernel is possible with one only, yet\n", n);
	return -EOPNOTSUPP;
}

static int fill_hpet(struct shim_plan *plan)
{
	struct acpi_table_header *table;

	if (ACPI_FAILURE(acpi_get_table(ACPI_SIG_HPET, 0, &table))) {
		pr_err("no HPET: the second kernel would have no timer to begin with\n");
		return -EOPNOTSUPP;
	}
	plan->hpet_hpa = ((struct acpi_table_hpet *)table)->address.address;
	acpi_put_table(table);
	return 0;
}

/* ---- PCI */

/* Drivers bind to what has a name; code of the firmware reads what has none. */
static u8 show_of(const struct pci_dev *dev)
{
	switch (dev->class >> 8) {
	case PCI_CLASS_BRIDGE_HOST:
	case PCI_CLASS_BRIDGE_ISA:
	case PCI_CLASS_BRIDGE_PCI:
		return SHOW_ALL;
	case PCI_CLASS_BRIDGE_OTHER:
		return SHOW_NAMELESS;
	}
	return SHOW_PRIVATE;
}

static void fill_bars(struct shim_plan_function *function, struct pci_dev *dev)
{
	int nr = function->bridge ? 2 : SHIM_PLAN_BARS, i;

	for (i = 0; i < nr; i++) {
		unsigned long flags = pci_resource_flags(dev, i);

		/* Fixed: an IDE function in legacy mode, whose registers say nothing. */
		if (!pci_resource_len(dev, i) || flags & IORESOURCE_PCI_FIXED)
			continue;
		function->bar_size[i] = pci_resource_len(dev, i);
		if (flags & IORESOURCE_IO)
			function->bar_kind[i] = BAR_IO;
		else
			function->bar_kind[i] = flags & IORESOURCE_MEM_64 ? BAR_MEMORY_64 :
									  BAR_MEMORY;
		if (flags & IORESOURCE_MEM_64 && i + 1 < nr)
			function->bar_kind[++i] = BAR_UPPER;
	}
	function->rom_size = pci_resource_len(dev, PCI_ROM_RESOURCE);
}

static int fill_functions(struct shim_plan *plan)
{
	struct shim_plan_function *function;
	struct pci_dev *dev = NULL;

	for_each_pci_dev(dev) {
		if (plan->nr_functions == SHIM_PLAN_FUNCTIONS || pci_domain_nr(dev->bus)) {
			pr_err("more than %d PCI functions, or more than one domain of them: a second kernel is not possible yet\n",
			       SHIM_PLAN_FUNCTIONS);
			pci_dev_put(dev);
			return -EOPNOTSUPP;
		}
		function = &plan->function[plan->nr_functions++];
		function->bdf = pci_dev_id(dev);
		function->show = show_of(dev);
		function->bridge = dev->hdr_type == PCI_HEADER_TYPE_BRIDGE;
		function->msi = dev->msi_cap;
		if (dev->vendor == PCI_VENDOR_ID_INTEL &&
		    dev->class >> 8 == PCI_CLASS_BRIDGE_ISA)
			function->links = PIIX_LINKS;
		fill_bars(function, dev);
	}
	return 0;
}

/* ---- firmware in memory */

#define LOW_END		0x100000ull

static int show(struct shim_plan *plan, u64 first, u64 end)
{
	if (plan->nr_shown == SHIM_PLAN_SHOWN) {
		pr_err("the firmware's memory is in more than %d pieces: a second kernel is not possible yet\n",
		       SHIM_PLAN_SHOWN);
		return -EOPNOTSUPP;
	}
	plan->shown[plan->nr_shown].hpa = first;
	plan->shown[plan->nr_shown].bytes = end - first;
	plan->nr_shown++;
	return 0;
}

static int note_firmware(struct resource *res, void *plan)
{
	u64 first = round_down(res->start, SHIM_PAGE), end = round_up(res->end + 1, SHIM_PAGE);

	if (end <= LOW_END)
		return 0;
	return show(plan, max_t(u64, first, LOW_END), end);
}

/* What both kernels leave alone below 1 MiB; page 0 is a copy. */
static int fill_low(struct shim_plan *plan)
{
	int r = show(plan, SHIM_PAGE, REFRESH_LOW_FIRST);

	if (!r)
		r = show(plan, REFRESH_LOW_END, 0xa0000);
	return r ?: show(plan, 0xc0000, LOW_END);
}

static int fill_shown(struct shim_plan *plan)
{
	static const unsigned long kinds[] = {
		IORES_DESC_ACPI_TABLES, IORES_DESC_ACPI_NV_STORAGE, IORES_DESC_RESERVED,
	};
	int i, r = fill_low(plan);

	for (i = 0; !r && i < ARRAY_SIZE(kinds); i++) {
		r = walk_iomem_res_desc(kinds[i], IORESOURCE_MEM, 0, -1, plan, note_firmware);
		/* There need be none. */
		r = r == -EINVAL ? 0 : r;
	}
	return r;
}

/* ---- local APICs, and who rewrites messages to them */

/* IDs that messages of devices can name, and that CPUs in xAPIC mode can have. */
#define LAST_APIC_ID		0xfe

#define DMAR_STATUS		0x1c
#define DMAR_STATUS_REMAPS	BIT(25)		/* interrupts */

/* The unit itself knows, whatever the kernel was told. */
static bool unit_remaps(u64 registers)
{
	void __iomem *unit = ioremap(registers, SHIM_PAGE);
	bool remaps = unit && readl(unit + DMAR_STATUS) & DMAR_STATUS_REMAPS;

	if (unit)
		iounmap(unit);
	return remaps;
}

/* VT-d, 8.1 and 8.3: each unit has an entry. */
static bool interrupts_are_remapped(void)
{
	struct acpi_table_header *dmar;
	struct acpi_dmar_header *entry;
	bool remapped = false;
	char *at, *end;

	if (ACPI_FAILURE(acpi_get_table(ACPI_SIG_DMAR, 0, &dmar)))
		return false;
	end = (char *)dmar + dmar->length;
	for (at = (char *)dmar + sizeof(struct acpi_table_dmar);
	     at + sizeof(struct acpi_dmar_hardware_unit) <= end; at += entry->length) {
		entry = (void *)at;
		if (entry->length < sizeof(*entry))
			break;
		if (entry->type == ACPI_DMAR_TYPE_HARDWARE_UNIT)
			remapped |= unit_remaps(((struct acpi_dmar_hardware_unit *)at)->address);
	}
	acpi_put_table(dmar);
	return remapped;
}

static int check_apics(void)
{
	unsigned int cpu;

	for_each_present_cpu(cpu) {
		if (cpu_physical_id(cpu) <= LAST_APIC_ID)
			continue;
		pr_err("CPU %u has APIC ID %#x: a second kernel is possible up to %#x, yet\n", cpu,
		       cpu_physical_id(cpu), LAST_APIC_ID);
		return -EOPNOTSUPP;
	}
	if (!interrupts_are_remapped())
		return 0;
	pr_err("the IOMMU remaps interrupts: a second kernel is possible without that only, yet: boot with intremap=off\n");
	return -EOPNOTSUPP;
}

/**
 * refresh_fill_plan() - Describe the machine to the shim
 * @plan: zeros; filled in
 * @serial: first of 8 ports that are the second partition's, or 0
 * @serial_pin: pin of the IOAPIC that goes with them
 *
 * Context: process, may sleep.
 * Return: 0, or -EOPNOTSUPP after one line in the kernel log.
 */
int refresh_fill_plan(struct shim_plan *plan, u32 serial, u32 serial_pin)
{
	int r;

	r = check_apics();
	if (r)
		return r;
	plan->size = sizeof(*plan);
	plan->pins = BIT(TIMER_PIN);
	plan->kept_hpa = REFRESH_LOW_END - REFRESH_LOW_KEPT;
	plan->kept_bytes = REFRESH_LOW_KEPT;
	if (serial) {
		plan->pins |= BIT(serial_pin);
		plan->port[0].first = serial;
		plan->port[0].last = serial + 7;
		plan->nr_ports = 1;
	}
	r = fill_fadt(plan);
	if (!r)
		r = fill_ioapic(plan);
	if (!r)
		r = fill_hpet(plan);
	if (!r)
		r = fill_functions(plan);
	return r ?: fill_shown(plan);
}

/* ---- the table of CPUs, in which the second kernel finds its own first */

#define BIOS_FIRST	0xe0000
#define BIOS_END	0x100000

static u64 find_rsdp(void)
{
	u64 hpa = 0;
	char *bios, *at;

	if (efi_enabled(EFI_BOOT) && efi.acpi20 != EFI_INVALID_TABLE_ADDR)
		return efi.acpi20;
	bios = memremap(BIOS_FIRST, BIOS_END - BIOS_FIRST, MEMREMAP_WB);
	if (!bios)
		return 0;
	for (at = bios; at < bios + BIOS_END - BIOS_FIRST; at += 16)
		if (!memcmp(at, ACPI_SIG_RSDP, sizeof(ACPI_SIG_RSDP) - 1)) {
			hpa = BIOS_FIRST + (at - bios);
			break;
		}
	memunmap(bios);
	return hpa;
}

static bool has_signature(u64 hpa, const char *signature)
{
	void *header = memremap(hpa, ACPI_NAMESEG_SIZE, MEMREMAP_WB);
	bool same = header && !memcmp(header, signature, ACPI_NAMESEG_SIZE);

	if (header)
		memunmap(header);
	return same;
}

/* In the list of tables, whose entries have @width bytes. */
static u64 find_in(u64 list, u32 width, const char *signature)
{
	struct acpi_table_header *header = memremap(list, sizeof(*header), MEMREMAP_WB);
	u32 length = header ? header->length : 0, at;
	u64 hpa, found = 0;
	char *table;

	if (header)
		memunmap(header);
	table = length > sizeof(*header) ? memremap(list, length, MEMREMAP_WB) : NULL;
	if (!table)
		return 0;
	for (at = sizeof(*header); !found && at + width <= length; at += width) {
		hpa = 0;
		memcpy(&hpa, table + at, width);
		if (has_signature(hpa, signature))
			found = hpa;
	}
	memunmap(table);
	return found;
}

static u64 find_table(const char *signature)
{
	u64 at = find_rsdp(), hpa = 0;
	struct acpi_table_rsdp *rsdp = at ? memremap(at, sizeof(*rsdp), MEMREMAP_WB) : NULL;

	if (!rsdp)
		return 0;
	if (rsdp->revision >= 2 && rsdp->xsdt_physical_address)
		hpa = find_in(rsdp->xsdt_physical_address, 8, signature);
	else
		hpa = find_in(rsdp->rsdt_physical_address, 4, signature);
	memunmap(rsdp);
	return hpa;
}

/* Each entry of a CPU, in the order of the table; NULL at first, and behind the last one. */
static struct acpi_madt_local_apic *next_cpu(u8 *madt, u32 length, void *last)
{
	u8 *at = last ? (u8 *)last + ((u8 *)last)[1] : madt + sizeof(struct acpi_table_madt);

	for (; at + sizeof(struct acpi_madt_local_apic) <= madt + length && at[1];
	     at += at[1])
		if (*at == ACPI_MADT_TYPE_LOCAL_APIC)
			return (void *)at;
	return NULL;
}

/* The first CPU, the others of the partition, then those of this kernel. */
static u32 rank(u32 apic_id, const u32 *ids, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (ids[i] == apic_id)
			return !!i;
	return 2;
}

static void sort_cpus(u8 *madt, u32 length, const u32 *ids, u32 nr)
{
	struct acpi_madt_local_apic *entry, *other, old;

	for (entry = next_cpu(madt, length, NULL); entry; entry = next_cpu(madt, length, entry))
		for (other = next_cpu(madt, length, entry); other;
		     other = next_cpu(madt, length, other)) {
			if (rank(other->id, ids, nr) >= rank(entry->id, ids, nr))
				continue;
			old = *entry;
			*entry = *other;
			*other = old;
		}
}

/* The page of the second kernel's at @hpa, which begins as it is; NULL: no room. */
static u8 *page_of(struct refresh_copies *copies, u64 hpa)
{
	void *source;
	u32 i;

	hpa = round_down(hpa, SHIM_PAGE);
	for (i = 0; i < copies->nr; i++)
		if (copies->hpa[i] == hpa)
			return copies->pages + i * SHIM_PAGE;
	if (i == REFRESH_MAX_COPIES)
		return NULL;
	source = memremap(hpa, SHIM_PAGE, MEMREMAP_WB);
	if (!source)
		return NULL;
	memcpy(copies->pages + i * SHIM_PAGE, source, SHIM_PAGE);
	memunmap(source);
	copies->hpa[copies->nr++] = hpa;
	return copies->pages + i * SHIM_PAGE;
}

/* @table is to be seen at @hpa. */
static int put_table(struct refresh_copies *copies, u64 hpa, const u8 *table, u32 length)
{
	u32 done, n;
	u8 *page;

	for (done = 0; done < length; done += n) {
		page = page_of(copies, hpa + done);
		if (!page)
			return -EOPNOTSUPP;
		n = min_t(u32, length - done, SHIM_PAGE - (hpa + done) % SHIM_PAGE);
		memcpy(page + (hpa + done) % SHIM_PAGE, table + done, n);
	}
	return 0;
}

/* A copy of the table, to be freed; NULL: there is none, or no memory. */
static void *read_table(const char *signature, u64 *hpa, u32 *length)
{
	struct acpi_table_header *header;
	void *source, *table = NULL;

	*hpa = find_table(signature);
	header = *hpa ? memremap(*hpa, sizeof(*header), MEMREMAP_WB) : NULL;
	if (!header)
		return NULL;
	*length = header->length;
	memunmap(header);
	source = memremap(*hpa, *length, MEMREMAP_WB);
	if (source) {
		table = kmemdup(source, *length, GFP_KERNEL);
		memunmap(source);
	}
	return table;
}

static void set_checksum(u8 *table, u32 length)
{
	struct acpi_table_header *header = (void *)table;
	u32 i;
	u8 sum = 0;

	/* All bytes together are 0. */
	header->checksum = 0;
	for (i = 0; i < length; i++)
		sum += table[i];
	header->checksum = -sum;
}

/*
 * Flag and fields for it are of ACPI 2.0: a table of revision 1 becomes one of 3, which says
 * by itself that the machine has what one of revision 1 is known to have.
 */
static bool make_physical(u8 *table, u32 length)
{
	struct acpi_table_fadt *fadt = (void *)table;

	if (length < offsetofend(struct acpi_table_fadt, flags))
		return false;
	if (fadt->header.revision < 3) {
		fadt->header.revision = 3;
		fadt->boot_flags |= ACPI_FADT_LEGACY_DEVICES | ACPI_FADT_8042;
	}
	fadt->flags |= ACPI_FADT_APIC_PHYSICAL;
	return true;
}

static int copy_madt(struct refresh_copies *copies, const u32 *ids, u32 nr)
{
	u32 length;
	u64 hpa;
	u8 *table = read_table(ACPI_SIG_MADT, &hpa, &length);
	int r = -EOPNOTSUPP;

	if (table) {
		sort_cpus(table, length, ids, nr);
		set_checksum(table, length);
		r = put_table(copies, hpa, table, length);
	}
	kfree(table);
	if (r)
		pr_err("the table of CPUs (MADT) is not where the firmware's list says, or too long\n");
	return r;
}

static int copy_fadt(struct refresh_copies *copies)
{
	u32 length;
	u64 hpa;
	u8 *table = read_table(ACPI_SIG_FADT, &hpa, &length);
	int r = -EOPNOTSUPP;

	if (table && make_physical(table, length)) {
		set_checksum(table, length);
		r = put_table(copies, hpa, table, length);
	}
	kfree(table);
	if (r)
		pr_err("the FADT is not where the firmware's list says, or too old\n");
	return r;
}

/**
 * refresh_copy_tables() - The pages with tables that the second kernel is to see otherwise
 * @copies: without any; filled in
 * @ids: APIC IDs of the partition; the first one is that of the CPU that boots
 * @nr: how many
 * @physical: interrupts are to be addressed by physical APIC IDs
 *
 * In the MADT the partition's CPUs come first.
 *
 * Context: process, may sleep.
 * Return: 0, or -EOPNOTSUPP after one line in the kernel log.
 */
int refresh_copy_tables(struct refresh_copies *copies, const u32 *ids, u32 nr, bool physical)
{
	int r = copy_madt(copies, ids, nr);

	return r || !physical ? r : copy_fadt(copies);
}
