// SPDX-License-Identifier: GPL-2.0-only
/*
 * Read the header of a Linux kernel's image.
 */
#include <stdio.h>
#include <string.h>

#include "bzimage.h"

/* Fields of the header. */
#define SETUP_SECTORS		0x1f1
#define SETUP_JUMP		0x201	/* how far the header goes from 0x202 */
#define SETUP_MAGIC		0x202
#define SETUP_VERSION		0x206
#define SETUP_KERNEL_VERSION	0x20e
#define SETUP_INITRD_MAX	0x22c
#define SETUP_ALIGNMENT		0x230
#define SETUP_RELOCATABLE	0x234
#define SETUP_XLOADFLAGS	0x236
#define SETUP_CMDLINE_SIZE	0x238
#define SETUP_INIT_SIZE		0x260
/* Behind the last field of protocol 2.12. */
#define SETUP_LEAST_END		0x268

#define XLF_KERNEL_64		0x1
#define XLF_ABOVE_4G		0x2

#define PROTOCOL_2_12		0x20c
#define SECTOR			512
#define HUGE_PAGE		UINT64_C(0x200000)

/* The image has been found to be as long as a header goes. */
static uint32_t field(const struct bzimage *image, size_t offset, size_t bytes)
{
	uint32_t value = 0;

	memcpy(&value, image->data + offset, bytes);
	return value;
}

/* The first word of a text in the part that is not loaded. */
static void parse_version(struct bzimage *image)
{
	size_t offset = field(image, SETUP_KERNEL_VERSION, 2) + SECTOR, i;
	unsigned int major, minor;

	for (i = 0; offset > SECTOR && i < BZIMAGE_VERSION && offset + i < image->kernel; i++) {
		char c = image->data[offset + i];

		if (c <= ' ' || c > '~')
			break;
		image->version[i] = c;
	}
	image->physical = sscanf(image->version, "%3u.%3u", &major, &minor) != 2 || major < 6 ||
			  (major == 6 && minor < 10);
}

static const char *parse_sizes(struct bzimage *image)
{
	uint32_t sectors = field(image, SETUP_SECTORS, 1);

	image->header_end = SETUP_MAGIC + field(image, SETUP_JUMP, 1);
	if (image->header_end < SETUP_LEAST_END || image->header_end > SETUP_END)
		return "is no bzImage (its header has no sensible end)";
	image->kernel = ((sectors ? sectors : 4) + 1) * SECTOR;
	if (image->kernel >= image->size)
		return "is a bzImage that was cut off";
	image->init_size = field(image, SETUP_INIT_SIZE, 4);
	if (image->init_size < image->size - image->kernel)
		return "is a bzImage that would need less memory (init_size) than it has bytes";
	return NULL;
}

/**
 * bzimage_parse() - Read the header of a kernel
 * @image: filled in; points to @data
 * @data: all of the file
 * @size: bytes of it
 *
 * Return: NULL, or what is wrong with the file, to be put behind its name.
 */
const char *bzimage_parse(struct bzimage *image, const void *data, size_t size)
{
	const char *bad;
	uint32_t flags;

	memset(image, 0, sizeof(*image));
	image->data = data;
	image->size = size;
	if (size < SETUP_END || memcmp(image->data + SETUP_MAGIC, "HdrS", 4))
		return "is no bzImage";
	if (field(image, SETUP_VERSION, 2) < PROTOCOL_2_12)
		return "is a bzImage of a boot protocol before 2.12";
	flags = field(image, SETUP_XLOADFLAGS, 2);
	if (!(flags & XLF_KERNEL_64))
		return "is no bzImage that starts in 64-bit mode (XLF_KERNEL_64)";
	if (!field(image, SETUP_RELOCATABLE, 1))
		return "is a bzImage that cannot be moved (CONFIG_RELOCATABLE)";
	bad = parse_sizes(image);
	if (bad)
		return bad;
	image->alignment = field(image, SETUP_ALIGNMENT, 4);
	if (image->alignment & (image->alignment - 1))
		return "is a bzImage with an alignment that is no power of two";
	if (image->alignment < HUGE_PAGE)
		image->alignment = HUGE_PAGE;
	image->cmdline_size = field(image, SETUP_CMDLINE_SIZE, 4);
	image->initrd_end = flags & XLF_ABOVE_4G ? UINT64_MAX :
			    field(image, SETUP_INITRD_MAX, 4) + UINT64_C(1);
	parse_version(image);
	return NULL;
}
