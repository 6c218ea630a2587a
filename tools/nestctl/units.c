// SPDX-License-Identifier: GPL-2.0-only
/*
 * The units of a partition: what does each, and what undoes it.  They go in order and
 * back in reverse: memory that the second kernel had comes online again only when the
 * partition is gone.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "boot.h"
#include "device.h"
#include "nestctl.h"

#define CPU_ONLINE	"/sys/devices/system/cpu/cpu%u/online"
#define BLOCK_STATE	"/sys/devices/system/memory/memory%u/state"
/* A page that is just being used cannot be moved: try again a little later. */
#define BLOCK_TRIES	5
#define BLOCK_PAUSE	(200 * 1000)

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
	interrupted = number;
}

/**
 * units_interrupted() - Has a signal come that is to end this?
 *
 * Return: true if it has.
 */
bool units_interrupted(void)
{
	return interrupted;
}

/* ---- the device */

/**
 * partition_look() - Ask for the state of shim and partition
 * @partition: opened
 *
 * Return: 0, or -1 with errno.
 */
int partition_look(struct partition *partition)
{
	memset(&partition->shim, 0, sizeof(partition->shim));
	memset(&partition->status, 0, sizeof(partition->status));
	partition->shim.size = sizeof(partition->shim);
	partition->status.size = sizeof(partition->status);
	partition->room = false;
	if (partition->fd < 0 ||
	    device_call(partition->fd, VMM_REFRESH_STATUS, &partition->shim))
		return -1;
	if (!device_call(partition->fd, VMM_REFRESH_PART_STATUS, &partition->status)) {
		partition->room = true;
		return 0;
	}
	partition->status.state = VMM_REFRESH_PART_NONE;
	partition->room = errno == ENXIO;
	return errno == ENXIO || errno == ENODEV ? 0 : -1;
}

/**
 * partition_open() - Open the device, and look
 * @partition: filled in; @error says why there is none
 */
void partition_open(struct partition *partition)
{
	memset(partition, 0, sizeof(*partition));
	partition->fd = device_open();
	if (partition->fd < 0 || partition_look(partition))
		partition->error = errno;
}

/**
 * units_free() - Forget the units, whatever has become of them
 * @partition: opened
 */
void units_free(struct partition *partition)
{
	size_t i;

	for (i = 0; i < partition->nr_units; i++) {
		free(partition->units[i].name);
		free(partition->units[i].text);
	}
	free(partition->units);
	partition->units = NULL;
	partition->nr_units = 0;
}

/**
 * partition_close() - Free what is in it
 * @partition: opened
 */
void partition_close(struct partition *partition)
{
	units_free(partition);
	boot_layout_free(&partition->layout);
	json_object_put(partition->record);
	if (partition->fd >= 0)
		close(partition->fd);
}

/* ---- units */

static bool write_flag(struct partition *partition, const char *key, bool value)
{
	put_bool(partition->record, key, value);
	return !record_write(partition->record);
}

/*
 * What has been given back.  A record that cannot be written is no reason to keep the rest: that of
 * before says too much, and undo looks at each thing before it gives it back.
 */
static void forget_flag(struct partition *partition, const char *key)
{
	write_flag(partition, key, false);
}

static int run_shim(struct partition *partition, struct unit *unit)
{
	struct vmm_refresh_virtualize args = {
		.size = sizeof(args), .flags = VMM_REFRESH_PARTITION,
	};

	(void)unit;
	if (!write_flag(partition, "virtualized", true))
		return -1;
	if (!device_call(partition->fd, VMM_REFRESH_VIRTUALIZE, &args))
		return 0;
	complain("the shim cannot be put under this kernel (%s): dmesg says why",
		 strerror(errno));
	forget_flag(partition, "virtualized");
	return -1;
}

static int undo_shim(struct partition *partition, struct unit *unit)
{
	(void)unit;
	if (device_call(partition->fd, VMM_REFRESH_DEVIRTUALIZE, NULL) && errno != ENODEV) {
		complain("the shim cannot be taken away (%s): dmesg says why", strerror(errno));
		return -1;
	}
	forget_flag(partition, "virtualized");
	return 0;
}

static size_t find_number(struct json_object *array, unsigned int number)
{
	size_t i;

	for (i = 0; i < length(array); i++)
		if (json_object_get_int64(item(array, i)) == number)
			break;
	return i;
}

static void forget_block(struct partition *partition, unsigned int number)
{
	struct json_object *blocks = get(partition->record, "blocks");

	json_object_array_del_idx(blocks, find_number(blocks, number), 1);
	record_write(partition->record);
}

/**
 * block_offline() - Take a memory block out
 * @number: of the block
 * @tries: how often it is tried as long as it is busy
 *
 * Return: 0, or -1 with errno.
 */
int block_offline(unsigned int number, unsigned int tries)
{
	autofree char *path = text_of(BLOCK_STATE, number);

	while (device_write(path, "offline")) {
		if ((errno != EBUSY && errno != EAGAIN) || !--tries || interrupted)
			return -1;
		usleep(BLOCK_PAUSE);
	}
	return 0;
}

static int run_block(struct partition *partition, struct unit *unit)
{
	struct json_object *blocks = get(partition->record, "blocks");

	json_object_array_add(blocks, json_object_new_int64(unit->number));
	if (record_write(partition->record))
		return -1;
	if (!block_offline(unit->number, BLOCK_TRIES))
		return 0;
	complain("memory block %u cannot be taken out (%s): end programs, or give other memory",
		 unit->number, strerror(errno));
	forget_block(partition, unit->number);
	return -1;
}

static int undo_block(struct partition *partition, struct unit *unit)
{
	autofree char *path = text_of(BLOCK_STATE, unit->number);

	if (!block_is_online(unit->number) && device_write(path, "online_movable")) {
		complain("memory block %u does not come online again (%s): echo online_movable >%s",
			 unit->number, strerror(errno), path);
		return -1;
	}
	forget_block(partition, unit->number);
	return 0;
}

static int run_partition(struct partition *partition, struct unit *unit)
{
	(void)unit;
	partition->create.size = sizeof(partition->create);
	put_int(partition->record, "serial", partition->create.serial);
	put_int(partition->record, "serial_pin", partition->create.serial_pin);
	if (record_write(partition->record))
		return -1;
	if (!device_call(partition->fd, VMM_REFRESH_PART_CREATE, &partition->create))
		return 0;
	complain("the machine cannot be parted (%s): dmesg says why", strerror(errno));
	return -1;
}

/* CPUs and memory that were given are this kernel's again then. */
static int undo_partition(struct partition *partition, struct unit *unit)
{
	int error;

	(void)unit;
	if (device_call(partition->fd, VMM_REFRESH_PART_DESTROY, NULL) && errno != ENXIO &&
	    errno != ENODEV) {
		error = errno;
		complain("the partition cannot be taken back as a whole (%s): dmesg says why",
			 strerror(error));
		return -1;
	}
	forget_flag(partition, "given");
	return 0;
}

static int run_memory(struct partition *partition, struct unit *unit)
{
	struct vmm_refresh_part_memory args = {
		.size = sizeof(args),
		.hpa = unit->range.start,
		.bytes = unit->range.end - unit->range.start,
	};

	if (!device_call(partition->fd, VMM_REFRESH_PART_MEMORY, &args))
		return 0;
	complain("the memory %#llx-%#llx cannot be given (%s): dmesg says why",
		 (unsigned long long)unit->range.start, (unsigned long long)unit->range.end - 1,
		 strerror(errno));
	return -1;
}

static int run_cpu(struct partition *partition, struct unit *unit)
{
	struct vmm_refresh_part_cpu args = { .size = sizeof(args), .cpu = unit->number };

	if (!device_call(partition->fd, VMM_REFRESH_PART_CPU, &args))
		return 0;
	complain("CPU %u cannot be given (%s): dmesg says why", unit->number, strerror(errno));
	return -1;
}

static int run_load(struct partition *partition, struct unit *unit)
{
	struct vmm_refresh_segment segments[BOOT_MAX_SEGMENTS];
	struct vmm_refresh_part_load args = {
		.size = sizeof(args),
		.nr = partition->layout.nr_segments,
		.segments = (uintptr_t)segments,
	};
	size_t i;

	(void)unit;
	for (i = 0; i < args.nr; i++) {
		const struct boot_segment *segment = &partition->layout.segments[i];

		segments[i] = (struct vmm_refresh_segment){
			(uintptr_t)segment->data, segment->bytes, segment->hpa,
		};
	}
	if (!write_flag(partition, "given", true))
		return -1;
	if (!device_call(partition->fd, VMM_REFRESH_PART_LOAD, &args))
		return 0;
	complain("the second kernel cannot be loaded (%s): dmesg says why", strerror(errno));
	return -1;
}

static int run_start(struct partition *partition, struct unit *unit)
{
	(void)unit;
	partition->start.size = sizeof(partition->start);
	partition->start.rip = partition->layout.rip;
	partition->start.rsi = partition->layout.rsi;
	partition->start.cr3 = partition->layout.cr3;
	partition->start.gdt = partition->layout.gdt;
	if (!device_call(partition->fd, VMM_REFRESH_PART_START, &partition->start))
		return 0;
	complain("the second kernel cannot be started (%s): dmesg says why", strerror(errno));
	return -1;
}

static int undo_start(struct partition *partition, struct unit *unit)
{
	(void)unit;
	/* It may have ended meanwhile. */
	if (!device_call(partition->fd, VMM_REFRESH_PART_KILL, NULL) || errno == EBUSY)
		return 0;
	complain("the second kernel cannot be ended (%s): dmesg says why", strerror(errno));
	return -1;
}

/* ---- in the second kernel */

static int switch_cpu(const struct unit *unit, const char *to)
{
	autofree char *path = text_of(CPU_ONLINE, unit->number);

	if (!device_write(path, to))
		return 0;
	complain("CPU %u does not go %s (%s): dmesg says why", unit->number,
		 *to == '1' ? "online" : "offline", strerror(errno));
	return -1;
}

static int run_online(struct partition *partition, struct unit *unit)
{
	(void)partition;
	return switch_cpu(unit, "1");
}

static int undo_online(struct partition *partition, struct unit *unit)
{
	(void)partition;
	return switch_cpu(unit, "0");
}

static int run_functions(struct partition *partition, struct unit *unit)
{
	struct vmm_refresh_part_grow args = { .size = sizeof(args), .flags = VMM_REFRESH_GROW_PCI };

	(void)unit;
	if (!device_call(partition->fd, VMM_REFRESH_PART_GROW, &args))
		return 0;
	complain("the first kernel's PCI functions cannot be taken (%s): dmesg says why",
		 strerror(errno));
	return -1;
}

static int run_leave(struct partition *partition, struct unit *unit)
{
	(void)unit;
	if (!device_call(partition->fd, VMM_REFRESH_DEVIRTUALIZE, NULL))
		return 0;
	complain("the shim cannot be taken away (%s): dmesg says why", strerror(errno));
	return -1;
}

/* Without undo: goes back with the partition, or stays. */
static const struct {
	const char *name;
	int (*run)(struct partition *partition, struct unit *unit);
	int (*undo)(struct partition *partition, struct unit *unit);
} kinds[] = {
	[UNIT_SHIM] = { "shim", run_shim, undo_shim },
	[UNIT_UNBIND] = { "unbind", run_unbind, undo_unbind },
	[UNIT_BLOCK] = { "memory", run_block, undo_block },
	[UNIT_PARTITION] = { "partition", run_partition, undo_partition },
	[UNIT_FUNCTION] = { "device", run_function, NULL },
	[UNIT_MEMORY] = { "give", run_memory, NULL },
	[UNIT_CPU] = { "cpu", run_cpu, NULL },
	[UNIT_LOAD] = { "load", run_load, NULL },
	[UNIT_START] = { "start", run_start, undo_start },
	[UNIT_FUNCTIONS] = { "functions", run_functions, NULL },
	[UNIT_ONLINE] = { "online", run_online, undo_online },
	[UNIT_GROW] = { "grow", run_grow, NULL },
	[UNIT_LEAVE] = { "leave", run_leave, NULL },
};

/**
 * add_unit() - One more
 * @partition: what it belongs to
 * @kind: of it
 * @number: of the CPU or memory block, or 0
 *
 * Return: it, for its name, text and range to be set.
 */
struct unit *add_unit(struct partition *partition, enum unit_kind kind, unsigned int number)
{
	struct unit *units = realloc(partition->units,
				     (partition->nr_units + 1) * sizeof(*units)), *unit;

	if (!units)
		die(EXIT_UNKNOWN, "out of memory");
	partition->units = units;
	unit = &units[partition->nr_units++];
	*unit = (struct unit){ .kind = kind, .number = number };
	return unit;
}

static void set_state(struct unit *unit, enum step_state state)
{
	unit->state = state;
	if (opt_json)
		return;
	say(state == STEP_DONE ? GOOD : state == STEP_UNDONE ? WARN : BAD, "%-8s ",
	    step_word(state));
	say(PLAIN, "%s\n", unit->text);
	fflush(stdout);
}

static int undo_unit(struct partition *partition, struct unit *unit)
{
	int (*undo)(struct partition *partition, struct unit *unit) = kinds[unit->kind].undo;

	if (unit->state != STEP_DONE)
		return 0;
	if (undo && undo(partition, unit)) {
		set_state(unit, STEP_STUCK);
		return -1;
	}
	set_state(unit, STEP_UNDONE);
	return 0;
}

/* What stays to be undone does not depend on this one. */
static bool can_go_on(struct partition *partition, const struct unit *unit)
{
	if (unit->kind == UNIT_BLOCK || unit->kind == UNIT_UNBIND)
		return true;
	/* It is gone, though not all of its CPUs are online. */
	if (unit->kind != UNIT_PARTITION || partition_look(partition) ||
	    partition->status.state != VMM_REFRESH_PART_NONE)
		return false;
	forget_flag(partition, "given");
	return true;
}

/**
 * undo_units() - Undo what was done, the last first
 * @partition: of the units
 *
 * Memory whose owner is not known any more is left alone.
 *
 * Return: EXIT_FAILED, or EXIT_BROKEN after a message.
 */
int undo_units(struct partition *partition)
{
	bool broken = false;
	size_t i;

	for (i = partition->nr_units; i-- > 0;) {
		struct unit *unit = &partition->units[i];

		if (!undo_unit(partition, unit))
			continue;
		broken = true;
		if (!can_go_on(partition, unit))
			break;
	}
	if (partition->record && record_is_empty(partition->record))
		record_remove();
	return broken ? EXIT_BROKEN : EXIT_FAILED;
}

/**
 * run_units() - Do them all, or none
 * @partition: with its units
 *
 * Return: EXIT_OK, EXIT_FAILED or EXIT_BROKEN.
 */
int run_units(struct partition *partition)
{
	size_t i;

	/* A second one ends nothing either: what has been begun is undone first. */
	catch_signals(interrupt, 0);
	for (i = 0; i < partition->nr_units; i++) {
		struct unit *unit = &partition->units[i];

		if (interrupted) {
			complain("interrupted by signal %d", (int)interrupted);
			return undo_units(partition);
		}
		if (kinds[unit->kind].run(partition, unit)) {
			set_state(unit, STEP_FAILED);
			return undo_units(partition);
		}
		set_state(unit, STEP_DONE);
	}
	return EXIT_OK;
}

/* ---- report */

/**
 * step_word() - What has become of it, in a word
 * @state: of a step or unit
 *
 * Return: the word.
 */
const char *step_word(enum step_state state)
{
	static const char *const words[] = { "planned", "done", "failed", "undone", "stuck" };

	return words[state];
}

/**
 * put_units() - Add the units to a report, as "steps"
 * @report: the report
 * @partition: with the units
 */
void put_units(struct json_object *report, const struct partition *partition)
{
	struct json_object *steps = put_array(report, "steps"), *step;
	size_t i;

	for (i = 0; i < partition->nr_units; i++) {
		const struct unit *unit = &partition->units[i];

		step = append_object(steps);
		put_string(step, "unit", kinds[unit->kind].name);
		put_string(step, "name", unit->name);
		put_string(step, "text", unit->text);
		put_string(step, "state", step_word(unit->state));
	}
}

/**
 * print_refusals() - Each with its cure
 * @refusals: array of {id, text, cure}
 */
void print_refusals(struct json_object *refusals)
{
	size_t i;

	for (i = 0; i < length(refusals); i++) {
		say(BAD, "refused  ");
		say(PLAIN, "%s\n         -> %s\n", get_string(item(refusals, i), "text"),
		    get_string(item(refusals, i), "cure"));
	}
}
