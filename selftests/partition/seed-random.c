// SPDX-License-Identifier: GPL-2.0-only
/*
 * seed-random: have the kernel take its random numbers for good enough.  The lab's machine has no
 * RDRAND and comes by entropy slowly; nothing here depends on it.
 */
#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define BYTES	64

int main(void)
{
	struct {
		struct rand_pool_info info;
		unsigned char bytes[BYTES];
	} seed = { .info = { .entropy_count = 8 * BYTES, .buf_size = BYTES } };
	int fd = open("/dev/urandom", O_WRONLY);

	if (fd < 0 || ioctl(fd, RNDADDENTROPY, &seed)) {
		perror("seed-random: /dev/urandom");
		return 1;
	}
	return 0;
}
