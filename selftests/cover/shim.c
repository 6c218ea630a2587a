// SPDX-License-Identifier: GPL-2.0-only
/* The shim of a kernel's module that is built with COVERAGE=y: places are from its start. */
#include "../../arch/x86/shim/types.h"
#include "cover.h"

extern const char shim_start[];

void __sanitizer_cov_trace_pc(void)
{
	static const char name[] = "~shim:";

	cover_block(name, sizeof(name) - 1,
		    (const char *)__builtin_return_address(0) - shim_start);
}
