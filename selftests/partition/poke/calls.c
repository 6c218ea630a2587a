// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls of the shim's that are not for this side.
 */
#include <linux/errno.h>
#include <linux/printk.h>

#include "poke.h"

#define PART_FUNCTION_CALL	0x5348001b

/* An error is the answer. */
static int refused(unsigned long number, unsigned long rbx, unsigned long rcx)
{
	unsigned long rax = number, rdx = 0;

	asm volatile("vmcall" : "+a" (rax), "+b" (rbx), "+c" (rcx), "+d" (rdx) : : "cc", "memory");
	pr_info("poke: call %lx (%lx, %lx): %lu\n", number, rbx, rcx, rax);
	return rax ? 0 : -EIO;
}

/* @value is the call, @addr its first argument, a page long and for the first partition. */
int poke_call(const struct poke *p)
{
	return refused(p->value, p->addr, 4096);
}

/* PCI function @addr, with pin @value of the IOAPIC, is to be the second partition's. */
int poke_function(const struct poke *p)
{
	return refused(PART_FUNCTION_CALL, p->addr, p->value);
}
