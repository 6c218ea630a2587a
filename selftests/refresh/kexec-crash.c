// SPDX-License-Identifier: GPL-2.0-only
/*
 * kexec-crash [-e] KERNEL INITRD CMDLINE: load a crash kernel, as kexec -p -s does; -e: load one
 * that takes the place of this one at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fprintf(stderr, "kexec-crash: %s: %s\n", path, strerror(errno));
	return fd;
}

int main(int argc, char **argv)
{
	bool at_once = argc > 1 && !strcmp(argv[1], "-e");
	int kernel, initrd;

	argc -= at_once;
	argv += at_once;
	if (argc != 4) {
		fprintf(stderr, "usage: kexec-crash [-e] KERNEL INITRD CMDLINE\n");
		return 255;
	}
	kernel = open_file(argv[1]);
	initrd = open_file(argv[2]);
	if (kernel < 0 || initrd < 0)
		return 1;
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[3]) + 1, argv[3],
		    at_once ? 0 : KEXEC_FILE_ON_CRASH)) {
		fprintf(stderr, "kexec-crash: kexec_file_load: %s (boot with crashkernel=)\n",
			strerror(errno));
		return 1;
	}
	return at_once && reboot(RB_KEXEC);
}
