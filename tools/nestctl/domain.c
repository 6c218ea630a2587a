// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl domain convert: let a VM's memory be in the pool from its next start on, or no longer.
 * nestctl domain release: let domains start by themselves again that a move has kept from it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "boot.h"
#include "kept.h"
#include "nestctl.h"
#include "zero.h"

enum { KEY_UNDO = 0x600 };

#define MAX_TAKEN	256
/* Of a libvirtd that runs, or will be started for whoever connects to it. */
#define LIBVIRT_RUNS	"/run/libvirt"

static struct {
	const char *verb, *name;
	bool dry, undo;
	struct zero_copy taken[MAX_TAKEN], zero;
	size_t nr_taken;
} domain;

static const struct argp_option options[] = {
	{ "undo", KEY_UNDO, NULL, 0, "let it be ordinary memory again", 0 },
	{ "dry-run", 'n', NULL, 0, "print the new definition, change nothing", 0 },
	{ 0 }
};

static bool is(const char *verb)
{
	return domain.verb && !strcmp(domain.verb, verb);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case KEY_UNDO:
		domain.undo = true;
		break;
	case 'n':
		domain.dry = true;
		break;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0)
			domain.verb = arg;
		else if (state->arg_num == 1)
			domain.name = arg;
		else
			argp_error(state, "one domain at a time");
		break;
	case ARGP_KEY_END:
		if (!is("release") && !is("restore") && (!domain.name || !is("convert")))
			argp_error(state, "say: convert DOMAIN, release, or restore");
		if (!is("convert") && (domain.name || domain.undo || domain.dry))
			argp_error(state, "%s is for all domains, and has no options",
				   domain.verb);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };

static const struct argp domain_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "convert DOMAIN\nrelease\nrestore",
	.doc = "convert: change the definition of a domain of libvirt's so that its memory is in the pool (nestctl "
	       "pool create) from its next start on, and it moves without a copy; or back.  A domain that "
	       "runs is not touched until it is shut down and started again.\n\n"
	       "release: set autostart of those domains for which nestctl move --hold-autostart has held "
	       "it off.  nestctl refresh commit and abort do that by themselves.\n\n"
	       "restore: define those domains again that have moved to a second kernel that has "
	       "ended, and name those that ran and are to be started.  nestctl refresh abort does that by itself.",
	.children = children,
};

static void note_taken(const char *xml, void *data)
{
	(void)data;
	if (domain.nr_taken < MAX_TAKEN &&
	    zero_xml_find(xml, &domain.taken[domain.nr_taken]))
		domain.nr_taken++;
}

/* The end of what overlaps the place, 0: nothing does. */
static uint64_t in_the_way(const struct zero_copy *place)
{
	size_t i;

	for (i = 0; i < domain.nr_taken; i++)
		if (place->start < domain.taken[i].start + domain.taken[i].size &&
		    domain.taken[i].start < place->start + place->size)
			return domain.taken[i].start + domain.taken[i].size;
	return 0;
}

/* The first place that no domain's definition names. */
static int find_place(uint64_t size)
{
	struct zero_copy place = { .size = size };
	struct vmm_refresh_pool piece;
	uint64_t from = 0, end, next;
	int error;

	while (!(error = pool_find(from, &piece))) {
		end = piece.hpa + piece.bytes;
		from = end;
		if (piece.state != VMM_REFRESH_POOL_OURS)
			continue;
		place.start = piece.hpa;
		while ((next = in_the_way(&place)))
			place.start = next;
		if (place.start + size <= end) {
			domain.zero = place;
			return 0;
		}
	}
	return error;
}

static char *convert(const char *xml)
{
	const char *obstacle = zero_xml_obstacle(xml);
	uint64_t size = zero_xml_memory(xml);
	int error;

	if (obstacle) {
		complain("'%s' cannot be converted: %s", domain.name, obstacle);
		return NULL;
	}
	if (domain_each(note_taken, NULL))
		return NULL;
	error = find_place(size);
	if (error) {
		if (error == ENOENT)
			complain("no piece of the pool has %llu MiB that no domain has: nestctl pool create makes one",
				 (unsigned long long)size >> 20);
		else
			complain("the pool cannot be looked at (%s): load vmm-refresh.ko, use sudo",
				 strerror(error));
		return NULL;
	}
	return zero_xml_convert(xml, &domain.zero);
}

static void print_domain(struct json_object *report)
{
	const char *result = get_string(report, "result");

	if (!strcmp(result, "planned"))
		say(PLAIN, "%s", get_string(report, "xml"));
	say(BOLD, "%s: ", get_string(report, "name"));
	say(GOOD, "%s\n", result);
	if (get_int(report, "size"))
		say(PLAIN, "its memory is %lld MiB at %#llx; shut it down and start it anew\n",
		    (long long)get_int(report, "size") >> 20,
		    (unsigned long long)get_int(report, "start"));
}

/**
 * domain_release_here() - There is one kernel again: domains may start by themselves
 *
 * Return: of how many it was said; 0 also after a message.
 */
int domain_release_here(void)
{
	int released;

	if (!exists(LIBVIRT_RUNS))
		return 0;
	released = domain_open() ? -1 : domain_release();
	if (released >= 0)
		return released;
	complain("VMs that start by themselves may not do so: nestctl domain release when libvirtd answers");
	return 0;
}

static void print_release(struct json_object *report)
{
	say(PLAIN, "%lld domain(s) start by themselves again\n",
	    (long long)get_int(report, "released"));
}

static int release(void)
{
	struct json_object *report;
	int released = domain_release();

	if (released < 0)
		return EXIT_REFUSED;
	report = new_report("nestctl-domain-release-1");
	put_int(report, "released", released);
	return finish(report, print_release, EXIT_OK);
}

static void print_restore(struct json_object *report)
{
	say(PLAIN, "%lld domain(s) are defined here again\n",
	    (long long)get_int(report, "restored"));
}

/* A kernel that runs may run them. */
static int restore(void)
{
	struct json_object *report;
	int restored;

	if (part_runs())
		die(EXIT_REFUSED, "the other kernel runs, and may run them: move them back, or end it first (nestctl refresh kill)");
	restored = kept_each(domain_restore);
	if (restored < 0)
		return EXIT_REFUSED;
	report = new_report("nestctl-domain-restore-1");
	put_int(report, "restored", restored);
	return finish(report, print_restore, EXIT_OK);
}

static int run_domain(int argc, char **argv)
{
	autofree char *xml = NULL, *fresh = NULL;
	struct json_object *report;

	command_parse(&domain_command, argc, argv, NULL);
	if (domain_open())
		return EXIT_REFUSED;
	if (is("release"))
		return release();
	if (is("restore"))
		return restore();
	xml = domain_xml(domain.name);
	if (!xml)
		return EXIT_REFUSED;
	fresh = domain.undo ? zero_xml_undo(xml) : convert(xml);
	if (!fresh && domain.undo)
		complain("'%s' is not in the pool", domain.name);
	if (!fresh || (!domain.dry && domain_define(fresh)))
		return EXIT_REFUSED;
	report = new_report("nestctl-domain-1");
	put_string(report, "name", domain.name);
	put_int(report, "start", domain.zero.start);
	put_int(report, "size", domain.zero.size);
	put_string(report, "xml", fresh);
	put_string(report, "result", domain.dry ? "planned" : domain.undo ? "undone" : "converted");
	return finish(report, print_domain, EXIT_OK);
}

const struct command domain_command = {
	.name = "domain",
	.argp = &domain_argp,
	.words = "convert\nrelease\nrestore\n",
	.run = run_domain,
};
