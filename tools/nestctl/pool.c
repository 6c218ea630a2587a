// SPDX-License-Identifier: GPL-2.0-only
/*
 * nestctl pool: memory of VMs that another kernel can take over as it is.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "boot.h"
#include "device.h"
#include "nestctl.h"
#include "offline.h"
#include "zero.h"

#define BLOCKS	"/sys/devices/system/memory"
#define JOURNAL	"/run/nestctl/pool.json"

static struct {
	const char *verb;
	uint64_t number;
	bool has_number, dry;
} pool;

static const struct argp_option options[] = {
	{ "dry-run", 'n', NULL, 0, "say which memory, change nothing", 0 },
	{ 0 }
};

static uint64_t parse_size(const char *arg, struct argp_state *state)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	uint64_t number = strtoull(arg, &end, 0);

	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (!isdigit((unsigned char)*arg) || end == arg || (*end && (!unit || end[1])))
		argp_error(state, "'%s' is no size or address, as 512M or 0x60000000", arg);
	return unit ? number << 10 * (unit - units + 1) : number;
}

static bool takes_number(void)
{
	return !strcmp(pool.verb, "create") || !strcmp(pool.verb, "delete");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'n':
		pool.dry = true;
		break;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0) {
			pool.verb = arg;
		} else if (state->arg_num == 1) {
			pool.number = parse_size(arg, state);
			pool.has_number = true;
		} else {
			argp_error(state, "one size or address at a time");
		}
		break;
	case ARGP_KEY_END:
		if (!pool.verb || pool.has_number != takes_number() ||
		    (!pool.has_number && strcmp(pool.verb, "list") &&
		     strcmp(pool.verb, "save") && strcmp(pool.verb, "restore")))
			argp_error(state, "say: create SIZE, list, delete ADDRESS, save, or restore");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };

static const struct argp pool_argp = {
	.options = options,
	.parser = parse,
	.args_doc = "create SIZE\nlist\ndelete ADDRESS\nsave\nrestore",
	.doc = "Memory for VMs that move to another kernel of this machine without a copy.\n\n"
	       "create takes whole blocks of movable memory away from this kernel, in one piece; 'nestctl "
	       "domain convert' puts a VM there.  delete makes ordinary memory of a piece in which no VM "
	       "is.  It is there until the next boot; save keeps where it is in /etc/nestctl/pool, and restore "
	       "makes it there again, as nestcloud-pool.service does at boot, if it is enabled.",
	.children = children,
};

/* ---- list */

static const char *const states[] = { "here", "there", "lent" };

static struct json_object *new_pool_report(void)
{
	struct json_object *report = new_report("nestctl-pool-1"), *pieces, *piece;
	struct vmm_refresh_pool found;
	uint64_t from = 0;

	put_string(report, "command", pool.verb);
	pieces = put_array(report, "pieces");
	for (; !pool_find(from, &found); from = found.hpa + found.bytes) {
		piece = append_object(pieces);
		put_int(piece, "start", found.hpa);
		put_int(piece, "size", found.bytes);
		put_string(piece, "state", states[found.state % ARRAY_SIZE(states)]);
	}
	return report;
}

static void print_pool(struct json_object *report)
{
	struct json_object *pieces = get(report, "pieces");
	size_t i;

	for (i = 0; i < length(pieces); i++)
		say(PLAIN, "%#14llx %8lld MiB  %s\n",
		    (unsigned long long)get_int(item(pieces, i), "start"),
		    (long long)get_int(item(pieces, i), "size") >> 20,
		    get_string(item(pieces, i), "state"));
	if (!length(pieces))
		say(PLAIN, "there is no pool\n");
	if (get(report, "chosen"))
		say(PLAIN, "%#llx would be taken\n",
		    (unsigned long long)get_int(report, "chosen"));
}

static int look_at_pool(void)
{
	struct vmm_refresh_pool found;
	int error = pool_find(0, &found);

	if (!error || error == ENOENT)
		return 0;
	complain(DEVICE " cannot be asked for the pool (%s): %s", strerror(error),
		 error == EACCES || error == EPERM ? "use sudo" :
		 error == ENOTTY ? "load a vmm-refresh.ko that has one" : "load vmm-refresh.ko");
	return -1;
}

/* ---- create */

static unsigned int last_block(void)
{
	struct dirent **entries;
	int i, nr = list(&entries, BLOCKS);
	unsigned int number, last = 0;

	for (i = 0; i < nr; i++)
		if (sscanf(entries[i]->d_name, "memory%u", &number) == 1 && number > last)
			last = number;
	free_list(entries, nr);
	return last;
}

/*
 * The lowest piece of blocks that can go: the last page of RAM has to be the second kernel's.
 * False: there is none.
 */
static bool choose_blocks(uint64_t size, uint64_t *start)
{
	uint64_t block = block_size(), found = 0;
	unsigned int number, last = last_block();

	for (number = 0; number <= last && found < size; number++) {
		found = block_is_online(number) && block_is_movable(number) ? found + block : 0;
		*start = (number + 1) * block - found;
	}
	return found >= size;
}

/* While it is known which blocks are to come online. */
static int note_blocks(uint64_t start, uint64_t size)
{
	uint64_t block = block_size(), at, none = 0;

	if (make_run_directory())
		return -1;
	offline_begin(JOURNAL, &none, true);
	for (at = start; block && at < start + size; at += block)
		if (offline_note(at / block))
			return -1;
	return 0;
}

/* What the kernel has not brought online by itself, now or when an earlier nestctl was cut off. */
static int bring_online(void)
{
	if (offline_restore())
		return EXIT_BROKEN;
	offline_end();
	return EXIT_OK;
}

/* These stay in the pool; what an earlier nestctl that was cut off has left comes online. */
static void forget_blocks(uint64_t start, uint64_t size)
{
	uint64_t block = block_size(), at;

	for (at = start; block && at < start + size; at += block)
		offline_forget(at / block);
	bring_online();
}

/**
 * pool_add() - Have the module take memory for the pool
 * @start: of whole blocks that can be taken out
 * @bytes: how many
 *
 * Return: 0, or an exit status after a message.
 */
int pool_add(uint64_t start, uint64_t bytes)
{
	struct vmm_refresh_pool args = {
		.op = VMM_REFRESH_POOL_ADD, .hpa = start, .bytes = bytes,
	};
	int error;

	if (!pool_drivers_ready())
		return EXIT_REFUSED;
	error = pool_call(&args);
	if (!error)
		return 0;
	/* It may have been taken out, and come back. */
	if (!note_blocks(start, bytes))
		bring_online();
	complain("the module makes no pool at %#llx (%s): %s", (unsigned long long)start,
		 strerror(error), error == EBUSY ?
		 "no second kernel may be there; dmesg says more" : "dmesg says why");
	return EXIT_REFUSED;
}

static int create(void)
{
	uint64_t block = block_size(), start;
	struct json_object *report;

	if (!pool.number || !block || pool.number % block) {
		complain("a pool is whole memory blocks, of %llu MiB each",
			 (unsigned long long)block >> 20);
		return EXIT_REFUSED;
	}
	if (!choose_blocks(pool.number, &start)) {
		complain("there are no %llu MiB of movable memory in one piece: boot with movablecore=, or ask for less",
			 (unsigned long long)pool.number >> 20);
		return EXIT_REFUSED;
	}
	if (!pool.dry && pool_add(start, pool.number))
		return EXIT_REFUSED;
	report = new_pool_report();
	if (pool.dry)
		put_int(report, "chosen", start);
	return finish(report, print_pool, EXIT_OK);
}

/* ---- delete */

/* No such piece: an earlier nestctl may have been cut off behind that. */
static int delete_nothing(void)
{
	uint64_t none = 0, block = block_size();

	if (block && offline_exists(JOURNAL)) {
		offline_begin(JOURNAL, &none, true);
		if (offline_noted(pool.number / block))
			return pool.dry ? EXIT_OK : bring_online();
	}
	complain("no piece of the pool begins at %#llx: nestctl pool list",
		 (unsigned long long)pool.number);
	return EXIT_REFUSED;
}

static int delete(void)
{
	struct vmm_refresh_pool piece, args = { .op = VMM_REFRESH_POOL_REMOVE };
	int error, status = EXIT_OK;
	uint64_t from = 0;

	while (!(error = pool_find(from, &piece)) && piece.hpa != pool.number)
		from = piece.hpa + piece.bytes;
	if (error) {
		status = delete_nothing();
		if (status == EXIT_REFUSED)
			return status;
		return finish(new_pool_report(), print_pool, status);
	}
	if (!pool_device_unused(piece.device)) {
		complain("a VM has memory in it: shut it down");
		return EXIT_REFUSED;
	}
	args.hpa = piece.hpa;
	args.bytes = piece.bytes;
	if (!pool.dry && note_blocks(piece.hpa, piece.bytes))
		return EXIT_FAILED;
	error = pool.dry ? 0 : pool_call(&args);
	if (error) {
		forget_blocks(piece.hpa, piece.bytes);
		complain("the module keeps the pool at %#llx (%s): dmesg may say why",
			 (unsigned long long)args.hpa, strerror(error));
		return EXIT_REFUSED;
	}
	if (!pool.dry)
		status = bring_online();
	return finish(new_pool_report(), print_pool, status);
}

static int run_pool(int argc, char **argv)
{
	int status = EXIT_OK;

	command_parse(&pool_command, argc, argv, NULL);
	/* At boot nobody has loaded it. */
	if (!strcmp(pool.verb, "restore"))
		pool_module_load();
	if (look_at_pool())
		return EXIT_UNKNOWN;
	if (!strcmp(pool.verb, "create"))
		return create();
	if (!strcmp(pool.verb, "delete"))
		return delete();
	if (!strcmp(pool.verb, "save") && !pool.dry)
		status = pool_save();
	else if (!strcmp(pool.verb, "restore"))
		status = pool_restore(pool.dry);
	return finish(new_pool_report(), print_pool, status);
}

const struct command pool_command = {
	.name = "pool",
	.argp = &pool_argp,
	.words = "create\nlist\ndelete\nsave\nrestore\n",
	.run = run_pool,
};
