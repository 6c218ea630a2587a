/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who owns what while two kernels share the machine, and what was denied.  All of it is
 * pure: no instruction of it touches a CPU or a device.  Documentation/partition.rst has
 * the rules and where they come from.  The caller holds the lock of the object it passes.
 */
#ifndef SHIM_PARTITION_H
#define SHIM_PARTITION_H

#include "../../../include/refresh/denied_kinds.h"
#include "types.h"

#define NR_PARTS	2

enum denied_kind {
#define DENIED_ENUM(kind, name)	DENIED_##kind,
	DENIED_KINDS(DENIED_ENUM)
#undef DENIED_ENUM
	NR_DENIED
};

/* Of one partition; its CPUs count at the same time. */
struct denied {
	u64	count[NR_DENIED];
};

const char *denied_name(enum denied_kind kind);

/* Always false: what the caller returns. */
static inline bool deny(struct denied *denied, enum denied_kind kind)
{
	__atomic_fetch_add(&denied->count[kind], 1, __ATOMIC_RELAXED);
	return false;
}

#endif /* SHIM_PARTITION_H */
