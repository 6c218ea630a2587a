// SPDX-License-Identifier: GPL-2.0-only
/*
 * What has been taken for the second kernel: /run/nestctl/partition.json.  It is written
 * before something is taken, so that whoever ends nestctl between two steps, the next
 * one can give it back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"
#include "nestctl.h"

#define DIRECTORY	"/run/nestctl"
#define RECORD		DIRECTORY "/partition.json"
#define LOCK		DIRECTORY "/lock"

/**
 * record_new() - Nothing has been taken
 *
 * Return: the object.
 */
struct json_object *record_new(void)
{
	struct json_object *record = new_report("nestctl-partition-1");

	put_bool(record, "virtualized", false);
	put_bool(record, "given", false);
	put_int(record, "serial", 0);
	put_int(record, "serial_pin", 0);
	put_array(record, "blocks");
	put_array(record, "devices");
	put_array(record, "cpus");
	put_array(record, "ranges");
	return record;
}

static bool all_numbers(struct json_object *array)
{
	size_t i;

	if (!json_object_is_type(array, json_type_array))
		return false;
	for (i = 0; i < length(array); i++)
		if (!json_object_is_type(item(array, i), json_type_int) ||
		    json_object_get_int64(item(array, i)) < 0)
			return false;
	return true;
}

static bool is_range(struct json_object *range)
{
	return json_object_is_type(range, json_type_object) &&
	       json_object_is_type(get(range, "start"), json_type_int) &&
	       json_object_is_type(get(range, "end"), json_type_int) &&
	       get_int(range, "start") >= 0 && get_int(range, "end") > get_int(range, "start");
}

static bool is_record(struct json_object *record)
{
	static const char *const flags[] = { "virtualized", "given" };
	static const char *const numbers[] = { "serial", "serial_pin" };
	struct json_object *ranges;
	size_t i;

	if (!json_object_is_type(record, json_type_object) ||
	    strcmp(get_string(record, "schema") ?: "", "nestctl-partition-1"))
		return false;
	for (i = 0; i < 2; i++)
		if (!json_object_is_type(get(record, flags[i]), json_type_boolean) ||
		    !json_object_is_type(get(record, numbers[i]), json_type_int))
			return false;
	ranges = get(record, "ranges");
	if (!json_object_is_type(ranges, json_type_array))
		return false;
	for (i = 0; i < length(ranges); i++)
		if (!is_range(item(ranges, i)))
			return false;
	return all_numbers(get(record, "blocks")) && all_numbers(get(record, "cpus")) &&
	       is_record_of_functions(get(record, "devices"));
}

/**
 * record_read() - What has been taken
 * @broken: it is there, and cannot be read
 *
 * Return: the record, NULL if there is none.
 */
struct json_object *record_read(bool *broken)
{
	autofree char *text = read_text(RECORD);
	struct json_object *record;

	*broken = false;
	if (!text) {
		*broken = errno != ENOENT && errno != ENOTDIR;
		return NULL;
	}
	record = json_tokener_parse(text);
	if (is_record(record))
		return record;
	*broken = true;
	json_object_put(record);
	return NULL;
}

static int write_all(int fd, const char *text)
{
	size_t size = strlen(text);
	ssize_t n;

	while (size) {
		n = write(fd, text, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		text += n;
		size -= n;
	}
	return fsync(fd);
}

/**
 * make_run_directory() - Where nestctl keeps what another one has to know
 *
 * Return: 0, or -1 with errno.
 */
int make_run_directory(void)
{
	autofree char *run = below_root("/run");
	autofree char *directory = below_root(DIRECTORY);

	if (mkdir(run, 0755) && errno != EEXIST)
		return -1;
	return mkdir(directory, 0755) && errno != EEXIST ? -1 : 0;
}

/**
 * write_run_file() - Write a file: all of it, or what was there stays
 * @name: of it
 * @object: what is to be in it
 *
 * Return: 0 when it is on the disk, or -1 after a message.
 */
int write_run_file(const char *name, struct json_object *object)
{
	autofree char *path = below_root("%s", name);
	autofree char *fresh = below_root("%s.new", name);
	int fd, bad;

	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bad = fd < 0 || write_all(fd, json_object_to_json_string(object));
	if (fd >= 0)
		bad |= close(fd);
	if (!bad && !rename(fresh, path))
		return 0;
	complain("cannot write %s (%s), where it is kept what has been taken: make room in /run",
		 path, strerror(errno));
	unlink(fresh);
	return -1;
}

/**
 * record_write() - Write it: all of it, or what was there stays
 * @record: it
 *
 * Return: 0, or -1 after a message.
 */
int record_write(struct json_object *record)
{
	return write_run_file(RECORD, record);
}

/**
 * record_is_empty() - Is there nothing to give back?
 * @record: it
 *
 * Return: true if all is as it was.
 */
bool record_is_empty(struct json_object *record)
{
	return !get_bool(record, "virtualized") && !get_bool(record, "given") &&
	       !length(get(record, "blocks")) && !length(get(record, "devices"));
}

/**
 * record_remove() - Nothing is taken any more
 */
void record_remove(void)
{
	autofree char *path = below_root(RECORD);

	if (unlink(path) && errno != ENOENT)
		complain("cannot remove %s (%s): remove it by hand", path, strerror(errno));
}

/**
 * record_lock() - Keep other nestctl off until this one ends; it ends if one is there
 */
void record_lock(void)
{
	autofree char *path = below_root(LOCK);
	int fd = -1;

	if (!make_run_directory())
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		die(EXIT_REFUSED, "cannot write %s (%s): use sudo", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB))
		die(EXIT_REFUSED, "another nestctl is at work on the second kernel: wait for it");
}
