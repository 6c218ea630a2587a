// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module that is built with COVERAGE=y: places are from this function, the first one of its
 * .text; of other sections nothing is known.
 */
#include <linux/types.h>
#include "cover.h"

void __sanitizer_cov_trace_pc(void)
{
	static const char name[] = "~" COVER_NAME ":";

	cover_block(name, sizeof(name) - 1, (unsigned long)__builtin_return_address(0) -
		    (unsigned long)__sanitizer_cov_trace_pc);
}
