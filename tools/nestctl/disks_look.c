// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which disks of a domain are this kernel's alone, and whether the other kernel will find each of
 * them again: by what the disk says of itself, because kernels number disks as they find them.
 */
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "disks.h"
#include "nestctl.h"

#define FNV_START	UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME	UINT64_C(0x100000001b3)

/* File systems that several machines have at once; not all of them are in linux/magic.h. */
static const unsigned int shared_magics[] = {
	NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC, CEPH_SUPER_MAGIC,
	OCFS2_SUPER_MAGIC, 0x01161970 /* GFS2 */, 0x47504653 /* GPFS */,
};

/* Names that a kernel gives in the order in which it finds disks. */
static const char *const numbered[] = {
	"/dev/sd", "/dev/hd", "/dev/vd", "/dev/xvd", "/dev/nvme", "/dev/mmcblk", "/dev/dm-",
	"/dev/md", "/dev/sr",
};

static const char *const words[] = {
#define X(name, word) word,
	DISK_KINDS(X)
#undef X
};

/**
 * disks_word() - A kind in a word
 * @kind: it
 *
 * Return: the word.
 */
const char *disks_word(enum disk_kind kind)
{
	return words[kind];
}

/* ---- what a disk says of itself */

static uint64_t mix(uint64_t hash, const char *text)
{
	/* Its NUL, too: no two lists of texts are the same. */
	do
		hash = (hash ^ (unsigned char)*text) * FNV_PRIME;
	while (*text++);
	return hash;
}

/* The first of these files that says something, of a disk at @directory of sysfs. */
static char *name_itself(const char *directory)
{
	static const char *const files[] = {
		"dm/uuid", "md/uuid", "wwid", "device/wwid", "serial", "device/serial",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		char *text = read_text("%s/%s", directory, files[i]);

		if (text && *text)
			return text;
		free(text);
	}
	return NULL;
}

/* What is the same in both kernels, NULL: nothing is. */
static char *identity(const char *path)
{
	autofree char *whole = below_root("%s", path);
	autofree char *directory = NULL, *parent = NULL, *part = NULL, *size = NULL, *name = NULL;
	struct stat status;
	bool block;
	dev_t device;

	if (stat(whole, &status))
		return NULL;
	block = S_ISBLK(status.st_mode);
	device = block ? status.st_rdev : status.st_dev;
	directory = text_of("/sys/dev/block/%u:%u", major(device), minor(device));
	part = read_text("%s/partition", directory);
	size = read_text("%s/size", directory);
	/* A partition is below its disk. */
	parent = text_of("%s%s", directory, part ? "/.." : "");
	name = size ? name_itself(parent) : NULL;
	if (!name)
		return NULL;
	return text_of("%s part %s size %s inode %llu", name, part ?: "0", size,
		       block ? 0 : (unsigned long long)status.st_ino);
}

/**
 * disks_export() - Name of a disk's export: the same in both kernels, if it is the same disk
 * @path: of the disk
 * @uuid: of the domain
 * @target: name of the disk in the VM
 *
 * Return: to be freed; NULL if the disk is not there, or does not say which it is.
 */
char *disks_export(const char *path, const char *uuid, const char *target)
{
	autofree char *disk = identity(path);

	if (!disk)
		return NULL;
	return text_of(DISKS_PREFIX "%016llx",
		       (unsigned long long)mix(mix(mix(FNV_START, disk), uuid), target));
}

/* ---- what can be done with it */

static bool is_shared(const char *path)
{
	autofree char *whole = below_root("%s", path);
	struct statfs status;
	size_t i;

	if (statfs(whole, &status))
		return false;
	for (i = 0; i < ARRAY_SIZE(shared_magics); i++)
		if ((unsigned int)status.f_type == shared_magics[i])
			return true;
	return false;
}

static bool is_numbered(const char *path)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(numbered); i++)
		if (!strncmp(path, numbered[i], strlen(numbered[i])) &&
		    !strchr(path + strlen(numbered[i]), '/'))
			return true;
	return false;
}

static bool is_on_root(const char *path)
{
	autofree char *whole = below_root("%s", path), *top = below_root("/");
	struct stat file, root;

	return !stat(whole, &file) && !S_ISBLK(file.st_mode) && !stat(top, &root) &&
	       file.st_dev == root.st_dev;
}

/* What is against a disk that a server would have, NULL: nothing. */
static char *obstacle(const struct disk *disk)
{
	const char *format = disk->xml.format ?: "";
	char *why;

	if (!disk->path)
		return text_of("the domain's definition has no such disk: define it as it runs");
	if (strcmp(disk->path, disk->xml.source))
		return text_of("it runs with %s, its definition has %s: shut it down and start it anew",
			       disk->xml.source, disk->path);
	if (disk->xml.chained)
		return text_of("it has a backing file, or is being copied: virsh blockpull, or blockjob --abort");
	if (disk->xml.encrypted)
		return text_of("QEMU encrypts it, and the other one has no key: qemu-img convert to an image that is not encrypted, or let the VM encrypt");
	if (disk->xml.sliced)
		return text_of("it is a part of its file (slices): give it a file of its own");
	if (disk->xml.lun)
		return text_of("the VM sends it SCSI commands (device='lun'), which no server takes: make it device='disk'");
	if (strcmp(format, "raw") && strcmp(format, "qcow2"))
		return text_of("its format is %s, which is neither raw nor qcow2: qemu-img convert -O qcow2, or put it on storage that both kernels reach",
			       *format ? format : "not said");
	why = strcmp(format, "qcow2") ? NULL : disks_qcow2_obstacle(disk);
	if (why)
		return why;
	if (is_numbered(disk->path))
		return text_of("the other kernel may give that name to another disk: name it by /dev/disk/by-id, or as a logical volume");
	if (is_on_root(disk->path))
		return text_of("it is on this kernel's root file system, which stays mounted to the end: give disks a file system of their own, or logical volumes");
	return NULL;
}

/**
 * disks_take() - Can the other kernel have it when this one has ended?
 * @disk: a disk that only this kernel has; @kind, @export and @why are filled in
 * @uuid: of the domain
 */
void disks_take(struct disk *disk, const char *uuid)
{
	disk->kind = DISK_REFUSED;
	disk->why = obstacle(disk);
	if (disk->why)
		return;
	disk->export = disks_export(disk->path, uuid, disk->xml.target);
	if (disk->export)
		disk->kind = DISK_LOCAL;
	else
		disk->why = text_of("it does not say which disk it is (WWN, serial number, UUID), so the other kernel cannot be sure to find it: put it on one that does");
}

static void look(struct disk *disk, const char *definition, const char *uuid)
{
	struct disk_xml defined = { 0 };
	const char *type = disk->xml.type ?: "";

	disk->kind = DISK_SHARED;
	if (!disk->xml.source || !disk->xml.target)
		return;
	if (disks_xml_target(definition, disk->xml.target, &defined) && defined.source &&
	    defined.type && (!strcmp(defined.type, "block") || !strcmp(defined.type, "file")))
		disk->path = text_of("%s", defined.source);
	disks_xml_free(&defined);
	if (!strcmp(type, "network")) {
		if (!disk->path || strncmp(disk->xml.source, DISKS_PREFIX, strlen(DISKS_PREFIX)))
			return;
		disk->kind = DISK_SERVED;
		disk->export = text_of("%s", disk->xml.source);
		disk->address = text_of("%s", disk->xml.host ?: "");
		disk->port = text_of("%s", disk->xml.port ?: "10809");
		return;
	}
	if (strcmp(type, "block") && strcmp(type, "file")) {
		disk->kind = DISK_REFUSED;
		disk->why = text_of("it is of type %s: make it a block device or a file", type);
	} else if (!is_shared(disk->xml.source)) {
		disks_take(disk, uuid);
	}
}

/**
 * disks_look() - What a move does with the disks of a domain
 * @xml: of the running domain
 * @definition: of the domain; "": it has none
 * @disks: filled in, for disks_free()
 */
void disks_look(const char *xml, const char *definition, struct disks *disks)
{
	static const char open[] = "<uuid>";
	const char *at = strstr(xml, open);
	autofree char *uuid = at ? text_of("%.36s", at + sizeof(open) - 1) : text_of("%s", "");
	struct disk_xml next = { 0 };

	memset(disks, 0, sizeof(*disks));
	while (disks->nr < DISKS_MAX && disks_xml_next(xml, &next)) {
		struct disk *disk = &disks->disk[disks->nr++];

		disk->xml = next;
		look(disk, definition, uuid);
	}
	if (disks->nr < DISKS_MAX)
		return;
	/* Whatever else it has. */
	disks->disk[0].kind = DISK_REFUSED;
	disks->disk[0].why = text_of("the domain has %d disks or more", DISKS_MAX);
}

/**
 * disks_free() - The opposite
 * @disks: of disks_look()
 */
void disks_free(struct disks *disks)
{
	size_t i;

	for (i = 0; i < disks->nr; i++) {
		struct disk *disk = &disks->disk[i];

		disks_xml_free(&disk->xml);
		free(disk->path);
		free(disk->why);
		free(disk->export);
		free(disk->address);
		free(disk->port);
	}
	disks->nr = 0;
}
