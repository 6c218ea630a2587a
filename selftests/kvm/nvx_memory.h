/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a host does to the memory of a VM in use.  Each program uses some of it: these
 * are functions of the one that includes it.
 */
#ifndef NVX_MEMORY_H
#define NVX_MEMORY_H

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "test_util.h"

static inline bool nvx_write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	bool good;

	if (!file)
		return false;
	good = fputs(text, file) >= 0;
	return !fclose(file) && good;
}

/* 0 if there is no such file. */
static inline unsigned long nvx_read_number(const char *path)
{
	FILE *file = fopen(path, "r");
	unsigned long value = 0;

	if (file && fscanf(file, "%lu", &value) != 1)
		value = 0;
	if (file)
		fclose(file);
	return value;
}

static inline void *nvx_new_pages(size_t pages)
{
	void *p = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	TEST_ASSERT(p != MAP_FAILED, "No memory for %zu pages", pages);
	return p;
}

/* Pages that have just been given back are not what they were. */
static inline void nvx_scribble(size_t pages)
{
	void *p = nvx_new_pages(pages);

	memset(p, 0xee, pages * 4096);
	munmap(p, pages * 4096);
}

static inline void nvx_discard(void *where, size_t pages)
{
	TEST_ASSERT(!madvise(where, pages * 4096, MADV_DONTNEED), "madvise()");
	nvx_scribble(pages);
}

/* For a moment there is no memory at all: KVM_RUN may say EFAULT. */
static inline void nvx_unmap(void *where, size_t pages)
{
	TEST_ASSERT(!munmap(where, pages * 4096), "munmap()");
	TEST_ASSERT(mmap(where, pages * 4096, PROT_READ | PROT_WRITE,
			 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == where, "mmap()");
	nvx_scribble(pages);
}

/* The same of memory that cannot be written, or read, for a moment. */
static inline void nvx_protect(void *where, size_t pages, int how)
{
	TEST_ASSERT(!mprotect(where, pages * 4096, how) &&
		    !mprotect(where, pages * 4096, PROT_READ | PROT_WRITE), "mprotect()");
}

/* Another page at the same place, with the bits @flip of one byte inverted. */
static inline void nvx_exchange(void *where, unsigned int byte, uint8_t flip)
{
	uint8_t *page = nvx_new_pages(1);

	memcpy(page, where, 4096);
	page[byte] ^= flip;
	TEST_ASSERT(mremap(page, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, where) == where,
		    "mremap()");
}

#endif /* NVX_MEMORY_H */
