// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl disk: disks of VMs that only one kernel has.
 */
#include <string.h>

#include "boot.h"
#include "disks.h"
#include "nestctl.h"

#define KEY_WAIT	0x700
#define WAIT		60

static struct {
	const char *verb;
	unsigned int wait;
} disk = { .wait = WAIT };

static const struct argp_option options[] = {
	{ "wait", KEY_WAIT, "SECONDS", 0,
	  "attach: wait so long until a disk is there (default: 60)", 0 },
	{ 0 }
};

static bool is(const char *verb)
{
	return disk.verb && !strcmp(disk.verb, verb);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	char *end;

	switch (key) {
	case KEY_WAIT:
		disk.wait = strtoul(arg, &end, 10);
		if (*arg < '0' || *arg > '9' || *end || disk.wait > 1000000)
			argp_error(state, "'%s' is no number of seconds", arg);
		break;
	case ARGP_KEY_ARG:
		if (disk.verb)
			argp_error(state, "'%s' is unexpected", arg);
		disk.verb = arg;
		break;
	case ARGP_KEY_END:
		if (!is("plan") && !is("serve") && !is("stop") && !is("close") && !is("attach"))
			argp_error(state, "say: plan, serve, stop, close or attach");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };

static const struct argp disk_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "plan|serve|stop|close|attach",
	.doc = "Disks of VMs of which only one kernel can drive the device: from its move on a VM "
	       "reaches them through a server (qemu-nbd) of the kernel that has the device, until the other "
	       "kernel has it.  Images are raw or qcow2; the file of the latter is made as long as the VM can "
	       "make it, with a hole behind what it has.\n\n"
	       "plan: the disks of all VMs that run, and what a move does with each.\n"
	       "serve: start servers again that have ended.\n"
	       "stop: end all servers; no VM must need them any more.\n"
	       "close: this kernel is about to end: end the servers, unmount what the disks are on.\n"
	       "attach: the other kernel has ended: let the VMs that have come from it have their disks "
	       "themselves.\n\n"
	       "nestctl move, refresh run, abort and commit do all of that by themselves.",
	.children = children,
};

static void print_disk(struct json_object *report)
{
	struct json_object *disks = get(report, "disks");
	size_t i;

	for (i = 0; i < length(disks); i++) {
		struct json_object *entry = item(disks, i);
		const char *why = get_string(entry, "why"), *format = get_string(entry, "format");

		say(BOLD, "%s %s: ", get_string(entry, "domain"),
		    get_string(entry, "target") ?: "?");
		say(PLAIN, format ? "%s (%s), " : "%s, ", get_string(entry, "source") ?: "empty",
		    format);
		say(why ? BAD : GOOD, "%s", get_string(entry, "kind"));
		say(PLAIN, why ? ": %s\n" : "\n", why);
	}
	if (get(report, "attached"))
		say(PLAIN, "%lld disk(s) are the VMs' own again\n",
		    (long long)get_int(report, "attached"));
}

static int plan(struct json_object *report)
{
	int refused = disks_report(put_array(report, "disks"));

	return refused < 0 ? EXIT_UNKNOWN : refused ? EXIT_REFUSED : EXIT_OK;
}

/* While the other kernel runs they are its disks. */
static int attach(struct json_object *report)
{
	struct partition partition;
	bool below;
	int done;

	partition_open(&partition);
	below = partition.shim.state == VMM_REFRESH_BELOW;
	partition_close(&partition);
	if (below)
		die(EXIT_REFUSED, "the first kernel runs, and has the disks: end it first");
	done = disks_attach(disk.wait);
	put_int(report, "attached", done < 0 ? 0 : done);
	return done < 0 ? EXIT_FAILED : EXIT_OK;
}

static int run_disk(int argc, char **argv)
{
	struct json_object *report = new_report("nestctl-disk-1");
	int status;

	command_parse(&disk_command, argc, argv, NULL);
	put_string(report, "command", disk.verb);
	if (is("plan"))
		status = plan(report);
	else if (is("attach"))
		status = attach(report);
	else if (is("serve"))
		status = disks_serve_again() ? EXIT_FAILED : EXIT_OK;
	else if (is("stop"))
		status = disks_stop_all() ? EXIT_FAILED : EXIT_OK;
	else
		status = disks_close() ? EXIT_FAILED : EXIT_OK;
	return finish(report, print_disk, status);
}

const struct command disk_command = {
	.name = "disk",
	.argp = &disk_argp,
	.words = "plan\nserve\nstop\nclose\nattach\n",
	.run = run_disk,
};
