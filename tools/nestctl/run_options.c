// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arguments of nestctl refresh run, resume and abort.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nestctl.h"
#include "run.h"

enum {
	KEY_TO = 0x600, KEY_FROM, KEY_LINK, KEY_WAIT, KEY_PARALLEL, KEY_COMMIT, KEY_OFF,
	KEY_PROGRAM, KEY_RATE, KEY_ORDER, KEY_BRIDGE, KEY_DOWNTIME, KEY_TIMEOUT,
};

static const struct argp_option options[] = {
	{ "to", KEY_TO, "URI", 0,
	  "the other kernel's libvirtd, as in qemu+tcp://10.99.0.2/system", 0 },
	{ "from", KEY_FROM, "URI", 0,
	  "this kernel's, as the other one reaches it: for the way back", 0 },
	{ "link", KEY_LINK, "ADDRESS/LEN", 0,
	  "give vmlink0 this address and bring it up (default: leave it as it is)", 0 },
	{ "bridge", KEY_BRIDGE, "NAME", 0,
	  "make vmlink0.1, a VLAN of the link, a port of this bridge of the VMs", 0 },
	{ "wait", KEY_WAIT, "SECONDS", 0,
	  "wait so long for the other libvirtd (default: 300)", 0 },
	{ "parallel", KEY_PARALLEL, "N", 0, "VMs that move at a time (default: 1)", 0 },
	{ "downtime", KEY_DOWNTIME, "MS", 0,
	  "pause of a VM to aim at (default: 50); one that writes more than goes over the link in that time "
	  "does not get there", 0 },
	{ "timeout", KEY_TIMEOUT, "SECONDS", 0,
	  "a VM that takes longer to move stays, and all is undone (default: no limit)", 0 },
	{ "commit", KEY_COMMIT, "auto|ask|stop", 0,
	  "when all VMs have moved: end this kernel, ask first, or stop there (default: ask)", 0 },
	{ "rate", KEY_RATE, "SIZE", 0,
	  "before this kernel ends, give its memory and CPUs in steps (nestctl refresh give), so "
	  "much memory in a second, as in 256M", 0 },
	{ "order", KEY_ORDER, "memory,cpus|cpus,memory", 0, "the same: what first", 0 },
	{ "off", KEY_OFF, "COMMAND", 0, "what ends this kernel (default: poweroff)", 0 },
	{ "dry-run", 'n', NULL, 0, "print the phases, do the first one", 0 },
	{ "program", KEY_PROGRAM, "FILE", OPTION_HIDDEN, "in place of nestctl", 0 },
	{ 0 }
};

static void check_uri(const char *uri, const char *option, struct argp_state *state)
{
	const char *host = uri ? strstr(uri, "://") : NULL;

	if (!host || !host[3] || host[3] == '/')
		argp_error(state, "--%s: name a libvirtd with its host, as in qemu+tcp://10.99.0.2/system",
			   option);
}

static void check_number(const char *text, const char *option, struct argp_state *state)
{
	if (text && (!*text || strlen(text) > 6 || text[strspn(text, "0123456789")]))
		argp_error(state, "--%s: '%s' is no number", option, text);
}

/* Not when this kernel ends: refresh give takes nothing else. */
static void check_give(const struct run_options *wanted, struct argp_state *state)
{
	const char *rate = wanted->rate, *order = wanted->order;
	size_t digits = rate ? strspn(rate, "0123456789") : 0;

	if (rate && (!digits || digits > 9 || !strtoul(rate, NULL, 10) ||
		     (strcmp(rate + digits, "M") && strcmp(rate + digits, "G"))))
		argp_error(state, "--rate: '%s' is no size: write it as 2G or 512M", rate);
	if (order && strcmp(order, "memory,cpus") && strcmp(order, "cpus,memory"))
		argp_error(state, "--order: '%s' is neither memory,cpus nor cpus,memory", order);
}

static void check_positive(const char *text, const char *option, struct argp_state *state)
{
	check_number(text, option, state);
	if (text && !strtoul(text, NULL, 10))
		argp_error(state, "--%s: nothing can be done in no time", option);
}

static void complete_run(struct run_options *wanted, struct argp_state *state)
{
	check_uri(wanted->to, "to", state);
	check_uri(wanted->from, "from", state);
	wanted->wait = wanted->wait ?: "300";
	wanted->parallel = wanted->parallel ?: "1";
	wanted->commit = wanted->commit ?: "ask";
	wanted->off = wanted->off ?: "poweroff";
}

static void end_of_options(struct run_options *wanted, struct argp_state *state)
{
	const char *commit = wanted->commit;

	check_number(wanted->wait, "wait", state);
	check_number(wanted->parallel, "parallel", state);
	check_give(wanted, state);
	check_positive(wanted->downtime, "downtime", state);
	check_positive(wanted->timeout, "timeout", state);
	if (commit && strcmp(commit, "auto") && strcmp(commit, "ask") && strcmp(commit, "stop"))
		argp_error(state, "--commit: '%s' is neither auto, ask nor stop", commit);
	if (state->hook)
		complete_run(wanted, state);
	else if (wanted->to || wanted->from || wanted->link || wanted->bridge || wanted->dry ||
		 wanted->nr_boot)
		argp_error(state, "resume and abort go by the journal: only --commit may be another");
}

/* Where the argument of an option goes. */
static const char **place_of(struct run_options *wanted, int key)
{
	switch (key) {
	case KEY_TO:
		return &wanted->to;
	case KEY_FROM:
		return &wanted->from;
	case KEY_LINK:
		return &wanted->link;
	case KEY_BRIDGE:
		return &wanted->bridge;
	case KEY_WAIT:
		return &wanted->wait;
	case KEY_PARALLEL:
		return &wanted->parallel;
	case KEY_DOWNTIME:
		return &wanted->downtime;
	case KEY_TIMEOUT:
		return &wanted->timeout;
	case KEY_COMMIT:
		return &wanted->commit;
	case KEY_RATE:
		return &wanted->rate;
	case KEY_ORDER:
		return &wanted->order;
	case KEY_OFF:
		return &wanted->off;
	case KEY_PROGRAM:
		return &wanted->program;
	}
	return NULL;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct run_options *wanted = state->input;
	const char **place = place_of(wanted, key);

	if (place) {
		*place = arg;
		return 0;
	}
	switch (key) {
	case 'n':
		wanted->dry = true;
		break;
	case ARGP_KEY_ARGS:
		wanted->boot = (const char **)state->argv + state->next;
		wanted->nr_boot = state->argc - state->next;
		break;
	case ARGP_KEY_END:
		end_of_options(wanted, state);
		break;
	case ARGP_KEY_INIT:
		state->hook = strcmp(state->argv[0], "nestctl refresh run") ? NULL : wanted;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };

const struct argp refresh_run_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[-- BOOT-OPTION...]",
	.doc = "Put another kernel in the place of this one while VMs run: start it beside this one "
	       "(nestctl refresh boot with the options behind --), move all VMs to it, end this kernel.  "
	       "In the other one, nestctl refresh commit --wait makes the machine its own then.\n\n"
	       "run: from the beginning; if a phase fails, or at SIGINT, SIGTERM or SIGHUP, those before are "
	       "undone, the last first.\n"
	       "resume: go on where a nestctl has ended, forward or back.\n"
	       "abort: undo all; not when this kernel is being ended.\v"
	       "Progress goes to stdout, with --json an object in a line, and what the phases' commands say to "
	       "stderr.",
	.children = children,
};

/**
 * run_parse() - Parse the arguments; ends the program if they are wrong
 * @wanted: filled in
 * @argc: number of arguments, that of the verb included
 * @argv: arguments
 */
void run_parse(struct run_options *wanted, int argc, char **argv)
{
	autofree char *name = text_of("refresh %s", argv[0]);
	struct command command = { .name = name, .argp = &refresh_run_argp };

	command_parse(&command, argc, argv, wanted);
	if (!wanted->program)
		wanted->program = "/proc/self/exe";
}
