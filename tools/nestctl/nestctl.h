/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * nestctl: what its files owe each other.
 *
 * A command collects its answer as a JSON object.  The text for people is made from
 * that object, so both say the same.
 */
#ifndef NESTCTL_H
#define NESTCTL_H

#include <argp.h>
#include <dirent.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define NESTCTL_VERSION	"0.1"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define PRINTF(n, m)	__attribute__((format(printf, n, m)))

/*
 * Exit statuses: X(name, value, text).  --help, the man pages and
 * Documentation/nestctl.rst show this table.
 */
#define NESTCTL_EXITS(X)							\
	X(OK, 0, "done, or all is well")					\
	X(REFUSED, 1, "something is missing, or refused: nothing was changed")	\
	X(UNKNOWN, 2, "could not tell: the output says what could not be read")	\
	X(FAILED, 3, "a step failed, and what had been done was undone")	\
	X(BROKEN, 4, "a step failed, and undoing failed, too")			\
	X(USAGE, 64, "wrong usage")

enum nestctl_exit {
#define X(name, value, text) EXIT_##name = value,
	NESTCTL_EXITS(X)
#undef X
};

/* Commands: X(name, text). */
#define NESTCTL_COMMANDS(X)							\
	X(status, "which KVM is loaded, with what; VMs; the shim")		\
	X(doctor, "what this machine can do, why not, what to do about it")	\
	X(features, "what nvx has, and what of it is in effect")		\
	X(stats, "the counters of nvx, exits to the shim; as they move")	\
	X(bench, "what exits of a guest of this machine cost")			\
	X(load, "exchange the KVM modules that are loaded for nvx")		\
	X(unload, "unload them, and load the distribution's")			\
	X(refresh, "a second kernel beside this one, or in its place")			\
	X(move, "move VMs to another kernel while they run")			\
	X(pool, "memory of VMs that moves to another kernel without a copy")	\
	X(domain, "let a VM's memory be in the pool")				\
	X(disk, "disks of VMs that only one kernel has")				\
	X(hook, "what libvirt's hook runs for such VMs")

/**
 * struct command - One of them
 * @name: as typed
 * @argp: its options
 * @more: options of some of its words, NULL: none
 * @words: words that may follow it, for completion, NULL: none
 * @run: parse the arguments and do it; returns an exit status
 */
struct command {
	const char *name;
	const struct argp *argp, *more;
	const char *words;
	int (*run)(int argc, char **argv);
};

#define X(name, text) extern const struct command name##_command;
NESTCTL_COMMANDS(X)
#undef X

/* ---- main.c */

extern const struct argp common_argp, refresh_run_argp;
extern bool opt_json;

void command_parse(const struct command *command, int argc, char **argv, void *input);
void complain(const char *format, ...) PRINTF(1, 2);
void die(int status, const char *format, ...) PRINTF(2, 3) __attribute__((noreturn));

/* ---- output.c */

enum color { PLAIN, GOOD, BAD, WARN, DIM, BOLD, NR_COLORS };

void say(enum color color, const char *format, ...) PRINTF(2, 3);
int finish(struct json_object *report, void (*text)(struct json_object *report), int status);

struct json_object *new_report(const char *schema);
void put_string(struct json_object *object, const char *key, const char *value);
void put_int(struct json_object *object, const char *key, int64_t value);
void put_bool(struct json_object *object, const char *key, bool value);
struct json_object *put_array(struct json_object *object, const char *key);
struct json_object *put_object(struct json_object *object, const char *key);
struct json_object *append_object(struct json_object *array);
const char *get_string(struct json_object *object, const char *key);
int64_t get_int(struct json_object *object, const char *key);
bool get_bool(struct json_object *object, const char *key);
struct json_object *get(struct json_object *object, const char *key);
size_t length(struct json_object *array);
struct json_object *item(struct json_object *array, size_t i);

/* ---- signals.c */

void catch_signals(void (*handler)(int number), int flags);

/* ---- metrics.c */

int write_metrics(struct json_object *all, const char *path);

/* ---- machine.c: the machine, below --root */

static inline void free_pointer(void *pointer)
{
	free(*(void **)pointer);
}

#define autofree __attribute__((cleanup(free_pointer)))

extern const char *opt_root;

char *text_of(const char *format, ...) PRINTF(1, 2);
char *below_root(const char *format, ...) PRINTF(1, 2);
char *read_data(size_t *size, const char *format, ...) PRINTF(2, 3);
char *read_text(const char *format, ...) PRINTF(1, 2);
int64_t read_int(int64_t otherwise, const char *format, ...) PRINTF(2, 3);
bool exists(const char *format, ...) PRINTF(1, 2);
int read_at(uint64_t *value, off_t offset, const char *format, ...) PRINTF(3, 4);
char *read_link(const char *format, ...) PRINTF(1, 2);
int list(struct dirent ***entries, const char *format, ...) PRINTF(2, 3);
void free_list(struct dirent **entries, int nr);
bool interrupts_are_remapped(void);
char *kernel_release(void);
char *printable(char *text);
char *capture(size_t *size, const char *const argv[]);

/* ---- modules.c: KVM's modules, loaded and in files */

/**
 * struct module_file - What a .ko says of itself
 * @modinfo: "key=value" strings, each with its NUL
 * @modinfo_size: bytes of them
 * @build_id: in hex, "" without
 * @is_signed: a signature is appended
 */
struct module_file {
	char *modinfo;
	size_t modinfo_size;
	char build_id[2 * 32 + 1];
	bool is_signed;
};

int module_read(struct module_file *file, const char *path);
void module_free(struct module_file *file);
const char *module_info(const struct module_file *file, const char *key, const char *prefix);
char *module_path(const char *release, const char *name, bool nvx);
char *module_origin(const char *name, struct module_file *file);
struct json_object *module_status(const char *name);
bool module_loaded(const char *name);
bool nvx_loaded(void);
const char *which_kvm(void);

/* ---- memory.c */

/**
 * struct memory_blocks - What can be taken out
 * @size: bytes of a block
 * @online: blocks in use
 * @movable: of these, those in ZONE_MOVABLE
 */
struct memory_blocks {
	uint64_t size;
	int online, movable;
};

int read_blocks(struct memory_blocks *blocks);
uint64_t block_size(void);
bool block_is_whole(unsigned int block);
bool block_is_online(unsigned int block);
bool block_is_movable(unsigned int block);
bool block_is_pinned(unsigned int block);

/* ---- params.c */

char *text_default(const char *text);
char *param_default(const struct module_file *file, const char *module, const char *name);
bool param_equal(const char *a, const char *b);

/* ---- checks.c */

bool signatures_enforced(void);

/* ---- functions.c */

char *pci_driver(const char *address);

/* ---- vms.c */

int find_vms(struct json_object *vms);

#endif /* NESTCTL_H */
