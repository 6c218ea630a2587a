// SPDX-License-Identifier: GPL-2.0-only
/*
 * String I/O: @width bytes @count times between a port and memory, one of which is not ours.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/string.h>
#include <asm/asm.h>

#include "poke.h"

#define STRING(insn, at, port, count)					\
({									\
	unsigned long left = (count);					\
	void *to = (at), *from = to;					\
	long r;								\
									\
	asm volatile("mov %[error], %[r]\n"				\
		     "1: rep " insn "\n"				\
		     "xor %[r], %[r]\n"					\
		     "2:\n"						\
		     _ASM_EXTABLE(1b, 2b)				\
		     : [r] "=&r" (r), "+D" (to), "+S" (from), "+c" (left)	\
		     : "d" ((u16)(port)), [error] "i" (-EFAULT)		\
		     : "memory", "cc");					\
	r;								\
})

static u32 buffer[64];

static long in(void *at, unsigned long port, const struct poke *p)
{
	switch (p->width) {
	case 1:
		return STRING("insb", at, port, p->count);
	case 2:
		return STRING("insw", at, port, p->count);
	default:
		return STRING("insl", at, port, p->count);
	}
}

static long out(void *at, unsigned long port, const struct poke *p)
{
	switch (p->width) {
	case 1:
		return STRING("outsb", at, port, p->count);
	case 2:
		return STRING("outsw", at, port, p->count);
	default:
		return STRING("outsl", at, port, p->count);
	}
}

static int told(const char *what, const struct poke *p, long r)
{
	pr_info("poke: %s %lx: %s\n", what, p->addr, r ? "exception" : "done");
	return r;
}

/* A port of somebody else's; nothing gets into the buffer. */
int poke_ins(const struct poke *p)
{
	long r;
	u32 i;

	if (p->count > ARRAY_SIZE(buffer))
		return -EINVAL;
	memset(buffer, 0x5a, sizeof(buffer));
	r = in(buffer, p->addr, p);
	for (i = 0; i < ARRAY_SIZE(buffer); i++)
		if (buffer[i] != 0x5a5a5a5a)
			return -EIO;
	return told("INS from", p, r);
}

int poke_outs(const struct poke *p)
{
	if (p->count > ARRAY_SIZE(buffer))
		return -EINVAL;
	/* Of CF9 or 64h one of these bytes would be the end. */
	memset(buffer, p->value, sizeof(buffer));
	return told("OUTS to", p, out(buffer, p->addr, p));
}

/* A port that all may use (@value), memory of somebody else's. */
static long ins_to(void *at, const struct poke *p)
{
	return in(at, p->value, p);
}

static long outs_from(void *at, const struct poke *p)
{
	return out(at, p->value, p);
}

int poke_ins_to(const struct poke *p)
{
	return poke_by_page(p, ins_to);
}

int poke_outs_from(const struct poke *p)
{
	return poke_by_page(p, outs_from);
}
