// SPDX-License-Identifier: GPL-2.0-only
/*
 * Definitions of domains that are with the other kernel: /run/nestctl/domains.  libvirt takes a
 * definition away from here when the domain has moved; should that kernel end, it would be
 * gone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"
#include "kept.h"
#include "nestctl.h"

#define DIRECTORY	"/run/nestctl/domains"
#define SUFFIX		".json"

/**
 * kept_write() - Keep a definition
 * @uuid: of the domain
 * @name: of the domain
 * @xml: its definition
 * @off: it does not run
 *
 * Return: 0 when it is on the disk, or -1 after a message.
 */
int kept_write(const char *uuid, const char *name, const char *xml, bool off)
{
	autofree char *directory = below_root(DIRECTORY);
	autofree char *file = text_of(DIRECTORY "/%s" SUFFIX, uuid);
	struct json_object *object;
	int status;

	if (make_run_directory() || (mkdir(directory, 0700) && errno != EEXIST)) {
		complain("cannot make %s: %s", directory, strerror(errno));
		return -1;
	}
	object = new_report("nestctl-kept-1");
	put_string(object, "name", name);
	put_string(object, "xml", xml);
	put_bool(object, "off", off);
	status = write_run_file(file, object);
	json_object_put(object);
	return status;
}

/**
 * kept_remove() - It is not needed any more
 * @uuid: of the domain
 */
void kept_remove(const char *uuid)
{
	autofree char *path = below_root(DIRECTORY "/%s" SUFFIX, uuid);

	if (unlink(path) && errno != ENOENT && errno != ENOTDIR)
		complain("cannot remove %s: %s", path, strerror(errno));
}

/**
 * kept_any() - Are there any?
 *
 * Return: true if there is a definition of a domain that may be nowhere else.
 */
bool kept_any(void)
{
	struct dirent **entries;
	int i, nr = list(&entries, DIRECTORY);
	bool any = false;

	for (i = 0; i < nr; i++)
		any |= strlen(entries[i]->d_name) > strlen(SUFFIX);
	free_list(entries, nr);
	return any;
}

static char *names;

static int add_name(const char *uuid, const char *name, const char *xml, bool off)
{
	char *more = text_of("%s%s%s", names ?: "", names ? ", " : "", name);

	(void)uuid;
	(void)xml;
	(void)off;
	free(names);
	names = more;
	return -1;
}

/**
 * kept_names() - Who is with the other kernel, for a message
 *
 * Return: the names with commas in between, to be freed; NULL if there are none.
 */
char *kept_names(void)
{
	char *found;

	kept_each(add_name);
	found = names;
	names = NULL;
	return found;
}

static int restore(const char *uuid, kept_fn *function)
{
	autofree char *text = read_text(DIRECTORY "/%s" SUFFIX, uuid);
	struct json_object *object = text ? json_tokener_parse(text) : NULL;
	const char *name = get_string(object, "name"), *xml = get_string(object, "xml");
	int status = -1;

	if (!name || !xml)
		complain(DIRECTORY "/%s" SUFFIX " cannot be read: define that domain by hand, and remove the file",
			 uuid);
	else
		status = function(uuid, name, xml, get_bool(object, "off"));
	json_object_put(object);
	if (status >= 0)
		kept_remove(uuid);
	return status;
}

/**
 * kept_each() - Do something with each, and forget those with which it went well
 * @function: what
 *
 * Return: how many have returned 1, or -1 if one has not gone well.
 */
int kept_each(kept_fn *function)
{
	struct dirent **entries;
	int i, status, nr = list(&entries, DIRECTORY), sum = 0, bad = 0;

	for (i = 0; i < nr; i++) {
		size_t size = strlen(entries[i]->d_name);
		autofree char *uuid = NULL;

		if (size <= strlen(SUFFIX) ||
		    strcmp(entries[i]->d_name + size - strlen(SUFFIX), SUFFIX))
			continue;
		uuid = text_of("%.*s", (int)(size - strlen(SUFFIX)), entries[i]->d_name);
		status = restore(uuid, function);
		if (status < 0)
			bad = -1;
		else
			sum += status;
	}
	free_list(entries, nr);
	return bad ?: sum;
}
