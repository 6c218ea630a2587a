// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names of what is denied.
 */
#include "partition.h"

static const char *const names[] = {
#define DENIED_NAME(kind, name)	name,
	DENIED_KINDS(DENIED_NAME)
};

const char *denied_name(enum denied_kind kind)
{
	return kind < NR_DENIED ? names[kind] : "unknown";
}
