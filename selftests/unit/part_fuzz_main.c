// SPDX-License-Identifier: GPL-2.0-only
/*
 * Feed a fuzz target with random input, the same for the same seed.  TAP.
 *
 *	PROGRAM [EXECUTIONS [SEED]]
 */
#include "part_fuzz.h"

#define MAX_SIZE	1024

static uint64_t state;

static uint64_t random64(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dull;
}

int main(int argc, char **argv)
{
	unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 0) : 1000, i;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1, accesses = 0;
	size_t size, k;
	uint8_t *data;

	state = seed * 0x9e3779b97f4a7c15ull + 1;
	for (i = 0; i < n; i++) {
		/* On the heap and exact, for ASan. */
		size = 1 + random64() % MAX_SIZE;
		data = malloc(size);
		for (k = 0; k < size; k++)
			data[k] = random64() >> 32;
		fuzz_one_input(data, size);
		free(data);
		accesses += size;
	}
	printf("# seed %llu: %lu executions, %llu bytes\n", (unsigned long long)seed, n,
	       (unsigned long long)accesses);
	printf("ok 1 - no finding in %lu executions\n1..1\n", n);
	return 0;
}
