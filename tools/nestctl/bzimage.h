/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The header of a Linux kernel's image (Documentation/arch/x86/boot.rst of the kernel).
 */
#ifndef NESTCTL_BZIMAGE_H
#define NESTCTL_BZIMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The header in the image, and at the same place in the zero page. */
#define SETUP_BEGIN		0x1f1
#define SETUP_END		0x290

#define BZIMAGE_VERSION		64

/**
 * struct bzimage - What it says of itself
 * @data: all of the file
 * @size: bytes of it
 * @header_end: behind its header, from the beginning of @data
 * @kernel: the part that is loaded, from the beginning of @data
 * @init_size: bytes that it needs from where it is loaded
 * @alignment: of where it is loaded, 2 MiB at least
 * @cmdline_size: longest command line, without its NUL
 * @initrd_end: the initrd has to end at or below this address
 * @physical: from before Linux 6.10, or of a version that it does not tell
 * @version: as of uname -r, "" if it does not tell
 */
struct bzimage {
	const uint8_t *data;
	size_t size, header_end, kernel;
	uint64_t init_size, alignment, cmdline_size, initrd_end;
	bool physical;
	char version[BZIMAGE_VERSION + 1];
};

const char *bzimage_parse(struct bzimage *image, const void *data, size_t size);

#endif /* NESTCTL_BZIMAGE_H */
