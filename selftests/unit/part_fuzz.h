/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fuzz targets share: each interprets its input as a list of accesses and compares
 * with a model after each.  part_fuzz_main.c feeds them without libFuzzer, scripts/check-fuzz
 * with it.
 */
#ifndef PART_FUZZ_H
#define PART_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The symbol is the one that libFuzzer calls. */
int fuzz_one_input(const uint8_t *data, size_t size) __asm__("LLVMFuzzerTestOneInput");

struct input {
	const uint8_t *data;
	size_t left;
};

static inline uint8_t take8(struct input *input)
{
	if (!input->left)
		return 0;
	input->left--;
	return *input->data++;
}

static inline uint32_t take32(struct input *input)
{
	uint32_t value = take8(input);

	value |= take8(input) << 8;
	value |= take8(input) << 16;
	return value | (uint32_t)take8(input) << 24;
}

/* A finding ends the program: that is how libFuzzer sees it, too. */
static inline void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "not ok - %s\n", what);
	abort();
}

#endif /* PART_FUZZ_H */
