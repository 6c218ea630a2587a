// SPDX-License-Identifier: GPL-2.0-only
/*
 * part-grow: in the second partition, wait until the first kernel has ended, then take its
 * memory.  Prints how many MiB it was; stderr has how long that took.  Exit status: 0, or the
 * errno of the ioctl.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "../../include/uapi/linux/vmm_refresh.h"

#define DEVICE "/dev/vmm-refresh"
#define POLL_MICROSECONDS 100000

static int failed(const char *what)
{
	int r = errno;

	fprintf(stderr, "part-grow: %s: %s\n", what, strerror(r));
	return r;
}

static long long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

int main(void)
{
	struct vmm_refresh_part_grow grow = { .size = sizeof(grow) };
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	long long began;

	if (fd < 0)
		return failed("open " DEVICE);
	while (began = milliseconds(), ioctl(fd, VMM_REFRESH_PART_GROW, &grow)) {
		if (errno != EBUSY)
			return failed("grow");
		grow.bytes = 0;
		usleep(POLL_MICROSECONDS);
	}
	fprintf(stderr, "part-grow: in %lld ms\n", milliseconds() - began);
	printf("%llu\n", (unsigned long long)grow.bytes >> 20);
	return 0;
}
