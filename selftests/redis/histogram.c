// SPDX-License-Identifier: GPL-2.0-only
/*
 * Log-linear histogram: small values have a bucket each, each power of two above sixteen.
 */
#include "histogram.h"

/**
 * histogram_bucket() - Where a value is counted
 * @value: any
 *
 * Return: the number of its bucket.
 */
unsigned int histogram_bucket(uint64_t value)
{
	unsigned int top;

	if (value < HISTOGRAM_PARTS)
		return value;
	top = 63 - __builtin_clzll(value);
	return ((top - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS) +
	       ((value >> (top - HISTOGRAM_BITS)) & (HISTOGRAM_PARTS - 1));
}

/**
 * histogram_value() - The least value of a bucket
 * @bucket: its number
 *
 * Return: the value.
 */
uint64_t histogram_value(unsigned int bucket)
{
	unsigned int power = bucket >> HISTOGRAM_BITS;

	if (!power)
		return bucket;
	return (uint64_t)(HISTOGRAM_PARTS + (bucket & (HISTOGRAM_PARTS - 1))) << (power - 1);
}

/**
 * histogram_add() - Count a value
 * @histogram: where
 * @value: what
 */
void histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram->bucket[histogram_bucket(value)]++;
	histogram->count++;
	if (value > histogram->max)
		histogram->max = value;
}

/**
 * histogram_percentile() - What so many of all values do not exceed
 * @histogram: of values
 * @per_mille: of them
 *
 * Return: the least value of the bucket in which that one is, 0 for no values.
 */
uint64_t histogram_percentile(const struct histogram *histogram, unsigned int per_mille)
{
	uint64_t wanted = (histogram->count * per_mille + 999) / 1000, n = 0;
	unsigned int i;

	for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
		n += histogram->bucket[i];
		if (n && n >= wanted)
			return histogram_value(i);
	}
	return 0;
}

/**
 * histogram_print() - BUCKET:COUNT of each that is not empty, a comma between
 * @histogram: of values
 * @stream: where to
 */
void histogram_print(const struct histogram *histogram, FILE *stream)
{
	const char *comma = "";
	unsigned int i;

	for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (!histogram->bucket[i])
			continue;
		fprintf(stream, "%s%u:%u", comma, i, histogram->bucket[i]);
		comma = ",";
	}
}
