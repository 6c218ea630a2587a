/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The second kernel: from a plan to one that runs, and back.
 */
#ifndef NESTCTL_BOOT_H
#define NESTCTL_BOOT_H

#include <json-c/json.h>
#include <linux/vmm_refresh.h>
#include <stdbool.h>
#include <stdint.h>

#include "boot_layout.h"
#include "plan.h"
#include "steps.h"

/**
 * struct request - What nestctl refresh is asked for
 * @wishes: for the plan
 * @kernel_file: path, NULL: the kernel that runs
 * @initrd_file: path, NULL: that of the kernel that runs
 * @snapshot: plan for this one, NULL: for this machine
 * @append: for the end of the command line
 * @dump: directory for what would be loaded
 * @serial: first I/O port of the second kernel's serial port, 0: none
 * @serial_pin: its interrupt
 * @no_link: no network between the kernels
 * @wait: seconds to wait for the first kernel's end
 * @rate: bytes of memory that are given in a second, 0: as fast as it goes
 * @cpus_first: give CPUs before memory
 * @movable: bytes that are to be movable memory after commit, -1: as many as this kernel has
 * @dry: change nothing
 * @with_vms: end VMs, too
 * @take: only print a snapshot
 */
struct request {
	struct wishes wishes;
	const char *kernel_file, *initrd_file, *snapshot, *append, *dump;
	uint32_t serial, serial_pin, wait;
	uint64_t rate;
	int64_t movable;
	bool no_link, cpus_first;
	bool dry, take, with_vms;
};

/* ---- refresh.c */

char *read_kernel(struct bzimage *image, const struct request *request);
char *read_initrd(size_t *size, const struct request *request);
void read_snapshot(struct snapshot *snapshot, const struct request *request);

/* ---- memmap.c */

size_t read_memory_map(struct e820_entry **entries);

/* ---- record.c: what has been taken, for a later nestctl */

struct json_object *record_new(void);
struct json_object *record_read(bool *broken);
int record_write(struct json_object *record);
void record_remove(void);
bool record_is_empty(struct json_object *record);
void record_lock(void);
int make_run_directory(void);
int write_run_file(const char *name, struct json_object *object);

/* ---- functions.c: PCI functions of the second kernel's own */

struct partition;
struct unit;

int run_unbind(struct partition *partition, struct unit *unit);
int undo_unbind(struct partition *partition, struct unit *unit);
int run_function(struct partition *partition, struct unit *unit);
bool is_record_of_functions(struct json_object *devices);
bool has_functions(struct json_object *devices, const struct wishes *wishes);
void add_unbinds(struct partition *partition, const struct wishes *wishes);
void add_functions(struct partition *partition, const struct wishes *wishes);
void add_unbound(struct partition *partition);

/* ---- units.c */

enum unit_kind {
	UNIT_SHIM, UNIT_UNBIND, UNIT_BLOCK, UNIT_PARTITION, UNIT_FUNCTION, UNIT_MEMORY,
	UNIT_CPU, UNIT_LOAD, UNIT_START, UNIT_FUNCTIONS, UNIT_ONLINE, UNIT_GROW, UNIT_LEAVE,
};

/**
 * struct unit - Something that is done, and undone
 * @kind: what kind of
 * @number: of the CPU or the memory block
 * @range: of the memory
 * @state: what has become of it
 * @name: as in a plan
 * @text: what is done
 */
struct unit {
	enum unit_kind kind;
	unsigned int number;
	struct range range;
	enum step_state state;
	char *name, *text;
};

/**
 * struct partition - A second kernel in the making, or in the taking away
 * @fd: /dev/vmm-refresh, -1: none
 * @error: why there is none, or 0
 * @shim: &vmm_refresh_status of now
 * @status: &vmm_refresh_part_status of now, state VMM_REFRESH_PART_NONE without one
 * @room: there is a shim with room for one
 * @record: what has been taken
 * @units: in order
 * @nr_units: how many
 * @create: serial port
 * @layout: to load
 * @start: how to start
 * @grown: bytes that were another kernel's
 * @movable: bytes of memory that is to be movable afterwards
 * @moved: of these, what is
 * @early: the first kernel runs, and need not have given anything
 */
struct partition {
	int fd, error;
	struct vmm_refresh_status shim;
	struct vmm_refresh_part_status status;
	bool room;
	struct json_object *record;
	struct unit *units;
	size_t nr_units;
	struct vmm_refresh_part_create create;
	struct boot_layout layout;
	struct vmm_refresh_part_start start;
	uint64_t grown, movable, moved;
	bool early;
};

void partition_open(struct partition *partition);
int partition_look(struct partition *partition);
void partition_close(struct partition *partition);
struct unit *add_unit(struct partition *partition, enum unit_kind kind, unsigned int number);
void units_free(struct partition *partition);
int run_units(struct partition *partition);
int undo_units(struct partition *partition);
void put_units(struct json_object *report, const struct partition *partition);
bool units_interrupted(void);
int block_offline(unsigned int number, unsigned int tries);
const char *step_word(enum step_state state);
void print_refusals(struct json_object *refusals);

/* ---- grow.c: memory of the kernel that has ended */

uint64_t grow_default(void);
int run_grow(struct partition *partition, struct unit *unit);
void grow_given(struct partition *partition);
void grow_late(struct partition *partition);

/* ---- part.c */

void put_denied(struct json_object *report, const struct partition *partition);

/* ---- commands */

int refresh_boot(const struct request *request);
int refresh_status(const struct request *request);
int refresh_kill(const struct request *request);
bool part_runs(void);
int refresh_undo(const struct request *request);
int refresh_commit(const struct request *request);
int refresh_give(const struct request *request);

#endif /* NESTCTL_BOOT_H */
