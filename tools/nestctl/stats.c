// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl stats: the counters of nvx and the exits to the shim, once, as they move, or for
 * Prometheus.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "nestctl.h"

#define DEBUGFS	"/sys/kernel/debug"

enum { KEY_COUNT = 0x200, KEY_PROMETHEUS };

struct request {
	bool watch, prometheus;
	const char *file;
	double seconds;
	long count;
};

static const struct argp_option options[] = {
	{ "watch", 'w', "SEC", OPTION_ARG_OPTIONAL,
	  "then print every SEC seconds (default 1) what has moved", 0 },
	{ "count", KEY_COUNT, "N", 0, "with --watch: end after N intervals", 0 },
	{ "prometheus", KEY_PROMETHEUS, "FILE", OPTION_ARG_OPTIONAL,
	  "print metrics in Prometheus' text format, or replace FILE by them", 0 },
	{ 0 }
};

static void parse_seconds(struct request *request, const char *arg, struct argp_state *state)
{
	char *end;

	request->seconds = strtod(arg, &end);
	if (*end || end == arg || !(request->seconds >= 0.01 && request->seconds <= 86400))
		argp_error(state, "'%s' is no interval: 0.01 to 86400 seconds", arg);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;
	char *end;

	switch (key) {
	case 'w':
		request->watch = true;
		if (arg)
			parse_seconds(request, arg, state);
		return 0;
	case KEY_COUNT:
		request->count = strtol(arg, &end, 10);
		if (*end || request->count < 1)
			argp_error(state, "'%s' is no number of intervals", arg);
		return 0;
	case KEY_PROMETHEUS:
		request->prometheus = true;
		request->file = arg;
		return 0;
	case ARGP_KEY_END:
		if (request->prometheus && (request->watch || opt_json))
			argp_error(state, "--prometheus goes with neither --watch nor --json");
		return 0;
	case ARGP_KEY_ARG:
		/* "--watch 5" */
		if (!request->watch)
			argp_error(state, "'%s' is unexpected", arg);
		parse_seconds(request, arg, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };

static const struct argp stats_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[--watch [SEC]]",
	.doc = "Print the counters of nvx, and the exits to the shim by reason, since the module was "
	       "loaded or the shim came.  Documentation/nvx.rst says what the counters count.\v"
	       "With --watch and --json each line is an object.  With --prometheus nothing loaded is no "
	       "error, but metrics say so.  Takes root and debugfs.",
	.children = children,
};

/* Ends the program unless debugfs can be read, and something counts there. */
static void need_debugfs(bool nothing_is_fine)
{
	struct dirent **entries;
	int nr = list(&entries, DEBUGFS), error = errno;

	free_list(entries, nr);
	if (nr < 0 && error == EACCES)
		die(EXIT_UNKNOWN, DEBUGFS " cannot be read: ask as root");
	if (nr <= 0)
		die(EXIT_UNKNOWN,
		    "debugfs is not mounted: mount -t debugfs none " DEBUGFS);
	if (!nothing_is_fine && !nvx_loaded() && !module_loaded("vmm_refresh"))
		die(EXIT_REFUSED, "neither nvx nor vmm-refresh is loaded: nothing counts (nestctl load)");
	if (nvx_loaded() && !exists(DEBUGFS "/kvm/nvx"))
		die(EXIT_UNKNOWN, "nvx is loaded, but " DEBUGFS "/kvm/nvx is not there: is debugfs restricted (debugfs= on the command line)?");
}

static void add_counter(struct json_object *counters, const char *name, int64_t value,
			struct json_object *before)
{
	struct json_object *counter = append_object(counters), *old = NULL;
	int64_t difference;
	size_t i;

	for (i = 0; i < length(before) && !old; i++)
		if (!strcmp(get_string(item(before, i), "name"), name))
			old = item(before, i);
	put_string(counter, "name", name);
	put_int(counter, "value", value);
	if (!before) {
		json_object_object_add(counter, "difference", NULL);
		return;
	}
	/* Smaller than before: loaded anew, so all of it is new. */
	difference = old && get_int(old, "value") <= value ? value - get_int(old, "value") : value;
	put_int(counter, "difference", difference);
}

static void add_nvx(struct json_object *counters, struct json_object *before)
{
	struct dirent **entries;
	int i, nr = list(&entries, DEBUGFS "/kvm/nvx");

	for (i = 0; i < nr; i++)
		add_counter(counters, entries[i]->d_name,
			    read_int(0, DEBUGFS "/kvm/nvx/%s", entries[i]->d_name), before);
	free_list(entries, nr);
}

/* Lines of "reason host guest". */
static void add_shim(struct json_object *counters, struct json_object *before)
{
	autofree char *text = read_text(DEBUGFS "/vmm-refresh/exits");
	unsigned long long host, guest;
	char *line, *rest = text;
	unsigned int reason;

	while ((line = strsep(&rest, "\n"))) {
		if (sscanf(line, "%u %llu %llu", &reason, &host, &guest) != 3)
			continue;
		autofree char *of_host = text_of("shim_host_exits_%u", reason);
		autofree char *of_guest = text_of("shim_guest_exits_%u", reason);

		add_counter(counters, of_host, host, before);
		add_counter(counters, of_guest, guest, before);
	}
}

static struct json_object *take(struct json_object *before, double seconds)
{
	struct json_object *report = new_report("nestctl-stats-1"), *counters;
	struct json_object *old = before ? get(before, "counters") : NULL;

	json_object_object_add(report, "seconds", before ? json_object_new_double(seconds) : NULL);
	counters = put_array(report, "counters");
	add_nvx(counters, old);
	add_shim(counters, old);
	return report;
}

static void print_stats(struct json_object *report)
{
	struct json_object *counters = get(report, "counters"), *counter;
	bool first = !get(report, "seconds");
	size_t i, shown = 0;

	if (!first)
		say(DIM, "-- in %.2f s\n", json_object_get_double(get(report, "seconds")));
	for (i = 0; i < length(counters); i++) {
		counter = item(counters, i);
		if (!get_int(counter, first ? "value" : "difference"))
			continue;
		shown++;
		say(PLAIN, "%-24s %14lld", get_string(counter, "name"),
		    (long long)get_int(counter, "value"));
		if (!first)
			say(BOLD, " %+14lld", (long long)get_int(counter, "difference"));
		say(PLAIN, "\n");
	}
	if (!shown)
		say(DIM, first ? "all counters are 0\n" : "nothing has moved\n");
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static int print_line(struct json_object *report)
{
	if (opt_json)
		printf("%s\n", json_object_to_json_string_ext(report, JSON_C_TO_STRING_PLAIN));
	else
		print_stats(report);
	return fflush(stdout) || ferror(stdout) ? EXIT_UNKNOWN : EXIT_OK;
}

static int watch(const struct request *request)
{
	struct json_object *before = take(NULL, 0), *report;
	double since = now(), time;
	long i;
	int status = print_line(before);

	for (i = 0; !status && (!request->count || i < request->count); i++) {
		usleep(request->seconds * 1e6);
		need_debugfs(false);
		time = now();
		report = take(before, time - since);
		since = time;
		json_object_put(before);
		before = report;
		status = print_line(report);
	}
	json_object_put(before);
	return status;
}

static int metrics(const char *file)
{
	struct json_object *report = take(NULL, 0);
	int status = write_metrics(get(report, "counters"), file);

	json_object_put(report);
	return status;
}

static int stats(int argc, char **argv)
{
	struct request request = { .seconds = 1 };

	command_parse(&stats_command, argc, argv, &request);
	need_debugfs(request.prometheus);
	if (request.prometheus)
		return metrics(request.file);
	if (request.watch)
		return watch(&request);
	return finish(take(NULL, 0), print_stats, EXIT_OK);
}

const struct command stats_command = {
	.name = "stats",
	.argp = &stats_argp,
	.run = stats,
};
