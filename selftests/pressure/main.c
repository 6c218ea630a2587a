// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvx-pressure: a guest that checks its memory while that is swapped, merged, moved,
 * protected, logged or taken away below it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vm.h"

/*
 * CR4 of the guest.  A kernel has OSXSAVE like its hypervisor; without it the levels
 * differ in what CPUID says, which L0 has to keep apart.
 */
#define CR4_KERNEL	0x40020
#define CR4_BARE	0x20

static volatile sig_atomic_t enough;

static void set_enough(int signal)
{
	enough = 1;
}

static const struct kind *find_kind(const char *name)
{
	size_t i;

	for (i = 0; i < nr_kinds; i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

static int run_rounds(struct vm *vm, const struct kind *kind, unsigned int rounds)
{
	uint64_t before = kind->counter ? vmstat(kind->counter) : 0;
	unsigned int i;

	/* All pages have been written, and are mapped. */
	if (vm_start(vm) || vm_wait_passes(vm, 5))
		return -1;
	if (kind->begin && kind->begin(vm))
		return -1;
	printf("# %s: under way\n", kind->name);
	for (i = 0; i < rounds && !enough; i++)
		if (kind->round(vm, i) || vm_wait_passes(vm, 1))
			return -1;
	if (kind->end && kind->end(vm))
		return -1;
	if (!kind->counter)
		return 0;
	printf("# %s: %lu more\n", kind->counter, vmstat(kind->counter) - before);
	if (vmstat(kind->counter) == before)
		return fail("%s has not changed: there was no pressure", kind->counter);
	return 0;
}

/* One VM under one kind of pressure. */
static int run_kind(const struct kind *kind, unsigned int rounds, uint64_t cr4)
{
	uint64_t passes;
	struct vm vm;
	int r;

	if (vm_create(&vm, cr4))
		return -1;
	r = run_rounds(&vm, kind, rounds ? rounds : kind->rounds);
	if (vm_stop(&vm))
		r = -1;
	passes = vm.ctl->passes;
	vm_destroy(&vm);
	printf("%s %s: %lu passes of the guest\n", r ? "FAILED" : "passed",
	       kind->name, passes);
	return r;
}

static void usage(FILE *file)
{
	size_t i;

	fputs("Usage: nvx-pressure [-b] [-r ROUNDS] KIND...\n"
	      "       nvx-pressure pageout PID\n\n"
	      "Run a guest that checks its memory under each KIND of pressure, until SIGTERM\n"
	      "or the end of its rounds:\n", file);
	for (i = 0; i < nr_kinds; i++)
		fprintf(file, "  %-8s %s (%u rounds)\n", kinds[i].name, kinds[i].help,
			kinds[i].rounds);
	fputs("\n-b: a bare guest, without OSXSAVE in CR4 (default: as a kernel has it).\n"
	      "Pageout: swap out the memory of another process.\n"
	      "Exit status: 0, 1 for wrong memory or no pressure, 2 for wrong usage.\n", file);
}

int main(int argc, char **argv)
{
	unsigned int rounds = 0;
	uint64_t cr4 = CR4_KERNEL;
	int option, r = 0;

	setlinebuf(stdout);
	signal(SIGTERM, set_enough);
	while ((option = getopt(argc, argv, "br:h")) != -1) {
		if (option == 'b') {
			cr4 = CR4_BARE;
			continue;
		}
		if (option == 'r') {
			rounds = strtoul(optarg, NULL, 0);
			continue;
		}
		usage(option == 'h' ? stdout : stderr);
		return option == 'h' ? 0 : 2;
	}
	if (optind + 2 == argc && !strcmp(argv[optind], "pageout"))
		return pageout_process(atoi(argv[optind + 1])) ? 1 : 0;
	if (optind == argc) {
		usage(stderr);
		return 2;
	}
	for (; optind < argc; optind++) {
		if (!find_kind(argv[optind])) {
			fail("no kind '%s' of pressure (see -h)", argv[optind]);
			return 2;
		}
		if (run_kind(find_kind(argv[optind]), rounds, cr4))
			r = 1;
	}
	return r;
}
