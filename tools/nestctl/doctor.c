// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl doctor: what this machine can do, and why not.
 */
#include <stdio.h>
#include <string.h>

#include "doctor.h"
#include "nestctl.h"

static const struct {
	const char *name, *purposes;
	struct finding (*check)(void);
} checks[] = {
#define X(name, purposes) { #name, purposes, check_##name },
	DOCTOR_CHECKS(X)
#undef X
};

static const char *const purposes[] = { "nvx", "refresh", "libvirt" };
static const char *const states[] = { "ok", "missing", "unknown" };
static const enum color colors[] = { GOOD, BAD, WARN };

struct request {
	bool wanted[ARRAY_SIZE(purposes)], any;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	size_t i;

	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	for (i = 0; i < ARRAY_SIZE(purposes); i++) {
		if (strcmp(arg, purposes[i]))
			continue;
		request->wanted[i] = true;
		request->any = true;
		return 0;
	}
	argp_error(state, "unknown purpose '%s': nvx, refresh or libvirt", arg);
	return 0;
}

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };

static const struct argp doctor_argp = {
	.parser = parse,
	.args_doc = "[nvx] [refresh] [libvirt]",
	.doc = "Say in plain words what this machine can do and why not, each with its cure: exchange "
	       "the KVM modules (nvx), put a hypervisor or a second kernel under it (refresh), run VMs "
	       "with virsh (libvirt).  Without arguments: all of them.\v"
	       "Some answers take root, and the module msr where VMX seems to be locked off.",
	.children = children,
};

static bool has_purpose(const char *list, const char *purpose)
{
	const char *found = strstr(list, purpose);

	return found && (found == list || found[-1] == ' ');
}

static bool is_wanted(const struct request *request, const char *list)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(purposes); i++)
		if (request->wanted[i] && has_purpose(list, purposes[i]))
			return true;
	return !request->any;
}

static enum finding_state add_finding(struct json_object *array, size_t nr)
{
	struct finding finding = checks[nr].check();
	struct json_object *check = append_object(array), *list;
	size_t i;

	put_string(check, "id", checks[nr].name);
	list = put_array(check, "for");
	for (i = 0; i < ARRAY_SIZE(purposes); i++)
		if (has_purpose(checks[nr].purposes, purposes[i]))
			json_object_array_add(list, json_object_new_string(purposes[i]));
	put_string(check, "state", states[finding.state]);
	put_string(check, "text", finding.text);
	put_string(check, "cure", finding.cure);
	free(finding.text);
	free(finding.cure);
	return finding.state;
}

static void print_doctor(struct json_object *report)
{
	struct json_object *array = get(report, "checks"), *check;
	const char *state, *cure;
	size_t i, j;

	for (i = 0; i < length(array); i++) {
		check = item(array, i);
		state = get_string(check, "state");
		for (j = 0; strcmp(states[j], state); j++)
			;
		say(colors[j], "%-8s", state);
		say(BOLD, "%-11s", get_string(check, "id"));
		say(PLAIN, "%s\n", get_string(check, "text"));
		cure = get_string(check, "cure");
		if (cure)
			say(PLAIN, "%19s-> %s\n", "", cure);
	}
}

static int doctor(int argc, char **argv)
{
	autofree char *release = NULL;
	static const int statuses[] = { EXIT_OK, EXIT_REFUSED, EXIT_UNKNOWN };
	struct json_object *report, *array;
	enum finding_state worst = FINE, state;
	struct request request = { 0 };
	size_t i;

	command_parse(&doctor_command, argc, argv, &request);
	release = kernel_release();
	report = new_report("nestctl-doctor-1");
	put_string(report, "kernel", release);
	array = put_array(report, "checks");
	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		if (!is_wanted(&request, checks[i].purposes))
			continue;
		state = add_finding(array, i);
		if (state == MISSING || worst == FINE)
			worst = state;
	}
	put_string(report, "state", states[worst]);
	return finish(report, print_doctor, statuses[worst]);
}

const struct command doctor_command = {
	.name = "doctor",
	.argp = &doctor_argp,
	.words = "nvx\nrefresh\nlibvirt\n",
	.run = doctor,
};
