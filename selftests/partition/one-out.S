/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A kernel that does one thing, as a bzImage of boot protocol 2.15.  Its last ten bytes say what:
 * operation, port, width (two bytes each), value.
 */
#define SECTOR		512
#define ENTRY_64	0x200
#define APIC_ID		0xfee00020
#define APIC_ICR	0xfee00300
#define APIC_ICR2	0xfee00310

	.code64
	.text
	.globl _start
_start:
	.org 0x1f1
	.byte 1				/* setup_sects */
	.org 0x1fe
	.word 0xaa55
	.byte 0xeb, header_end - version_field + 4
	.ascii "HdrS"
version_field:
	.word 0x20f
	.org 0x211
	.byte 1				/* loadflags: LOADED_HIGH */
	.org 0x22c
	.long 0x7fffffff		/* initrd_addr_max */
	.long 0x200000			/* kernel_alignment */
	.byte 1				/* relocatable_kernel */
	.org 0x236
	.word 1				/* xloadflags: XLF_KERNEL_64 */
	.long 2047			/* cmdline_size */
	.org 0x258
	.quad 0x1000000			/* pref_address */
	.long 0x10000			/* init_size */
	.org 0x268
header_end:
	.org 2 * SECTOR + ENTRY_64
	mov value(%rip), %eax
	cmpw $1, operation(%rip)
	jb write_port
	je triple_fault
	cmpw $2, operation(%rip)
	je send_ipi
stop:
	cli
	hlt
	jmp stop

write_port:
	mov port(%rip), %dx
	cmpw $2, width(%rip)
	je 2f
	ja 4f
	out %al, %dx
	jmp stop
2:	out %ax, %dx
	jmp stop
4:	out %eax, %dx
	jmp stop

triple_fault:
	lidt no_idt(%rip)
	int3

send_ipi:				/* to itself */
	mov $APIC_ID, %ebx
	mov (%rbx), %ecx
	mov $APIC_ICR2, %ebx
	mov %ecx, (%rbx)
	mov $APIC_ICR, %ebx
	mov %eax, (%rbx)
	jmp stop

no_idt:	.word 0
	.quad 0
operation:
	.word 0
port:	.word 0
width:	.word 0
value:	.long 0
