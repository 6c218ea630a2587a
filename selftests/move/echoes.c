// SPDX-License-Identifier: GPL-2.0-only
/*
 * echoes ADDRESS: what a peer of a VM's sees of its move.  On one TCP connection a number is sent
 * each 20 ms if the last one has come back, and a UDP datagram in any case; both until SIGTERM.
 * Then it prints
 *
 *   tcp N echoes, longest wait MS ms; udp N sent, N lost
 *
 * Exit status: 0, 1 the connection broke or an echo was not what was sent, 2 wrong usage.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT	7
#define PERIOD	20	/* milliseconds */

static volatile sig_atomic_t stop;

static struct {
	uint32_t number;
	uint64_t since, echoes, longest, sent, back;
} seen;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000ull + time.tv_nsec / 1000000;
}

static int open_socket(const char *address, int type)
{
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, type, 0), one = 1;

	if (inet_pton(AF_INET, address, &peer.sin_addr) != 1) {
		fprintf(stderr, "echoes: '%s' is no address\n", address);
		exit(2);
	}
	if (fd < 0 || connect(fd, (struct sockaddr *)&peer, sizeof(peer))) {
		fprintf(stderr, "echoes: cannot connect to %s: %s\n", address, strerror(errno));
		exit(1);
	}
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void broken(const char *why)
{
	fprintf(stderr, "echoes: the connection broke after %llu echoes: %s\n",
		(unsigned long long)seen.echoes, why);
	exit(1);
}

static void ask(int tcp)
{
	seen.number++;
	seen.since = now();
	if (send(tcp, &seen.number, sizeof(seen.number), MSG_NOSIGNAL) != sizeof(seen.number))
		broken(strerror(errno));
}

static void note_wait(void)
{
	if (now() - seen.since > seen.longest)
		seen.longest = now() - seen.since;
}

static void take(int tcp)
{
	uint32_t number;
	ssize_t n = recv(tcp, &number, sizeof(number), MSG_WAITALL);

	if (n != sizeof(number))
		broken(n < 0 ? strerror(errno) : "it was closed");
	if (number != seen.number)
		broken("another number came back");
	note_wait();
	seen.echoes++;
}

static void count_datagrams(int udp)
{
	uint64_t number;

	while (recv(udp, &number, sizeof(number), MSG_DONTWAIT) == sizeof(number))
		seen.back++;
}

static void run(int tcp, int udp)
{
	uint64_t next = now();
	bool waits = false;
	struct pollfd both[] = { { .fd = tcp, .events = POLLIN }, { .fd = udp, .events = POLLIN } };

	while (!stop) {
		if (now() >= next) {
			next += PERIOD;
			if (!waits)
				ask(tcp);
			waits = true;
			seen.sent++;
			/* Nobody there is a loss, no error. */
			if (send(udp, &seen.sent, sizeof(seen.sent), MSG_DONTWAIT) < 0)
				errno = 0;
		}
		if (poll(both, 2, PERIOD) <= 0)
			continue;
		if (both[1].revents)
			count_datagrams(udp);
		if (!both[0].revents)
			continue;
		take(tcp);
		waits = false;
	}
	if (waits)
		note_wait();
	usleep(500 * 1000);
	count_datagrams(udp);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	int tcp, udp;

	if (argc != 2) {
		fprintf(stderr, "Usage: echoes ADDRESS\n");
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	tcp = open_socket(argv[1], SOCK_STREAM);
	udp = open_socket(argv[1], SOCK_DGRAM);
	run(tcp, udp);
	printf("tcp %llu echoes, longest wait %llu ms; udp %llu sent, %llu lost\n",
	       (unsigned long long)seen.echoes, (unsigned long long)seen.longest,
	       (unsigned long long)seen.sent, (unsigned long long)(seen.sent - seen.back));
	return 0;
}
