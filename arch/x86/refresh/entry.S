/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two instructions of the host between which it runs above the shim.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/nospec-branch.h>
#include <refresh/shim.h>

#define GUEST_RSP	0x681c
#define GUEST_RIP	0x681e

	.text

/*
 * int refresh_vmlaunch(void): 0 when it returns above the shim, 1 when VM entry
 * failed.  Both go on behind VMLAUNCH; RFLAGS tells them apart, because the VMCS
 * has them clear.
 */
SYM_FUNC_START(refresh_vmlaunch)
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	$GUEST_RSP, %eax
	vmwrite	%rsp, %rax
	lea	1f(%rip), %rcx
	mov	$GUEST_RIP, %eax
	vmwrite	%rcx, %rax
	vmlaunch
1:	setbe	%al
	movzbl	%al, %eax
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	RET
SYM_FUNC_END(refresh_vmlaunch)

/*
 * Where the CPU is when the shim has left it: RSP points to the address of the
 * context, all registers are the shim's, segments but CS are stale.
 */
SYM_FUNC_START(refresh_return_entry)
	ANNOTATE_NOENDBR
	mov	(%rsp), %rdi
	call	refresh_return_cpu
	mov	(%rsp), %rsp
	/* RSP walks through struct shim_context: registers, then IRETQ's frame. */
	pop	%rax
	pop	%rcx
	pop	%rdx
	pop	%rbx
	add	$8, %rsp
	pop	%rbp
	pop	%rsi
	pop	%rdi
	pop	%r8
	pop	%r9
	pop	%r10
	pop	%r11
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	iretq
SYM_FUNC_END(refresh_return_entry)
	STACK_FRAME_NON_STANDARD refresh_return_entry

	.section .note.GNU-stack, "", @progbits
