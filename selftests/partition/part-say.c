// SPDX-License-Identifier: GPL-2.0-only
/*
 * part-say WORD: in the second partition, show a number to the first kernel.
 * Exit status: 0, or the errno of the ioctl, 255 for wrong usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../../include/uapi/linux/vmm_refresh.h"

#define DEVICE "/dev/vmm-refresh"
#define EXIT_USAGE 255

static int failed(const char *what)
{
	int r = errno;

	fprintf(stderr, "part-say: %s: %s\n", what, strerror(r));
	return r;
}

int main(int argc, char **argv)
{
	unsigned long word;
	char *end;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: part-say WORD\n");
		return EXIT_USAGE;
	}
	errno = 0;
	word = strtoul(argv[1], &end, 0);
	if (errno || end == argv[1] || *end) {
		fprintf(stderr, "part-say: '%s' is not a number\n", argv[1]);
		return EXIT_USAGE;
	}
	fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return failed("open " DEVICE);
	if (ioctl(fd, VMM_REFRESH_PART_SAY, word))
		return failed("say");
	return 0;
}
