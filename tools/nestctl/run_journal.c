// SPDX-License-Identifier: GPL-2.0-only
/*
 * How far a refresh is: /run/nestctl/run.json, written before each phase.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "boot.h"
#include "nestctl.h"
#include "run.h"

#define JOURNAL	"/run/nestctl/run.json"
#define LOCK	"/run/nestctl/run.lock"

static const char *const states[] = {
#define X(name, word) word,
	PHASE_STATES(X)
#undef X
};

/* Its texts are in it as long as the program runs. */
static struct json_object *journal;

/* Strings of the options: name, where. */
#define STRINGS(X)								\
	X(to)									\
	X(from)									\
	X(link)									\
	X(bridge)								\
	X(wait)									\
	X(parallel)								\
	X(commit)								\
	X(off)									\
	X(rate)									\
	X(order)								\
	X(downtime)								\
	X(timeout)

static const struct string {
	const char *name;
	size_t offset;
} strings[] = {
#define X(name) { #name, offsetof(struct run_options, name) },
	STRINGS(X)
#undef X
};

static const char **string_of(struct run_options *options, size_t i)
{
	return (const char **)((char *)options + strings[i].offset);
}

/**
 * run_lock() - Keep other refreshes off until this program ends; it ends if one is there
 *
 * The commands of phases have the lock, too: what one does goes on when this program is killed.
 */
void run_lock(void)
{
	autofree char *path = below_root(LOCK);
	int fd;

	make_run_directory();
	fd = open(path, O_WRONLY | O_CREAT, 0644);
	if (fd < 0)
		die(EXIT_REFUSED, "cannot write %s (%s): use sudo", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB))
		die(EXIT_REFUSED, "another nestctl runs a refresh, or was killed and what it has begun goes on: wait for it, or end it");
}

/**
 * run_journal_exists() - Is a refresh under way?
 *
 * Return: true, also if the journal cannot be read.
 */
bool run_journal_exists(void)
{
	return exists(JOURNAL);
}

static bool all_strings(struct json_object *array)
{
	size_t i;

	if (!json_object_is_type(array, json_type_array))
		return false;
	for (i = 0; i < length(array); i++)
		if (!json_object_is_type(item(array, i), json_type_string))
			return false;
	return true;
}

static bool read_options(struct run_options *options)
{
	struct json_object *boot = get(journal, "boot"), *value;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(strings); i++) {
		value = get(journal, strings[i].name);
		if (value && !json_object_is_type(value, json_type_string))
			return false;
		if (!*string_of(options, i))
			*string_of(options, i) = get_string(journal, strings[i].name);
	}
	if (!all_strings(boot))
		return false;
	options->nr_boot = length(boot);
	options->boot = calloc(options->nr_boot + 1, sizeof(*options->boot));
	if (!options->boot)
		die(EXIT_UNKNOWN, "no memory");
	for (i = 0; i < options->nr_boot; i++)
		options->boot[i] = json_object_get_string(item(boot, i));
	return options->to && options->from && options->wait && options->parallel &&
	       options->commit && options->off;
}

/**
 * run_journal_read() - What is under way
 * @options: filled in where nothing is yet
 * @phase: name of the phase
 * @state: of it
 *
 * Return: 0; -ENOENT there is none; -EINVAL it cannot be read.
 */
int run_journal_read(struct run_options *options, const char **phase, enum phase_state *state)
{
	autofree char *text = read_text(JOURNAL);
	const char *word;
	size_t i;

	if (!text)
		return errno == ENOENT || errno == ENOTDIR ? -ENOENT : -EINVAL;
	journal = json_tokener_parse(text);
	if (!json_object_is_type(journal, json_type_object) ||
	    strcmp(get_string(journal, "schema") ?: "", "nestctl-run-1") || !read_options(options))
		return -EINVAL;
	*phase = get_string(journal, "phase");
	word = get_string(journal, "state");
	for (i = 0; *phase && word && i < ARRAY_SIZE(states); i++) {
		if (!strcmp(states[i], word)) {
			*state = i;
			return 0;
		}
	}
	return -EINVAL;
}

/**
 * run_journal_write() - A phase is about to be done, is done, or is about to be undone
 * @options: of the refresh
 * @phase: name of the phase
 * @state: of it
 *
 * Return: 0 when it is on the disk, or -1 after a message.
 */
int run_journal_write(const struct run_options *options, const char *phase, enum phase_state state)
{
	struct run_options copy = *options;
	struct json_object *fresh = new_report("nestctl-run-1"), *boot;
	int status;
	size_t i;

	put_string(fresh, "phase", phase);
	put_string(fresh, "state", states[state]);
	for (i = 0; i < ARRAY_SIZE(strings); i++)
		put_string(fresh, strings[i].name, *string_of(&copy, i));
	boot = put_array(fresh, "boot");
	for (i = 0; i < options->nr_boot; i++)
		json_object_array_add(boot, json_object_new_string(options->boot[i]));
	status = write_run_file(JOURNAL, fresh);
	json_object_put(fresh);
	return status;
}

/**
 * run_state_word() - A state in a word
 * @state: of a phase
 *
 * Return: the word; NULL if there is no such state.
 */
const char *run_state_word(enum phase_state state)
{
	return state < ARRAY_SIZE(states) ? states[state] : NULL;
}

/**
 * run_journal_describe() - How far the refresh of this kernel is
 *
 * Return: an object with phase and state, NULL: none is under way, or its journal cannot be read.
 */
struct json_object *run_journal_describe(void)
{
	autofree char *text = read_text(JOURNAL);
	struct json_object *written = text ? json_tokener_parse(text) : NULL, *object = NULL;
	const char *phase = get_string(written, "phase"), *state = get_string(written, "state");

	if (phase && state) {
		object = json_object_new_object();
		put_string(object, "phase", phase);
		put_string(object, "state", state);
	}
	json_object_put(written);
	return object;
}

/**
 * run_journal_remove() - Nothing is under way any more
 */
void run_journal_remove(void)
{
	autofree char *path = below_root(JOURNAL);

	if (unlink(path) && errno != ENOENT)
		complain("cannot remove %s (%s): remove it by hand", path, strerror(errno));
}
