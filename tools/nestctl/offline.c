// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory blocks that are offline for a moment.  A block is in the journal before that moment
 * begins, so that whoever ends nestctl meanwhile, the next one brings it online.
 *
 * Nobody but the caller's command takes such blocks: it has to know that they are this kernel's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot.h"
#include "device.h"
#include "nestctl.h"
#include "offline.h"

#define SCHEMA		"nestctl-offline-1"
#define BLOCK_STATE	"/sys/devices/system/memory/memory%u/state"

static struct {
	const char *file;
	struct json_object *record;
} journal;

static struct json_object *noted(void)
{
	return get(journal.record, "blocks");
}

static bool is_journal(struct json_object *record)
{
	struct json_object *blocks = get(record, "blocks");
	size_t i;

	if (strcmp(get_string(record, "schema") ?: "", SCHEMA) ||
	    !json_object_is_type(get(record, "movable"), json_type_int) ||
	    !json_object_is_type(blocks, json_type_array))
		return false;
	for (i = 0; i < length(blocks); i++)
		if (!json_object_is_type(item(blocks, i), json_type_int) ||
		    json_object_get_int64(item(blocks, i)) < 0 ||
		    json_object_get_int64(item(blocks, i)) > UINT32_MAX)
			return false;
	return true;
}

/**
 * offline_exists() - Was a nestctl that had this journal cut off?
 * @file: its path
 *
 * Return: true if there is one.
 */
bool offline_exists(const char *file)
{
	return exists("%s", file);
}

/**
 * offline_begin() - Have a journal: that of a nestctl that was cut off, or a new one
 * @file: its path
 * @movable: bytes of movable memory that are wanted: for a new one, or from an old one
 * @fresh: @movable is what counts
 *
 * Ends the program if there is one that cannot be read.
 */
void offline_begin(const char *file, uint64_t *movable, bool fresh)
{
	autofree char *text = read_text("%s", file);

	journal.file = file;
	if (text)
		journal.record = json_tokener_parse(text);
	if (text && !is_journal(journal.record))
		die(EXIT_UNKNOWN, "%s cannot be read, which says what memory is offline: bring that online by hand and remove it",
		    file);
	if (text && !fresh)
		*movable = get_int(journal.record, "movable");
	if (!text) {
		journal.record = new_report(SCHEMA);
		put_array(journal.record, "blocks");
	}
	put_int(journal.record, "movable", *movable);
}

/**
 * offline_write() - Put it on the disk
 *
 * Return: 0, or -1 after a message.
 */
int offline_write(void)
{
	return write_run_file(journal.file, journal.record);
}

static size_t find(unsigned int number)
{
	size_t i;

	for (i = 0; i < length(noted()); i++)
		if (json_object_get_int64(item(noted(), i)) == number)
			break;
	return i;
}

/**
 * offline_noted() - Is this block in the journal?
 * @number: of the block
 *
 * Return: true if it is.
 */
bool offline_noted(unsigned int number)
{
	return find(number) < length(noted());
}

/**
 * offline_note() - This block is about to go offline, for a moment
 * @number: of the block
 *
 * Return: 0 when that is on the disk, or -1 after a message.
 */
int offline_note(unsigned int number)
{
	if (offline_noted(number))
		return 0;
	json_object_array_add(noted(), json_object_new_int64(number));
	if (!offline_write())
		return 0;
	json_object_array_del_idx(noted(), length(noted()) - 1, 1);
	return -1;
}

/**
 * offline_forget() - It is online
 * @number: of the block
 *
 * A journal that cannot be written says too much, which does no harm.
 */
void offline_forget(unsigned int number)
{
	if (!offline_noted(number))
		return;
	json_object_array_del_idx(noted(), find(number), 1);
	offline_write();
}

/**
 * offline_list() - All blocks in the journal
 * @numbers: set to an array, to be freed
 *
 * Return: how many.
 */
size_t offline_list(unsigned int **numbers)
{
	size_t i, nr = length(noted());

	*numbers = calloc(nr ?: 1, sizeof(**numbers));
	if (!*numbers)
		die(EXIT_UNKNOWN, "out of memory");
	for (i = 0; i < nr; i++)
		(*numbers)[i] = json_object_get_int64(item(noted(), i));
	return nr;
}

/* It stays in the journal if it is online, and not movable yet. */
static bool come_online(unsigned int number)
{
	autofree char *path = text_of(BLOCK_STATE, number);

	if (!block_is_online(number) && device_write(path, "online_movable") &&
	    device_write(path, "online")) {
		complain("memory block %u does not come online (%s): echo online >%s", number,
			 strerror(errno), path);
		return false;
	}
	if (block_is_movable(number))
		offline_forget(number);
	return true;
}

/**
 * offline_restore() - Bring all blocks in the journal online, movable if that is possible
 *
 * Return: how many have stayed offline, after a message for each.
 */
size_t offline_restore(void)
{
	unsigned int *numbers;
	size_t i, left = 0, nr = offline_list(&numbers);

	for (i = 0; i < nr; i++)
		left += !come_online(numbers[i]);
	free(numbers);
	return left;
}

/**
 * offline_end() - Nothing of it is offline any more
 */
void offline_end(void)
{
	autofree char *path = below_root("%s", journal.file);

	if (unlink(path) && errno != ENOENT && errno != ENOTDIR)
		complain("cannot remove %s (%s): remove it by hand", path, strerror(errno));
	json_object_put(journal.record);
	journal.record = NULL;
}
