// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCP between two kernels, each byte of which is compared with what it has to be, and what
 * ethtool -i and -S ask a driver for.
 *
 *	link-tcp serve			serve until one asks to end
 *	link-tcp send ADDRESS MIB	bytes to the server, which compares them
 *	link-tcp get ADDRESS MIB	the other way round
 *	link-tcp end ADDRESS		the server ends
 *	link-tcp info DEVICE		driver and bus
 *	link-tcp stats DEVICE		NAME VALUE in a line each
 *
 * Exit status: 0, 1 it failed, or bytes differ, 2 wrong usage.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <x86intrin.h>

#define PORT	7007
#define BLOCK	65536u

enum { OP_SEND = 1, OP_GET, OP_END };

/* What a client asks for; the server answers with the number of blocks that were bad. */
struct request {
	uint64_t op, blocks, seed;
};

static uint64_t block[BLOCK / 8], received[BLOCK / 8];

static int fail(const char *what)
{
	fprintf(stderr, "link-tcp: %s: %s\n", what, strerror(errno));
	return 1;
}

static int all(ssize_t (*call)(int, void *, size_t), int fd, void *data, size_t size)
{
	ssize_t n;

	for (; size; size -= n, data = (char *)data + n) {
		n = call(fd, data, size);
		if (n <= 0)
			return -1;
	}
	return 0;
}

static ssize_t put(int fd, void *data, size_t size)
{
	return send(fd, data, size, MSG_NOSIGNAL);
}

static void fill(uint64_t seed)
{
	size_t i;

	for (i = 0; i < BLOCK / 8; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		block[i] = seed;
	}
}

static int send_blocks(int fd, uint64_t blocks)
{
	uint64_t i;

	for (i = 0; i < blocks; i++) {
		block[i % (BLOCK / 8)] = i;
		if (all(put, fd, block, BLOCK))
			return -1;
	}
	return 0;
}

static int compare_blocks(int fd, uint64_t blocks, uint64_t *bad)
{
	uint64_t i;

	for (i = 0, *bad = 0; i < blocks; i++) {
		block[i % (BLOCK / 8)] = i;
		if (all(read, fd, received, BLOCK))
			return -1;
		*bad += !!memcmp(block, received, BLOCK);
	}
	return 0;
}

/* 1: the last one. */
static int serve_one(int fd)
{
	struct request request;
	uint64_t bad = 0;
	int r;

	if (all(read, fd, &request, sizeof(request)))
		return -1;
	if (request.op == OP_END)
		return 1;
	fill(request.seed);
	r = request.op == OP_SEND ? compare_blocks(fd, request.blocks, &bad) :
				    send_blocks(fd, request.blocks);
	return r ?: all(put, fd, &bad, sizeof(bad));
}

static int serve(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1, client, r = 0;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here)) || listen(fd, 4))
		return fail("listen");
	while (r <= 0) {
		client = accept(fd, NULL, NULL);
		if (client < 0)
			return fail("accept");
		r = serve_one(client);
		if (r < 0)
			fail("a client");
		close(client);
	}
	return 0;
}

static int ask(const char *address, struct request *request)
{
	struct sockaddr_in there = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	uint64_t begin = __rdtsc(), bad, theirs = 0;
	double cycles;

	if (fd < 0 || inet_pton(AF_INET, address, &there.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&there, sizeof(there)) ||
	    all(put, fd, request, sizeof(*request)))
		return fail(address);
	if (request->op == OP_END)
		return 0;
	fill(request->seed);
	bad = 0;
	if (request->op == OP_SEND ? send_blocks(fd, request->blocks) :
				     compare_blocks(fd, request->blocks, &bad))
		return fail("the connection");
	if (all(read, fd, &theirs, sizeof(theirs)))
		return fail("the answer");
	cycles = __rdtsc() - begin;
	printf("bytes %llu bad %llu cycles %.0f per-1000 %.0f\n",
	       (unsigned long long)request->blocks * BLOCK, (unsigned long long)(bad + theirs),
	       cycles, 1000.0 * request->blocks * BLOCK / cycles);
	return !!(bad + theirs);
}

/* ---- what ethtool asks */

static int ethtool(const char *device, void *data)
{
	struct ifreq request = { .ifr_data = data };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), r;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	r = fd < 0 ? -1 : ioctl(fd, SIOCETHTOOL, &request);
	close(fd);
	return r;
}

static int show_info(const char *device)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };

	if (ethtool(device, &info))
		return fail(device);
	printf("driver: %s\nbus-info: %s\nstatistics: %u\n", info.driver, info.bus_info,
	       info.n_stats);
	return 0;
}

static int show_stats(const char *device)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ethtool_gstrings *names;
	struct ethtool_stats *stats;
	uint32_t i;

	if (ethtool(device, &info))
		return fail(device);
	names = calloc(1, sizeof(*names) + (size_t)info.n_stats * ETH_GSTRING_LEN);
	stats = calloc(1, sizeof(*stats) + info.n_stats * sizeof(uint64_t));
	if (!names || !stats)
		return fail("memory");
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_STATS;
	names->len = info.n_stats;
	stats->cmd = ETHTOOL_GSTATS;
	stats->n_stats = info.n_stats;
	if (ethtool(device, names) || ethtool(device, stats))
		return fail(device);
	for (i = 0; i < info.n_stats; i++)
		printf("%.*s %llu\n", ETH_GSTRING_LEN,
		       (char *)names->data + i * ETH_GSTRING_LEN,
		       (unsigned long long)stats->data[i]);
	free(names);
	free(stats);
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	struct request request = { .seed = 0x9e3779b97f4a7c15ull };

	if (argc == 2 && !strcmp(verb, "serve"))
		return serve();
	if (argc == 3 && !strcmp(verb, "info"))
		return show_info(argv[2]);
	if (argc == 3 && !strcmp(verb, "stats"))
		return show_stats(argv[2]);
	request.op = !strcmp(verb, "send") ? OP_SEND : !strcmp(verb, "get") ? OP_GET : OP_END;
	if (argc == 4 && request.op != OP_END)
		request.blocks = strtoull(argv[3], NULL, 0) * (1048576 / BLOCK);
	if (request.blocks || (argc == 3 && !strcmp(verb, "end")))
		return ask(argv[2], &request);
	fprintf(stderr, "usage: link-tcp serve | send|get ADDRESS MIB | end ADDRESS | info|stats DEVICE\n");
	return 2;
}
