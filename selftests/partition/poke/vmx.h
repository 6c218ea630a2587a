/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMX instructions that may fail: 0, -EFAULT an exception, -EPERM VMfail.
 */
#ifndef POKE_VMX_H
#define POKE_VMX_H

#include <linux/errno.h>
#include <asm/asm.h>

/* @insn with %[operand] in memory, and %[reg]. */
#define VMX_MEMORY(insn, operand_, reg_)					\
({									\
	long r_;							\
									\
	asm volatile("mov %[fault], %[r]\n"				\
		     "1: " insn "\n"					\
		     "mov %[fail], %[r]\n"				\
		     "jbe 2f\n"						\
		     "mov $0, %[r]\n"					\
		     "2:\n"						\
		     _ASM_EXTABLE(1b, 2b)				\
		     : [r] "=&r" (r_), [operand] "+m" (operand_)		\
		     : [reg] "r" ((u64)(reg_)), [fault] "i" (-EFAULT),	\
		       [fail] "i" (-EPERM)				\
		     : "cc", "memory");					\
	r_;								\
})

/* Of those whose operand is a physical address. */
#define VMX_POINTER(insn, pa)						\
({									\
	u64 pointer_ = (pa);						\
									\
	VMX_MEMORY(insn " %[operand]", pointer_, 0);			\
})

int poke_vmx_alloc(void);
void poke_vmx_free(void);
void poke_vmx_on(void);
void poke_vmx_off(void);
void poke_vmx_load(void);

#endif /* POKE_VMX_H */
