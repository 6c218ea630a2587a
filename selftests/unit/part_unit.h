/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TAP and random numbers for the unit tests of what two kernels share.  The same seed gives
 * the same numbers; it is the first argument of each program.
 */
#ifndef PART_UNIT_H
#define PART_UNIT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "part_denied.h"

static int count, failed;

static inline void ok(bool good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++count, name);
	failed += !good;
}

static u64 random_state;

static inline void random_seed(int argc, char **argv)
{
	u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;

	printf("# seed %llu\n", seed);
	random_state = seed * 0x9e3779b97f4a7c15ull + 1;
}

static inline u64 random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x2545f4914f6cdd1dull;
}

/* 0 to @n - 1 */
static inline u32 random_below(u32 n)
{
	return (random64() >> 32) % n;
}

static inline int finish(void)
{
	printf("1..%d\n", count);
	return failed != 0;
}

#endif /* PART_UNIT_H */
