// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest of nvx-pressure: writes its memory, and finds out whether it still has
 * what it has written last.  Freestanding, 64-bit, ring 0.  Each page is judged by
 * a number that is kept apart from it: content of another page, or of the same page
 * at an earlier time, does not pass.
 */
#include "pressure.h"

/* Hide small constants from the compiler: it takes them for null pointers. */
static inline volatile uint64_t *gva(uint64_t addr)
{
	asm("" : "+r"(addr));
	return (volatile uint64_t *)addr;
}

static inline volatile struct pressure_ctl *ctl(void)
{
	return (volatile struct pressure_ctl *)gva(GUEST_CTL);
}

static inline void out(uint32_t value, uint16_t port)
{
	asm volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static void bad(volatile uint64_t *p, uint64_t got, uint64_t want)
{
	ctl()->bad_gpa = (uint64_t)p;
	ctl()->bad_got = got;
	ctl()->bad_want = want;
	out(0, PORT_BAD);
}

/* Page number and generation in one number; memory starts out zeroed. */
static uint64_t content(uint64_t page, uint64_t generation)
{
	return generation ? ((page + 1) << 32 | generation) * 0x9e3779b97f4a7c15ull : 0;
}

/* The first and the last word of a page; the last one is the inverse. */
static void check(volatile uint64_t *p, uint64_t want)
{
	uint64_t head = p[0], tail = p[511];

	if (head != want)
		bad(p, head, want);
	if (tail != (want ? ~want : 0))
		bad(p + 511, tail, want ? ~want : 0);
}

static void write_page(volatile uint64_t *p, uint64_t value)
{
	p[0] = value;
	p[511] = ~value;
}

static volatile uint32_t *generation(uint64_t page)
{
	return (volatile uint32_t *)gva(GUEST_GENERATIONS) + page;
}

/* All pages are read, a quarter of them is written, another one each time. */
static void visit_main(uint64_t pass)
{
	uint64_t i, page;

	for (i = 0; i < MAIN_PAGES; i++) {
		volatile uint64_t *p;

		page = (i * 1021 + pass) % MAIN_PAGES;
		p = gva(GUEST_MAIN + page * PAGE_SIZE);
		check(p, content(page, *generation(page)));
		if ((page / 3 + pass * 5) % 4)
			continue;
		*generation(page) += 1;
		write_page(p, content(page, *generation(page)));
	}
}

/* Equal pages: one that is shared must not change with the others. */
static void visit_same(uint64_t *last)
{
	uint64_t i, now = ctl()->same;

	for (i = 0; i < SAME_PAGES; i++)
		check(gva(GUEST_SAME + i * PAGE_SIZE), content(0, *last));
	if (now == *last)
		return;
	/* One half first: the other one still has the old content. */
	for (i = 0; i < SAME_PAGES; i += 2)
		write_page(gva(GUEST_SAME + i * PAGE_SIZE), content(0, now));
	for (i = 1; i < SAME_PAGES; i += 2) {
		check(gva(GUEST_SAME + i * PAGE_SIZE), content(0, *last));
		write_page(gva(GUEST_SAME + i * PAGE_SIZE), content(0, now));
	}
	*last = now;
}

/* A page that has been taken away is zeroed when it is touched again. */
static void visit_balloon(uint64_t pass)
{
	uint64_t i, page;

	for (i = 0; i < BALLOON_STEP; i++) {
		volatile uint64_t *p;

		page = (pass * BALLOON_STEP + i) % BALLOON_PAGES;
		p = gva(GUEST_BALLOON + page * PAGE_SIZE);
		check(p, content(page, *generation(MAIN_PAGES + page)));
		if (ctl()->balloon) {
			out(page, PORT_FREE);
			check(p, 0);
		}
		*generation(MAIN_PAGES + page) = pass;
		write_page(p, content(page, pass));
	}
}

__attribute__((section(".text.start"), noreturn)) void _start(void)
{
	uint64_t pass, same = 0;

	for (pass = 1; ; pass++) {
		visit_main(pass);
		visit_same(&same);
		visit_balloon(pass);
		ctl()->passes = pass;
		out(0, PORT_PASS);
	}
}
