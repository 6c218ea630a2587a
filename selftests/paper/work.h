/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of nvx-paper share. */
#ifndef SELFTESTS_PAPER_WORK_H
#define SELFTESTS_PAPER_WORK_H

#include <stddef.h>

/**
 * fail() - Say on standard error why nothing more can be done
 * @format: as for printf(), without the end of line
 *
 * Return: 1, the exit status.
 */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/**
 * run_marked() - Run a command between two requests to the host and time it
 * @label: name of the run, one word
 * @argv: the command, ends with NULL; its standard output is thrown away
 *
 * Each request makes the host take a snapshot of its counters.  Prints @label, the
 * difference of the time stamp counter around the command, and its wait status.
 *
 * Return: 0, or 1 if the command or the console failed.
 */
int run_marked(const char *label, char **argv);

/**
 * map_memory() - Map fresh anonymous memory in 4 KiB pages
 * @size: bytes
 *
 * Large pages would come or not as memory happens to be fragmented.
 *
 * Return: the memory; does not return if there is none.
 */
void *map_memory(size_t size);

#endif
