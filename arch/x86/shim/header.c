// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first bytes of shim.bin.
 */
#include "shim.h"

struct shim_header shim_header __section(".shim_header") __aligned(64) = {
	.magic = SHIM_MAGIC,
	.version = SHIM_ABI_VERSION,
	.area_size = SHIM_AREA_SIZE,
	.text_va = (u64)shim_text,
	.data_va = (u64)shim_data,
	.end_va = (u64)shim_end,
	.exit_va = (u64)shim_vm_exit,
	.trap_stubs_va = (u64)shim_trap_stubs,
};

static_assert(sizeof(struct shim_cpu) <= SHIM_PRIVATE_SIZE, "private part");
