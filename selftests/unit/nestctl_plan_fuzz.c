// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: the plan of a partition from a snapshot with odd values and missing parts.
 * A plan is steps or refusals, and its steps leave both kernels what they cannot do without.
 */
#include "part_fuzz.h"
#include "../../tools/nestctl/nestctl.h"
#include "../../tools/nestctl/plan.h"

static int64_t odd(struct input *input, int64_t sensible)
{
	static const int64_t values[] = {
		0, 1, -1, 7, INT32_MAX, INT64_MAX, INT64_MIN, 1ll << 32, 1ll << 52, 4095,
	};
	uint8_t how = take8(input);

	return how < 240 ? sensible : values[how % ARRAY_SIZE(values)];
}

/* Sometimes it is not there, sometimes of the wrong kind. */
static void add(struct input *input, struct json_object *object, const char *key,
		struct json_object *value)
{
	uint8_t how = take8(input);

	if (how == 255) {
		json_object_put(value);
		return;
	}
	if (how == 254) {
		json_object_put(value);
		value = json_object_new_string("\x1b[31mtext");
	}
	json_object_object_add(object, key, value);
}

static void add_int(struct input *input, struct json_object *object, const char *key, int64_t value)
{
	add(input, object, key, json_object_new_int64(odd(input, value)));
}

static void add_bool(struct input *input, struct json_object *object, const char *key, bool value)
{
	add(input, object, key, json_object_new_boolean(value));
}

/* A text, or null. */
static void add_text(struct input *input, struct json_object *object, const char *key,
		     const char *text)
{
	add(input, object, key, take8(input) & 1 ? json_object_new_string(text) : NULL);
}

static struct json_object *cpus(struct input *input)
{
	struct json_object *array = json_object_new_array(), *cpu;
	uint8_t nr = take8(input) % 6, smt = take8(input) & 1, i;

	for (i = 0; i < nr; i++) {
		uint8_t how = take8(input);

		cpu = json_object_new_object();
		add_int(input, cpu, "number", i);
		add_int(input, cpu, "package", how >> 4 & 1);
		add_int(input, cpu, "core", i >> smt);
		add_int(input, cpu, "node", how >> 5 & 1);
		add_bool(input, cpu, "online", how & 7);
		add_bool(input, cpu, "removable", i);
		add_text(input, cpu, "tick", how & 8 ? "hpet" : "lapic-deadline");
		json_object_array_add(array, cpu);
	}
	return array;
}

static struct json_object *memory(struct input *input)
{
	struct json_object *object = json_object_new_object(), *array = json_object_new_array();
	int64_t size = 128ll << 20, hole = take8(input) & 31;
	uint8_t nr = take8(input) & 63, i;
	struct json_object *block;

	for (i = 0; i < nr; i++) {
		uint8_t how = take8(input);

		block = json_object_new_object();
		add_int(input, block, "start", (i + (i > hole ? 8 : 0)) * size);
		add_int(input, block, "node", how >> 6 & 1);
		add_bool(input, block, "online", how & 15);
		add_bool(input, block, "movable", how & 48);
		if (how & 128)
			add_bool(input, block, "whole", how & 64);
			add_bool(input, block, "pinned", !(take8(input) & 7));
		json_object_array_add(array, block);
	}
	add_int(input, object, "total", nr * size);
	add_int(input, object, "available", nr * size - take8(input) * size / 16);
	add_int(input, object, "end", (nr + 8) * size);
	add_int(input, object, "block_size", size);
	add(input, object, "blocks", array);
	return object;
}

static struct json_object *devices(struct input *input)
{
	struct json_object *array = json_object_new_array(), *device;
	uint8_t nr = take8(input) & 3, i;

	for (i = 0; i < nr; i++) {
		char address[] = "0000:00:04.0";

		address[9] += i;
		device = json_object_new_object();
		add(input, device, "address", json_object_new_string(address));
		add_text(input, device, "driver", "e1000");
		add_text(input, device, "use", "eth0");
		json_object_array_add(array, device);
	}
	return array;
}

static struct json_object *machine(struct input *input)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "schema", json_object_new_string("nestctl-snapshot-1"));
	add(input, object, "cpus", cpus(input));
	add(input, object, "memory", memory(input));
	add(input, object, "devices", devices(input));
	add_int(input, object, "vm_bytes", (int64_t)take8(input) << 24);
	add_text(input, object, "broadcast", "hpet");
	add_bool(input, object, "arat", take8(input) & 1);
	add_bool(input, object, "remapping", take8(input) & 1);
	return object;
}

static void check_cpus(const struct snapshot *snapshot)
{
	size_t i, k, left = 0, given = 0;

	for (i = 0; i < snapshot->nr_cpus; i++) {
		const struct plan_cpu *cpu = &snapshot->cpus[i], *other;

		left += cpu->online && !cpu->chosen;
		given += cpu->chosen;
		must(!cpu->chosen || (cpu->online && cpu->removable && cpu->number),
		     "a CPU that can go");
		for (k = 0; cpu->chosen && k < snapshot->nr_cpus; k++) {
			other = &snapshot->cpus[k];
			must(other->chosen || !other->online || cpu->core != other->core ||
			     cpu->package != other->package, "whole cores");
		}
	}
	must(left && given, "a CPU for each kernel");
}

static void check_memory(const struct snapshot *snapshot)
{
	uint64_t bytes = 0;
	size_t i;

	for (i = 0; i < snapshot->nr_blocks; i++) {
		const struct plan_block *block = &snapshot->blocks[i];

		bytes += block->chosen ? snapshot->block_size : 0;
		must(!block->chosen || (block->online && block->movable && block->whole),
		     "memory that can go");
		must(!block->chosen || !block->pinned, "memory without pages of the boot");
	}
	must(bytes && bytes < snapshot->total, "memory for each kernel");
}

static void check_plan(const struct snapshot *snapshot, const struct plan *plan)
{
	size_t i;

	must(length(plan->steps) || length(plan->refusals), "steps, or why there are none");
	must(!length(plan->steps) || !length(plan->refusals), "no steps where something is refused");
	for (i = 0; i < length(plan->refusals); i++)
		must(get_string(item(plan->refusals, i), "id") &&
		     get_string(item(plan->refusals, i), "text") &&
		     get_string(item(plan->refusals, i), "cure"), "cause and cure");
	if (length(plan->refusals))
		return;
	check_cpus(snapshot);
	check_memory(snapshot);
}

int fuzz_one_input(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct json_object *object = machine(&input);
	int numbers[2] = { take8(&input) % 8, take8(&input) % 8 };
	char address[] = "0000:00:04.0", *addresses[] = { address };
	struct wishes wishes = {
		.cpus = numbers, .nr_cpus = take8(&input) % 3, .devices = addresses,
		.nr_devices = take8(&input) & 1, .memory = (uint64_t)take8(&input) << 26,
		.kernel = (uint64_t)take8(&input) << 20, .initrd = (uint64_t)take8(&input) << 20,
		.last_page = take8(&input) & 1,
	};
	struct snapshot snapshot;
	struct plan plan = { };

	if (!snapshot_parse(&snapshot, object)) {
		plan_make(&plan, &snapshot, &wishes);
		check_plan(&snapshot, &plan);
		json_object_put(plan.steps);
		json_object_put(plan.refusals);
	}
	snapshot_free(&snapshot);
	json_object_put(object);
	return 0;
}
