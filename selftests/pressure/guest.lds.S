/* SPDX-License-Identifier: GPL-2.0-only */
/* Flat image of nvx-pressure's guest: entry first, nothing to be zeroed. */
#include "pressure.h"

OUTPUT_FORMAT(elf64-x86-64)
ENTRY(_start)

SECTIONS
{
	. = GUEST_CODE;
	.text : {
		*(.text.start)
		*(.text .text.*)
	}
	.data : {
		*(.rodata .rodata.*)
		*(.data .data.*)
		*(.bss .bss.*)
		*(COMMON)
	}
	ASSERT(. < GUEST_STACK_TOP - 0x10000, "the guest image grows into its stack")

	/DISCARD/ : {
		*(.eh_frame .comment .note .note.*)
	}
}
