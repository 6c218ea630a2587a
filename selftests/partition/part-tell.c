// SPDX-License-Identifier: GPL-2.0-only
/*
 * part-tell PORT TEXT...: say lines on a serial port that this kernel has no driver for, as it
 * was another kernel's when it booted.  Exit status: 0, 1 no access or no answer, 2 wrong usage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>

#define LINE_STATUS 5
#define TRANSMIT_EMPTY 0x40
#define TRIES 10000000

static int put(unsigned int port, char c)
{
	int tries = TRIES;

	while (!(inb(port + LINE_STATUS) & TRANSMIT_EMPTY))
		if (!--tries)
			return 1;
	outb(c, port);
	return 0;
}

static int put_line(unsigned int port, const char *line)
{
	for (; *line; line++)
		if (put(port, *line))
			return 1;
	return put(port, '\n');
}

int main(int argc, char **argv)
{
	unsigned int port;
	int i;

	if (argc < 3) {
		fprintf(stderr, "usage: part-tell PORT TEXT...\n");
		return 2;
	}
	port = strtoul(argv[1], NULL, 0);
	if (iopl(3)) {
		perror("part-tell: iopl");
		return 1;
	}
	for (i = 2; i < argc; i++)
		if (put_line(port, argv[i]))
			return 1;
	/* The last one has to leave the chip, too. */
	return put_line(port, "");
}
