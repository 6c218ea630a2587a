// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/vmm-refresh, and files that switch something.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "device.h"
#include "nestctl.h"

/**
 * device_open() - Open /dev/vmm-refresh
 *
 * Return: a descriptor, -1 with errno.
 */
int device_open(void)
{
	autofree char *path = below_root(DEVICE);

	return open(path, O_RDWR | O_CLOEXEC);
}

/**
 * device_call() - One of its ioctls
 * @fd: of device_open()
 * @request: VMM_REFRESH_*
 * @argument: of it, NULL if it has none
 *
 * Return: 0, or -1 with errno.
 */
int device_call(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -1 : 0;
}

/**
 * device_write() - Write to a file that switches something
 * @path: of the file
 * @text: what to write, at once
 *
 * Return: 0, or -1 with errno.
 */
int device_write(const char *path, const char *text)
{
	autofree char *whole = below_root("%s", path);
	int fd = open(whole, O_WRONLY | O_CLOEXEC), error;
	ssize_t n;

	if (fd < 0)
		return -1;
	errno = EIO;
	n = write(fd, text, strlen(text));
	error = errno;
	close(fd);
	errno = error;
	return n == (ssize_t)strlen(text) ? 0 : -1;
}
