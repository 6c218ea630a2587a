// SPDX-License-Identifier: GPL-2.0-only
/*
 * Run one command and count the instructions that it takes at all levels: the
 * emulated machine's time stamp counter counts instructions, and a guest's is the
 * same but for an offset.
 *
 * No guest sees the counters of the host, so the host is asked to note them: a line
 * on the console, an answer.  This is done here and not in the shell because the
 * start of each helper program would count as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "work.h"

#define CONSOLE "/dev/ttyS0"

static uint64_t read_tsc(void)
{
	return __builtin_ia32_rdtsc();
}

static int open_console(struct termios *saved)
{
	struct termios raw;
	int fd = open(CONSOLE, O_RDWR | O_NOCTTY);

	if (fd < 0 || tcgetattr(fd, saved))
		return -1;
	raw = *saved;
	raw.c_lflag &= ~(ECHO | ICANON | ISIG);
	if (tcsetattr(fd, TCSADRAIN, &raw))
		return -1;
	return fd;
}

/* Ask the host for a snapshot and wait until it says "ok". */
static int request(int fd, const char *label, const char *when)
{
	char line[128], answer[8];
	size_t got = 0;
	ssize_t n;

	snprintf(line, sizeof(line), "@l0 snap %s %s\n", label, when);
	n = strlen(line);
	if (write(fd, line, n) != n)
		return -1;

	while (got < sizeof(answer)) {
		n = read(fd, answer + got, 1);
		if (n != 1)
			return -1;
		if (answer[got] == '\n')
			break;
		got++;
	}
	return got >= 2 && !memcmp(answer, "ok", 2) ? 0 : -1;
}

static int spawn(char **argv)
{
	int status;
	pid_t child = fork();

	if (!child) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDOUT_FILENO);
		execv(argv[0], argv);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -1;
	return status;
}

int run_marked(const char *label, char **argv)
{
	struct termios saved;
	uint64_t begin, end;
	int fd, status;

	fd = open_console(&saved);
	if (fd < 0)
		return fail("cannot use " CONSOLE ": %s", strerror(errno));

	if (request(fd, label, "begin"))
		return fail("%s: the host does not answer", label);
	begin = read_tsc();
	status = spawn(argv);
	end = read_tsc();
	if (request(fd, label, "end"))
		return fail("%s: the host does not answer", label);

	tcsetattr(fd, TCSADRAIN, &saved);
	close(fd);
	printf("%s %llu %d\n", label, (unsigned long long)(end - begin), status);
	return status ? 1 : 0;
}
