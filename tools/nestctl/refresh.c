// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl refresh: a second kernel on a part of the machine.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "nestctl.h"
#include "plan.h"

#define MAX_CPUS	4096
#define MAX_DEVICES	64

/* Of a bzImage: "HdrS", version, and the memory that it takes when it starts. */
#define SETUP_MAGIC	0x202
#define SETUP_VERSION	0x206
#define SETUP_INIT_SIZE	0x260

enum { KEY_CPUS = 0x400, KEY_MEMORY, KEY_DEVICE, KEY_KERNEL, KEY_INITRD, KEY_SNAPSHOT, KEY_TAKE };

struct request {
	struct wishes wishes;
	int cpus[MAX_CPUS];
	char *devices[MAX_DEVICES];
	const char *kernel, *initrd, *snapshot;
	bool plan, take;
};

static const struct argp_option options[] = {
	{ "cpus", KEY_CPUS, "LIST", 0, "CPUs to give, as in 2-3,6 (default: the last core)", 0 },
	{ "memory", KEY_MEMORY, "SIZE", 0,
	  "memory to give, as in 2G or 512M (default: 10 % of RAM)", 0 },
	{ "device", KEY_DEVICE, "ADDRESS", 0, "a PCI function to give, as in 0000:00:04.0", 0 },
	{ "kernel", KEY_KERNEL, "FILE", 0, "the second kernel (default: the one that runs)", 0 },
	{ "initrd", KEY_INITRD, "FILE", 0, "its initrd (default: that of the one that runs)", 0 },
	{ "take-snapshot", KEY_TAKE, NULL, 0, "only print what a plan is made of", 0 },
	{ "snapshot", KEY_SNAPSHOT, "FILE", 0, "plan for the machine of this snapshot", 0 },
	{ 0 }
};

static void parse_cpus(struct request *request, const char *arg, struct argp_state *state)
{
	struct wishes *wishes = &request->wishes;
	const char *rest = arg;
	unsigned int first, last;
	int n;

	for (;; rest += n + 1) {
		if (sscanf(rest, "%4u-%4u%n", &first, &last, &n) != 2) {
			if (sscanf(rest, "%4u%n", &first, &n) != 1)
				break;
			last = first;
		}
		if (first > last || last - first >= MAX_CPUS - wishes->nr_cpus)
			break;
		while (first <= last)
			request->cpus[wishes->nr_cpus++] = first++;
		if (!rest[n]) {
			wishes->cpus = request->cpus;
			return;
		}
		if (rest[n] != ',')
			break;
	}
	argp_error(state, "'%s' is no list of CPUs", arg);
}

static void parse_memory(struct request *request, const char *arg, struct argp_state *state)
{
	char *end;
	unsigned long long number = strtoull(arg, &end, 10);
	int shift = *end == 'G' ? 30 : *end == 'M' ? 20 : 0;

	if (*arg < '0' || *arg > '9' || !shift || end[1] || !number || number >> (62 - shift))
		argp_error(state, "'%s' is no size: write it as 2G or 512M", arg);
	request->wishes.memory = number << shift;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	struct wishes *wishes = &request->wishes;

	switch (key) {
	case KEY_CPUS:
		parse_cpus(request, arg, state);
		return 0;
	case KEY_MEMORY:
		parse_memory(request, arg, state);
		return 0;
	case KEY_DEVICE:
		if (wishes->nr_devices == MAX_DEVICES)
			argp_error(state, "at most %d devices", MAX_DEVICES);
		request->devices[wishes->nr_devices++] = arg;
		wishes->devices = request->devices;
		return 0;
	case KEY_KERNEL:
		request->kernel = arg;
		return 0;
	case KEY_INITRD:
		request->initrd = arg;
		return 0;
	case KEY_TAKE:
		request->take = true;
		return 0;
	case KEY_SNAPSHOT:
		request->snapshot = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (request->plan || strcmp(arg, "plan"))
			argp_error(state, "'%s' is unexpected: plan", arg);
		request->plan = true;
		return 0;
	case ARGP_KEY_END:
		if (!request->plan)
			argp_error(state, "what about a second kernel: plan");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };

static const struct argp refresh_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "plan",
	.doc = "Plan a part of this machine for a second kernel: CPUs, memory and PCI functions, in the "
	       "order in which they would be given, or each reason against it with its cure.  Nothing is "
	       "changed.\v"
	       "A plan is made of a snapshot of the machine and of the options, and of nothing else: "
	       "--take-snapshot prints one, --snapshot plans with one of another machine.",
	.children = children,
};

/* ---- kernel and initrd */

static uint64_t kernel_bytes(const char *path)
{
	autofree char *image = NULL;
	uint32_t magic, init_size;
	uint16_t version;
	size_t size;

	image = read_data(&size, "%s", path);
	if (!image)
		die(EXIT_UNKNOWN, "kernel %s cannot be read (%s): name another with --kernel", path,
		    strerror(errno));
	if (size < SETUP_INIT_SIZE + sizeof(init_size))
		die(EXIT_REFUSED, "%s is no bzImage: name another with --kernel", path);
	memcpy(&magic, image + SETUP_MAGIC, sizeof(magic));
	memcpy(&version, image + SETUP_VERSION, sizeof(version));
	memcpy(&init_size, image + SETUP_INIT_SIZE, sizeof(init_size));
	if (magic != 0x53726448 || version < 0x20c)
		die(EXIT_REFUSED, "%s is no bzImage that starts in 64-bit mode: name another with --kernel",
		    path);
	return init_size > size ? init_size : size;
}

static uint64_t initrd_bytes(const char *path)
{
	autofree char *image = NULL;
	size_t size;

	image = read_data(&size, "%s", path);
	if (!image)
		die(EXIT_UNKNOWN, "initrd %s cannot be read (%s): name another with --initrd", path,
		    strerror(errno));
	return size;
}

static void read_files(struct request *request)
{
	autofree char *release = kernel_release();
	autofree char *kernel = text_of("/boot/vmlinuz-%s", release);
	autofree char *initrd = text_of("/boot/initrd.img-%s", release);

	request->wishes.kernel = kernel_bytes(request->kernel ?: kernel);
	request->wishes.initrd = initrd_bytes(request->initrd ?: initrd);
}

/* ---- the plan */

static void print_plan(struct json_object *report)
{
	struct json_object *steps = get(report, "steps"), *refusals = get(report, "refusals");
	size_t i;

	for (i = 0; i < length(refusals); i++) {
		say(BAD, "refused  ");
		say(PLAIN, "%s\n         -> %s\n", get_string(item(refusals, i), "text"),
		    get_string(item(refusals, i), "cure"));
	}
	for (i = 0; i < length(steps); i++) {
		say(BOLD, "%3zu %-7s ", i + 1, get_string(item(steps, i), "unit"));
		say(PLAIN, "%s", get_string(item(steps, i), "text"));
		say(DIM, " (undo: %s)\n", get_string(item(steps, i), "undo"));
	}
	if (!length(steps))
		return;
	say(GOOD, "%lld CPU(s) and %lld MiB for the second kernel\n",
	    (long long)get_int(report, "cpus"), (long long)get_int(report, "memory") >> 20);
	if (get_int(report, "lost"))
		say(WARN, "%lld KiB at the end of RAM, in a memory block that is not all RAM, it never sees\n",
		    (long long)get_int(report, "lost") >> 10);
}

static struct json_object *make_report(struct snapshot *snapshot, const struct wishes *wishes)
{
	struct json_object *report = new_report("nestctl-refresh-plan-1");
	int64_t cpus = 0, memory = 0;
	struct plan plan;
	size_t i;

	plan_make(&plan, snapshot, wishes);
	for (i = 0; i < snapshot->nr_cpus; i++)
		cpus += snapshot->cpus[i].chosen;
	for (i = 0; i < snapshot->nr_blocks; i++)
		memory += snapshot->blocks[i].chosen ? snapshot->block_size : 0;
	put_int(report, "cpus", cpus);
	put_int(report, "memory", memory);
	put_int(report, "lost", plan.lost);
	json_object_object_add(report, "steps", plan.steps);
	json_object_object_add(report, "refusals", plan.refusals);
	return report;
}

static struct json_object *get_snapshot(const struct request *request)
{
	struct json_object *object;

	if (!request->snapshot)
		return snapshot_take();
	object = json_object_from_file(request->snapshot);
	if (!object)
		die(EXIT_UNKNOWN, "snapshot %s cannot be read, or is no JSON", request->snapshot);
	return object;
}

static void print_nothing(struct json_object *report)
{
	(void)report;
}

static int refresh(int argc, char **argv)
{
	static struct request request;
	struct snapshot snapshot;
	struct json_object *object, *report;
	const char *bad;
	bool refused;

	command_parse(&refresh_command, argc, argv, &request);
	object = get_snapshot(&request);
	if (request.take) {
		opt_json = true;
		return finish(object, print_nothing, EXIT_OK);
	}
	bad = snapshot_parse(&snapshot, object);
	if (bad)
		die(EXIT_UNKNOWN, "the snapshot has no usable '%s': %s", bad, request.snapshot ?
		    "take it anew with --take-snapshot" : "ask as root, with /proc and /sys mounted");
	read_files(&request);
	report = make_report(&snapshot, &request.wishes);
	snapshot_free(&snapshot);
	json_object_put(object);
	refused = length(get(report, "refusals"));
	return finish(report, print_plan, refused ? EXIT_REFUSED : EXIT_OK);
}

const struct command refresh_command = {
	.name = "refresh",
	.argp = &refresh_argp,
	.words = "plan\n",
	.run = refresh,
};
