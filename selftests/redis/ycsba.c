// SPDX-License-Identifier: GPL-2.0-only
/*
 * ycsba [OPTION...]: the load of YCSB's workload A on Redis, one connection: half of the
 * operations read a record, half write one, which one is zipfian.  First all records are
 * written.  Then a line for each interval:
 *
 *   YCSB NUMBER MICROSECONDS READS UPDATES ERRORS P50 P95 P99 MAX BUCKET:COUNT,...
 *
 * Times are microseconds of this machine's own clock (which stands still while the machine does,
 * if it is a VM), buckets those of histogram.h.  Exit status: 0 done, 1 not, 2 wrong usage.
 */
#include <errno.h>
#include <getopt.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "histogram.h"
#include "zipf.h"

#define THETA 0.99
#define MAX_VALUE 1048576
/* Records that are on their way at once when all are written. */
#define BATCH 64

struct options {
	const char *host;
	unsigned long port, records, size, interval, intervals, seed;
};

struct client {
	struct options options;
	struct zipf zipf;
	struct histogram times;
	redisContext *redis;
	char *value;
	uint64_t random;
	unsigned long reads, updates, errors;
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000ull + time.tv_nsec / 1000;
}

static int failed(const struct client *client, const char *what)
{
	fprintf(stderr, "ycsba: %s: %s\n", what, client->redis ? client->redis->errstr : "no memory");
	return -1;
}

/* Each byte of a record that is written is printable, and the next record differs. */
static void fill(struct client *client)
{
	unsigned long i;

	for (i = 0; i < client->options.size; i++)
		client->value[i] = ' ' + zipf_random(&client->random) % 95;
}

static int connect_redis(struct client *client)
{
	client->redis = redisConnect(client->options.host, client->options.port);
	return !client->redis || client->redis->err ? failed(client, "connect") : 0;
}

static int append_set(struct client *client, unsigned long record)
{
	char key[32];
	int length = snprintf(key, sizeof(key), "user%010lu", record);

	return redisAppendCommand(client->redis, "SET %b %b", key, (size_t)length, client->value,
				  (size_t)client->options.size) == REDIS_OK ? 0 : -1;
}

static int append_get(struct client *client, unsigned long record)
{
	char key[32];
	int length = snprintf(key, sizeof(key), "user%010lu", record);

	return redisAppendCommand(client->redis, "GET %b", key, (size_t)length) == REDIS_OK ?
		0 : -1;
}

/* One answer; @size of a record that was read, 0 of one that was written.  1: it is wrong. */
static int answer(struct client *client, size_t size)
{
	redisReply *reply;
	int r;

	if (redisGetReply(client->redis, (void **)&reply) != REDIS_OK)
		return failed(client, "answer");
	r = size ? reply->type != REDIS_REPLY_STRING || reply->len != size :
		   reply->type != REDIS_REPLY_STATUS;
	freeReplyObject(reply);
	return r;
}

static int load(struct client *client)
{
	unsigned long first, i, end;

	for (first = 0; first < client->options.records; first = end) {
		end = first + BATCH;
		if (end > client->options.records)
			end = client->options.records;
		for (i = first; i < end; i++)
			if (append_set(client, i))
				return failed(client, "write a record");
		for (i = first; i < end; i++) {
			if (!answer(client, 0))
				continue;
			fprintf(stderr, "ycsba: Redis refuses to store a record\n");
			return -1;
		}
	}
	return 0;
}

static int operation(struct client *client)
{
	uint64_t record = zipf_record(&client->zipf, zipf_random(&client->random));
	bool reads = zipf_random(&client->random) >> 63;
	uint64_t begin;
	int r;

	if (!reads)
		client->value[zipf_random(&client->random) % client->options.size] ^= 1;
	begin = now();
	r = reads ? append_get(client, record) : append_set(client, record);
	if (r)
		return failed(client, "send");
	r = answer(client, reads ? client->options.size : 0);
	if (r < 0)
		return r;
	histogram_add(&client->times, now() - begin);
	client->reads += reads;
	client->updates += !reads;
	client->errors += r;
	return 0;
}

static void report(struct client *client, unsigned long number, uint64_t took)
{
	const struct histogram *times = &client->times;

	printf("YCSB %lu %llu %lu %lu %lu", number, (unsigned long long)took, client->reads,
	       client->updates, client->errors);
	printf(" %llu %llu %llu %llu ", (unsigned long long)histogram_percentile(times, 500),
	       (unsigned long long)histogram_percentile(times, 950),
	       (unsigned long long)histogram_percentile(times, 990),
	       (unsigned long long)times->max);
	histogram_print(times, stdout);
	putchar('\n');
	fflush(stdout);
	memset(&client->times, 0, sizeof(client->times));
	client->reads = 0;
	client->updates = 0;
	client->errors = 0;
}

static int run(struct client *client)
{
	uint64_t begin = now(), time;
	unsigned long number = 0;

	while (!client->options.intervals || number < client->options.intervals) {
		if (operation(client))
			return -1;
		time = now();
		if (time - begin < client->options.interval * 1000)
			continue;
		report(client, number++, time - begin);
		begin = now();
	}
	return 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: ycsba [--host=ADDRESS] [--port=N] [--records=N] [--size=BYTES]\n"
		"             [--interval=MS] [--intervals=N] [--seed=N]\n"
		"without --intervals until it is ended\n");
	return 2;
}

static int read_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{ "host", required_argument, NULL, 'h' },
		{ "port", required_argument, NULL, 'p' },
		{ "records", required_argument, NULL, 'r' },
		{ "size", required_argument, NULL, 's' },
		{ "interval", required_argument, NULL, 'i' },
		{ "intervals", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 'x' }, { }
	};
	unsigned long *const numbers[] = {
		NULL, &options->port, &options->records, &options->size, &options->interval,
		&options->intervals, &options->seed
	};
	int index, c;
	char *end;

	while ((c = getopt_long(argc, argv, "", known, &index)) != -1) {
		if (c == '?')
			return -1;
		if (c == 'h') {
			options->host = optarg;
			continue;
		}
		errno = 0;
		*numbers[index] = strtoul(optarg, &end, 10);
		if (errno || end == optarg || *end || *optarg == '-')
			return -1;
	}
	if (optind != argc || !options->records || options->records > 1000000 || !options->size ||
	    options->size > MAX_VALUE || !options->interval || options->port > 65535)
		return -1;
	return 0;
}

int main(int argc, char **argv)
{
	struct client client = {
		.options = { .host = "127.0.0.1", .port = 6379, .records = 10000, .size = 1024,
			     .interval = 200, .seed = 1 },
	};
	int r = -1;

	if (read_options(&client.options, argc, argv))
		return usage();
	client.random = client.options.seed * 0x9e3779b97f4a7c15ull + 1;
	client.value = malloc(client.options.size);
	if (!client.value ||
	    zipf_init(&client.zipf, client.options.records, THETA, client.options.seed)) {
		fprintf(stderr, "ycsba: no memory for %lu records\n", client.options.records);
		free(client.value);
		return 1;
	}
	fill(&client);
	if (!connect_redis(&client) && !load(&client))
		r = run(&client);
	if (client.redis)
		redisFree(client.redis);
	zipf_free(&client.zipf);
	free(client.value);
	return r ? 1 : 0;
}
