// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl refresh give: all that can go passes to the second kernel while it runs, step by step.
 * That one takes it in nestctl refresh commit --wait.
 */
#include <string.h>
#include <unistd.h>

#include "boot.h"
#include "nestctl.h"

#define POLLS_PER_S	10

static struct {
	struct partition partition;
	struct snapshot snapshot;
	uint64_t memory;
	int cpus;
} give;

/* Each step is one that is done or not: what has been given before stays given. */
static bool do_units(void)
{
	struct partition *partition = &give.partition;
	int status = run_units(partition);

	units_free(partition);
	return status == EXIT_OK;
}

static void name_unit(struct unit *unit, char *name, char *text)
{
	unit->name = name;
	unit->text = text;
}

/* False: a signal has come. */
static bool pause_for(uint64_t bytes, uint64_t rate)
{
	uint64_t polls = rate ? bytes * POLLS_PER_S / rate : 0;

	for (; polls && !units_interrupted(); polls--)
		usleep(1000000 / POLLS_PER_S);
	return !units_interrupted();
}

static void put_range(uint64_t start, uint64_t end)
{
	struct json_object *range = append_object(get(give.partition.record, "ranges"));

	put_int(range, "start", start);
	put_int(range, "end", end);
	record_write(give.partition.record);
}

/* The last block first, as in a plan; one that does not go stays. */
static void give_memory(uint64_t rate)
{
	const struct snapshot *snapshot = &give.snapshot;
	uint64_t size = snapshot->block_size;
	size_t i;

	for (i = snapshot->nr_blocks; i-- > 0;) {
		unsigned long long start = snapshot->blocks[i].start;
		unsigned int number = start / size;
		struct unit *unit;

		if (!snapshot->blocks[i].online || !snapshot->blocks[i].movable)
			continue;
		name_unit(add_unit(&give.partition, UNIT_BLOCK, number),
			  text_of("memory%u", number),
			  text_of("offline %#llx-%#llx", start, start + size - 1));
		unit = add_unit(&give.partition, UNIT_MEMORY, 0);
		unit->range = (struct range){ start, start + size };
		name_unit(unit, text_of("%#llx", start),
			  text_of("give %#llx-%#llx", start, start + size - 1));
		if (do_units()) {
			put_range(start, start + size);
			give.memory += size;
		}
		if (!pause_for(size, rate))
			return;
	}
}

static bool is_ours(const struct plan_cpu *cpu)
{
	const struct snapshot *snapshot = &give.snapshot;
	size_t i;

	for (i = 0; i < snapshot->nr_cpus; i++)
		if (!snapshot->cpus[i].number && snapshot->cpus[i].core == cpu->core &&
		    snapshot->cpus[i].package == cpu->package)
			return true;
	return !cpu->online || !cpu->removable;
}

/* Else a second kernel that is started again would be told of one that it has not got. */
static void forget_last_cpu(void)
{
	struct json_object *cpus = get(give.partition.record, "cpus");

	json_object_array_del_idx(cpus, length(cpus) - 1, 1);
	record_write(give.partition.record);
}

/* All but the boot CPU's core. */
static void give_cpus(void)
{
	const struct snapshot *snapshot = &give.snapshot;
	size_t i;

	for (i = snapshot->nr_cpus; i-- > 0 && !units_interrupted();) {
		const struct plan_cpu *cpu = &snapshot->cpus[i];

		if (is_ours(cpu))
			continue;
		json_object_array_add(get(give.partition.record, "cpus"),
				      json_object_new_int64(cpu->number));
		if (!record_write(give.partition.record)) {
			name_unit(add_unit(&give.partition, UNIT_CPU, cpu->number),
				  text_of("cpu%d", cpu->number),
				  text_of("give CPU %d", cpu->number));
			if (do_units()) {
				give.cpus++;
				continue;
			}
		}
		forget_last_cpu();
	}
}

static void print_give(struct json_object *report)
{
	say(GOOD, "given");
	say(PLAIN, ": %lld CPU(s), %lld MiB\n", (long long)get_int(report, "cpus"),
	    (long long)get_int(report, "memory") >> 20);
}

/**
 * refresh_give() - nestctl refresh give
 * @request: rate and order
 *
 * Return: an exit status.
 */
int refresh_give(const struct request *request)
{
	struct json_object *report = new_report("nestctl-refresh-give-1");
	bool broken;

	partition_open(&give.partition);
	if (!part_runs())
		die(EXIT_REFUSED, "no second kernel runs: see nestctl refresh status");
	record_lock();
	give.partition.record = record_read(&broken);
	if (!give.partition.record)
		die(EXIT_UNKNOWN, "/run/nestctl/partition.json cannot be read, which says what was taken");
	read_snapshot(&give.snapshot, request);
	if (request->cpus_first)
		give_cpus();
	give_memory(request->rate);
	if (!request->cpus_first)
		give_cpus();
	put_int(report, "cpus", give.cpus);
	put_int(report, "memory", give.memory);
	snapshot_free(&give.snapshot);
	partition_close(&give.partition);
	return finish(report, print_give, EXIT_OK);
}
