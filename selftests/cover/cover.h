/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is built with COVERAGE=y calls __sanitizer_cov_trace_pc() at the beginning of each basic
 * block.  The first time where that was goes to the emulator's port E9 as a line, which
 * "lab run --coverage" reads.  Sibling calls are off: where a jump to it leads back to would not
 * say which block that was.
 */
#ifndef COVER_H
#define COVER_H

#define COVER_PORT	0xe9
/* Bytes of code. */
#ifndef COVER_ROOM
#define COVER_ROOM	0x20000
#endif
#define COVER_DIGITS	5

void __sanitizer_cov_trace_pc(void);

static u8 cover_seen[COVER_ROOM / 8];
static u32 cover_busy;

static inline void cover_put(char c)
{
	asm volatile("outb %0, %1" : : "a" (c), "Nd" ((u16)COVER_PORT));
}

/**
 * cover_block() - say once that a block has run
 * @name: of the image, with what else begins a line
 * @length: bytes of @name
 * @place: of the block, in the image
 *
 * A CPU, or an NMI, that comes while another one writes says its block the next time.  A line
 * that another image writes into is lost.
 */
static inline void cover_block(const char *name, u32 length, u64 place)
{
	u32 i;

	if (place >= COVER_ROOM || cover_seen[place / 8] & 1 << place % 8 ||
	    __atomic_exchange_n(&cover_busy, 1, __ATOMIC_ACQUIRE))
		return;
	cover_seen[place / 8] |= 1 << place % 8;
	/* No string instruction: a second kernel may not execute those. */
	for (i = 0; i < length; i++)
		cover_put(name[i]);
	for (i = COVER_DIGITS; i--;)
		cover_put("0123456789abcdef"[place >> i * 4 & 15]);
	cover_put('\n');
	__atomic_store_n(&cover_busy, 0, __ATOMIC_RELEASE);
}

#endif
