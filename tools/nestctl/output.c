// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a command has found, for people and for programs.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "nestctl.h"

static bool use_colors(void)
{
	static int use = -1;
	const char *term = getenv("TERM");

	if (use < 0)
		use = isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && term &&
		      strcmp(term, "dumb");
	return use;
}

/**
 * say() - Print to stdout, in a colour if that is a terminal
 * @color: one of enum color
 * @format: what
 */
void say(enum color color, const char *format, ...)
{
	static const char *const codes[NR_COLORS] = { "", "32", "31", "33", "2", "1" };
	va_list args;
	bool colored = color != PLAIN && use_colors();

	if (colored)
		printf("\033[%sm", codes[color]);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	if (colored)
		printf("\033[0m");
}

/**
 * finish() - Print a report and drop it
 * @report: the answer of a command
 * @text: prints it for people
 * @status: exit status of the command
 *
 * Return: @status, or EXIT_UNKNOWN if the output could not be written.
 */
int finish(struct json_object *report, void (*text)(struct json_object *report), int status)
{
	if (opt_json)
		printf("%s\n", json_object_to_json_string_ext(report,
							      JSON_C_TO_STRING_PRETTY |
							      JSON_C_TO_STRING_SPACED |
							      JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		text(report);
	json_object_put(report);
	if (fflush(stdout) || ferror(stdout)) {
		complain("cannot write the output: is the disk full, or the reader gone?");
		return EXIT_UNKNOWN;
	}
	return status;
}

/**
 * new_report() - An object whose schema is known
 * @schema: name and version, as in Documentation/schema/<name>.json
 *
 * Return: the object.
 */
struct json_object *new_report(const char *schema)
{
	struct json_object *report = json_object_new_object();

	put_string(report, "schema", schema);
	return report;
}

/* NULL is null. */
void put_string(struct json_object *object, const char *key, const char *value)
{
	json_object_object_add(object, key, value ? json_object_new_string(value) : NULL);
}

void put_int(struct json_object *object, const char *key, int64_t value)
{
	json_object_object_add(object, key, json_object_new_int64(value));
}

void put_bool(struct json_object *object, const char *key, bool value)
{
	json_object_object_add(object, key, json_object_new_boolean(value));
}

struct json_object *put_array(struct json_object *object, const char *key)
{
	struct json_object *array = json_object_new_array();

	json_object_object_add(object, key, array);
	return array;
}

struct json_object *put_object(struct json_object *object, const char *key)
{
	struct json_object *member = json_object_new_object();

	json_object_object_add(object, key, member);
	return member;
}

struct json_object *append_object(struct json_object *array)
{
	struct json_object *object = json_object_new_object();

	json_object_array_add(array, object);
	return object;
}

struct json_object *get(struct json_object *object, const char *key)
{
	return json_object_object_get(object, key);
}

const char *get_string(struct json_object *object, const char *key)
{
	struct json_object *value = get(object, key);

	return value ? json_object_get_string(value) : NULL;
}

int64_t get_int(struct json_object *object, const char *key)
{
	return json_object_get_int64(get(object, key));
}

bool get_bool(struct json_object *object, const char *key)
{
	return json_object_get_boolean(get(object, key));
}

size_t length(struct json_object *array)
{
	return array ? json_object_array_length(array) : 0;
}

struct json_object *item(struct json_object *array, size_t i)
{
	return json_object_array_get_idx(array, i);
}
