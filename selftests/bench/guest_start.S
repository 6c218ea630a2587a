/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entry, #PF handler and trap stubs of nvx-vmm's guest.  nvx-vmm starts the
 * guest at GUEST_CODE in 64-bit mode and builds the IDT from the fixed places
 * of bench.h, so that no table has to be parsed out of the image.
 */
#include "bench.h"

	.code64
	.section .text.start, "ax"
	.globl	_start
_start:
	call	guest_main
1:	hlt
	jmp	1b

	/* The second vCPU. */
	.org	GUEST_SECOND_ENTRY - GUEST_CODE
1:	out	%al, $PORT_SECOND
	jmp	1b

/*
 * Map the missing page of the #PF window and return.  Anything else that
 * faults is a bug of the guest or of the hypervisor below: report it.
 */
	.org	GUEST_PF_ENTRY - GUEST_CODE
	push	%rax
	push	%rcx
	mov	%cr2, %rax
	sub	$WINDOW_GVA, %rax
	shr	$12, %rax
	cmp	$WINDOW_PAGES, %rax
	jae	pf_trap
	mov	%eax, %ecx
	and	$(BACKING_PAGES - 1), %ecx
	shl	$12, %ecx
	add	$(GUEST_BACKING | GUEST_PTE_FLAGS), %ecx
	mov	%rcx, GUEST_PT_WINDOW(, %rax, 8)
	incq	GUEST_CTL + CTL_FAULTS
	pop	%rcx
	pop	%rax
	add	$8, %rsp
	iretq

pf_trap:
	pop	%rcx
	pop	%rax
	push	$14
	jmp	trap

/* Count; the end of the interrupt is an exit only if KVM asks for one. */
	.org	GUEST_TIMER_ENTRY - GUEST_CODE
	incq	GUEST_CTL + CTL_TICKS
	btrl	$0, GUEST_CTL + CTL_PV_EOI
	jc	1f
	push	%rax
	push	%rcx
	push	%rdx
	mov	$X2APIC_EOI, %ecx
	xor	%eax, %eax
	xor	%edx, %edx
	wrmsr
	pop	%rdx
	pop	%rcx
	pop	%rax
1:	iretq

	.org	GUEST_TRAP_STUBS - GUEST_CODE
	vector = 0
	.rept	GUEST_NR_VECTORS
	.balign	GUEST_TRAP_STUB_SIZE
	/* #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP: the CPU pushes a code. */
	.if	!((0x227d00 >> vector) & 1)
	push	$0
	.endif
	push	$vector
	jmp	trap
	vector = vector + 1
	.endr

trap:
	pop	GUEST_CTL + CTL_TRAP_VECTOR
	pop	GUEST_CTL + CTL_TRAP_ERROR
	pop	GUEST_CTL + CTL_TRAP_RIP
	mov	%cr2, %rax
	mov	%rax, GUEST_CTL + CTL_TRAP_CR2
	out	%al, $PORT_TRAP
1:	hlt
	jmp	1b

	.section .note.GNU-stack, "", @progbits
