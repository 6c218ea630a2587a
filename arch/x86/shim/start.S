/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entry points of the shim: VM exits, exceptions, NMIs.  Runs in VMX root
 * operation on the stack of the CPU's area, whose top word points to its
 * struct shim_cpu; the stacks for NMI, #MC and #DF carry the same word.
 */
#include "../../../include/refresh/shim.h"

#define SLOT_HOW	32	/* of RSP, which is not a register to save */
#define FRAME		128
#define SHIM_HOW_LAUNCH	1

/*
 * Registers to the frame at RSP and back, flags untouched.  C keeps R12 to R15, and RBX and RBP,
 * too, but whoever calls it from an exception wants one of its own.
 */
	.macro	SAVE_SCRATCH
	mov	%rax, 0(%rsp)
	mov	%rcx, 8(%rsp)
	mov	%rdx, 16(%rsp)
	mov	%rbx, 24(%rsp)
	mov	%rbp, 40(%rsp)
	mov	%rsi, 48(%rsp)
	mov	%rdi, 56(%rsp)
	mov	%r8, 64(%rsp)
	mov	%r9, 72(%rsp)
	mov	%r10, 80(%rsp)
	mov	%r11, 88(%rsp)
	.endm

	.macro	SAVE_REGS
	SAVE_SCRATCH
	mov	%r12, 96(%rsp)
	mov	%r13, 104(%rsp)
	mov	%r14, 112(%rsp)
	mov	%r15, 120(%rsp)
	.endm

	.macro	LOAD_SCRATCH
	mov	0(%rsp), %rax
	mov	8(%rsp), %rcx
	mov	16(%rsp), %rdx
	mov	24(%rsp), %rbx
	mov	40(%rsp), %rbp
	mov	48(%rsp), %rsi
	mov	56(%rsp), %rdi
	mov	64(%rsp), %r8
	mov	72(%rsp), %r9
	mov	80(%rsp), %r10
	mov	88(%rsp), %r11
	.endm

	.macro	LOAD_REGS
	LOAD_SCRATCH
	mov	96(%rsp), %r12
	mov	104(%rsp), %r13
	mov	112(%rsp), %r14
	mov	120(%rsp), %r15
	.endm

	.text

/* What a VM exit leaves: RSP is the top of the stack, all else is the host's. */
	.globl	shim_vm_exit
shim_vm_exit:
	sub	$FRAME, %rsp
	SAVE_REGS
	mov	FRAME(%rsp), %rdi
	mov	%rsp, %rsi
	call	shim_handle_exit

shim_enter:
	mov	%rax, SLOT_HOW(%rsp)
	/*
	 * From here to the VM entry an NMI or #MC must not be missed: its handler
	 * sends the shim back here, where the registers can still be loaded again.
	 */
	.globl	shim_enter_begin
shim_enter_begin:
	mov	FRAME(%rsp), %rdi
	cmpl	$0, SHIM_BOOT_ARRIVED(%rdi)
	jne	enter_late
	/* What the host did against leaks of CPU buffers came before the shim. */
	verw	verw_selector(%rip)
	cmpq	$SHIM_HOW_LAUNCH, SLOT_HOW(%rsp)
	LOAD_REGS
	je	1f
	vmresume
	jmp	shim_enter_end
1:	vmlaunch
	.globl	shim_enter_end
shim_enter_end:
	/* VM-fail: the frame still holds the registers. */
	pushf
	pop	%rdx
	mov	FRAME(%rsp), %rdi
	mov	%rsp, %rsi
	call	shim_entry_failed
	jmp	shim_enter

enter_late:
	mov	%rsp, %rsi
	mov	SLOT_HOW(%rsp), %rdx
	call	shim_late_event
	jmp	shim_enter

/* shim_reenter(regs, how): forget the stack below @regs and enter. */
	.globl	shim_reenter
shim_reenter:
	mov	%rdi, %rsp
	mov	%rsi, %rax
	jmp	shim_enter

/* End the blocking of NMIs that a VM exit due to an NMI begins. */
	.globl	shim_unblock_nmi
shim_unblock_nmi:
	mov	%rsp, %rax
	mov	%ss, %ecx
	push	%rcx
	push	%rax
	pushf
	mov	%cs, %ecx
	push	%rcx
	lea	1f(%rip), %rax
	push	%rax
	iretq
1:	ret

/*
 * NMI: note it, and if it came between the last look and the VM entry, look
 * again.  The interrupted code continues with IRETQ, which unblocks the next.
 */
shim_nmi:
	push	%rax
	push	%rcx
	mov	56(%rsp), %rax		/* behind 2 registers and the frame */
	lock orl $SHIM_ARRIVED_NMI, SHIM_BOOT_ARRIVED(%rax)
	mov	16(%rsp), %rax		/* RIP */
	lea	shim_enter_begin(%rip), %rcx
	cmp	%rcx, %rax
	jb	1f
	lea	shim_enter_end(%rip), %rcx
	cmp	%rcx, %rax
	jae	1f
	lea	shim_enter_begin(%rip), %rcx
	mov	%rcx, 16(%rsp)
1:	pop	%rcx
	pop	%rax
	iretq

shim_trap:				/* vector and error code are pushed */
	sub	$FRAME, %rsp
	SAVE_SCRATCH
	mov	%rsp, %rdi
	mov	%rsp, %rbx
	and	$-16, %rsp
	call	shim_handle_trap
	mov	%rbx, %rsp
	LOAD_SCRATCH
	add	$FRAME + 16, %rsp
	iretq

/* One stub per vector; the loader builds the IDT from their addresses. */
	.balign	SHIM_TRAP_STUB_SIZE
	.globl	shim_trap_stubs
shim_trap_stubs:
	.set	vector, 0
	.rept	SHIM_IDT_VECTORS
	.balign	SHIM_TRAP_STUB_SIZE
	.if	vector == 2
	jmp	shim_nmi
	.else
	.if	!(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
	push	$0
	.endif
	push	$vector
	jmp	shim_trap
	.endif
	.set	vector, vector + 1
	.endr
	.balign	SHIM_TRAP_STUB_SIZE

	.section .rodata
verw_selector:
	.word	SHIM_SEL_SS

	.section .note.GNU-stack, "", @progbits
