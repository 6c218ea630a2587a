/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Disks of VMs that only one kernel has.  While both kernels live, the VM reaches its disk through
 * a server (qemu-nbd) of the kernel that has it; when there is one kernel again, its QEMU opens the
 * disk itself.
 */
#ifndef NESTCTL_DISKS_H
#define NESTCTL_DISKS_H

#include <stdbool.h>
#include <stddef.h>

#include "nestctl.h"

#define DISKS_MAX	64
#define DISKS_PREFIX	"nestctl-"

/* X(name, word): what a move does with a disk. */
#define DISK_KINDS(X)								\
	X(SHARED, "shared")	/* the other kernel reaches it as this one does */	\
	X(LOCAL, "local")	/* it is this kernel's: a server is wanted */		\
	X(SERVED, "served")	/* the VM reaches it through one already */		\
	X(REFUSED, "refused")	/* it cannot move */

enum disk_kind {
#define X(name, word) DISK_##name,
	DISK_KINDS(X)
#undef X
};

/**
 * struct disk_xml - A disk in the XML of a domain; strings are allocated, NULL: not there
 * @begin: its element in the XML
 * @end: behind it
 * @type: block, file, network, ...
 * @format: of the image, as raw
 * @target: its name in the VM, as vda
 * @source: device, file, or name of an export
 * @protocol: of the network
 * @host: address of the server
 * @port: of the server
 * @discard: what the VM's discards become
 * @io: how QEMU reads and writes
 * @cache_size: of QEMU's for the tables of a format, in bytes
 * @readonly: nobody writes to it
 * @chained: it has a backing file, or is being copied
 * @encrypted: QEMU encrypts it
 * @sliced: it is a part of its source
 * @lun: the VM sends SCSI commands to it
 */
struct disk_xml {
	const char *begin, *end;
	char *type, *format, *target, *source, *protocol, *host, *port, *discard, *io, *cache_size;
	bool readonly, chained, encrypted, sliced, lun;
};

/**
 * struct disk - A disk of a domain
 * @kind: what a move does with it
 * @xml: of the running domain
 * @path: of the disk in the definition, NULL: it is none of this kernel's
 * @why: it is refused, with the cure
 * @export: name of its server's export
 * @address: where the server listens
 * @port: likewise
 */
struct disk {
	enum disk_kind kind;
	struct disk_xml xml;
	char *path, *why, *export, *address, *port;
};

/**
 * struct disks - Those of a domain
 * @disk: in the order of its XML
 * @nr: how many
 */
struct disks {
	struct disk disk[DISKS_MAX];
	size_t nr;
};

/* ---- disks_xml.c: the domain's XML */

bool disks_xml_next(const char *xml, struct disk_xml *disk);
bool disks_xml_target(const char *xml, const char *target, struct disk_xml *disk);
void disks_xml_free(struct disk_xml *disk);
char *disks_xml_serve(const char *xml, const struct disk *disk);
char *disks_xml_bring(const char *xml, const char *definition, const char *target);

/* ---- disks_look.c: what can be done with a disk */

char *disks_export(const char *path, const char *uuid, const char *target);
void disks_take(struct disk *disk, const char *uuid);
void disks_look(const char *xml, const char *definition, struct disks *disks);
void disks_free(struct disks *disks);
const char *disks_word(enum disk_kind kind);

/* ---- disks_qcow2.c: what is special about images of that format */

char *disks_qcow2_obstacle(const struct disk *disk);
int disks_qcow2_room(const struct disk *disk);

/* ---- disks_server.c: servers of this kernel */

int disks_serve(struct disk *disk, const char *domain, const char *address);
int disks_serve_again(void);
int disks_stop(const char *export);
int disks_stop_all(void);
int disks_close(void);
bool disks_any(void);
bool disks_has(const char *export);
int disks_run(const char *const argv[]);
char *disks_address(const char *uri);
char *disks_own_end(const struct disk *disk);
bool disks_answered(const struct disk *disk);

/* ---- disks_libvirt.c, or move_none.c */

int disks_attach(unsigned int wait);
int disks_report(struct json_object *array);

#endif /* NESTCTL_DISKS_H */
