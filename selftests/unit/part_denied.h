/* SPDX-License-Identifier: GPL-2.0-only */
/* How often a partition was denied something, for unit tests and fuzz targets. */
#ifndef PART_DENIED_H
#define PART_DENIED_H

#include "../../arch/x86/shim/partition.h"

static inline u64 total_denied(const struct denied *denied)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < NR_DENIED; i++)
		sum += denied->count[i];
	return sum;
}

#endif /* PART_DENIED_H */
