// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl refresh run, resume and abort: another kernel in the place of this one, below its VMs.
 *
 * Each phase is a command of its own, most of them of nestctl: what they have done they find
 * again by themselves, and a phase that is begun once more goes on.
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "boot.h"
#include "device.h"
#include "disks.h"
#include "kept.h"
#include "nestctl.h"
#include "network.h"
#include "phases.h"
#include "run.h"
#include "zero.h"

#define MAX_WORDS	80
#define GRACE		30	/* seconds for a command to end after it was told to */
#define POLL		(50 * 1000)
#define LOOK		1000	/* milliseconds */
/* Frames of VMs, apart from what the kernels say to each other. */
#define VLAN_LINK	"vmlink0.1"

extern char **environ;

static const struct phase phases[] = {
	{ "plan", "look whether it can be done", NULL, 60, false },
	{ "disks", "look at the VMs' disks", "end their servers", 60, false },
	{ "boot", "start the other kernel", "end it, take back what it had", 600, false },
	{ "address", "give the link its address", NULL, 10, false },
	{ "link", "bring the link up", NULL, 10, false },
	{ "vlan", "make the link's network for VMs", NULL, 10, false },
	{ "bridge", "make it a port of the VMs' bridge", NULL, 10, false },
	{ "move", "move the VMs", "move them back", 7 * 24 * 3600, false },
	{ "off", "end this kernel", NULL, 600, true },
};

enum { PLAN, DISKS, BOOT, ADDRESS, LINK, VLAN, BRIDGE, MOVE, OFF };

static struct {
	struct run_options options;
	size_t at;
	enum phase_state state;
	bool alone;
} run;

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000ull + time.tv_nsec / 1000000;
}

/* ---- what is said */

static void tell(const struct phase *phase, const char *state, int64_t milliseconds)
{
	struct json_object *event;

	if (!opt_json) {
		say(BOLD, "%-8s", phase->name);
		say(PLAIN, "%s: %s", state, strcmp(state, "undoes") && strcmp(state, "undone") ?
		    phase->text : phase->undo_text ?: "nothing to undo");
		say(DIM, milliseconds < 0 ? "\n" : " (%lld ms)\n", (long long)milliseconds);
	} else {
		event = json_object_new_object();
		put_string(event, "event", "phase");
		put_string(event, "phase", phase->name);
		put_string(event, "state", state);
		json_object_object_add(event, "milliseconds", milliseconds < 0 ? NULL :
				       json_object_new_int64(milliseconds));
		printf("%s\n", json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN));
		json_object_put(event);
	}
	fflush(stdout);
}

/* --device FUNCTION or --device=FUNCTION */
static bool is_given(const char *function)
{
	size_t i;

	for (i = 0; i < run.options.nr_boot; i++) {
		const char *word = run.options.boot[i];

		if (!strcmp(strncmp(word, "--device=", 9) ? word : word + 9, function))
			return true;
	}
	return false;
}

static void tell_card(struct json_object *card)
{
	bool given = is_given(get_string(card, "function"));
	const char *driver = get_string(card, "driver");

	if (opt_json) {
		put_string(card, "event", "network");
		put_string(card, "bridge", run.options.bridge);
		put_string(card, "passes", phases[given ? BOOT : OFF].name);
		printf("%s\n", json_object_to_json_string_ext(card, JSON_C_TO_STRING_PLAIN));
	} else {
		say(BOLD, "%-8s", "network");
		say(PLAIN, "%s, a port of %s, is PCI function %s with driver %s: the second kernel's from phase '%s' on; VMs have no way out until its network configuration has made it a port of its %s%s\n",
		    get_string(card, "port"), run.options.bridge, get_string(card, "function"),
		    driver ?: "none", phases[given ? BOOT : OFF].name, run.options.bridge,
		    given ? ", and phase 'bridge' is done" : "");
	}
}

/* What becomes of the way out of the VMs' bridge. */
static void tell_network(void)
{
	struct json_object *cards;
	size_t i;

	network_forgotten(run.options.bridge);
	if (!run.options.bridge)
		return;
	cards = network_cards(run.options.bridge);
	for (i = 0; i < length(cards); i++)
		tell_card(item(cards, i));
	json_object_put(cards);
	fflush(stdout);
}

static void check_bridge(void)
{
	const char *bridge = run.options.bridge;

	if (bridge && !network_is_bridge(bridge))
		die(EXIT_REFUSED, "--bridge: there is no bridge '%s' in this kernel: name the one that the VMs are on, or leave it out",
		    bridge);
}

/* ---- a command */

struct words {
	const char *word[MAX_WORDS + 1];
	size_t nr;
};

static void add(struct words *words, const char *word)
{
	if (words->nr == MAX_WORDS)
		die(EXIT_REFUSED, "more than %d words for a command", MAX_WORDS);
	words->word[words->nr++] = word;
	words->word[words->nr] = NULL;
}

static void add_self(struct words *words, const char *command)
{
	add(words, run.options.program);
	add(words, command);
	if (opt_root && *opt_root) {
		add(words, "--root");
		add(words, opt_root);
	}
}

static void add_boot(struct words *words, const char *verb)
{
	size_t i;

	add_self(words, "refresh");
	add(words, verb);
	for (i = 0; i < run.options.nr_boot; i++)
		add(words, run.options.boot[i]);
}

static void add_value(struct words *words, const char *option, const char *value)
{
	if (!value)
		return;
	add(words, option);
	add(words, value);
}

static void add_move(struct words *words, bool back)
{
	const char *to = back ? run.options.from : run.options.to;

	add_self(words, "move");
	if (back) {
		add(words, "--from");
		add(words, run.options.to);
	}
	add(words, "--wait");
	add(words, back ? "5" : run.options.wait);
	if (opt_json)
		add(words, "--json");
	if (!back)
		add(words, "--hold-autostart");
	add(words, "--parallel");
	add(words, run.options.parallel);
	add_value(words, "--downtime", run.options.downtime);
	/* Back they have to get. */
	if (!back)
		add_value(words, "--timeout", run.options.timeout);
	add(words, to);
}

/* VMs move to a kernel that has ended meanwhile. */
static bool in_vain(const struct phase *phase)
{
	static uint64_t next;

	if (phase != &phases[MOVE] || now() < next)
		return false;
	next = now() + LOOK;
	return !part_runs();
}

/*
 * Told to end when it takes too long, when nothing can come of it, or when this program is; then it
 * ends by itself.
 */
static int wait_for(pid_t pid, const struct phase *phase, bool undo)
{
	uint64_t end = now() + phase->timeout * 1000ull;
	bool told = false;
	int status;
	pid_t done;

	while ((done = waitpid(pid, &status, WNOHANG)) == 0) {
		if (!told && (now() > end || (interrupted && !undo) || in_vain(phase))) {
			kill(pid, SIGTERM);
			told = true;
			end = now() + GRACE * 1000ull;
		} else if (told && now() > end) {
			kill(pid, SIGKILL);
		}
		usleep(POLL);
	}
	return done == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run_words(const struct words *words, const struct phase *phase, bool undo)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int error;

	fflush(stdout);
	/* Events only go to stdout. */
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	error = posix_spawnp(&pid, words->word[0], &actions, NULL, (char *const *)words->word,
			     environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error) {
		complain("cannot run %s: %s", words->word[0], strerror(error));
		return -1;
	}
	return wait_for(pid, phase, undo);
}

/* ---- the phases */

/* False: nobody wants it, or it has been done. */
static bool add_ip(struct words *words, size_t number)
{
	/* "": what was asked for; "#": the bridge's MTU, by which libvirt makes its other ports. */
	static char mtu[16];
	static const char *const commands[][12] = {
		[ADDRESS] = { "ip", "address", "replace", "", "dev", "vmlink0" },
		[LINK] = { "ip", "link", "set", "dev", "vmlink0", "up" },
		[VLAN] = { "ip", "link", "add", "link", "vmlink0", "name", VLAN_LINK, "type",
			   "vlan", "id", "1" },
		[BRIDGE] = { "ip", "link", "set", "dev", VLAN_LINK, "mtu", "#", "up", "master",
			     "" },
	};
	const char *const *command = commands[number];
	bool vms = number == VLAN || number == BRIDGE;
	const char *value = vms ? run.options.bridge : run.options.link;

	if (!value)
		return false;
	snprintf(mtu, sizeof(mtu), "%lld",
		 (long long)read_int(1500, "/sys/class/net/%s/mtu", value));
	for (; *command; command++)
		add(words, **command == '#' ? mtu : **command ? *command : value);
	return number != VLAN || !exists("/sys/class/net/" VLAN_LINK);
}

static bool words_of(struct words *words, size_t number, bool undo)
{
	switch (number) {
	case PLAN:
		add_boot(words, "boot");
		add(words, "--dry-run");
		return !undo && !part_runs();
	case DISKS:
		add_self(words, "disk");
		add(words, undo ? "stop" : "plan");
		return !undo || disks_any();
	case BOOT:
		if (undo) {
			add_self(words, "refresh");
			add(words, "undo");
			/* All that were there and could be moved are back. */
			add(words, "--with-vms");
			return true;
		}
		add_boot(words, "boot");
		return !part_runs();
	case ADDRESS:
	case LINK:
	case VLAN:
	case BRIDGE:
		return add_ip(words, number) && !undo;
	case MOVE:
		/* Else no VM has begun to move, and nobody need be asked where one is. */
		if (undo && !kept_any())
			return false;
		if (!undo || part_runs()) {
			add_move(words, undo);
			return true;
		}
		/* VMs that had moved to a kernel that has ended have ended with it. */
		add_self(words, "domain");
		add(words, "restore");
		return true;
	default:
		add(words, run.options.off);
		return true;
	}
}

/* That the other kernel has less by now is no reason for this one not to end. */
static void give_before(const struct phase *phase)
{
	struct words words = { .nr = 0 };

	if (phase != &phases[OFF] || (!run.options.rate && !run.options.order))
		return;
	add_self(&words, "refresh");
	add(&words, "give");
	add_value(&words, "--rate", run.options.rate);
	add_value(&words, "--order", run.options.order);
	run_words(&words, phase, false);
}

/* VMs wait for their disks from here to where the other kernel has them. */
static int close_disks(const struct phase *phase)
{
	struct words words = { .nr = 0 };

	if (phase != &phases[OFF] || !disks_any())
		return 0;
	add_self(&words, "disk");
	add(&words, "close");
	return run_words(&words, phase, false);
}

static int act(const struct phase *phase, bool undo)
{
	struct words words = { .nr = 0 };
	uint64_t began = now();
	int status = 0;

	if (words_of(&words, phase - phases, undo)) {
		tell(phase, undo ? "undoes" : "does", -1);
		give_before(phase);
		/* VMs have their disks until here. */
		status = interrupted && phase == &phases[OFF] ? -1 : close_disks(phase);
		if (!status)
			status = run_words(&words, phase, undo);
	}
	/* The other kernel has ended on the way: then it is another command. */
	if (status && undo && phase == &phases[MOVE] && !part_runs()) {
		words.nr = 0;
		status = words_of(&words, MOVE, undo) ? run_words(&words, phase, undo) : 0;
	}
	if (!status && !undo && phase == &phases[PLAN])
		tell_network();
	tell(phase, status ? "failed" : undo ? "undone" : "done", now() - began);
	return status;
}

/* ---- how far it is, also for the other kernel: in a word that the shim shows it */

#define WORD		0x5246u
#define WORD_SHIFT	16
#define PHASE_SHIFT	8

/* Before there are two kernels nobody is there to be told. */
static void show(size_t at, enum phase_state state)
{
	uintptr_t word = WORD << WORD_SHIFT | at << PHASE_SHIFT | state;
	int fd = device_open();

	if (fd < 0)
		return;
	device_call(fd, VMM_REFRESH_PART_SAY, (void *)word);
	close(fd);
}

/**
 * run_describe() - How far a refresh is, as the first kernel has shown it
 * @fd: of the device
 *
 * Return: an object with phase and state, NULL: none is under way.
 */
struct json_object *run_describe(int fd)
{
	struct vmm_refresh_part_words words = { .size = sizeof(words) };
	struct json_object *object = run_journal_describe();
	const char *state;
	size_t at;

	if (object || fd < 0 || device_call(fd, VMM_REFRESH_PART_WORDS, &words) ||
	    words.first >> WORD_SHIFT != WORD)
		return object;
	at = words.first >> PHASE_SHIFT & 0xff;
	state = run_state_word(words.first & 0xff);
	if (at >= ARRAY_SIZE(phases) || !state)
		return NULL;
	object = json_object_new_object();
	put_string(object, "phase", phases[at].name);
	put_string(object, "state", state);
	return object;
}

static int keep(const struct phase *phase, enum phase_state state)
{
	run.at = phase - phases;
	run.state = state;
	show(run.at, state);
	return run_journal_write(&run.options, phase->name, state);
}

static bool stopped(void)
{
	return interrupted;
}

static bool is_wanted(void)
{
	char answer[8] = "";

	if (interrupted)
		return false;
	if (!strcmp(run.options.commit, "auto"))
		return true;
	if (strcmp(run.options.commit, "ask") || !isatty(STDIN_FILENO))
		return false;
	printf("All VMs have moved.  End this kernel?  There is no way back then.  [yes/no] ");
	fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) && !strcmp(answer, "yes\n");
}

/* The last thing to be looked at: else nobody would have the machine. */
static bool may_commit(void)
{
	if (!is_wanted())
		return false;
	run.alone = !part_runs();
	return !run.alone;
}

static const struct phase_ops ops = {
	.act = act, .keep = keep, .forget = run_journal_remove, .stopped = stopped,
	.may_commit = may_commit,
};

/* ---- how it ends */

static int finish_run(enum phases_end end, bool abort)
{
	static const struct {
		const char *word;
		int status;
	} ends[] = {
		[PHASES_OK] = { "done", EXIT_OK },
		[PHASES_UNDONE] = { "undone", EXIT_FAILED },
		[PHASES_WAIT] = { "waits", EXIT_OK },
		[PHASES_STUCK] = { "stuck", EXIT_BROKEN },
		[PHASES_FAILED] = { "failed", EXIT_BROKEN },
	};
	struct json_object *event;

	if (opt_json) {
		event = new_report("nestctl-refresh-run-1");
		put_string(event, "event", "end");
		put_string(event, "result", ends[end].word);
		printf("%s\n", json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN));
		json_object_put(event);
	} else {
		say(ends[end].status && !abort ? BAD : GOOD, "%s\n", ends[end].word);
	}
	if (end == PHASES_WAIT && run.alone) {
		complain("the other kernel does not run any more, and its VMs neither: 'nestctl refresh abort' takes back what it had, and defines them here again");
		return EXIT_FAILED;
	}
	if (end == PHASES_WAIT)
		complain("the VMs have moved: 'nestctl refresh resume --commit=auto' ends this kernel, 'nestctl refresh abort' moves them back");
	if (end == PHASES_STUCK && run.at == MOVE)
		complain("if the other kernel does not answer any more: nestctl refresh kill ends it, and the VMs that are there");
	if (end == PHASES_STUCK || end == PHASES_FAILED)
		complain("phase '%s' has failed: mend what it says, then nestctl refresh resume%s",
			 phases[run.at].name, end == PHASES_STUCK ? "" : " --commit=auto");
	return abort && end == PHASES_UNDONE ? EXIT_OK : ends[end].status;
}

static int print_phases(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(phases); i++)
		tell(&phases[i], "planned", -1);
	return act(&phases[PLAN], false) ? EXIT_REFUSED : EXIT_OK;
}

/* The journal names a phase of this table. */
static void find_journal(const char *verb)
{
	const char *name;

	switch (run_journal_read(&run.options, &name, &run.state)) {
	case 0:
		break;
	case -ENOENT:
		die(EXIT_REFUSED, "there is nothing to %s: no refresh is under way", verb);
	default:
		die(EXIT_UNKNOWN, "/run/nestctl/run.json cannot be read: nestctl refresh status and virsh list say what is there");
	}
	for (run.at = 0; run.at < ARRAY_SIZE(phases); run.at++)
		if (!strcmp(phases[run.at].name, name))
			return;
	die(EXIT_UNKNOWN, "/run/nestctl/run.json names a phase '%s', which this nestctl does not have",
	    name);
}

/**
 * refresh_run() - nestctl refresh run, resume, abort
 * @argc: number of arguments, that of the verb included
 * @argv: arguments
 *
 * Return: an exit status.
 */
int refresh_run(int argc, char **argv)
{
	autofree char *verb = text_of("%s", argv[0]);
	enum phases_end end;

	run_parse(&run.options, argc, argv);
	check_bridge();
	if (!strcmp(verb, "run") && run.options.dry)
		return print_phases();
	run_lock();
	catch_signals(on_signal, 0);
	if (!strcmp(verb, "run")) {
		if (run_journal_exists())
			die(EXIT_REFUSED, "a refresh is under way: nestctl refresh resume goes on, abort goes back");
		end = phases_run(phases, ARRAY_SIZE(phases), &ops);
	} else {
		find_journal(verb);
		if (!strcmp(verb, "resume"))
			end = phases_resume(phases, ARRAY_SIZE(phases), &ops, run.at, run.state);
		else if (phases[run.at].commits)
			die(EXIT_REFUSED, "there is no way back: this kernel is being ended");
		else
			end = phases_undo(phases, &ops, run.at);
	}
	if (end == PHASES_UNDONE)
		domain_release_here();
	/* That is what was wanted. */
	return finish_run(end, !strcmp(verb, "abort"));
}
