/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random numbers for tests that can be repeated: the same for the same seed, on either
 * side of a VM.  One state for each program and side.
 */
#ifndef NVX_RANDOM_H
#define NVX_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* The seed, and not 0. */
static uint64_t rng_state;

/* xorshift64: Marsaglia, "Xorshift RNGs", J. Stat. Softw. 8 (14), 2003. */
static uint64_t rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state;
}

static bool chance(unsigned int percent)
{
	return rng() % 100 < percent;
}

#endif /* NVX_RANDOM_H */
