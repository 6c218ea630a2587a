/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which record next: rank k of n is asked for with a probability in proportion to 1 / k^theta.
 * Ranks are spread over the records by a shuffle, so that neighbours are not all hot.
 */
#ifndef REDIS_ZIPF_H
#define REDIS_ZIPF_H

#include <stdint.h>

struct zipf {
	unsigned int records;
	/* Up to and with this rank, of 2^53. */
	uint64_t *upto;
	/* The record of a rank. */
	unsigned int *record;
};

/* xorshift64*: the state is not 0. */
static inline uint64_t zipf_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull;
}

int zipf_init(struct zipf *zipf, unsigned int records, double theta, uint64_t seed);
void zipf_free(struct zipf *zipf);
unsigned int zipf_rank(const struct zipf *zipf, uint64_t random);

static inline unsigned int zipf_record(const struct zipf *zipf, uint64_t random)
{
	return zipf->record[zipf_rank(zipf, random)];
}

#endif
