/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shim comes with the module that loads it: their ABI cannot differ.
 */
	.section .rodata, "a"
	.balign	8
	.globl	shim_image, shim_image_end
shim_image:
	.incbin	SHIM_BIN
shim_image_end:
	.section .note.GNU-stack, "", @progbits
