// SPDX-License-Identifier: GPL-2.0-only
/*
 * A zipfian distribution by its table: exact, and a draw costs no floating point.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "zipf.h"

/* All that a draw can be: 53 bits. */
#define WHOLE 0x20000000000000ull

static void fill(struct zipf *zipf, double theta)
{
	double sum = 0, upto = 0;
	unsigned int i;

	for (i = 0; i < zipf->records; i++)
		sum += pow(i + 1, -theta);
	for (i = 0; i < zipf->records; i++) {
		upto += pow(i + 1, -theta);
		zipf->upto[i] = (uint64_t)(upto / sum * WHOLE);
	}
	/* Sums of so many are not exact. */
	zipf->upto[zipf->records - 1] = WHOLE;
}

static void shuffle(struct zipf *zipf, uint64_t seed)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
	unsigned int i, k, other;

	for (i = 0; i < zipf->records; i++)
		zipf->record[i] = i;
	for (i = zipf->records - 1; i; i--) {
		k = zipf_random(&state) % (i + 1);
		other = zipf->record[k];
		zipf->record[k] = zipf->record[i];
		zipf->record[i] = other;
	}
}

/**
 * zipf_init() - Make the table
 * @zipf: to be filled in
 * @records: how many there are, not 0
 * @theta: the exponent
 * @seed: of the order of the records
 *
 * Return: 0, or a negative errno; then there is nothing to free.
 */
int zipf_init(struct zipf *zipf, unsigned int records, double theta, uint64_t seed)
{
	zipf->records = records;
	zipf->upto = calloc(records, sizeof(*zipf->upto));
	zipf->record = calloc(records, sizeof(*zipf->record));
	if (!records || !zipf->upto || !zipf->record) {
		zipf_free(zipf);
		return records ? -ENOMEM : -EINVAL;
	}
	fill(zipf, theta);
	shuffle(zipf, seed);
	return 0;
}

/**
 * zipf_free() - Give the table's memory back
 * @zipf: of zipf_init()
 */
void zipf_free(struct zipf *zipf)
{
	free(zipf->upto);
	free(zipf->record);
	zipf->upto = NULL;
	zipf->record = NULL;
}

/**
 * zipf_rank() - Draw one
 * @zipf: of zipf_init()
 * @random: any 64 bits
 *
 * Return: the rank, 0 for the most frequent.
 */
unsigned int zipf_rank(const struct zipf *zipf, uint64_t random)
{
	unsigned int low = 0, high = zipf->records - 1, middle;

	random >>= 11;
	while (low < high) {
		middle = low + (high - low) / 2;
		if (random < zipf->upto[middle])
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}
