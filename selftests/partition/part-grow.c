// SPDX-License-Identifier: GPL-2.0-only
/*
 * part-grow: in the second partition, wait until the first kernel has ended, then take its
 * memory.  Prints how many MiB it was.  Exit status: 0, or the errno of the ioctl.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
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

int main(void)
{
	struct vmm_refresh_part_grow grow = { .size = sizeof(grow) };
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return failed("open " DEVICE);
	while (ioctl(fd, VMM_REFRESH_PART_GROW, &grow)) {
		if (errno != EBUSY)
			return failed("grow");
		grow.bytes = 0;
		usleep(POLL_MICROSECONDS);
	}
	printf("%llu\n", (unsigned long long)grow.bytes >> 20);
	return 0;
}
