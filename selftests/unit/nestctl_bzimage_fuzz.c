// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: a file that is said to be a Linux kernel.  Whatever is accepted can be loaded
 * without a byte outside the file.
 */
#include "part_fuzz.h"
#include "../../tools/nestctl/bzimage.h"

/* A header that is accepted, which the input then changes. */
static const uint8_t good_header[] = {
	[0x1f1 - SETUP_BEGIN] = 1,			/* setup sectors */
	[0x201 - SETUP_BEGIN] = 0x6a,			/* how far the header goes */
	[0x202 - SETUP_BEGIN] = 'H', 'd', 'r', 'S', 0x0f, 0x02,
	[0x234 - SETUP_BEGIN] = 1, 21, 0x03, 0,		/* relocatable, alignment, xloadflags */
	[0x238 - SETUP_BEGIN] = 0xff, 0x07, 0, 0,	/* length of the command line */
	[0x263 - SETUP_BEGIN] = 1,			/* init_size: 16 MiB */
};

/* On the heap and exact, for ASan. */
static uint8_t *make_file(const uint8_t *data, size_t size, size_t bytes)
{
	uint8_t *file = calloc(1, bytes + !bytes);
	size_t i, at;

	if (bytes < SETUP_END || !(data[0] & 1)) {
		memcpy(file, data, size);
		return file;
	}
	memcpy(file + SETUP_BEGIN, good_header, sizeof(good_header));
	/* Its version may never end. */
	if (data[0] & 4)
		memset(file + SETUP_END, 'x', bytes - SETUP_END);
	for (i = 1; i + 1 < size; i += 2) {
		at = data[0] & 2 ? (size_t)SETUP_BEGIN + data[i] : (size_t)data[i] * 8;
		if (at < bytes)
			file[at] = data[i + 1];
	}
	return file;
}

int fuzz_one_input(const uint8_t *data, size_t size)
{
	size_t bytes = size * 4 + (size && data[0] & 1 ? SETUP_END : 0);
	uint8_t *file = make_file(data, size, bytes);
	struct bzimage image;

	if (!bzimage_parse(&image, file, bytes)) {
		must(image.kernel < bytes, "the kernel is in the file");
		must(image.header_end > 0x202 && image.header_end <= SETUP_END &&
		     image.header_end <= bytes, "the header is in the file");
		must(image.init_size >= bytes - image.kernel, "it has room");
		must(image.alignment >= 1 << 21 && !(image.alignment & (image.alignment - 1)),
		     "alignment");
		must(memchr(image.version, 0, sizeof(image.version)), "the version ends");
	}
	free(file);
	return 0;
}
