// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preloaded into nestctl: one of the calls that change something goes wrong, an ioctl of
 * /dev/vmm-refresh or a write to a file of /sys.  In the environment:
 *
 *	STEP		number of that call, from 1; 0: none
 *	STEP_HOW	fail: it is not done, and EIO is its answer; before, during, after: SIGKILL
 *	STEP_LOG	file to which each of them is written
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../include/uapi/linux/vmm_refresh.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define FIRST_CALL	0xa0	/* of the device */
#define DURING		1000	/* microseconds until it is killed */

static int step;

static int is_how(const char *how)
{
	const char *wanted = getenv("STEP_HOW"), *number = getenv("STEP");

	return number && step == atoi(number) && wanted && !strcmp(wanted, how);
}

static void note(const char *what)
{
	const char *path = getenv("STEP_LOG");
	char line[512];
	int fd, n;

	step++;
	fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
	if (fd < 0)
		return;
	n = snprintf(line, sizeof(line), "%s\n", what);
	syscall(SYS_write, fd, line, n);
	close(fd);
}

static void kill_soon(void)
{
	if (fork())
		return;
	usleep(DURING);
	kill(getppid(), SIGKILL);
	_exit(0);
}

/* A call that changes something: what it is, and the call itself. */
static long change(const char *what, long number, long a, long b, long c)
{
	long r;

	note(what);
	if (is_how("fail")) {
		errno = EIO;
		return -1;
	}
	if (is_how("before"))
		raise(SIGKILL);
	if (is_how("during"))
		kill_soon();
	r = syscall(number, a, b, c);
	if (is_how("after"))
		raise(SIGKILL);
	/* It was quick. */
	while (is_how("during"))
		pause();
	return r;
}

int ioctl(int fd, unsigned long request, ...)
{
	static const char *const names[] = {
		"virtualize", "devirtualize", NULL, NULL, "create", "cpu", "memory", "load",
		"start", "kill", "destroy", NULL, NULL, "grow",
	};
	unsigned long call = _IOC_NR(request) - FIRST_CALL;
	va_list args;
	long argument;

	va_start(args, request);
	argument = va_arg(args, long);
	va_end(args);
	if (_IOC_TYPE(request) != _IOC_TYPE(VMM_REFRESH_STATUS) || call >= ARRAY_SIZE(names) ||
	    !names[call])
		return syscall(SYS_ioctl, fd, request, argument);
	return change(names[call], SYS_ioctl, fd, request, argument);
}

ssize_t write(int fd, const void *data, size_t size)
{
	char link[64], path[256], what[400];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	if (strncmp(path, "/sys/", 5))
		return syscall(SYS_write, fd, data, size);
	snprintf(what, sizeof(what), "%.*s to %s", (int)size, (const char *)data, path);
	return change(what, SYS_write, fd, (long)data, size);
}
