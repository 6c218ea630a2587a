// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl refresh: a second kernel on a part of the machine.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "boot.h"
#include "disks.h"
#include "nestctl.h"
#include "plan.h"
#include "run.h"

#define MAX_CPUS	4096
#define MAX_DEVICES	64
#define NR_PORTS	0x10000u
#define NR_PINS		240u
#define MAX_WAIT	1000000
/* Of a libvirtd that runs, or will be started for whoever connects to it. */
#define LIBVIRT_RUNS	"/run/libvirt"

enum {
	KEY_CPUS = 0x400, KEY_MEMORY, KEY_DEVICE, KEY_KERNEL, KEY_INITRD, KEY_APPEND, KEY_SERIAL,
	KEY_NO_LINK, KEY_DUMP, KEY_SNAPSHOT, KEY_TAKE, KEY_WAIT, KEY_MOVABLE,
	KEY_RATE, KEY_ORDER, KEY_WITH_VMS,
};

static int refresh_plan(const struct request *request);

static const struct verb {
	const char *name;
	int (*run)(const struct request *request);
} verbs[] = {
	{ "plan", refresh_plan },
	{ "boot", refresh_boot },
	{ "status", refresh_status },
	{ "kill", refresh_kill },
	{ "undo", refresh_undo },
	{ "commit", refresh_commit },
	{ "give", refresh_give },
};

struct arguments {
	struct request request;
	const struct verb *verb;
	const char *option;		/* one that only plan and boot have */
	const char *boot_option;	/* one that only boot has */
	int cpus[MAX_CPUS];
	char *devices[MAX_DEVICES];
};

static const struct argp_option options[] = {
	{ "cpus", KEY_CPUS, "LIST", 0, "CPUs to give, as in 2-3,6 (default: the last core)", 0 },
	{ "memory", KEY_MEMORY, "SIZE", 0,
	  "memory to give, as in 2G or 512M (default: 10 % of RAM)", 0 },
	{ "device", KEY_DEVICE, "ADDRESS", 0, "a PCI function to give, as in 0000:00:04.0", 0 },
	{ "kernel", KEY_KERNEL, "FILE", 0, "the second kernel (default: the one that runs)", 0 },
	{ "initrd", KEY_INITRD, "FILE", 0, "its initrd (default: that of the one that runs)", 0 },
	{ "append", KEY_APPEND, "TEXT", 0, "boot: more for its command line", 0 },
	{ "serial", KEY_SERIAL, "PORT,PIN", 0,
	  "boot: give a serial port, as in 0x2f8,3: its I/O port and its pin of the I/O APIC", 0 },
	{ "no-link", KEY_NO_LINK, NULL, 0,
	  "boot: make no network between the kernels (vmlink0)", 0 },
	{ "dry-run", 'n', NULL, 0,
	  "boot, commit: do every check, print the steps, change nothing", 0 },
	{ "wait", KEY_WAIT, "SECONDS", 0,
	  "commit: wait so long for the end of the first kernel", 0 },
	{ "movable", KEY_MOVABLE, "SIZE", 0,
	  "commit: have so much movable memory, which can be given to the next kernel "
	  "(default: as much as this one had when it booted; 0: none)", 0 },
	{ "rate", KEY_RATE, "SIZE", 0,
	  "give: so much memory in a second, as in 256M (default: as fast as it goes)", 0 },
	{ "order", KEY_ORDER, "memory,cpus|cpus,memory", 0,
	  "give: what first (default: memory,cpus)", 0 },
	{ "with-vms", KEY_WITH_VMS, NULL, 0,
	  "undo: also if VMs of this kernel are there, which end with it", 0 },
	{ "dump", KEY_DUMP, "DIR", OPTION_HIDDEN, "write what would be loaded to DIR", 0 },
	{ "take-snapshot", KEY_TAKE, NULL, 0, "plan: only print what a plan is made of", 0 },
	{ "snapshot", KEY_SNAPSHOT, "FILE", 0, "plan for the machine of this snapshot", 0 },
	{ 0 }
};

static void parse_cpus(struct arguments *arguments, const char *arg, struct argp_state *state)
{
	struct wishes *wishes = &arguments->request.wishes;
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
			arguments->cpus[wishes->nr_cpus++] = first++;
		if (!rest[n]) {
			wishes->cpus = arguments->cpus;
			return;
		}
		if (rest[n] != ',')
			break;
	}
	argp_error(state, "'%s' is no list of CPUs", arg);
}

static uint64_t parse_size(const char *arg, struct argp_state *state)
{
	char *end;
	unsigned long long number = strtoull(arg, &end, 10);
	int shift = *end == 'G' ? 30 : *end == 'M' ? 20 : 0;

	if (*arg < '0' || *arg > '9' || !shift || end[1] || !number || number >> (62 - shift))
		argp_error(state, "'%s' is no size: write it as 2G or 512M", arg);
	return number << shift;
}

static void parse_serial(struct request *request, const char *arg, struct argp_state *state)
{
	char *end;
	unsigned long port = strtoul(arg, &end, 0), pin = NR_PINS;

	if (*arg >= '0' && *arg <= '9' && *end == ',' && end[1] >= '0' && end[1] <= '9')
		pin = strtoul(end + 1, &end, 0);
	if (*end || !port || port > NR_PORTS - 8 || port % 8 || pin >= NR_PINS)
		argp_error(state, "'%s' is no serial port: write it as 0x2f8,3", arg);
	request->serial = port;
	request->serial_pin = pin;
}

static void parse_device(struct arguments *arguments, char *arg, struct argp_state *state)
{
	struct wishes *wishes = &arguments->request.wishes;

	if (wishes->nr_devices == MAX_DEVICES)
		argp_error(state, "at most %d devices", MAX_DEVICES);
	arguments->devices[wishes->nr_devices++] = arg;
	wishes->devices = arguments->devices;
}

static void parse_verb(struct arguments *arguments, const char *arg, struct argp_state *state)
{
	const struct verb *verb = NULL;
	size_t i;

	for (i = 0; !arguments->verb && i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(arg, verbs[i].name))
			verb = &verbs[i];
	if (verb)
		arguments->verb = verb;
	else
		argp_error(state, "'%s' is unexpected: plan, boot, status, kill, undo, give, commit or run",
			   arg);
}

static void check_options(const struct arguments *arguments, struct argp_state *state)
{
	const struct verb *verb = arguments->verb;
	const struct request *request = &arguments->request;
	bool plan, boot, commit;

	if (!verb) {
		argp_error(state, "what about a second kernel: plan, boot, status, kill, undo, give, commit or run");
		return;
	}
	plan = verb->run == refresh_plan;
	boot = verb->run == refresh_boot;
	commit = verb->run == refresh_commit;
	if (request->dry && !boot && !commit)
		argp_error(state, "--dry-run is for boot and commit");
	if (request->wait && !commit)
		argp_error(state, "--wait is for commit");
	if (request->movable >= 0 && !commit)
		argp_error(state, "--movable is for commit");
	if (request->with_vms && verb->run != refresh_undo)
		argp_error(state, "--with-vms is for undo");
	if ((request->rate || request->cpus_first) && verb->run != refresh_give)
		argp_error(state, "--rate and --order are for give");
	if (arguments->boot_option && !boot)
		argp_error(state, "--%s is for boot", arguments->boot_option);
	if (arguments->option && !plan && !boot)
		argp_error(state, "--%s is for plan and boot", arguments->option);
	if (request->take && !plan)
		argp_error(state, "--take-snapshot is for plan");
	if (request->snapshot && boot && !request->dry)
		argp_error(state, "--snapshot is for plan and for --dry-run");
	if (request->dump && !request->dry)
		argp_error(state, "--dump is for --dry-run");
}

static const char *option_name(int key)
{
	const struct argp_option *option = options;

	while (option->key != key)
		option++;
	return option->name;
}

static error_t parse_boot(int key, char *arg, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	struct request *request = &arguments->request;

	switch (key) {
	case KEY_APPEND:
		request->append = arg;
		break;
	case KEY_SERIAL:
		parse_serial(request, arg, state);
		break;
	case KEY_NO_LINK:
		request->no_link = true;
		break;
	case KEY_DUMP:
		request->dump = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	arguments->boot_option = option_name(key);
	return 0;
}

static error_t parse_plan(int key, char *arg, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	struct request *request = &arguments->request;

	switch (key) {
	case KEY_CPUS:
		parse_cpus(arguments, arg, state);
		break;
	case KEY_MEMORY:
		request->wishes.memory = parse_size(arg, state);
		break;
	case KEY_DEVICE:
		parse_device(arguments, arg, state);
		break;
	case KEY_KERNEL:
		request->kernel_file = arg;
		break;
	case KEY_INITRD:
		request->initrd_file = arg;
		break;
	case KEY_TAKE:
		request->take = true;
		break;
	case KEY_SNAPSHOT:
		request->snapshot = arg;
		break;
	default:
		return parse_boot(key, arg, state);
	}
	arguments->option = option_name(key);
	return 0;
}

static void parse_wait(struct request *request, const char *arg, struct argp_state *state)
{
	char *end;
	unsigned long seconds = strtoul(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end || seconds > MAX_WAIT)
		argp_error(state, "'%s' is no number of seconds", arg);
	request->wait = seconds;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case 'n':
		arguments->request.dry = true;
		return 0;
	case KEY_WAIT:
		parse_wait(&arguments->request, arg, state);
		return 0;
	case KEY_RATE:
		arguments->request.rate = parse_size(arg, state);
		return 0;
	case KEY_ORDER:
		if (strcmp(arg, "memory,cpus") && strcmp(arg, "cpus,memory"))
			argp_error(state, "--order: '%s' is neither memory,cpus nor cpus,memory",
				   arg);
		arguments->request.cpus_first = *arg == 'c';
		return 0;
	case KEY_WITH_VMS:
		arguments->request.with_vms = true;
		return 0;
	case KEY_MOVABLE:
		arguments->request.movable = strcmp(arg, "0") ? parse_size(arg, state) : 0;
		return 0;
	case ARGP_KEY_ARG:
		parse_verb(state->input, arg, state);
		return 0;
	case ARGP_KEY_END:
		check_options(state->input, state);
		return 0;
	}
	return parse_plan(key, arg, state);
}

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };

static const struct argp refresh_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "plan|boot|status|kill|undo|give|commit\nrun|resume|abort",
	.doc = "A second kernel on a part of this machine, beside this one, or in its place.\n\n"
	       "plan: CPUs, memory and PCI functions in the order in which they would be given, or each "
	       "reason against it with its cure.  Nothing is changed.\n"
	       "boot: do it, and start the kernel; if a step fails, those before are undone, the last "
	       "first.  If there is one that has ended, it is started again with what it has.\n"
	       "status: whether it runs, why it ended, what it has and did.\n"
	       "kill: end it at once, and the VMs that are there.\n"
	       "undo: end it, and give all back that boot has taken; not while VMs are there that have moved from "
	       "here.\n"
	       "give: to the second kernel that runs, memory and CPUs in steps, until one core and what cannot go is "
	       "left; that kernel takes them while it waits in commit.\n"
	       "commit: in the second kernel, when the first one has ended: take the rest of the machine, "
	       "and the shim away.\n\n"
	       "run, resume, abort: all of it in order, with the VMs of this kernel (nestctl refresh run "
	       "--help).\v"
	       "The second kernel's command line is maxcpus=N cpuhp.parallel=0, for a serial port of a PC "
	       "console=ttySN,115200, and the text of --append.  That port is the second kernel's, and this one is "
	       "denied it: its console is to be seen at the other end of the line (a BMC's serial over LAN), and "
	       "a shell of it over vmlink0, once it has an address and sshd.\n\n"
	       "A plan is made of a snapshot of the machine and of the options, and of nothing else: "
	       "--take-snapshot prints one, --snapshot plans with one of another machine.",
	.children = children,
};

/* ---- kernel and initrd */

/**
 * read_kernel() - Read the second kernel; ends the program if it is none
 * @image: filled in
 * @request: says which
 *
 * Return: the file, to be freed.
 */
char *read_kernel(struct bzimage *image, const struct request *request)
{
	autofree char *release = kernel_release();
	autofree char *otherwise = text_of("/boot/vmlinuz-%s", release);
	const char *path = request->kernel_file ?: otherwise, *bad;
	char *data;
	size_t size;

	data = read_data(&size, "%s", path);
	if (!data)
		die(EXIT_UNKNOWN, "kernel %s cannot be read (%s): name another with --kernel", path,
		    strerror(errno));
	bad = bzimage_parse(image, data, size);
	if (bad)
		die(EXIT_REFUSED, "%s %s: name another with --kernel", path, bad);
	return data;
}

/**
 * read_initrd() - Read its initrd; ends the program if it cannot
 * @size: bytes of it
 * @request: says which
 *
 * Return: the file, to be freed.
 */
char *read_initrd(size_t *size, const struct request *request)
{
	autofree char *release = kernel_release();
	autofree char *otherwise = text_of("/boot/initrd.img-%s", release);
	const char *path = request->initrd_file ?: otherwise;
	char *data = read_data(size, "%s", path);

	if (!data)
		die(EXIT_UNKNOWN, "initrd %s cannot be read (%s): name another with --initrd", path,
		    strerror(errno));
	return data;
}

/* ---- the plan */

/* Disks of VMs are no part of a snapshot: a VM that cannot move may be shut down. */
static void add_disks(struct json_object *report)
{
	struct json_object *disks = put_array(report, "disks");
	size_t i;

	disks_report(disks);
	for (i = 0; i < length(disks); i++) {
		struct json_object *entry = item(disks, i), *refusal;
		const char *why = get_string(entry, "why");
		autofree char *text = NULL;

		if (!why)
			continue;
		text = text_of("disk %s of VM '%s' (%s) cannot move",
			       get_string(entry, "target") ?: "?", get_string(entry, "domain"),
			       get_string(entry, "source") ?: "empty");
		refusal = append_object(get(report, "refusals"));
		put_string(refusal, "id", "disk");
		put_string(refusal, "text", text);
		put_string(refusal, "cure", why);
	}
}

static void print_disks(struct json_object *disks)
{
	size_t i;

	for (i = 0; i < length(disks); i++) {
		struct json_object *entry = item(disks, i);
		const char *kind = get_string(entry, "kind");

		if (strcmp(kind, "refused"))
			say(PLAIN, "    disk %s of VM '%s': %s, %s\n",
			    get_string(entry, "target") ?: "?", get_string(entry, "domain"),
			    get_string(entry, "source") ?: "empty", !strcmp(kind, "shared") ?
			    "nothing is to be done" :
			    "served over the link until the other kernel has the device");
	}
}

static void print_plan(struct json_object *report)
{
	struct json_object *steps = get(report, "steps");
	size_t i;

	print_refusals(get(report, "refusals"));
	print_disks(get(report, "disks"));
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

/**
 * read_snapshot() - The machine to plan for; ends the program if that cannot be told
 * @snapshot: filled in, for snapshot_free()
 * @request: says which
 */
void read_snapshot(struct snapshot *snapshot, const struct request *request)
{
	struct json_object *object = get_snapshot(request);
	const char *bad = snapshot_parse(snapshot, object);

	if (bad)
		die(EXIT_UNKNOWN, "the snapshot has no usable '%s': %s", bad, request->snapshot ?
		    "take it anew with --take-snapshot" : "ask as root, with /proc and /sys mounted");
	json_object_put(object);
}

static void print_nothing(struct json_object *report)
{
	(void)report;
}

static int refresh_plan(const struct request *request)
{
	struct wishes wishes = request->wishes;
	autofree char *kernel = NULL;
	autofree char *initrd = NULL;
	struct snapshot snapshot;
	struct json_object *report;
	struct bzimage image;
	size_t initrd_size;

	if (request->take) {
		opt_json = true;
		return finish(get_snapshot(request), print_nothing, EXIT_OK);
	}
	read_snapshot(&snapshot, request);
	kernel = read_kernel(&image, request);
	initrd = read_initrd(&initrd_size, request);
	wishes.kernel = image.init_size;
	wishes.initrd = initrd_size;
	wishes.last_page = image.physical;
	report = make_report(&snapshot, &wishes);
	snapshot_free(&snapshot);
	if (!request->snapshot && exists(LIBVIRT_RUNS))
		add_disks(report);
	return finish(report, print_plan,
		      length(get(report, "refusals")) ? EXIT_REFUSED : EXIT_OK);
}

static int refresh(int argc, char **argv)
{
	static struct arguments arguments = { .request = { .movable = -1 } };

	if (argc > 1 && (!strcmp(argv[1], "run") || !strcmp(argv[1], "resume") ||
			 !strcmp(argv[1], "abort")))
		return refresh_run(argc - 1, argv + 1);
	command_parse(&refresh_command, argc, argv, &arguments);
	return arguments.verb->run(&arguments.request);
}

const struct command refresh_command = {
	.name = "refresh",
	.argp = &refresh_argp,
	.more = &refresh_run_argp,
	.words = "plan\nboot\nstatus\nkill\nundo\ngive\ncommit\nrun\nresume\nabort\n",
	.run = refresh,
};
