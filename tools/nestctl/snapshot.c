// SPDX-License-Identifier: GPL-2.0-only
/*
 * A snapshot of the machine as JSON (nestctl-snapshot-1), and from JSON to the
 * structure that a plan is made of.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nestctl.h"
#include "plan.h"

#define CPUS	"/sys/devices/system/cpu"
#define EVENTS	"/sys/devices/system/clockevents"
#define BLOCKS	"/sys/devices/system/memory"
#define PCI	"/sys/bus/pci/devices"

/* ---- read the machine */

/* "nodeN" in a directory; node 0 if there is none. */
static int node_in(const char *directory)
{
	struct dirent **entries;
	int i, nr = list(&entries, "%s", directory), node = 0;

	for (i = 0; i < nr; i++)
		if (sscanf(entries[i]->d_name, "node%d", &node) == 1)
			break;
	free_list(entries, nr);
	return node;
}

static void take_cpus(struct json_object *array)
{
	struct dirent **entries;
	int i, number, nr = list(&entries, CPUS);
	char rest;

	for (i = 0; i < nr; i++) {
		autofree char *directory = text_of(CPUS "/%s", entries[i]->d_name);
		autofree char *tick = NULL;
		struct json_object *cpu;

		if (sscanf(entries[i]->d_name, "cpu%d%c", &number, &rest) != 1)
			continue;
		tick = printable(read_text(EVENTS "/clockevent%d/current_device", number));
		cpu = append_object(array);
		put_int(cpu, "number", number);
		put_int(cpu, "package", read_int(0, "%s/topology/physical_package_id", directory));
		/* Its first thread; some firmware numbers all cores alike. */
		put_int(cpu, "core", read_int(number, "%s/topology/core_cpus_list", directory));
		put_int(cpu, "node", node_in(directory));
		/* The boot CPU has no such file. */
		put_bool(cpu, "online", read_int(1, "%s/online", directory) == 1);
		put_bool(cpu, "removable", exists("%s/online", directory));
		put_string(cpu, "tick", tick);
	}
	free_list(entries, nr);
}

static int64_t meminfo(const char *key)
{
	autofree char *text = read_text("/proc/meminfo");
	const char *line = text ? strstr(text, key) : NULL;

	return line ? strtoll(line + strlen(key), NULL, 10) << 10 : 0;
}

/* Behind the last "System RAM". */
static int64_t ram_end(void)
{
	autofree char *text = read_text("/proc/iomem");
	char *line, *rest = text;
	long long start, end, last = 0;

	while ((line = strsep(&rest, "\n")))
		if (strstr(line, " : System RAM") && sscanf(line, "%llx-%llx", &start, &end) == 2 &&
		    end > last)
			last = end + 1;
	/* To others than root all addresses are 0. */
	return last > 1 ? last : 0;
}

static void take_memory(struct json_object *memory)
{
	struct json_object *array, *block;
	struct dirent **entries;
	uint64_t size = block_size();
	int i, nr = list(&entries, BLOCKS);
	bool movable, pinned;
	unsigned int number;
	char rest;

	put_int(memory, "total", meminfo("MemTotal:"));
	put_int(memory, "available", meminfo("MemAvailable:"));
	put_int(memory, "end", ram_end());
	put_int(memory, "block_size", size);
	array = put_array(memory, "blocks");
	for (i = 0; i < nr; i++) {
		autofree char *directory = text_of(BLOCKS "/%s", entries[i]->d_name);

		if (sscanf(entries[i]->d_name, "memory%u%c", &number, &rest) != 1)
			continue;
		block = append_object(array);
		put_int(block, "start", number * size);
		put_int(block, "node", node_in(directory));
		put_bool(block, "online", block_is_online(number));
		movable = block_is_movable(number);
		pinned = movable && block_is_pinned(number);
		put_bool(block, "movable", movable && !pinned);
		put_bool(block, "whole", block_is_whole(number));
		put_bool(block, "pinned", pinned);
	}
	free_list(entries, nr);
}

/* Is this device file mounted, or swap? */
static bool is_mounted(const char *name)
{
	autofree char *mounts = read_text("/proc/mounts");
	autofree char *swaps = read_text("/proc/swaps");
	autofree char *word = text_of("/dev/%s ", name);

	return (mounts && strstr(mounts, word)) || (swaps && strstr(swaps, word));
}

/* What a class of devices says of the use of a PCI function. */
static char *use_in(const char *class, const char *address)
{
	autofree char *part = text_of("/%s/", address);
	struct dirent **entries, **holders;
	int i, nr = list(&entries, "/sys/class/%s", class), held;
	bool net = !strcmp(class, "net");
	char *use = NULL;

	for (i = 0; i < nr && !use; i++) {
		const char *name = entries[i]->d_name;
		autofree char *link = read_link("/sys/class/%s/%s", class, name);

		if (!link || !strstr(link, part))
			continue;
		if (net && read_int(0, "/sys/class/net/%s/flags", name) & 1)
			use = text_of("interface %s is up", name);
		if (net)
			continue;
		held = list(&holders, "/sys/class/block/%s/holders", name);
		free_list(holders, held);
		if (held > 0)
			use = text_of("%s is part of another device", name);
		else if (is_mounted(name))
			use = text_of("%s is mounted, or swap", name);
	}
	free_list(entries, nr);
	return use;
}

static void take_devices(struct json_object *array)
{
	struct dirent **entries;
	int i, nr = list(&entries, PCI);

	for (i = 0; i < nr; i++) {
		const char *address = entries[i]->d_name, *slash;
		autofree char *driver = read_link(PCI "/%s/driver", address);
		autofree char *use = use_in("net", address);
		struct json_object *device = append_object(array);

		if (!use)
			use = use_in("block", address);
		slash = driver ? strrchr(driver, '/') : NULL;
		put_string(device, "address", address);
		put_string(device, "driver", slash ? slash + 1 : driver);
		put_string(device, "use", use);
	}
	free_list(entries, nr);
}

static int64_t vm_bytes(void)
{
	struct json_object *vms = json_object_new_array();
	int64_t bytes = 0;
	size_t i;

	find_vms(vms);
	for (i = 0; i < length(vms); i++) {
		autofree char *text = read_text("/proc/%lld/status",
						(long long)get_int(item(vms, i), "pid"));
		const char *line = text ? strstr(text, "VmRSS:") : NULL;

		bytes += line ? strtoll(line + 6, NULL, 10) << 10 : 0;
	}
	json_object_put(vms);
	return bytes;
}

/**
 * snapshot_take() - Take one of this machine
 *
 * Return: an object of the schema nestctl-snapshot-1.
 */
struct json_object *snapshot_take(void)
{
	struct json_object *object = new_report("nestctl-snapshot-1");
	autofree char *broadcast = printable(read_text(EVENTS "/broadcast/current_device"));
	autofree char *info = read_text("/proc/cpuinfo");

	take_cpus(put_array(object, "cpus"));
	take_memory(put_object(object, "memory"));
	take_devices(put_array(object, "devices"));
	put_int(object, "vm_bytes", vm_bytes());
	put_string(object, "broadcast", broadcast && *broadcast ? broadcast : NULL);
	put_bool(object, "arat", info && strstr(info, " arat"));
	put_bool(object, "remapping", interrupts_are_remapped());
	return object;
}

/* ---- from JSON */

static bool is(struct json_object *object, const char *key, enum json_type type)
{
	return json_object_is_type(get(object, key), type);
}

static bool is_text(struct json_object *object, const char *key)
{
	return !get(object, key) || is(object, key, json_type_string);
}

static char *copy_text(struct json_object *object, const char *key)
{
	const char *text = get_string(object, key);

	return text ? printable(text_of("%s", text)) : NULL;
}

static void *allocate(size_t nr, size_t size)
{
	void *memory = calloc(nr ? nr : 1, size);

	if (!memory)
		die(EXIT_UNKNOWN, "out of memory");
	return memory;
}

static const char *parse_cpus(struct snapshot *snapshot, struct json_object *array)
{
	size_t i;

	snapshot->cpus = allocate(length(array), sizeof(*snapshot->cpus));
	for (i = 0; i < length(array); i++) {
		struct plan_cpu *cpu = &snapshot->cpus[i];
		struct json_object *object = item(array, i);

		if (!is(object, "number", json_type_int) || !is(object, "package", json_type_int) ||
		    !is(object, "core", json_type_int) || !is(object, "node", json_type_int) ||
		    !is(object, "online", json_type_boolean) ||
		    !is(object, "removable", json_type_boolean) || !is_text(object, "tick"))
			return "a CPU";
		cpu->number = get_int(object, "number");
		cpu->package = get_int(object, "package");
		cpu->core = get_int(object, "core");
		cpu->node = get_int(object, "node");
		cpu->online = get_bool(object, "online");
		cpu->removable = get_bool(object, "removable");
		cpu->tick = copy_text(object, "tick");
		snapshot->nr_cpus++;
	}
	return snapshot->nr_cpus ? NULL : "cpus";
}

static int by_address(const void *a, const void *b)
{
	const struct plan_block *one = a, *other = b;

	return one->start < other->start ? -1 : one->start > other->start;
}

static const char *parse_memory(struct snapshot *snapshot, struct json_object *memory)
{
	static const char *const numbers[] = { "total", "available", "end", "block_size" };
	struct json_object *array = get(memory, "blocks"), *object;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		if (!is(memory, numbers[i], json_type_int) || get_int(memory, numbers[i]) <= 0)
			return numbers[i];
	snapshot->total = get_int(memory, "total");
	snapshot->available = get_int(memory, "available");
	snapshot->end = get_int(memory, "end");
	snapshot->block_size = get_int(memory, "block_size");
	if (!is(memory, "blocks", json_type_array))
		return "blocks";
	snapshot->blocks = allocate(length(array), sizeof(*snapshot->blocks));
	for (i = 0; i < length(array); i++) {
		struct plan_block *block = &snapshot->blocks[i];

		object = item(array, i);
		if (!is(object, "start", json_type_int) || get_int(object, "start") < 0 ||
		    !is(object, "node", json_type_int) ||
		    !is(object, "online", json_type_boolean) ||
		    !is(object, "movable", json_type_boolean) ||
		    (get(object, "whole") && !is(object, "whole", json_type_boolean)) ||
		    (get(object, "pinned") && !is(object, "pinned", json_type_boolean)))
			return "a memory block";
		block->start = get_int(object, "start");
		block->node = get_int(object, "node");
		block->online = get_bool(object, "online");
		/* Older snapshots do not say it. */
		block->whole = !get(object, "whole") || get_bool(object, "whole");
		block->pinned = get_bool(object, "pinned");
		block->movable = block->whole && !block->pinned &&
				 get_bool(object, "movable");
		snapshot->nr_blocks++;
	}
	qsort(snapshot->blocks, snapshot->nr_blocks, sizeof(*snapshot->blocks), by_address);
	return NULL;
}

static const char *parse_devices(struct snapshot *snapshot, struct json_object *array)
{
	size_t i;

	snapshot->devices = allocate(length(array), sizeof(*snapshot->devices));
	for (i = 0; i < length(array); i++) {
		struct plan_device *device = &snapshot->devices[i];
		struct json_object *object = item(array, i);

		if (!is(object, "address", json_type_string) || !is_text(object, "driver") ||
		    !is_text(object, "use"))
			return "a device";
		device->address = copy_text(object, "address");
		device->driver = copy_text(object, "driver");
		device->use = copy_text(object, "use");
		snapshot->nr_devices++;
	}
	return NULL;
}

/**
 * snapshot_parse() - Make the structure from JSON
 * @snapshot: filled in, for snapshot_free() in any case
 * @object: of the schema nestctl-snapshot-1
 *
 * Return: NULL, or what is missing or of the wrong kind.
 */
const char *snapshot_parse(struct snapshot *snapshot, struct json_object *object)
{
	const char *bad;

	memset(snapshot, 0, sizeof(*snapshot));
	if (!json_object_is_type(object, json_type_object) ||
	    strcmp(get_string(object, "schema") ?: "", "nestctl-snapshot-1"))
		return "schema";
	if (!is(object, "cpus", json_type_array))
		return "cpus";
	if (!is(object, "devices", json_type_array))
		return "devices";
	if (!is(object, "vm_bytes", json_type_int) || get_int(object, "vm_bytes") < 0)
		return "vm_bytes";
	if (!is_text(object, "broadcast") || !is(object, "arat", json_type_boolean))
		return "broadcast or arat";
	if (!is(object, "remapping", json_type_boolean))
		return "remapping";
	snapshot->vm_bytes = get_int(object, "vm_bytes");
	snapshot->broadcast = copy_text(object, "broadcast");
	snapshot->arat = get_bool(object, "arat");
	snapshot->remapping = get_bool(object, "remapping");
	bad = parse_cpus(snapshot, get(object, "cpus"));
	if (!bad)
		bad = parse_memory(snapshot, get(object, "memory"));
	return bad ?: parse_devices(snapshot, get(object, "devices"));
}

void snapshot_free(struct snapshot *snapshot)
{
	size_t i;

	for (i = 0; i < snapshot->nr_cpus; i++)
		free(snapshot->cpus[i].tick);
	for (i = 0; i < snapshot->nr_devices; i++) {
		free(snapshot->devices[i].address);
		free(snapshot->devices[i].driver);
		free(snapshot->devices[i].use);
	}
	free(snapshot->cpus);
	free(snapshot->blocks);
	free(snapshot->devices);
	free(snapshot->broadcast);
}
