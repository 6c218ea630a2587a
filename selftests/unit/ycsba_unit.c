// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the load of selftests/redis is made of: the distribution, the histogram.
 */
#include <math.h>

#include "../redis/histogram.c"
#include "../redis/zipf.c"

#include "part_unit.h"

#define THETA 0.99
#define RECORDS 1000
#define DRAWS 2000000
#define TINY 0.000000000001

static double share(unsigned int rank, unsigned int records)
{
	double sum = 0;
	unsigned int i;

	for (i = 1; i <= records; i++)
		sum += pow(i, -THETA);
	return pow(rank + 1, -THETA) / sum;
}

static void test_table(void)
{
	struct zipf zipf;
	bool good = true;
	unsigned int i;

	zipf_init(&zipf, RECORDS, THETA, 1);
	for (i = 0; i < RECORDS; i++) {
		u64 from = i ? zipf.upto[i - 1] : 0;

		good &= fabs((zipf.upto[i] - from) / (double)WHOLE - share(i, RECORDS)) < TINY;
		good &= zipf_rank(&zipf, from << 11) == i;
		good &= zipf_rank(&zipf, ((zipf.upto[i] - 1) << 11) | 0x7ff) == i;
	}
	ok(good, "each rank has its share of all numbers, to its ends");
	ok(zipf_rank(&zipf, 0) == 0 && zipf_rank(&zipf, ~0ull) == RECORDS - 1, "the ends");
	zipf_free(&zipf);
}

static void test_draws(u64 seed)
{
	unsigned int *drawn = calloc(RECORDS, sizeof(*drawn)), i;
	double distance = 0, wanted;
	struct zipf zipf;
	uint64_t state = seed * 2 + 1;

	zipf_init(&zipf, RECORDS, THETA, seed);
	for (i = 0; i < DRAWS; i++)
		drawn[zipf_record(&zipf, zipf_random(&state))]++;
	for (i = 0; i < RECORDS; i++) {
		wanted = share(i, RECORDS) * DRAWS;
		distance += pow(drawn[zipf.record[i]] - wanted, 2) / wanted;
	}
	/* Chi-squared with 999 degrees of freedom: 999 on average, deviation 45. */
	ok(distance > 770 && distance < 1230, "two million draws are as the distribution has it");
	printf("# chi-squared %.0f\n", distance);
	zipf_free(&zipf);
	free(drawn);
}

static void test_shuffle(void)
{
	static const unsigned int sizes[] = { 1, 2, 3, 64, 10000 };
	struct zipf zipf, other;
	bool all = true, spread;
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		bool *seen = calloc(sizes[i], sizeof(*seen));

		zipf_init(&zipf, sizes[i], THETA, 1);
		for (k = 0; k < sizes[i]; k++) {
			all &= zipf.record[k] < sizes[i] && !seen[zipf.record[k]];
			seen[zipf.record[k]] = true;
		}
		zipf_free(&zipf);
		free(seen);
	}
	ok(all, "each record has one rank");
	zipf_init(&zipf, RECORDS, THETA, 1);
	zipf_init(&other, RECORDS, THETA, 2);
	for (i = 0, k = 0; i < RECORDS; i++)
		k += zipf.record[i] != other.record[i];
	spread = k > RECORDS / 2;
	for (i = 0, k = 0; i < RECORDS; i++)
		k += zipf.record[i] != i;
	ok(spread && k > RECORDS / 2, "which one is the seed's");
	zipf_free(&zipf);
	zipf_free(&other);
	ok(zipf_init(&zipf, 0, THETA, 1) == -EINVAL, "none at all is refused");
}

static u64 any_size(void)
{
	return random64() >> random64() % 64;
}

static void test_buckets(void)
{
	bool good = true, narrow = true;
	unsigned int i, bucket;
	u64 value;

	for (i = 0; i < 1000000; i++) {
		value = i < 5000 ? i : any_size();
		bucket = histogram_bucket(value);
		good &= bucket < HISTOGRAM_BUCKETS && histogram_value(bucket) <= value;
		if (bucket + 1 < HISTOGRAM_BUCKETS) {
			good &= histogram_value(bucket + 1) > value;
			narrow &= histogram_value(bucket + 1) - histogram_value(bucket) <=
				  histogram_value(bucket) / 16 + 1;
		}
	}
	ok(good, "a value is in its bucket");
	ok(narrow, "a bucket is a sixteenth wide");
	ok(histogram_bucket(~0ull) == HISTOGRAM_BUCKETS - 1, "the largest value is in the last one");
}

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static void test_percentiles(void)
{
	static const unsigned int wanted[] = { 1, 10, 500, 950, 990, 999, 1000 };
	static struct histogram histogram;
	static u64 values[2000];
	unsigned int i, n, round;
	bool good = true;
	u64 exact;

	ok(histogram_percentile(&histogram, 500) == 0, "no values, no percentile");
	for (round = 0; round < 200; round++) {
		memset(&histogram, 0, sizeof(histogram));
		n = 1 + random64() % ARRAY_SIZE(values);
		for (i = 0; i < n; i++) {
			values[i] = any_size();
			histogram_add(&histogram, values[i]);
		}
		qsort(values, n, sizeof(*values), compare);
		good &= histogram.count == n && histogram.max == values[n - 1];
		for (i = 0; i < ARRAY_SIZE(wanted); i++) {
			exact = values[(n * wanted[i] + 999) / 1000 - 1];
			good &= histogram_percentile(&histogram, wanted[i]) ==
				histogram_value(histogram_bucket(exact));
		}
	}
	ok(good, "percentiles are those of the sorted values");
}

static void test_print(void)
{
	static struct histogram histogram;
	char text[200] = "";
	FILE *stream = fmemopen(text, sizeof(text), "w");

	histogram_add(&histogram, 3);
	histogram_add(&histogram, 17);
	histogram_add(&histogram, 3);
	histogram_print(&histogram, stream);
	fclose(stream);
	ok(!strcmp(text, "3:2,17:1"), "what is printed");
}

int main(int argc, char **argv)
{
	random_seed(argc, argv);
	test_table();
	test_draws(argc > 1 ? strtoull(argv[1], NULL, 0) : 1);
	test_shuffle();
	test_buckets();
	test_percentiles();
	test_print();
	printf("1..%d\n", count);
	return failed != 0;
}
