// SPDX-License-Identifier: GPL-2.0-only
/*
 * tsc-stamp [FILE]: each line of stdin, or of a file that grows, with the TSC in front of it.
 * The file is read until the program is ended.  All kernels of a machine have the same TSC.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <x86intrin.h>

/* A line that is longer is cut into pieces. */
#define MAX_LINE 8192

static char buffer[MAX_LINE];
static size_t filled;

static void print(size_t length, unsigned long long stamp)
{
	printf("%llu %.*s\n", stamp, (int)length, buffer);
}

/* Whole lines of what was read; those that came together have one time.  None: the end. */
static void take(size_t more)
{
	unsigned long long stamp = __rdtsc();
	char *end;

	filled += more;
	while ((end = memchr(buffer, '\n', filled))) {
		print(end - buffer, stamp);
		filled -= end + 1 - buffer;
		memmove(buffer, end + 1, filled);
	}
	if (filled == MAX_LINE || (!more && filled)) {
		print(filled, stamp);
		filled = 0;
	}
	fflush(stdout);
}

static int failed(const char *what)
{
	perror(what);
	return 1;
}

int main(int argc, char **argv)
{
	char event[sizeof(struct inotify_event) + 256];
	int file = STDIN_FILENO, watch = -1;
	ssize_t n;

	if (argc > 2) {
		fprintf(stderr, "usage: tsc-stamp [FILE]\n");
		return 2;
	}
	if (argc == 2) {
		file = open(argv[1], O_RDONLY | O_CLOEXEC);
		watch = inotify_init1(IN_CLOEXEC);
		if (file < 0 || watch < 0 || inotify_add_watch(watch, argv[1], IN_MODIFY) < 0)
			return failed(argv[1]);
	}
	while ((n = read(file, buffer + filled, MAX_LINE - filled)) >= 0) {
		if (n || watch < 0)
			take(n);
		if (n)
			continue;
		if (watch < 0)
			return 0;
		if (read(watch, event, sizeof(event)) < 0)
			return failed("inotify");
	}
	return failed(argc == 2 ? argv[1] : "stdin");
}
