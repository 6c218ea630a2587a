// SPDX-License-Identifier: GPL-2.0-only
/* Statistics over samples, and the JSON file that nvx-report reads. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm.h"

/* The largest window of fault-around and populate. */
#define BLOCK_OPS	64
#define MAX_BLOCKS	(MAX_SAMPLES / BLOCK_OPS)

static FILE *out;
static bool first_op;

static int compare_samples(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double mean(const uint32_t *samples, uint64_t n)
{
	uint64_t i, total = 0;

	for (i = 0; i < n; i++)
		total += samples[i];
	return (double)total / n;
}

/*
 * The median of the means of blocks: what one operation of many pays for its
 * neighbours counts, what a kernel does now and then by itself does not.
 */
static double block_mean(const uint32_t *samples, uint64_t n)
{
	static double means[MAX_BLOCKS];
	uint64_t i, blocks = n / BLOCK_OPS;

	if (blocks < 3)
		return mean(samples, n);
	for (i = 0; i < blocks; i++)
		means[i] = mean(samples + i * BLOCK_OPS, BLOCK_OPS);
	qsort(means, blocks, sizeof(means[0]), compare_doubles);
	return means[blocks / 2];
}

/* Sorts @samples in place; @n is not 0. */
void stats_compute(struct stats *stats, uint32_t *samples, uint64_t n)
{
	stats->mean = mean(samples, n);
	stats->block_mean = block_mean(samples, n);
	qsort(samples, n, sizeof(samples[0]), compare_samples);
	stats->n = n;
	stats->min = samples[0];
	stats->median = samples[n / 2];
	stats->max = samples[n - 1];
}

/* A NULL path means standard output. */
int results_open(const char *path)
{
	out = path ? fopen(path, "w") : stdout;
	if (!out)
		return fail("cannot write %s: %s", path, strerror(errno));
	return 0;
}

void results_begin(const char *mode)
{
	fprintf(out, "{\n \"schema\": 1,\n \"mode\": \"%s\",\n \"ops\": {", mode);
	first_op = true;
}

static void begin_op(enum bench_op op)
{
	fprintf(out, "%s\n  \"%s\": {\"id\": %d", first_op ? "" : ",",
		op_infos[op].name, op);
	first_op = false;
}

void results_stats(enum bench_op op, const struct stats *stats)
{
	begin_op(op);
	fprintf(out, ", \"samples\": %llu, \"min\": %u, \"median\": %u, \"mean\": %.1f, \"block_mean\": %.1f, \"max\": %u}",
		(unsigned long long)stats->n, stats->min, stats->median,
		stats->mean, stats->block_mean, stats->max);
}

void results_marks(enum bench_op op, uint64_t n, uint64_t batches)
{
	begin_op(op);
	fprintf(out, ", \"n\": %llu, \"batches\": %llu}", (unsigned long long)n,
		(unsigned long long)batches);
}

/* Close the file only when all is done: half a result must not parse. */
int results_close(void)
{
	fprintf(out, "\n }\n}\n");
	if (fflush(out) || ferror(out))
		return fail("cannot write the results: %s", strerror(errno));
	if (out != stdout)
		fclose(out);
	return 0;
}
