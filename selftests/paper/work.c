// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx-paper: work of a fixed amount, the same at every level, and a command that
 * counts what it takes.  Each amount is an argument, none is a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "work.h"

#define PAGE		4096ul
#define MIB		1048576ul
#define LINE		64
#define BLOCK		4096

int fail(const char *format, ...)
{
	va_list args;

	fputs("nvx-paper: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return 1;
}

void *map_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		exit(fail("no memory: %zu bytes", size));
	madvise(memory, size, MADV_NOHUGEPAGE);
	return memory;
}

/* Same numbers in every run. */
static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* Integer work in the first-level cache: count primes, over and over. */
static int do_sieve(const unsigned long *arg)
{
	static unsigned char composite[32768];
	unsigned long round, i, j, count = 0;

	for (round = 0; round < arg[0]; round++) {
		memset(composite, 0, sizeof(composite));
		for (i = 2; i < sizeof(composite); i++) {
			if (composite[i])
				continue;
			count++;
			for (j = 2 * i; j < sizeof(composite); j += i)
				composite[j] = 1;
		}
	}
	return count ? 0 : 1;
}

/* Follow pointers through @arg[0] MiB in an order that no prefetcher guesses. */
static int do_chase(const unsigned long *arg)
{
	size_t lines = arg[0] * MIB / LINE, i, other;
	char *memory = map_memory(arg[0] * MIB);
	uint32_t state = 1, *order;
	void **here;

	order = map_memory(lines * sizeof(*order));
	for (i = 0; i < lines; i++)
		order[i] = i;
	for (i = lines - 1; i; i--) {
		uint32_t saved = order[i];

		other = next_random(&state) % (i + 1);
		order[i] = order[other];
		order[other] = saved;
	}
	for (i = 0; i < lines; i++)
		*(void **)(memory + (size_t)order[i] * LINE) =
			memory + (size_t)order[(i + 1) % lines] * LINE;

	here = (void **)memory;
	for (i = 0; i < arg[1]; i++)
		here = *here;
	return *(void *volatile *)here ? 0 : 1;
}

/* Three arrays of @arg[0] MiB each, @arg[1] times a = b + 3 * c. */
static int do_stream(const unsigned long *arg)
{
	size_t n = arg[0] * MIB / sizeof(uint64_t), i;
	uint64_t *a = map_memory(arg[0] * MIB), *b = map_memory(arg[0] * MIB);
	uint64_t *c = map_memory(arg[0] * MIB);
	unsigned long round;

	for (i = 0; i < n; i++) {
		b[i] = i;
		c[i] = 2 * i;
	}
	for (round = 0; round < arg[1]; round++) {
		for (i = 0; i < n; i++)
			a[i] = b[i] + 3 * c[i];
		b[round] = a[n - 1 - round];
	}
	return *(volatile uint64_t *)&a[n / 2] ? 0 : 1;
}

/* Fresh memory, a write to each page, all of it given back, @arg[1] times. */
static int do_touch(const unsigned long *arg)
{
	size_t size = arg[0] * MIB, at;
	unsigned long round;
	char *memory;

	for (round = 0; round < arg[1]; round++) {
		memory = map_memory(size);
		for (at = 0; at < size; at += PAGE)
			memory[at] = 1;
		munmap(memory, size);
	}
	return 0;
}

static int churn_once(void)
{
	char *memory = map_memory(16 * PAGE);
	int status;
	pid_t child;

	memset(memory, 1, 16 * PAGE);
	child = fork();
	if (!child) {
		/* Copy on write, then a new program. */
		memset(memory, 2, 16 * PAGE);
		execl("/bin/busybox", "true", NULL);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status)
		return fail("a child failed");
	munmap(memory, 16 * PAGE);
	return 0;
}

static int do_churn(const unsigned long *arg)
{
	unsigned long i;

	for (i = 0; i < arg[0]; i++)
		if (churn_once())
			return 1;
	return 0;
}

static int do_sleep(const unsigned long *arg)
{
	struct timespec pause = { 0, arg[1] * 1000 };
	unsigned long i;

	for (i = 0; i < arg[0]; i++)
		if (nanosleep(&pause, NULL))
			return fail("sleep: %s", strerror(errno));
	return 0;
}

/* Read the first @arg[0] MiB of a file @arg[1] times through the page cache. */
static int do_read(const char *path, const unsigned long *arg)
{
	static char buffer[64 << 10];
	int fd = open(path, O_RDONLY);
	unsigned long round;
	size_t at;

	if (fd < 0)
		return fail("%s: %s", path, strerror(errno));
	for (round = 0; round < arg[1]; round++)
		for (at = 0; at < arg[0] * MIB; at += sizeof(buffer))
			if (pread(fd, buffer, sizeof(buffer), at) != sizeof(buffer))
				return fail("%s: short read", path);
	close(fd);
	return 0;
}

/* Write and read @arg[1] blocks past the first @arg[0] MiB, around the cache. */
static int do_direct(const char *path, const unsigned long *arg)
{
	int fd = open(path, O_RDWR | O_DIRECT);
	char *buffer = map_memory(PAGE);
	unsigned long i;

	if (fd < 0)
		return fail("%s: %s", path, strerror(errno));
	for (i = 0; i < arg[1]; i++) {
		off_t at = arg[0] * MIB + i * BLOCK;

		memset(buffer, i, BLOCK);
		if (pwrite(fd, buffer, BLOCK, at) != BLOCK ||
		    pread(fd, buffer, BLOCK, at) != BLOCK)
			return fail("%s: direct transfer failed", path);
	}
	close(fd);
	return 0;
}

/* @arg[0] KiB of words to be compressed and summed. */
static int do_text(const unsigned long *arg)
{
	static const char * const words[] = {
		"guest", "host", "level", "exit", "entry", "page", "table", "fault",
		"walk", "field", "control", "state", "timer", "cache", "shadow", "root",
	};
	uint32_t state = 7;
	size_t done = 0;

	while (done < arg[0] << 10)
		done += printf("%s%u%c", words[next_random(&state) % 16],
			       next_random(&state) % 100,
			       next_random(&state) % 8 ? ' ' : '\n');
	return 0;
}

static const struct work {
	const char *name;
	const char *usage;
	int nr_args;
	int (*plain)(const unsigned long *arg);
	int (*on_file)(const char *path, const unsigned long *arg);
} works[] = {
	{ "sieve", "ROUNDS", 1, do_sieve, NULL },
	{ "chase", "MIB STEPS", 2, do_chase, NULL },
	{ "stream", "MIB ROUNDS", 2, do_stream, NULL },
	{ "touch", "MIB ROUNDS", 2, do_touch, NULL },
	{ "churn", "COUNT", 1, do_churn, NULL },
	{ "sleep", "COUNT MICROSECONDS", 2, do_sleep, NULL },
	{ "text", "KIB", 1, do_text, NULL },
	{ "read", "FILE MIB ROUNDS", 2, NULL, do_read },
	{ "direct", "FILE OFFSET_MIB BLOCKS", 2, NULL, do_direct },
};

#define NR_WORKS (sizeof(works) / sizeof(works[0]))

static int usage(void)
{
	size_t i;

	fputs("Usage: nvx-paper run LABEL COMMAND [ARGUMENT...]\n", stderr);
	for (i = 0; i < NR_WORKS; i++)
		fprintf(stderr, "       nvx-paper %s %s\n", works[i].name, works[i].usage);
	return 2;
}

static int run_work(const struct work *work, int argc, char **argv)
{
	unsigned long arg[2] = { 0, 0 };
	int first = work->on_file ? 1 : 0, i;

	if (argc != first + work->nr_args)
		return usage();
	for (i = 0; i < work->nr_args; i++) {
		char *end;

		arg[i] = strtoul(argv[first + i], &end, 10);
		if (*end || !arg[i])
			return usage();
	}
	return work->on_file ? work->on_file(argv[0], arg) : work->plain(arg);
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc > 3 && !strcmp(argv[1], "run"))
		return run_marked(argv[2], argv + 3);
	for (i = 0; argc > 1 && i < NR_WORKS; i++)
		if (!strcmp(argv[1], works[i].name))
			return run_work(&works[i], argc - 2, argv + 2);
	return usage();
}
