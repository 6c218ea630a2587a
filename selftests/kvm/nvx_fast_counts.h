/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many transitions the counters of nvx_fast must show, by its parts in use.
 * Each program has its own results: these are functions of the one that includes it.
 */
#ifndef NVX_FAST_COUNTS_H
#define NVX_FAST_COUNTS_H

#include <stdio.h>
#include <stdlib.h>

#include "nvx_selftest.h"

/* Bits of nvx_fast_parts. */
#define PART_EXIT	1
#define PART_ENTRY	2
#define PART_PAGES	16
#define PART_EVENTS	64
#define PARTS_TIMER	(2 | 4 | 8 | 16 | 128)

static unsigned long exits_before, entries_before, timers_before;

static inline unsigned int nvx_fast_parts(void)
{
	FILE *file = fopen("/sys/module/kvm_intel/parameters/nvx_fast_parts", "r");
	unsigned int value = ~0u;

	/* A build without the switch has all of them. */
	if (file) {
		if (fscanf(file, "%u", &value) != 1)
			value = 0;
		fclose(file);
	}
	return nvx_feature("fast") ? value : 0;
}

static inline void nvx_fast_begin(void)
{
	exits_before = nvx_counter("fast_exit");
	entries_before = nvx_counter("fast_entry");
	timers_before = nvx_counter("fast_timer");
}

/* After a return to user space one turn takes KVM's own path each way. */
static inline void check_counter(const char *what, uint64_t count,
				 unsigned int needs, int all, int more)
{
	int expected = (nvx_fast_parts() & needs) != needs ? 0 :
		       nvx_fast_parts() & PART_EVENTS ? all : all - more;

	nvx_result((int)count >= expected - 2 && (int)count <= expected,
		   "%lu of %d %s in the short form", count, all, what);
}

/* Two results: @all exits and VM-entries, of which @more need PART_EVENTS. */
static inline void nvx_fast_end(const char *exits, const char *entries, int all, int more)
{
	check_counter(exits, nvx_counter("fast_exit") - exits_before, PART_EXIT,
		      all, more);
	check_counter(entries, nvx_counter("fast_entry") - entries_before,
		      PART_ENTRY | PART_PAGES, all, more);
}

/* One result: @all preemption timers. */
static inline void nvx_fast_end_timers(int all)
{
	int expected = (nvx_fast_parts() & PARTS_TIMER) == PARTS_TIMER &&
		       !nvx_mwait_in_guest ? all : 0;
	uint64_t count = nvx_counter("fast_timer") - timers_before;

	nvx_result((int)count == expected,
		   "%lu of %d preemption timers by the CPU's own", count, all);
}

#endif /* NVX_FAST_COUNTS_H */
