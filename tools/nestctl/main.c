// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl: look at, judge and exchange the virtualization of this machine.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "nestctl.h"

const char *argp_program_version = "nestctl " NESTCTL_VERSION;
bool opt_json;

static const struct {
	const struct command *command;
	const char *text;
} commands[] = {
#define X(name, text) { &name##_command, text },
	NESTCTL_COMMANDS(X)
#undef X
};

static const struct {
	int value;
	const char *text;
} exits[] = {
#define X(name, value, text) { value, text },
	NESTCTL_EXITS(X)
#undef X
};

__attribute__((format(printf, 1, 0)))
static void to_stderr(const char *format, va_list args)
{
	fflush(stdout);
	fprintf(stderr, "nestctl: ");
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

/**
 * complain() - Tell the user on stderr, in one line
 * @format: what was tried, why it failed, what to do
 */
void complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	to_stderr(format, args);
	va_end(args);
}

/**
 * die() - The same, and end
 * @status: EXIT_*
 * @format: what was tried, why it failed, what to do
 */
void die(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	to_stderr(format, args);
	va_end(args);
	exit(status);
}

/* ---- options of all commands */

enum { KEY_ROOT = 0x100 };

static const struct argp_option common_options[] = {
	{ "json", 'j', NULL, 0, "print JSON (Documentation/schema/)", 1 },
	{ "root", KEY_ROOT, "DIR", OPTION_HIDDEN,
	  "look at the machine whose files are below DIR", 1 },
	{ 0 }
};

static error_t common_parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'j':
		opt_json = true;
		return 0;
	case KEY_ROOT:
		opt_root = arg;
		return 0;
	}
	(void)state;
	return ARGP_ERR_UNKNOWN;
}

const struct argp common_argp = { common_options, common_parse, NULL, NULL, NULL, NULL, NULL };

static char *exit_table(const char *before)
{
	char *text = text_of("%sExit status:\n", before);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(exits); i++) {
		char *longer = text_of("%s  %2d  %s\n", text, exits[i].value, exits[i].text);

		free(text);
		text = longer;
	}
	return text;
}

/* argp calls it with each piece of text, and frees what it gets back if it is another. */
static char *help_filter(int key, const char *text, void *input)
{
	autofree char *list = NULL;
	autofree char *head = NULL;
	size_t i;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	list = text_of("Commands:\n");
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		char *longer = text_of("%s  %-10s%s\n", list,
				       commands[i].command->name, commands[i].text);

		free(list);
		list = longer;
	}
	head = text_of("%s\nnestctl COMMAND --help says more.\n\n", list);
	return exit_table(head);
}

static char *command_filter(int key, const char *text, void *input)
{
	autofree char *head = NULL;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	head = text && *text ? text_of("%s\n\n", text) : text_of("%s", "");
	return exit_table(head);
}

/**
 * command_parse() - Parse the arguments of a command; ends the program if they are wrong
 * @command: it
 * @argc: number of arguments, that of its name included
 * @argv: arguments
 * @input: for its parser
 */
void command_parse(const struct command *command, int argc, char **argv, void *input)
{
	static char name[64];
	struct argp argp = *command->argp;

	snprintf(name, sizeof(name), "nestctl %s", command->name);
	argv[0] = name;
	argp.help_filter = command_filter;
	if (argp_parse(&argp, argc, argv, 0, NULL, input))
		exit(EXIT_USAGE);
}

/* ---- bash completion: the words that may follow, one a line */

static void print_options(const struct argp *argp)
{
	const struct argp_option *option;
	const struct argp_child *child;

	for (option = argp->options; option && (option->name || option->doc || option->key);
	     option++)
		if (option->name && !(option->flags & OPTION_HIDDEN))
			printf("--%s\n", option->name);
	for (child = argp->children; child && child->argp; child++)
		print_options(child->argp);
}

static int complete(const char *name)
{
	const struct command *command;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		command = commands[i].command;
		if (!name) {
			printf("%s\n", command->name);
		} else if (!strcmp(name, command->name)) {
			print_options(command->argp);
			if (command->more)
				print_options(command->more);
			printf("--help\n%s", command->words ?: "");
		}
	}
	if (!name)
		printf("--help\n--version\n");
	return EXIT_OK;
}

/* ---- the program */

struct arguments {
	int argc;
	char **argv;
};

static error_t main_parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *rest = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		rest->argc = state->argc - state->next + 1;
		rest->argv = state->argv + state->next - 1;
		state->next = state->argc;
		(void)arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no command is given");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child main_children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };

static const struct argp main_argp = {
	.parser = main_parse,
	.args_doc = "COMMAND [OPTION...]",
	.doc = "Look at the virtualization of this machine, say what it can do, exchange it.\v",
	.children = main_children,
	.help_filter = help_filter,
};

int main(int argc, char **argv)
{
	struct arguments rest = { 0, NULL };
	size_t i;

	argp_err_exit_status = EXIT_USAGE;
	if (argp_parse(&main_argp, argc, argv, ARGP_IN_ORDER, NULL, &rest))
		return EXIT_USAGE;
	if (!strcmp(rest.argv[0], "complete"))
		return complete(rest.argc > 1 ? rest.argv[1] : NULL);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(rest.argv[0], commands[i].command->name))
			return commands[i].command->run(rest.argc, rest.argv);
	complain("no command '%s': nestctl --help lists them", rest.argv[0]);
	return EXIT_USAGE;
}
