// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI functions of the second kernel's own: the driver that each has here lets it go before the
 * partition is made, and gets it back when that is gone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "boot.h"
#include "device.h"
#include "nestctl.h"

#define PCI		"/sys/bus/pci/devices"
#define PCI_DRIVER	"/sys/bus/pci/drivers/%s/%s"

/**
 * pci_driver() - Which driver of this kernel has a PCI function
 * @address: of it
 *
 * Return: its name, to be freed, NULL: none.
 */
char *pci_driver(const char *address)
{
	autofree char *link = read_link(PCI "/%s/driver", address);
	const char *slash = link ? strrchr(link, '/') : NULL;

	return slash ? printable(text_of("%s", slash + 1)) : NULL;
}

static struct json_object *devices_of(const struct partition *partition)
{
	return get(partition->record, "devices");
}

static size_t find_function(struct json_object *devices, const char *address)
{
	size_t i;

	for (i = 0; i < length(devices); i++)
		if (!strcmp(get_string(item(devices, i), "address"), address))
			break;
	return i;
}

static int switch_driver(const char *address, const char *driver, const char *how)
{
	autofree char *path = text_of(PCI_DRIVER, driver, how);

	return device_write(path, address);
}

/**
 * run_unbind() - No driver of this kernel has it any more
 * @partition: what it belongs to
 * @unit: its name is the address
 *
 * Return: 0, or -1 after a message.
 */
int run_unbind(struct partition *partition, struct unit *unit)
{
	struct json_object *devices = devices_of(partition), *device = append_object(devices);
	autofree char *driver = pci_driver(unit->name);

	put_string(device, "address", unit->name);
	put_string(device, "driver", driver);
	if (record_write(partition->record))
		return -1;
	if (!driver || !switch_driver(unit->name, driver, "unbind"))
		return 0;
	complain("driver %s does not let %s go (%s): end what uses it, or give another",
		 driver, unit->name, strerror(errno));
	json_object_array_del_idx(devices, find_function(devices, unit->name), 1);
	record_write(partition->record);
	return -1;
}

/* The kernel may have found a driver for it by itself when it came back. */
static int set_driver(const char *address, const char *driver)
{
	autofree char *now = pci_driver(address);

	if (now && driver && !strcmp(now, driver))
		return 0;
	if (now && switch_driver(address, now, "unbind"))
		return -1;
	return driver ? switch_driver(address, driver, "bind") : 0;
}

/**
 * undo_unbind() - It has the driver that it had, or none
 * @partition: what it belongs to
 * @unit: its name is the address
 *
 * Return: 0, or -1 after a message.
 */
int undo_unbind(struct partition *partition, struct unit *unit)
{
	struct json_object *devices = devices_of(partition);
	size_t at = find_function(devices, unit->name);
	const char *driver = get_string(item(devices, at), "driver");

	if (!exists(PCI "/%s", unit->name)) {
		complain("PCI function %s has not come back: echo 1 >/sys/bus/pci/rescan, then nestctl refresh undo",
			 unit->name);
		return -1;
	}
	if (set_driver(unit->name, driver)) {
		complain("PCI function %s does not get its driver %s back (%s): dmesg says why",
			 unit->name, driver ?: "(none)", strerror(errno));
		return -1;
	}
	json_object_array_del_idx(devices, at, 1);
	return record_write(partition->record);
}

/**
 * run_function() - Give it
 * @partition: what it belongs to
 * @unit: its name is the address
 *
 * Return: 0, or -1 after a message.
 */
int run_function(struct partition *partition, struct unit *unit)
{
	struct vmm_refresh_part_device args = { .size = sizeof(args) };
	unsigned int domain, bus, device, function;
	int n = sscanf(unit->name, "%x:%x:%x.%x", &domain, &bus, &device, &function);

	errno = EINVAL;
	if (n == 4) {
		args.domain = domain;
		args.bdf = bus << 8 | device << 3 | function;
	}
	if (n == 4 && !device_call(partition->fd, VMM_REFRESH_PART_DEVICE, &args))
		return 0;
	complain("PCI function %s cannot be given (%s): dmesg says why", unit->name,
		 strerror(errno));
	return -1;
}

/**
 * is_record_of_functions() - Is that what records have as "devices"?
 * @devices: it; older ones have none
 *
 * Return: true if it is.
 */
bool is_record_of_functions(struct json_object *devices)
{
	size_t i;

	if (!devices)
		return true;
	if (!json_object_is_type(devices, json_type_array))
		return false;
	for (i = 0; i < length(devices); i++) {
		struct json_object *driver = get(item(devices, i), "driver");

		if (!json_object_is_type(item(devices, i), json_type_object) ||
		    !json_object_is_type(get(item(devices, i), "address"), json_type_string) ||
		    (driver && !json_object_is_type(driver, json_type_string)))
			return false;
	}
	return true;
}

/**
 * has_functions() - Does a partition that has ended have these?
 * @devices: of its record
 * @wishes: what is asked for; no function: any
 *
 * Return: true if it has them, and no others.
 */
bool has_functions(struct json_object *devices, const struct wishes *wishes)
{
	size_t i;

	for (i = 0; i < wishes->nr_devices; i++)
		if (find_function(devices, wishes->devices[i]) == length(devices))
			return false;
	return !wishes->nr_devices || wishes->nr_devices == length(devices);
}

/* Text as in a plan. */
static char *unbind_text(const char *address, const char *driver)
{
	return driver ? text_of("unbind %s from %s", address, driver) :
			text_of("take %s, which has no driver", address);
}

/**
 * add_unbinds() - Units that take them from their drivers
 * @partition: what they belong to
 * @wishes: which
 */
void add_unbinds(struct partition *partition, const struct wishes *wishes)
{
	size_t i;

	for (i = 0; i < wishes->nr_devices; i++) {
		autofree char *driver = pci_driver(wishes->devices[i]);
		struct unit *unit = add_unit(partition, UNIT_UNBIND, 0);

		unit->name = text_of("%s", wishes->devices[i]);
		unit->text = unbind_text(unit->name, driver);
	}
}

/**
 * add_functions() - Units that give them
 * @partition: what they belong to
 * @wishes: which
 */
void add_functions(struct partition *partition, const struct wishes *wishes)
{
	size_t i;

	for (i = 0; i < wishes->nr_devices; i++) {
		struct unit *unit = add_unit(partition, UNIT_FUNCTION, 0);

		unit->name = text_of("%s", wishes->devices[i]);
		unit->text = text_of("give PCI function %s", unit->name);
	}
}

/**
 * add_unbound() - Units that were done, by an earlier nestctl
 * @partition: with its record
 */
void add_unbound(struct partition *partition)
{
	struct json_object *devices = devices_of(partition);
	size_t i;

	for (i = 0; i < length(devices); i++) {
		struct unit *unit = add_unit(partition, UNIT_UNBIND, 0);

		unit->state = STEP_DONE;
		unit->name = text_of("%s", get_string(item(devices, i), "address"));
		unit->text = unbind_text(unit->name, get_string(item(devices, i), "driver"));
	}
}
