// SPDX-License-Identifier: GPL-2.0-only
/*
 * part-cost: what common operations cost here, in ticks of the TSC (instructions, in the emulator):
 * "cost_NAME TICKS" in a line each.  Below a hypervisor CPUID costs hundreds of times as much, and
 * the others what its page tables and interrupts add.  Of many tries the least counts: the others
 * have met interrupts.
 */
#include <cpuid.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#define TRIES 2000
#define PAGE 4096
/* Each try takes a page of its own. */
#define BYTES (TRIES * PAGE)

static char *fresh;

static void run_nothing(int try)
{
	(void)try;
}

static void run_cpuid(int try)
{
	unsigned int a, b, c, d;

	__cpuid(try & 1, a, b, c, d);
}

static void run_syscall(int try)
{
	(void)try;
	syscall(SYS_getppid);
}

static void run_page_fault(int try)
{
	*(volatile char *)(fresh + (size_t)try * PAGE) = 1;
}

static const struct {
	const char *name;
	void (*run)(int try);
} operations[] = {
	{ "nothing", run_nothing },
	{ "cpuid", run_cpuid },
	{ "syscall", run_syscall },
	{ "page_fault", run_page_fault },
};

static uint64_t least(void (*run)(int try))
{
	uint64_t best = UINT64_MAX, begun, took;
	int try;

	for (try = 0; try < TRIES; try++) {
		begun = __rdtsc();
		run(try);
		took = __rdtsc() - begun;
		if (took < best)
			best = took;
	}
	return best;
}

int main(void)
{
	unsigned int i;

	fresh = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fresh == MAP_FAILED) {
		perror("part-cost: memory for page faults");
		return 1;
	}
	/* A kernel without large pages refuses, and need not be told. */
	madvise(fresh, BYTES, MADV_NOHUGEPAGE);
	for (i = 0; i < sizeof(operations) / sizeof(*operations); i++)
		printf("cost_%s %llu\n", operations[i].name,
		       (unsigned long long)least(operations[i].run));
	return 0;
}
