// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lies in the memory of the link: what this side tells the other one is not so.  The driver, which
 * knows better, does not hear of it; the doorbell is the shim's.
 */
#include <linux/errno.h>
#include <linux/io.h>
#include <linux/printk.h>

#include "poke.h"

#define LINK_RING_CALL	0x53480021
#define SECTION		0x81000
#define RING		0x1000
#define RING_MASK	0x7ffff
#define HEAD		(64 / 4)	/* words of the section */
#define TAIL		(128 / 4)

enum { LIE_HEAD, LIE_ODD_HEAD, LIE_SHORT, LIE_LONG, LIE_OFFLOAD, LIE_TAIL };

static void tell_record(u32 *section, const u32 *record)
{
	u32 *at = section + (RING + (section[HEAD] & RING_MASK)) / 4;
	int i;

	for (i = 0; i < 4; i++)
		WRITE_ONCE(at[i], record[i]);
	/* The record is there before the counter says so. */
	smp_wmb();
	WRITE_ONCE(section[HEAD], section[HEAD] + 4096);
}

int poke_lie(const struct poke *p)
{
	static const u32 records[][4] = {
		[LIE_SHORT] = { 5 },
		[LIE_LONG] = { ~0u },
		/* A checksum at FFFFh, which is not in the packet. */
		[LIE_OFFLOAD] = { 100, 0x00000001, 0xffff0000, 0xffff },
	};
	u32 *section = memremap(p->addr, SECTION, MEMREMAP_WB);
	unsigned long rax = LINK_RING_CALL;

	if (!section)
		return -ENOMEM;
	switch (p->value) {
	case LIE_HEAD:
		WRITE_ONCE(section[HEAD], section[HEAD] - 16);
		break;
	case LIE_ODD_HEAD:
		WRITE_ONCE(section[HEAD], section[HEAD] + 7);
		break;
	case LIE_TAIL:
		WRITE_ONCE(section[TAIL], section[TAIL] + 0x10000);
		break;
	default:
		tell_record(section, records[p->value]);
	}
	asm volatile("vmcall" : "+a" (rax) : : "cc", "memory");
	pr_info("poke: lie %lu in %lx: %lu\n", p->value, p->addr, rax);
	memunmap(section);
	return 0;
}
