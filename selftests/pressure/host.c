// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel tells about memory, and how it takes that of other processes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vm.h"

#define PAGEMAP_FRAME	0x7fffffffffffffull
#define PAGEOUT_CHUNK	0x100000ull
#define MIN_MAPPING	0x2000000ull	/* the memory of a guest, not a heap */

/* A line "NAME VALUE" of /proc/vmstat; 0 if there is none. */
uint64_t vmstat(const char *name)
{
	FILE *file = fopen("/proc/vmstat", "r");
	uint64_t value, result = 0;
	char key[64];

	if (!file)
		return 0;
	while (fscanf(file, "%63s %lu", key, &value) == 2)
		if (!strcmp(key, name))
			result = value;
	fclose(file);
	return result;
}

uint64_t read_number(const char *path)
{
	FILE *file = fopen(path, "r");
	uint64_t value = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%lu", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

int write_number(const char *path, uint64_t value)
{
	FILE *file = fopen(path, "w");
	int r;

	if (!file)
		return fail("%s: %s", path, strerror(errno));
	fprintf(file, "%lu\n", value);
	r = fclose(file);
	return r ? fail("%s: %s", path, strerror(errno)) : 0;
}

/* Page frame numbers of @n pages from @mem on; 0 for what is not present. */
int page_frames(const void *mem, uint64_t *frames, size_t n)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	ssize_t size = n * sizeof(*frames);
	size_t i;

	if (fd < 0)
		return fail("/proc/self/pagemap: %s", strerror(errno));
	if (pread(fd, frames, size, (uintptr_t)mem / PAGE_SIZE * sizeof(*frames)) != size) {
		close(fd);
		return fail("/proc/self/pagemap cannot be read");
	}
	close(fd);
	for (i = 0; i < n; i++)
		frames[i] = frames[i] >> 63 ? frames[i] & PAGEMAP_FRAME : 0;
	return 0;
}

static int pageout_range(int pidfd, uint64_t start, uint64_t end)
{
	struct iovec range;
	uint64_t addr;

	for (addr = start; addr < end; addr += PAGEOUT_CHUNK) {
		range.iov_base = (void *)addr;
		range.iov_len = end - addr < PAGEOUT_CHUNK ? end - addr : PAGEOUT_CHUNK;
		if (syscall(SYS_process_madvise, pidfd, &range, 1, MADV_PAGEOUT, 0) < 0)
			return fail("process_madvise: %s", strerror(errno));
	}
	return 0;
}

/* Have the kernel swap out the large private mappings of another process. */
int pageout_process(int pid)
{
	uint64_t start, end, found = 0;
	char path[64], line[512], perms[8];
	int pidfd, r = 0;
	FILE *maps;

	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return fail("process %d: %s", pid, strerror(errno));
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "r");
	if (!maps) {
		close(pidfd);
		return fail("%s: %s", path, strerror(errno));
	}
	while (!r && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %7s", &start, &end, perms) != 3 ||
		    strcmp(perms, "rw-p") || end - start < MIN_MAPPING)
			continue;
		found += end - start;
		r = pageout_range(pidfd, start, end);
	}
	fclose(maps);
	close(pidfd);
	return r || found ? r : fail("process %d has no large mapping", pid);
}
