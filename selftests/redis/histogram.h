/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How often something took how long: buckets that are a sixteenth of a power of two wide.
 */
#ifndef REDIS_HISTOGRAM_H
#define REDIS_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_BITS 4
#define HISTOGRAM_PARTS 16
#define HISTOGRAM_BUCKETS ((65 - HISTOGRAM_BITS) * HISTOGRAM_PARTS)

struct histogram {
	uint64_t count;
	uint64_t max;
	uint32_t bucket[HISTOGRAM_BUCKETS];
};

unsigned int histogram_bucket(uint64_t value);
uint64_t histogram_value(unsigned int bucket);
void histogram_add(struct histogram *histogram, uint64_t value);
uint64_t histogram_percentile(const struct histogram *histogram, unsigned int per_mille);
void histogram_print(const struct histogram *histogram, FILE *stream);

#endif
