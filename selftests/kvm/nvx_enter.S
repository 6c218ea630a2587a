/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uint64_t nvx_enter(uint64_t launch): enter L2, return 0 at its exit, 1 if the
 * entry failed.  The library's vmresume() writes HOST_RSP and HOST_RIP each time,
 * which are exits of their own, and loses L2's registers.  Here HOST_RIP stays
 * nvx_exit, and HOST_RSP may be anything: no stack is used before it is changed.
 */
	.macro l2_reg op, reg, offset
	.ifc \op, load
	mov nvx_l2_regs + \offset(%rip), %\reg
	.else
	mov %\reg, nvx_l2_regs + \offset(%rip)
	.endif
	.endm

	/* %rax last: nothing is left to compute with. */
	.macro l2_regs op
	l2_reg \op, rbx, 8
	l2_reg \op, rcx, 16
	l2_reg \op, rdx, 24
	l2_reg \op, rsi, 32
	l2_reg \op, rdi, 40
	l2_reg \op, rbp, 48
	l2_reg \op, r8, 56
	l2_reg \op, r9, 64
	l2_reg \op, r10, 72
	l2_reg \op, r11, 80
	l2_reg \op, r12, 88
	l2_reg \op, r13, 96
	l2_reg \op, r14, 104
	l2_reg \op, r15, 112
	l2_reg \op, rax, 0
	.endm

	.text
	.globl nvx_enter, nvx_exit
nvx_enter:
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, nvx_l1_rsp(%rip)
	test %rdi, %rdi
	jnz 1f
	l2_regs load
	vmresume
	jmp 2f
1:	l2_regs load
	vmlaunch
2:	mov $1, %eax
	jmp 3f
nvx_exit:
	l2_regs save
	mov %rsp, nvx_exit_rsp(%rip)
	mov nvx_l1_rsp(%rip), %rsp
	xor %eax, %eax
3:	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	ret

	.section .note.GNU-stack, "", @progbits
