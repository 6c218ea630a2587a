// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls of the shim's that are not for this side.
 */
#include <linux/errno.h>
#include <linux/printk.h>

#include "poke.h"

/* @value is the call, @addr its first argument, a page long and for the first partition. */
int poke_call(const struct poke *p)
{
	unsigned long rax = p->value, rbx = p->addr, rcx = 4096, rdx = 0;

	asm volatile("vmcall" : "+a" (rax), "+b" (rbx), "+c" (rcx), "+d" (rdx) : : "cc", "memory");
	pr_info("poke: call %lx: %lu\n", p->value, rax);
	return rax ? 0 : -EIO;
}
