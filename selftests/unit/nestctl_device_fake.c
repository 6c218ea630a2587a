// SPDX-License-Identifier: GPL-2.0-only
/*
 * A made-up machine behind nestctl, in place of tools/nestctl/device.c: what the module
 * promises in <linux/vmm_refresh.h>, on files below --root.
 *
 *	fake/state	the shim and the partition, from one nestctl to the next
 *	fake/log	what was called
 *	fake/fail	lines "NUMBER CALL": how a call is to fail: with this errno, or one of
 *			the numbers below
 *	fake/kill-after	how many calls nestctl does before it is killed
 *	fake/enxio	there is no partition: an error, or else a state
 *	fake/end	number of VMM_REFRESH_END_*: why the second kernel has ended
 *	fake/second	this is the second kernel: number of VMM_REFRESH_BELOW or _ADOPTABLE
 *	fake/memory	bytes that it can have then
 *	fake/pool	START and SIZE of a piece of the pool, in hex, which is hmem.0
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/vmm_refresh.h>

#include "../../tools/nestctl/device.h"
#include "../../tools/nestctl/nestctl.h"

#define KILL_BEFORE	1000	/* nestctl is killed, and the call does nothing */
#define KILL_AFTER	1001	/* nestctl is killed when it is done */
#define INTERRUPT	1002	/* ^C while it works */
#define LOSE		1003	/* it is done, but EBUSY: a CPU has not come online */
#define MAX_RANGES	16
#define BLOCK		0x8000000ull

static struct fake {
	__u32 shim, room, state, why, nr_cpus, nr_ranges, serial, serial_pin, loaded, physical;
	__u64 starts, grown, pool_state, word;
	__u8 taken[128];	/* of /fake/memory, pieces that have been taken */
	__u32 cpus[64];
	struct {
		__u64 start, end;
	} ranges[MAX_RANGES];
} fake;

static char call[256];
static int trouble, calls;

static void load_state(void)
{
	autofree char *path = below_root("/fake/state");
	FILE *file = fopen(path, "r");

	memset(&fake, 0, sizeof(fake));
	if (file && fread(&fake, sizeof(fake), 1, file) != 1)
		abort();
	if (file)
		fclose(file);
	if (fake.state == VMM_REFRESH_PART_RUNS && exists("/fake/end")) {
		fake.state = VMM_REFRESH_PART_ENDED;
		fake.why = read_int(0, "/fake/end");
	}
}

static void save_state(void)
{
	autofree char *path = below_root("/fake/state");
	FILE *file = fopen(path, "w");

	if (!file || fwrite(&fake, sizeof(fake), 1, file) != 1 || fclose(file))
		abort();
}

/* What is asked for, into the log; and what is to go wrong with it. */
static void begin(const char *format, ...) PRINTF(1, 2);

static void begin(const char *format, ...)
{
	autofree char *path = below_root("/fake/log");
	autofree char *fails = read_text("/fake/fail");
	FILE *log = fopen(path, "a");
	char *line, *rest = fails, *what;
	va_list args;

	va_start(args, format);
	vsnprintf(call, sizeof(call), format, args);
	va_end(args);
	if (!log || fprintf(log, "%s\n", call) < 0 || fclose(log))
		abort();
	trouble = 0;
	while ((line = strsep(&rest, "\n"))) {
		what = strchr(line, ' ');
		if (what && !strcmp(what + 1, call))
			trouble = atoi(line);
	}
	if (exists("/fake/kill-after") && ++calls == read_int(0, "/fake/kill-after"))
		trouble = KILL_AFTER;
	if (trouble == KILL_BEFORE)
		raise(SIGKILL);
	if (trouble == INTERRUPT)
		raise(SIGINT);
}

static int end(int error)
{
	if (trouble && trouble < KILL_BEFORE)
		error = -trouble;
	else if (!error)
		save_state();
	if (trouble == KILL_AFTER)
		raise(SIGKILL);
	errno = trouble == LOSE ? EBUSY : -error;
	return errno ? -1 : 0;
}

/* Will it go wrong before anything is done? */
static int fails(int error)
{
	return trouble && trouble < KILL_BEFORE ? -trouble : error;
}

int device_open(void)
{
	autofree char *path = below_root("/dev/vmm-refresh");

	return open(path, O_RDWR | O_CLOEXEC);
}

static void put_file(const char *path, const char *text)
{
	autofree char *whole = below_root("%s", path);
	FILE *file = fopen(whole, "w");

	if (!file || fprintf(file, "%s\n", text) < 0 || fclose(file))
		abort();
}

/* /sys/bus/pci/drivers/NAME/bind or unbind: the function's link follows. */
static int switch_driver(const char *path, const char *address)
{
	autofree char *whole = below_root("/sys/bus/pci/devices/%s/driver", address);
	autofree char *now = read_link("/sys/bus/pci/devices/%s/driver", address);
	const char *name = path + strlen("/sys/bus/pci/drivers/");
	int length = strcspn(name, "/");
	autofree char *target = text_of("../../drivers/%.*s", length, name);
	bool bind = !strcmp(name + length, "/bind");
	int error;

	begin("write %s %s", path, address);
	error = fails(bind == !now && (bind || !strcmp(now, target)) ? 0 : -ENODEV);
	if (!error && (bind ? symlink(target, whole) : unlink(whole)))
		abort();
	return end(error);
}

/* Of a memory block, by the path of its state. */
static void put_zone(const char *path)
{
	autofree char *zones = text_of("%.*s/valid_zones", (int)(strrchr(path, '/') - path), path);

	put_file(zones, "Movable");
}

int device_write(const char *path, const char *text)
{
	const char *state = strncmp(text, "online", 6) ? text : "online";
	autofree char *now = read_text("%s", path);
	int error;

	if (!strncmp(path, "/sys/bus/pci/drivers/", 21))
		return switch_driver(path, text);
	begin("write %s %s", path, text);
	/* What it is already it cannot become. */
	error = fails(now && strcmp(now, state) ? 0 : -EINVAL);
	if (!error)
		put_file(path, state);
	if (!error && !strcmp(text, "online_movable"))
		put_zone(path);
	return end(error);
}

/* ---- the partition */

static void put_cpu(__u32 cpu, const char *online)
{
	autofree char *path = text_of("/sys/devices/system/cpu/cpu%u/online", cpu);

	put_file(path, online);
}

static int needs(bool right_state)
{
	if (!fake.shim || !fake.room)
		return -ENODEV;
	if (!fake.state)
		return -ENXIO;
	return right_state ? 0 : -EBUSY;
}

static int virtualize(struct vmm_refresh_virtualize *args)
{
	begin("virtualize %#x", args->flags);
	if (args->size != sizeof(*args) || args->uart || args->reserved)
		return -EINVAL;
	if (fake.shim || fails(0))
		return -EBUSY;
	fake.shim = VMM_REFRESH_ON;
	fake.room = !!(args->flags & VMM_REFRESH_PARTITION);
	return 0;
}

static int devirtualize(void)
{
	begin("devirtualize");
	if (!fake.shim)
		return -ENODEV;
	if (fake.state || fails(0))
		return -EBUSY;
	fake.shim = 0;
	fake.room = 0;
	return 0;
}

static int create(struct vmm_refresh_part_create *args)
{
	begin("create %#x,%u%s", args->serial, args->serial_pin,
	      args->flags & VMM_REFRESH_PART_LINK ? " link" : "");
	if (args->size != sizeof(*args) || args->flags & ~VMM_REFRESH_PART_LINK)
		return -EINVAL;
	if (!fake.shim || !fake.room || fails(0))
		return -ENODEV;
	if (fake.state)
		return -EEXIST;
	fake.state = VMM_REFRESH_PART_MADE;
	return 0;
}

static int give_cpu(struct vmm_refresh_part_cpu *args)
{
	begin("cpu %u", args->cpu);
	if (args->size != sizeof(*args) ||
	    read_int(0, "/sys/devices/system/cpu/cpu%u/online", args->cpu) != 1)
		return -EINVAL;
	if (needs(fake.state == VMM_REFRESH_PART_MADE || fake.state == VMM_REFRESH_PART_RUNS) ||
	    fails(0))
		return needs(fake.state != VMM_REFRESH_PART_NONE) ?: -EIO;
	fake.cpus[fake.nr_cpus++] = args->cpu;
	put_cpu(args->cpu, "0");
	return 0;
}

static int give_device(struct vmm_refresh_part_device *args)
{
	int state = needs(fake.state == VMM_REFRESH_PART_MADE);

	begin("device %x:%x", args->domain, args->bdf);
	if (args->size != sizeof(*args) || args->flags || args->domain || args->bdf > 0xffff)
		return -EINVAL;
	if (state || fails(0))
		return state ?: -EBUSY;
	return 0;
}

static int give_memory(struct vmm_refresh_part_memory *args)
{
	__u64 at;

	begin("memory %#llx %#llx", args->hpa, args->bytes);
	if (args->size != sizeof(*args) || args->flags || !args->bytes ||
	    (args->hpa | args->bytes) % 4096)
		return -EINVAL;
	if (needs(fake.state == VMM_REFRESH_PART_MADE || fake.state == VMM_REFRESH_PART_RUNS))
		return needs(fake.state == VMM_REFRESH_PART_MADE);
	for (at = args->hpa; at < args->hpa + args->bytes; at += 4096)
		if (at % BLOCK == 0 && block_is_online(at / BLOCK))
			return -EBUSY;
	if (fake.nr_ranges == MAX_RANGES || fails(0))
		return -ENOSPC;
	fake.ranges[fake.nr_ranges].start = args->hpa;
	fake.ranges[fake.nr_ranges++].end = args->hpa + args->bytes;
	return 0;
}

static bool is_inside(__u64 start, __u64 bytes)
{
	size_t i;

	for (i = 0; i < fake.nr_ranges; i++)
		if (start >= fake.ranges[i].start && start + bytes <= fake.ranges[i].end)
			return true;
	return false;
}

static int load(struct vmm_refresh_part_load *args)
{
	const struct vmm_refresh_segment *segments = (void *)(uintptr_t)args->segments;
	int state = needs(fake.state != VMM_REFRESH_PART_RUNS);
	__u32 i;

	begin("load %u", args->nr);
	if (args->size != sizeof(*args) || args->nr > VMM_REFRESH_MAX_SEGMENTS)
		return -EINVAL;
	if (state || fails(0))
		return state ?: -EIO;
	for (i = 0; i < args->nr; i++)
		if (!is_inside(segments[i].hpa, segments[i].bytes))
			return -EPERM;
	fake.loaded = 1;
	fake.state = VMM_REFRESH_PART_MADE;
	return 0;
}

static int start(struct vmm_refresh_part_start *args)
{
	int state = needs(fake.loaded && fake.state == VMM_REFRESH_PART_MADE);
	__u32 i;

	begin("start %u%s", args->cpu,
	      args->flags & VMM_REFRESH_START_PHYSICAL ? " physical" : "");
	if (args->size != sizeof(*args) || args->reserved || !is_inside(args->rip, 1) ||
	    !is_inside(args->rsi, 4096) || !is_inside(args->cr3, 4096) ||
	    !is_inside(args->gdt, 32))
		return -EINVAL;
	for (i = 0; i < fake.nr_cpus; i++)
		if (fake.cpus[i] == args->cpu)
			break;
	if (i == fake.nr_cpus)
		return -EINVAL;
	if (state || fails(0))
		return state ?: -EIO;
	fake.state = VMM_REFRESH_PART_RUNS;
	fake.loaded = 0;
	fake.starts++;
	return 0;
}

static int kill_it(void)
{
	int state = needs(fake.state == VMM_REFRESH_PART_RUNS);

	begin("kill");
	if (state || fails(0))
		return state ?: -EIO;
	fake.state = VMM_REFRESH_PART_ENDED;
	fake.why = VMM_REFRESH_END_KILLED;
	return 0;
}

static int destroy(void)
{
	int state = needs(fake.state != VMM_REFRESH_PART_RUNS);
	__u32 i;

	begin("destroy");
	if (state || fails(0))
		return state ?: -EIO;
	for (i = 0; i < fake.nr_cpus; i++)
		put_cpu(fake.cpus[i], trouble == LOSE && !i ? "0" : "1");
	fake.state = VMM_REFRESH_PART_NONE;
	fake.why = 0;
	fake.nr_cpus = 0;
	fake.nr_ranges = 0;
	fake.starts = 0;
	fake.loaded = 0;
	return 0;
}

static int part_status(struct vmm_refresh_part_status *status)
{
	size_t i;

	if (!fake.shim || !fake.room)
		return -ENODEV;
	if (!fake.state && exists("/fake/enxio"))
		return -ENXIO;
	memset(status, 0, sizeof(*status));
	status->size = sizeof(*status);
	if (!fake.state)
		return 0;
	status->state = fake.state;
	status->why = fake.why;
	status->cpus = fake.nr_cpus;
	status->running = fake.state == VMM_REFRESH_PART_RUNS ? fake.nr_cpus : 0;
	for (i = 0; i < fake.nr_ranges; i++)
		status->memory += fake.ranges[i].end - fake.ranges[i].start;
	status->starts = fake.starts;
	status->word = 0x1234;
	status->exits[10] = 1738;
	status->exits[48] = 2615;
	status->exits[79] = 1;
	status->guest_exits = 99;
	status->nr_denied = 3;
	status->denied[1] = 7;
	status->denied_here[2] = 8;
	return 0;
}

/* ---- this is the second kernel */

#define PIECE	(4ull << 20)

/* Of the memory from /fake/foreign on. */
static __u64 take_pieces(__u64 most, __u64 first, __u64 end)
{
	__u64 hpa = read_int(0, "/fake/foreign"), nr = read_int(0, "/fake/memory") / PIECE, i;
	__u64 done = 0;

	for (i = 0; i < nr && i < sizeof(fake.taken) && (!most || done < most); i++) {
		if (fake.taken[i] || hpa + i * PIECE < first ||
		    (end && hpa + (i + 1) * PIECE > end))
			continue;
		fake.taken[i] = 1;
		done += PIECE;
	}
	return done;
}

static int grow(struct vmm_refresh_part_grow *args)
{
	if (args->flags == VMM_REFRESH_GROW_PCI && !(args->bytes | args->first | args->end)) {
		begin("functions");
		return !fails(0) && read_int(0, "/fake/second") == VMM_REFRESH_ADOPTABLE ? 0 :
											   -EBUSY;
	}
	if (args->end)
		begin("grow %llu %#llx-%#llx", (unsigned long long)args->bytes,
		      (unsigned long long)args->first, (unsigned long long)args->end);
	else
		begin("grow %llu", (unsigned long long)args->bytes);
	if (args->size != sizeof(*args) || args->flags ||
	    (args->bytes | args->first | args->end) & 0xfff)
		return -EINVAL;
	if (read_int(0, "/fake/second") != VMM_REFRESH_ADOPTABLE || fails(0))
		return -EBUSY;
	args->bytes = take_pieces(args->bytes, args->first, args->end);
	fake.grown += args->bytes;
	return 0;
}

static int leave(void)
{
	begin("leave");
	if (read_int(0, "/fake/second") != VMM_REFRESH_ADOPTABLE || fails(0))
		return -EBUSY;
	put_file("/fake/second", "0");
	return 0;
}

/* ---- the pool: one piece, all of it in one state */

static int find_pool(struct vmm_refresh_pool *args)
{
	autofree char *text = read_text("/fake/pool");
	unsigned long long start, size;

	if (!text || sscanf(text, "%llx %llx", &start, &size) != 2 || args->hpa >= start + size)
		return -ENOENT;
	args->hpa = start;
	args->bytes = size;
	args->state = fake.pool_state;
	return 0;
}

static int change_pool(const struct vmm_refresh_pool *args)
{
	static const char *const names[] = { "add", "remove", "lend", "keep", "give" };
	autofree char *piece = text_of("%llx %llx", args->hpa, args->bytes);
	autofree char *block = text_of("/sys/devices/system/memory/memory%llu/state",
				       args->hpa >> 27);
	__u64 state = fake.pool_state;

	begin("pool %s %#llx %#llx", names[args->op], args->hpa, args->bytes);
	switch (args->op) {
	case VMM_REFRESH_POOL_ADD:
		/* Its first block is offline still when it comes back. */
		if (fails(0))
			put_file(block, "offline");
		else
			put_file("/fake/pool", piece);
		return fails(0);
	case VMM_REFRESH_POOL_REMOVE:
		put_file("/fake/pool", "none");
		return fails(0);
	case VMM_REFRESH_POOL_LEND:
		fake.pool_state = VMM_REFRESH_POOL_LENT;
		return fails(state == VMM_REFRESH_POOL_OURS ? 0 : -EPERM);
	default:
		fake.pool_state = args->op == VMM_REFRESH_POOL_GIVE;
		return fails(state == VMM_REFRESH_POOL_LENT ? 0 : -EPERM);
	}
}

static int ask_pool(struct vmm_refresh_pool *args)
{
	if (args->size != sizeof(*args))
		return end(-EINVAL);
	/* This is the first kernel. */
	if (args->op == VMM_REFRESH_POOL_ATTACH) {
		errno = ENXIO;
		return -1;
	}
	if (args->op != VMM_REFRESH_POOL_FIND)
		return end(change_pool(args));
	errno = -find_pool(args);
	return errno ? -1 : 0;
}

/* Nothing of the machine changes: it is not in the log. */
static int say_word(__u64 word)
{
	errno = ENXIO;
	if (!fake.state)
		return -1;
	fake.word = word;
	save_state();
	return 0;
}

static int tell_words(struct vmm_refresh_part_words *words)
{
	errno = ENXIO;
	if (!fake.state && !exists("/fake/second"))
		return -1;
	words->first = fake.word;
	return 0;
}

static __u32 shim_state(void)
{
	if (exists("/fake/panicked"))
		return VMM_REFRESH_PANICKED;
	return exists("/fake/second") ? read_int(0, "/fake/second") : fake.shim;
}

/* Questions change nothing, and are not in the log. */
static int ask(unsigned long request, void *argument)
{
	struct vmm_refresh_status *status = argument;

	if (request == VMM_REFRESH_PART_STATUS)
		return part_status(argument);
	memset(status, 0, sizeof(*status));
	status->size = sizeof(*status);
	status->version = VMM_REFRESH_API_VERSION;
	status->state = shim_state();
	return 0;
}

int device_call(int fd, unsigned long request, void *argument)
{
	if (fd < 0) {
		errno = EBADF;
		return -1;
	}
	load_state();
	switch (request) {
	case VMM_REFRESH_STATUS:
	case VMM_REFRESH_PART_STATUS:
		errno = -ask(request, argument);
		return errno ? -1 : 0;
	case VMM_REFRESH_VIRTUALIZE:
		return end(virtualize(argument));
	case VMM_REFRESH_DEVIRTUALIZE:
		return end(exists("/fake/second") ? leave() : devirtualize());
	case VMM_REFRESH_PART_GROW:
		return end(grow(argument));
	case VMM_REFRESH_PART_CREATE:
		return end(create(argument));
	case VMM_REFRESH_PART_CPU:
		return end(give_cpu(argument));
	case VMM_REFRESH_PART_DEVICE:
		return end(give_device(argument));
	case VMM_REFRESH_PART_MEMORY:
		return end(give_memory(argument));
	case VMM_REFRESH_PART_LOAD:
		return end(load(argument));
	case VMM_REFRESH_PART_START:
		return end(start(argument));
	case VMM_REFRESH_PART_KILL:
		return end(kill_it());
	case VMM_REFRESH_PART_DESTROY:
		return end(destroy());
	case VMM_REFRESH_POOL:
		return ask_pool(argument);
	case VMM_REFRESH_PART_SAY:
		return say_word((uintptr_t)argument);
	case VMM_REFRESH_PART_WORDS:
		return tell_words(argument);
	}
	errno = ENOTTY;
	return -1;
}
