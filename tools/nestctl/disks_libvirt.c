// SPDX-License-Identifier: GPL-2.0-only
/*
 * Disks of domains that run: what QEMU has below a disk is exchanged while the VM runs, by commands
 * to its monitor.
 *
 * A disk is two nodes of QEMU's: one for the format, which the device has, and below it one for
 * where the image is.  Only the latter is exchanged, so the device does not notice.
 */
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disks_libvirt.h"
#include "nestctl.h"

#define FORMAT		"-format"
#define STORAGE		"-storage"
#define RETRY		(200 * 1000)
#define RETRIES_PER_S	5
/* Until a kernel that has ended is followed by one that has the disk. */
#define PATIENCE	604800

/* ---- the monitor */

/* What QEMU returns, NULL after a message. */
static struct json_object *ask(virDomainPtr handle, const char *name,
			       struct json_object *arguments, int fd)
{
	autofree char *text = NULL;
	struct json_object *command = json_object_new_object(), *answer, *value;
	int status;

	put_string(command, "execute", name);
	if (arguments)
		json_object_object_add(command, "arguments", arguments);
	status = lib.virDomainQemuMonitorCommandWithFiles(handle,
							  json_object_to_json_string(command),
							  fd >= 0, &fd, NULL, NULL, &text, 0);
	json_object_put(command);
	answer = !status && text ? json_tokener_parse(text) : NULL;
	value = json_object_get(get(answer, "return"));
	if (!value)
		complain("QEMU of '%s' refuses %s: %s", lib.virDomainGetName(handle), name,
			 get_string(get(answer, "error"), "desc") ?: lib.virGetLastErrorMessage());
	json_object_put(answer);
	return value;
}

static int tell(virDomainPtr handle, const char *name, struct json_object *arguments)
{
	struct json_object *value = ask(handle, name, arguments, -1);
	int status = value ? 0 : -1;

	json_object_put(value);
	return status;
}

static struct json_object *all_nodes(virDomainPtr handle)
{
	struct json_object *arguments = json_object_new_object();

	put_bool(arguments, "flat", true);
	return ask(handle, "query-named-block-nodes", arguments, -1);
}

/* The node of a driver that has to do with an export. */
static struct json_object *find_node(struct json_object *nodes, const char *export,
				     const char *driver)
{
	size_t i;

	for (i = 0; i < length(nodes); i++) {
		struct json_object *node = item(nodes, i);

		if (!strcmp(get_string(node, "drv") ?: "", driver) &&
		    strstr(get_string(node, "file") ?: "", export))
			return node;
	}
	return NULL;
}

/* Of a QEMU that does not say it is taken for true. */
static bool is_served(virDomainPtr handle, const char *export)
{
	struct json_object *nodes = all_nodes(handle);
	bool served = !nodes || find_node(nodes, export, "nbd");

	json_object_put(nodes);
	return served;
}

/* ---- before a move */

/**
 * disks_of() - What a move does with the disks of a domain
 * @handle: of the domain, which runs
 * @disks: filled in, for disks_free()
 */
void disks_of(virDomainPtr handle, struct disks *disks)
{
	autofree char *xml = lib.virDomainGetXMLDesc(handle, VIR_DOMAIN_XML_MIGRATABLE |
						     VIR_DOMAIN_XML_SECURE);
	autofree char *definition = lib.virDomainIsPersistent(handle) == 1 ?
		lib.virDomainGetXMLDesc(handle, VIR_DOMAIN_XML_INACTIVE) : NULL;
	char uuid[VIR_UUID_STRING_BUFLEN] = "";
	size_t i;

	lib.virDomainGetUUIDString(handle, uuid);
	disks_look(xml ?: "", definition ?: "", disks);
	if (!xml) {
		/* It is not known to have none. */
		disks->disk[0] = (struct disk){ .kind = DISK_REFUSED };
		disks->disk[0].why = text_of("libvirt does not tell which disks it has: %s",
					     lib.virGetLastErrorMessage());
		disks->nr = 1;
	}
	for (i = 0; i < disks->nr; i++) {
		struct disk *disk = &disks->disk[i];

		if (disk->kind != DISK_SERVED || is_served(handle, disk->export))
			continue;
		/* It was, and libvirt still says so. */
		free(disk->export);
		free(disk->address);
		free(disk->port);
		free(disk->xml.source);
		disk->export = NULL;
		disk->address = NULL;
		disk->port = NULL;
		disk->xml.source = text_of("%s", disk->path);
		disks_take(disk, uuid);
	}
}

/**
 * disks_destination() - What the other kernel's QEMU has
 * @handle: of the domain
 * @disks: its disks, those that are this kernel's with their servers
 * @xml: XML, to be freed; NULL if it is no other one
 *
 * Return: NULL; or a disk whose place in the XML is not found: that domain must not move, as both
 * kernels would write to the disk.
 */
const struct disk *disks_destination(virDomainPtr handle, const struct disks *disks, char **xml)
{
	autofree char *definition = lib.virDomainGetXMLDesc(handle, VIR_DOMAIN_XML_INACTIVE);
	char *fresh;
	size_t i;

	*xml = NULL;
	for (i = 0; i < disks->nr; i++) {
		const struct disk *disk = &disks->disk[i];

		if (disk->kind != DISK_LOCAL && disk->kind != DISK_SERVED)
			continue;
		if (!*xml)
			*xml = lib.virDomainGetXMLDesc(handle, VIR_DOMAIN_XML_MIGRATABLE |
						       VIR_DOMAIN_XML_SECURE);
		fresh = disk->kind == DISK_LOCAL ? disks_xml_serve(*xml ?: "", disk) :
			disks_xml_bring(*xml ?: "", definition ?: "", disk->xml.target);
		free(*xml);
		*xml = fresh;
		if (!fresh)
			return disk;
	}
	return NULL;
}

/* ---- exchange */

/* Cache and access as they are: a flush of the guest's reaches the disk as before. */
static struct json_object *cache_of(struct json_object *node)
{
	struct json_object *cache = json_object_new_object(), *now = get(node, "cache");

	put_bool(cache, "direct", get_bool(now, "direct"));
	put_bool(cache, "no-flush", get_bool(now, "no-flush"));
	return cache;
}

static const char *format_of(const struct disk *disk)
{
	return disk->xml.format ?: "raw";
}

static struct json_object *reopened(const struct disk *disk, struct json_object *format,
				    const char *below)
{
	struct json_object *arguments = json_object_new_object();
	struct json_object *options = json_object_new_object();

	put_string(options, "driver", format_of(disk));
	/* A raw image has none to be told of. */
	if (strcmp(format_of(disk), "raw"))
		json_object_object_add(options, "backing", NULL);
	if (disk->xml.cache_size)
		put_int(options, "cache-size", strtoll(disk->xml.cache_size, NULL, 10));
	put_string(options, "node-name", get_string(format, "node-name"));
	put_string(options, "file", below);
	put_bool(options, "read-only", get_bool(format, "ro"));
	put_string(options, "detect-zeroes", get_string(format, "detect_zeroes") ?: "off");
	if (disk->xml.discard)
		put_string(options, "discard", disk->xml.discard);
	json_object_object_add(options, "cache", cache_of(format));
	json_object_object_add(arguments, "options", json_object_new_array());
	json_object_array_add(get(arguments, "options"), options);
	return arguments;
}

static int del_node(virDomainPtr handle, const char *name)
{
	struct json_object *arguments = json_object_new_object();

	put_string(arguments, "node-name", name);
	return tell(handle, "blockdev-del", arguments);
}

/* libvirt's own name, if it is free: in the end all are as libvirt has made them. */
static char *name_for(const struct disk *disk, struct json_object *format,
		      struct json_object *storage)
{
	const char *above = get_string(format, "node-name");
	size_t length = strlen(above) - strlen(FORMAT);
	autofree char *name = NULL;

	if (strlen(above) <= strlen(FORMAT) || strcmp(above + length, FORMAT))
		return text_of(DISKS_PREFIX "%s", disk->xml.target);
	name = text_of("%.*s" STORAGE, (int)length, above);
	if (!strcmp(get_string(storage, "node-name"), name))
		return text_of(DISKS_PREFIX "%s", disk->xml.target);
	return text_of("%s", name);
}

/* @node: what is to be below the disk; it is used up. */
static int exchange(virDomainPtr handle, const struct disk *disk, struct json_object *node)
{
	struct json_object *nodes = all_nodes(handle);
	struct json_object *format = find_node(nodes, disk->export, format_of(disk));
	struct json_object *storage = find_node(nodes, disk->export, "nbd");
	autofree char *name = NULL;
	int status = -1;

	if (!format || !storage) {
		complain("QEMU of '%s' has no node of its own for the format of %s: its libvirt is not one whose disks can be exchanged",
			 lib.virDomainGetName(handle), disk->xml.target);
		json_object_put(node);
		json_object_put(nodes);
		return -1;
	}
	name = name_for(disk, format, storage);
	put_string(node, "node-name", name);
	put_bool(node, "read-only", get_bool(format, "ro"));
	json_object_object_add(node, "cache", cache_of(format));
	if (!tell(handle, "blockdev-add", node)) {
		status = tell(handle, "blockdev-reopen", reopened(disk, format, name));
		del_node(handle, status ? name : get_string(storage, "node-name"));
	}
	json_object_put(nodes);
	return status;
}

/**
 * disks_hold() - Let a VM wait for a server that is gone, instead of seeing errors
 * @handle: of the domain, in the kernel to which it has moved
 * @disk: that the other kernel serves
 *
 * libvirt 9.0 does not pass that to QEMU.
 *
 * Return: 0, or -1 after a message.
 */
int disks_hold(virDomainPtr handle, const struct disk *disk)
{
	struct json_object *node = json_object_new_object(), *server = put_object(node, "server");

	put_string(server, "type", "inet");
	put_string(server, "host", disk->address);
	put_string(server, "port", disk->port);
	put_string(node, "driver", "nbd");
	put_string(node, "export", disk->export);
	put_int(node, "reconnect-delay", PATIENCE);
	put_string(node, "discard", "unmap");
	return exchange(handle, disk, node);
}

/* ---- one kernel has all */

/* It is opened here, with no regard to what QEMU itself may open. */
static int take(virDomainPtr handle, const struct disk *disk)
{
	int fd = open(disk->path, (disk->xml.readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	struct json_object *set, *node;
	autofree char *file = NULL;
	struct stat status;

	if (fd < 0 || fstat(fd, &status)) {
		complain("cannot open %s: %s", disk->path, strerror(errno));
		return -1;
	}
	set = ask(handle, "add-fd", NULL, fd);
	close(fd);
	if (!set)
		return -1;
	file = text_of("/dev/fdset/%lld", (long long)get_int(set, "fdset-id"));
	json_object_put(set);
	node = json_object_new_object();
	put_string(node, "driver", S_ISBLK(status.st_mode) ? "host_device" : "file");
	put_string(node, "filename", file);
	put_string(node, "discard", "unmap");
	if (disk->xml.io)
		put_string(node, "aio", disk->xml.io);
	return exchange(handle, disk, node);
}

/* The file system of a file, if fstab has it and nobody has mounted it yet. */
static void mount_for(const char *path)
{
	FILE *table = setmntent("/etc/fstab", "r");
	autofree char *best = NULL;
	struct mntent *entry;

	while (table && (entry = getmntent(table))) {
		size_t length = strlen(entry->mnt_dir);

		if (length < 2 || strncmp(path, entry->mnt_dir, length) || path[length] != '/' ||
		    (best && strlen(best) > length))
			continue;
		free(best);
		best = text_of("%s", entry->mnt_dir);
	}
	if (table)
		endmntent(table);
	if (best)
		disks_run((const char *const []){ "mount", best, NULL });
}

/* Until the path leads to the disk that it led to in the other kernel. */
static bool appears(const struct disk *disk, const char *uuid, unsigned int *left)
{
	for (;;) {
		autofree char *export = disks_export(disk->path, uuid, disk->xml.target);

		if (export && !strcmp(export, disk->export))
			return true;
		if (!*left)
			return false;
		if (access(disk->path, F_OK))
			mount_for(disk->path);
		usleep(RETRY);
		--*left;
	}
}

/* On lo, while a connection that has been cut off has to hear of it. */
static int address(const char *host, const char *verb)
{
	autofree char *text = text_of("%s/%d", host, strchr(host, ':') ? 128 : 32);

	return disks_run((const char *const []){ "ip", "address", verb, text, "dev", "lo", NULL });
}

/* Both ends: the link has gone with its address of this kernel's. */
static int addresses(const struct disk *disk, const char *own, const char *verb)
{
	int status = address(disk->address, verb);

	return own && address(own, verb) ? -1 : status;
}

/*
 * QEMU's connection is to an address of the kernel that has ended.  With that address this kernel
 * answers that it knows no such connection, QEMU makes a new one, to a server of this kernel's,
 * and sends anew what was not answered.  Only then its disk can be exchanged: what it has below
 * has to be in order.
 */
static int attach_disk(virDomainPtr handle, struct disk *disk, const char *uuid, unsigned int *left)
{
	const char *name = lib.virDomainGetName(handle);
	autofree char *own = disks_own_end(disk);
	int status;

	if (!appears(disk, uuid, left)) {
		complain("'%s' waits for its disk %s: %s is not the one that it had (driver, name, mounted?): nestctl disk attach when it is",
			 name, disk->xml.target, disk->path);
		return -1;
	}
	if (!disks_has(disk->export) && disks_answered(disk)) {
		complain("%s of '%s' is served by another kernel at %s: end that one, or nestctl disk close there",
			 disk->xml.target, name, disk->address);
		return -1;
	}
	if (addresses(disk, own, "replace")) {
		addresses(disk, own, "del");
		return -1;
	}
	status = disks_serve(disk, name, disk->address);
	if (!status)
		status = take(handle, disk);
	if (!status)
		status = disks_stop(disk->export);
	addresses(disk, own, "del");
	return status;
}

/* How many, -1: at least one was not. */
static int attach_disks(virDomainPtr handle, unsigned int *left)
{
	char uuid[VIR_UUID_STRING_BUFLEN] = "";
	struct disks disks;
	int done = 0, bad = 0;
	size_t i;

	lib.virDomainGetUUIDString(handle, uuid);
	disks_of(handle, &disks);
	for (i = 0; i < disks.nr; i++) {
		if (disks.disk[i].kind != DISK_SERVED)
			continue;
		if (attach_disk(handle, &disks.disk[i], uuid, left))
			bad = -1;
		else
			done++;
	}
	disks_free(&disks);
	return bad ?: done;
}

/* An error is reported where it is handled. */
static void ignore_error(void *data, virErrorPtr error)
{
	(void)data;
	(void)error;
}

static int connect_here(virConnectPtr *connection, virDomainPtr **handles)
{
	int nr;

	*connection = NULL;
	if (libvirt_load())
		return -1;
	lib.virSetErrorFunc(NULL, ignore_error);
	*connection = lib.virConnectOpen(LIBVIRT_LOCAL);
	if (!*connection) {
		complain("cannot connect to " LIBVIRT_LOCAL " (%s): does libvirtd run?  Use sudo",
			 lib.virGetLastErrorMessage());
		return -1;
	}
	nr = lib.virConnectListAllDomains(*connection, handles, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
	if (nr < 0)
		complain("libvirt does not list its domains: %s", lib.virGetLastErrorMessage());
	return nr;
}

/**
 * disks_attach() - Let VMs that have moved here have their disks themselves
 * @wait: seconds until the disks are there
 *
 * Return: how many disks, or -1 after a message: at least one VM still waits for its disk.
 */
int disks_attach(unsigned int wait)
{
	unsigned int left = wait * RETRIES_PER_S;
	virConnectPtr connection;
	virDomainPtr *handles = NULL;
	int i, nr = connect_here(&connection, &handles), status, done = 0, bad = nr < 0 ? -1 : 0;

	for (i = 0; i < nr; i++) {
		status = attach_disks(handles[i], &left);
		if (status < 0)
			bad = -1;
		else
			done += status;
		lib.virDomainFree(handles[i]);
	}
	free(handles);
	if (connection)
		lib.virConnectClose(connection);
	return bad ?: done;
}

/**
 * disks_report() - What a move does with the disks of all VMs that run
 * @array: filled in
 *
 * Return: how many cannot move, or -1 after a message.
 */
int disks_report(struct json_object *array)
{
	virConnectPtr connection;
	virDomainPtr *handles = NULL;
	int i, nr = connect_here(&connection, &handles), refused = 0;
	struct disks disks;
	size_t k;

	for (i = 0; i < nr; i++) {
		disks_of(handles[i], &disks);
		for (k = 0; k < disks.nr; k++) {
			const struct disk *disk = &disks.disk[k];
			struct json_object *entry = append_object(array);

			put_string(entry, "domain", lib.virDomainGetName(handles[i]));
			put_string(entry, "target", disk->xml.target);
			put_string(entry, "source", disk->path ?: disk->xml.source);
			put_string(entry, "format", disk->xml.format);
			put_string(entry, "kind", disks_word(disk->kind));
			put_string(entry, "why", disk->why);
			refused += disk->kind == DISK_REFUSED;
		}
		disks_free(&disks);
		lib.virDomainFree(handles[i]);
	}
	free(handles);
	if (connection)
		lib.virConnectClose(connection);
	return nr < 0 ? -1 : refused;
}
