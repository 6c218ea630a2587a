// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl move: VMs of this kernel to another one, while they run.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "move.h"
#include "nestctl.h"

#define MAX_NAMES	256
#define MAX_PARALLEL	16
#define MAX_NUMBER	1000000
#define POLL		(200 * 1000)

enum { KEY_ADDRESS = 0x500, KEY_PARALLEL, KEY_DOWNTIME, KEY_TIMEOUT, KEY_WAIT, KEY_FROM, KEY_HOLD };

struct arguments {
	struct move_options options;
	const char *names[MAX_NAMES];
	size_t nr_names;
	bool dry;
};

static const struct argp_option options[] = {
	{ "address", KEY_ADDRESS, "URI", 0,
	  "where VMs' states are sent to (default: tcp:// and the host in URI)", 0 },
	{ "from", KEY_FROM, "URI", 0, "the libvirtd to move from (default: this kernel's)", 0 },
	{ "parallel", KEY_PARALLEL, "N", 0, "so many at a time (default: 1)", 0 },
	{ "downtime", KEY_DOWNTIME, "MS", 0, "pause of a VM to aim at (default: 50)", 0 },
	{ "timeout", KEY_TIMEOUT, "SECONDS", 0,
	  "a VM that takes longer stays (default: no limit)", 0 },
	{ "wait", KEY_WAIT, "SECONDS", 0, "wait so long for the other libvirtd (default: 0)", 0 },
	{ "hold-autostart", KEY_HOLD, NULL, 0,
	  "those that start by themselves do not there, until nestctl domain release", 0 },
	{ "dry-run", 'n', NULL, 0,
	  "list them in their order, with what is against it; move none", 0 },
	{ 0 }
};

static unsigned int parse_number(const char *arg, unsigned int least, unsigned int most,
				 struct argp_state *state)
{
	char *end;
	unsigned long number = strtoul(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end || number < least || number > most)
		argp_error(state, "'%s' is no number from %u to %u", arg, least, most);
	return number;
}

static void parse_word(struct arguments *arguments, char *arg, struct argp_state *state)
{
	if (!arguments->options.uri)
		arguments->options.uri = arg;
	else if (arguments->nr_names == MAX_NAMES)
		argp_error(state, "at most %d domains", MAX_NAMES);
	else
		arguments->names[arguments->nr_names++] = arg;
}

/* qemu+tcp://HOST/system: tcp://HOST */
static void default_address(struct arguments *arguments, struct argp_state *state)
{
	const char *uri = arguments->options.uri, *host;

	if (!uri) {
		argp_error(state, "name the other libvirtd, as in qemu+tcp://10.99.0.2/system");
		return;
	}
	if (arguments->options.address)
		return;
	host = strstr(uri, "://");
	if (!host || !host[3] || host[3] == '/')
		argp_error(state, "'%s' names no host: add one, or --address", uri);
	else
		arguments->options.address = text_of("tcp://%.*s", (int)strcspn(host + 3, "/:"),
						     host + 3);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	struct move_options *wanted = &arguments->options;

	switch (key) {
	case KEY_ADDRESS:
		wanted->address = arg;
		break;
	case KEY_FROM:
		wanted->from = arg;
		break;
	case KEY_PARALLEL:
		wanted->parallel = parse_number(arg, 1, MAX_PARALLEL, state);
		break;
	case KEY_DOWNTIME:
		wanted->downtime = parse_number(arg, 1, MAX_NUMBER, state);
		break;
	case KEY_TIMEOUT:
		wanted->timeout = parse_number(arg, 1, MAX_NUMBER, state);
		break;
	case KEY_WAIT:
		wanted->wait = parse_number(arg, 0, MAX_NUMBER, state);
		break;
	case KEY_HOLD:
		wanted->hold = true;
		break;
	case 'n':
		arguments->dry = true;
		break;
	case ARGP_KEY_ARG:
		parse_word(arguments, arg, state);
		break;
	case ARGP_KEY_END:
		default_address(arguments, state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };

static const struct argp move_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "URI [DOMAIN...]",
	.doc = "Move libvirt's VMs of this kernel to the libvirtd at URI while they run, the largest "
	       "first: all, or those that are named.  Definitions and autostart move, too, and those of "
	       "VMs that do not run.\n\n"
	       "A VM that cannot be moved stays and runs on; no further ones are begun then, nor after "
	       "SIGINT, SIGTERM or SIGHUP, which stops the moves under way.  Progress goes to stderr, with "
	       "--json as an object in a line.",
	.children = children,
};

/* ---- which, and in which order */

static int compare(const void *a, const void *b)
{
	const struct move_domain *left = a, *right = b;

	if (left->active != right->active)
		return right->active - left->active;
	if (left->memory != right->memory)
		return left->memory < right->memory ? 1 : -1;
	return strcmp(left->name, right->name);
}

static bool is_named(const struct move_domain *domain, const struct arguments *arguments)
{
	size_t i;

	for (i = 0; i < arguments->nr_names; i++)
		if (!strcmp(domain->name, arguments->names[i]))
			return true;
	return !arguments->nr_names;
}

/* Those that are wanted, in their order, at the front. */
static size_t choose(struct move_domain *domains, size_t nr, const struct arguments *arguments)
{
	size_t i, wanted = 0, named;

	for (i = 0; i < nr; i++)
		if (is_named(&domains[i], arguments))
			domains[wanted++] = domains[i];
	for (named = 0; named < arguments->nr_names; named++) {
		for (i = 0; i < wanted && strcmp(domains[i].name, arguments->names[named]); i++)
			;
		if (i == wanted)
			die(EXIT_REFUSED, "there is no domain '%s': virsh list --all has them",
			    arguments->names[named]);
	}
	qsort(domains, wanted, sizeof(*domains), compare);
	return wanted;
}

/* Its disks, if one is against it.  Servers are here only. */
static char *disk_obstacle(const struct move_domain *domain, bool from_here)
{
	const struct disks *disks = domain->disks;
	size_t i;

	for (i = 0; disks && i < disks->nr; i++) {
		const struct disk *disk = &disks->disk[i];

		if (disk->kind == DISK_REFUSED)
			return text_of("disk %s: %s", disk->xml.target ?: "?", disk->why);
		if (disk->kind == DISK_LOCAL && !from_here)
			return text_of("its disk %s is that kernel's: move it from there",
				       disk->xml.target);
	}
	return NULL;
}

/* What libvirt would refuse, said before anything is moved. */
static int find_obstacles(struct move_domain *domains, size_t nr, bool from_here)
{
	int found = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		domains[i].why = disk_obstacle(&domains[i], from_here);
		found += !!domains[i].why;
		if (domains[i].snapshots > 0) {
			domains[i].why = text_of("it has %d snapshot(s): virsh snapshot-dumpxml, snapshot-delete --metadata, and snapshot-create --redefine there",
						 domains[i].snapshots);
			found++;
		}
	}
	return found;
}

/* ---- the moves */

static const char *const state_words[] = {
#define X(name, word) word,
	MOVE_STATES(X)
#undef X
};

static volatile sig_atomic_t interrupted;

static struct {
	pthread_mutex_t lock;
	struct move_domain *domains;
	const struct move_options *options;
	size_t nr, next;
	bool stop;
	unsigned int workers;
} work = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static struct move_domain *next_domain(void)
{
	struct move_domain *domain = NULL;

	pthread_mutex_lock(&work.lock);
	if (!work.stop && work.next < work.nr) {
		domain = &work.domains[work.next++];
		domain->state = MOVE_MOVES;
		domain->began = move_now();
	}
	pthread_mutex_unlock(&work.lock);
	return domain;
}

static void *run_worker(void *data)
{
	struct move_domain *domain;

	while ((domain = next_domain())) {
		move_do(domain, work.options);
		pthread_mutex_lock(&work.lock);
		work.stop |= domain->state != MOVE_MOVED || domain->lame;
		pthread_mutex_unlock(&work.lock);
	}
	pthread_mutex_lock(&work.lock);
	work.workers--;
	pthread_mutex_unlock(&work.lock);
	return data;
}

static struct json_object *describe(const struct move_domain *domain)
{
	struct json_object *object = json_object_new_object();
	bool pause = domain->paused && domain->resumed > domain->paused;

	put_string(object, "name", domain->name);
	put_string(object, "state", state_words[domain->state]);
	put_bool(object, "runs", domain->active);
	put_string(object, "how", !domain->active ? "definition" :
		   domain->pooled ? "zero-copy" : "copy");
	put_int(object, "memory", (int64_t)domain->memory << 10);
	put_int(object, "ram_bytes_sent", domain->ram);
	put_int(object, "milliseconds", (domain->ended > domain->began ?
					 domain->ended - domain->began : 0) / 1000);
	json_object_object_add(object, "pause_ms", pause ?
			       json_object_new_int64((domain->resumed - domain->paused) / 1000) :
			       NULL);
	put_string(object, "why", domain->why);
	return object;
}

static void tell(const struct move_domain *domain)
{
	struct json_object *object;

	if (!opt_json) {
		fprintf(stderr, "%s: %s, %llu of %llu MiB sent\n", domain->name,
			state_words[domain->state], (unsigned long long)domain->ram >> 20,
			(unsigned long long)domain->total >> 20);
		return;
	}
	object = describe(domain);
	put_int(object, "ram_bytes", domain->total);
	fprintf(stderr, "%s\n", json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	json_object_put(object);
}

static bool takes_too_long(const struct move_domain *domain)
{
	return work.options->timeout &&
	       move_now() - domain->began > work.options->timeout * 1000000ull;
}

static void watch(struct move_domain *domain)
{
	uint64_t before = domain->ram;

	if (domain->state != MOVE_MOVES)
		return;
	if (work.stop || takes_too_long(domain))
		move_abort(domain);
	move_progress(domain);
	if (domain->ram != before)
		tell(domain);
}

static void run_all(void)
{
	pthread_t threads[MAX_PARALLEL];
	unsigned int i, started = 0, left;
	size_t n;

	work.workers = work.options->parallel;
	for (i = 0; i < work.options->parallel; i++)
		if (pthread_create(&threads[started], NULL, run_worker, NULL))
			work.workers--;
		else
			started++;
	do {
		usleep(POLL);
		pthread_mutex_lock(&work.lock);
		work.stop |= interrupted;
		left = work.workers;
		pthread_mutex_unlock(&work.lock);
		for (n = 0; left && n < work.nr; n++)
			watch(&work.domains[n]);
	} while (left);
	for (i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
}

/* ---- report */

static void print_move(struct json_object *report)
{
	struct json_object *domains = get(report, "domains");
	size_t i;

	for (i = 0; i < length(domains); i++) {
		struct json_object *domain = item(domains, i);
		const char *why = get_string(domain, "why");

		say(BOLD, "%s: ", get_string(domain, "name"));
		say(why ? WARN : PLAIN, "%s", get_string(domain, "state"));
		if (get(domain, "pause_ms"))
			say(PLAIN, " by %s, paused for %lld ms, %lld KiB of RAM sent in %lld ms",
			    get_string(domain, "how"),
			    (long long)get_int(domain, "pause_ms"),
			    (long long)get_int(domain, "ram_bytes_sent") >> 10,
			    (long long)get_int(domain, "milliseconds"));
		say(PLAIN, why ? ": %s\n" : "\n", why);
	}
	say(strcmp(get_string(report, "result"), "done") ? WARN : GOOD, "%s\n",
	    get_string(report, "result"));
}

static int report_moves(const struct arguments *arguments, int status)
{
	static const char *const results[] = { "done", "refused", "", "stopped", "unknown" };
	struct json_object *report = new_report("nestctl-move-1"), *array;
	size_t i;

	put_string(report, "destination", arguments->options.uri);
	put_bool(report, "dry_run", arguments->dry);
	array = put_array(report, "domains");
	for (i = 0; i < work.nr; i++)
		json_object_array_add(array, describe(&work.domains[i]));
	put_string(report, "result", status == EXIT_OK && arguments->dry ? "planned" :
		   results[status]);
	return finish(report, print_move, status);
}

static int status_of_moves(void)
{
	int status = EXIT_OK;
	size_t i;

	for (i = 0; i < work.nr; i++) {
		if (work.domains[i].state == MOVE_UNKNOWN && work.domains[i].gone) {
			complain("'%s' is gone from here, and the other libvirtd does not say whether it runs there: leave that kernel alone until it does (virsh -c %s list)",
				 work.domains[i].name, work.options->uri);
			return EXIT_BROKEN;
		}
		if (work.domains[i].state == MOVE_UNKNOWN) {
			complain("'%s' is paused, and may run there: end the other kernel (nestctl refresh kill), then virsh resume %s",
				 work.domains[i].name, work.domains[i].name);
			return EXIT_BROKEN;
		}
		if (work.domains[i].state != MOVE_MOVED || work.domains[i].lame)
			status = EXIT_FAILED;
	}
	return status;
}

static int move(int argc, char **argv)
{
	static struct arguments arguments = { .options = { .downtime = 50, .parallel = 1 } };
	int status = EXIT_OK;

	command_parse(&move_command, argc, argv, &arguments);
	work.options = &arguments.options;
	/* A VM that comes back reads and writes by them to the end. */
	if (disks_serve_again() || move_open(&arguments.options) ||
	    move_list(&work.domains, &work.nr))
		return EXIT_REFUSED;
	work.nr = choose(work.domains, work.nr, &arguments);
	if (find_obstacles(work.domains, work.nr, !arguments.options.from)) {
		status = EXIT_REFUSED;
	} else if (!arguments.dry) {
		move_watch(work.domains, work.nr);
		catch_signals(on_signal, SA_RESTART);
		run_all();
		status = status_of_moves();
		if (!arguments.options.hold)
			move_release();
	}
	status = report_moves(&arguments, status);
	move_close();
	return status;
}

const struct command move_command = {
	.name = "move",
	.argp = &move_argp,
	.run = move,
};
