/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest of refresh-vm.  It is copied to CODE and runs in 64-bit mode, ring 0.
 */
#include "refresh-vm.h"

	.section .rodata
	.globl	guest_begin, guest_end
guest_begin:
	xor	%r15, %r15
	xor	%r14, %r14
	xor	%r13, %r13
	pxor	%xmm7, %xmm7
1:	inc	%r15
	cmpq	$0, REPORT + 40
	jne	2f
	mov	%r15, %rax
	shl	$12, %rax
	and	$(SLOTS - 1) << 12, %rax
	add	%r15, DATA(%rax)
	mov	DATA(%rax), %rbx
	movabs	$MULTIPLIER, %rax
	imul	%rax, %r14
	add	%r15, %r14
	xor	%rbx, %r14
	movq	%r15, %xmm1
	paddq	%xmm1, %xmm7
	test	$15, %r15
	jnz	3f
2:	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	mov	%rax, %r12
	xor	%eax, %eax
	xor	%ecx, %ecx
	cpuid
	mov	%rbx, REPORT + 32
	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	sub	%r12, %rax
	mov	%rax, %r13
3:	test	$(STEPS - 1), %r15
	jnz	1b
	mov	%r15, REPORT
	mov	%r14, REPORT + 8
	movq	%xmm7, REPORT + 16
	mov	%r13, REPORT + 24
	out	%al, $REPORT_PORT
	jmp	1b
guest_end:

	.section .note.GNU-stack, "", @progbits
