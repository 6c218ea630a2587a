// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that notices what a move does to it.  It is a kernel of its own, for -kernel of QEMU
 * (multiboot): it fills its memory with a pattern that has a key for each page, writes some pages
 * anew with each tick of its timer, looks at all pages again and again, and says on its serial
 * line what it has seen:
 *
 *   HB number tsc=.. ticks=.. maxgap=.. writes=.. scans=.. bad=..
 *
 * ticks: of the PIT; maxgap: TSC between two of them at most, since the last line; bad: pages
 * that were not as written, or a TSC that went back; all in hex.  Command line: rate=PAGES to
 * write each tick, mib=MIB of memory (default: all there is), spoil=1: change a page as nobody
 * should, so that a test sees that this is seen.
 *
 * With disk=BLOCKS (of 4 KiB) it does the same to its first IDE disk: it writes blocks with a
 * pattern and their version, has them flushed, and reads them all back again and again.  Then a
 * line has, before bad: dblocks (that it has), dwrites, dflushes, dscans, dbad (blocks that are
 * not as last written), derr (what the disk refused), dwait (ticks that one request took at most,
 * since the last line).
 * spoil=2: take one block for another version than was written.  stride=N: its blocks are N blocks
 * apart; grow=BLOCKS: with each time that it has read all of them it has one more, up to that.
 *
 * With host=N it is 10.98.0.N of its network (guest_net.c), and a line has echoes.  With asks=N it
 * asks 10.98.0.N each tick, and a line has asked and answered, and of the longest gap between two
 * answers since the last line lost (requests in it) and gap (TSC).
 */
#include "guest.h"

#define PAGE		4096u
#define WORDS		(PAGE / 4)
#define COM1		0x3f8
#define HZ		50
#define PIT_RATE	1193182u
#define TICKS_PER_LINE	10
#define PAGES_PER_TICK	128

struct multiboot {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline;
};

struct gate {
	uint16_t low, selector, type, high;
} __attribute__((packed));

struct pointer {
	uint16_t limit;
	uint32_t base;
} __attribute__((packed));

extern char image_end[];
void tick_entry(void);
void guest_main(const struct multiboot *info);

static struct gate idt[256];
static volatile uint32_t ticks;

/* Versions of the pages, then the pages. */
static uint32_t *versions, *pages;
static uint32_t nr_pages;

/* The header of multiboot: magic number, "tell about memory", sum. */
__asm__(".section .multiboot, \"a\"\n"
	".balign 4\n"
	".long 0x1badb002, 2, -(0x1badb002 + 2)\n"
	".text\n"
	".globl _start\n"
	"_start:\n"
	"	mov $stack_end, %esp\n"
	"	push %ebx\n"
	"	call guest_main\n"
	"tick_entry:\n"
	"	push %eax\n"
	"	incl ticks\n"
	"	mov $0x20, %al\n"
	"	out %al, $0x20\n"
	"	pop %eax\n"
	"	iret\n"
	".bss\n"
	".balign 16\n"
	"	.skip 16384\n"
	"stack_end:\n"
	".text\n");

void *memset(void *to, int byte, unsigned long size)
{
	char *next = to;

	while (size--)
		*next++ = byte;
	return to;
}

/* ---- the serial line */

static char line[384];
static uint32_t line_length;

static void put(const char *text)
{
	while (*text && line_length < sizeof(line))
		line[line_length++] = *text++;
}

static void put_hex(uint64_t number)
{
	char digits[17];
	int i = 16;

	digits[i] = 0;
	do {
		digits[--i] = "0123456789abcdef"[number & 15];
		number >>= 4;
	} while (number);
	put(digits + i);
}

static void put_field(const char *name, uint64_t number)
{
	put(name);
	put_hex(number);
}

static void send_line(void)
{
	uint32_t i;

	put("\n");
	for (i = 0; i < line_length; i++) {
		/* The FIFO takes 16 at a time. */
		while (i % 16 == 0 && !(inb(COM1 + 5) & 0x20))
			;
		outb(COM1, line[i]);
	}
	line_length = 0;
}

/* ---- memory */

static uint32_t key_of(uint32_t page, uint32_t version)
{
	uint32_t key = (page + 1) * 0x9e3779b9u ^ version * 0x85ebca6bu;

	key ^= key >> 15;
	return key * 0xc2b2ae35u;
}

static void fill(uint32_t *word, uint32_t key)
{
	uint32_t i;

	for (i = 0; i < WORDS; i++, key += 0x9e3779b9u)
		word[i] = key;
}

static bool is_filled(const uint32_t *word, uint32_t key)
{
	uint32_t bad = 0, i;

	for (i = 0; i < WORDS; i++, key += 0x9e3779b9u)
		bad |= word[i] ^ key;
	return !bad;
}

static void write_page(uint32_t page, uint32_t version)
{
	fill(pages + page * WORDS, key_of(page, version));
	versions[page] = version;
}

static bool page_is_good(uint32_t page)
{
	return is_filled(pages + page * WORDS, key_of(page, versions[page]));
}

static void find_memory(uint32_t end, uint32_t mib)
{
	uint32_t begin = ((uintptr_t)image_end + PAGE - 1) / PAGE * PAGE;
	uint32_t room = (end - begin) / PAGE;

	/* A page of versions is for 1024 pages. */
	nr_pages = room - room / WORDS - 1;
	if (mib && mib * 256 < nr_pages)
		nr_pages = mib * 256;
	versions = (uint32_t *)begin;
	pages = (uint32_t *)(begin + (nr_pages / WORDS + 1) * PAGE);
}

/* ---- the disk */

#define IDE		0x1f0
#define IDE_CONTROL	0x3f6
#define NO_INTERRUPTS	2
#define BUSY		0x80
#define MOVES_DATA	0x08	/* during DMA; to stop that then would be to wait for it */
#define FAILED		0x21	/* error, device fault */
#define SECTORS		(PAGE / 512)
#define MAX_BLOCKS	1024
#define WRITES_PER_FLUSH 4
#define STEPS		2	/* in a tick, at most */
#define IDE_FUNCTION	9	/* 00:01.1 */
#define TO_MEMORY	8
#define LAST		0x80000000

enum request {
	READ = 0xc8, WRITE = 0xca, FLUSH = 0xe7,
};

static struct {
	uint32_t nr, most, stride, filled, block, version, since, writes, flushes, scans, bad;
	uint32_t errors, wait, random, next;
	uint32_t versions[MAX_BLOCKS];
	enum request request;
	bool under_way, flush_now;
	uint16_t master;
} disk;

/* Words that go out and in one by one would be an exit each. */
static uint32_t disk_data[WORDS] __attribute__((aligned(PAGE)));
static uint32_t disk_piece[2] __attribute__((aligned(8)));

static void disk_ask(enum request request, uint32_t block)
{
	uint32_t lba = block * disk.stride * SECTORS;

	disk.request = request;
	disk.block = block;
	disk.under_way = true;
	disk.since = ticks;
	if (request != FLUSH) {
		outl(disk.master + 4, (uintptr_t)disk_piece);
		outb(disk.master, request == READ ? TO_MEMORY : 0);
	}
	outb(IDE + 6, 0xe0 | lba >> 24);
	outb(IDE + 2, SECTORS);
	outb(IDE + 3, lba);
	outb(IDE + 4, lba >> 8);
	outb(IDE + 5, lba >> 16);
	outb(IDE + 7, request);
	if (request != FLUSH)
		outb(disk.master, 1 | (request == READ ? TO_MEMORY : 0));
}

static void disk_write(uint32_t block)
{
	disk.version = disk.versions[block] + 1;
	fill(disk_data, key_of(block, disk.version));
	disk_ask(WRITE, block);
}

/* The next request: each block once, then a write, a read, a read. */
static void disk_begin(void)
{
	static uint32_t turn;

	if (disk.filled < disk.nr) {
		disk_write(disk.filled);
	} else if (disk.flush_now) {
		disk.flush_now = false;
		disk_ask(FLUSH, 0);
	} else if (turn++ % 3) {
		disk_ask(READ, disk.next);
	} else {
		disk.random = disk.random * 1664525u + 1013904223u;
		disk_write((disk.random >> 8) % disk.nr);
	}
}

static void disk_read_back(void)
{
	disk.bad += !is_filled(disk_data, key_of(disk.block, disk.versions[disk.block]));
	if (++disk.next < disk.nr)
		return;
	disk.next = 0;
	disk.scans++;
	if (disk.nr < disk.most)
		disk.nr++;
}

/* False: it has not been answered yet. */
static bool disk_end(uint32_t spoil)
{
	uint8_t status = inb(IDE + 7);

	if (status & (BUSY | MOVES_DATA))
		return false;
	/* What was read is in memory, and looked at from here on. */
	__asm__ volatile("" : : : "memory");
	outb(disk.master, 0);
	if (ticks - disk.since > disk.wait)
		disk.wait = ticks - disk.since;
	disk.under_way = false;
	if (status & FAILED) {
		disk.errors++;
		return true;
	}
	switch (disk.request) {
	case WRITE:
		/* What was acknowledged is what has to be read from now on. */
		disk.versions[disk.block] = disk.version;
		if (disk.block == disk.filled)
			disk.filled++;
		if (spoil == 2 && disk.block == 0)
			disk.versions[disk.block]++;
		disk.flush_now = ++disk.writes % WRITES_PER_FLUSH == 0;
		break;
	case READ:
		disk_read_back();
		break;
	case FLUSH:
		disk.flushes++;
		break;
	}
	return true;
}

/* It goes on with something else as long as the disk does not answer. */
static void disk_work(uint32_t spoil)
{
	uint32_t steps;

	for (steps = 0; disk.nr && steps < STEPS; steps++) {
		if (disk.under_way && !disk_end(spoil))
			return;
		if (!disk.under_way)
			disk_begin();
	}
}

static uint32_t at_most(uint32_t number, uint32_t most)
{
	return number < most ? number : most;
}

static void disk_start(uint32_t blocks, uint32_t grow, uint32_t stride)
{
	disk.nr = at_most(blocks, MAX_BLOCKS);
	disk.most = at_most(grow, MAX_BLOCKS);
	disk.stride = stride ? stride : 1;
	if (!disk.nr)
		return;
	disk.master = pci_read(IDE_FUNCTION, 0x20) & ~3u;
	pci_enable(IDE_FUNCTION);
	disk_piece[0] = (uintptr_t)disk_data;
	disk_piece[1] = LAST | PAGE;
	outb(IDE_CONTROL, NO_INTERRUPTS);
}

/* ---- time */

static const uint64_t gdt[] = { 0, 0x00cf9b000000ffff, 0x00cf93000000ffff };

/* The loader's table may be anywhere. */
static void load_gdt(void)
{
	static struct pointer pointer = { .limit = sizeof(gdt) - 1 };

	pointer.base = (uintptr_t)gdt;
	__asm__ volatile("lgdt %0\n"
			 "ljmp $8, $1f\n"
			 "1: mov %1, %%ds\n"
			 "mov %1, %%es\n"
			 "mov %1, %%ss" : : "m" (pointer), "r" (16));
}

static void start_timer(void)
{
	static struct pointer pointer = { .limit = sizeof(idt) - 1 };
	uint32_t i;

	for (i = 0; i < 256; i++)
		idt[i] = (struct gate){ .low = (uintptr_t)tick_entry & 0xffff, .selector = 8,
					.type = 0x8e00, .high = (uintptr_t)tick_entry >> 16 };
	pointer.base = (uintptr_t)idt;
	__asm__ volatile("lidt %0" : : "m" (pointer));
	/* Pins of the first 8259 from vector 32; only the timer's is open. */
	outb(0x20, 0x11);
	outb(0x21, 32);
	outb(0x21, 4);
	outb(0x21, 1);
	outb(0x21, 0xfe);
	outb(0xa1, 0xff);
	outb(0x43, 0x34);
	outb(0x40, (PIT_RATE / HZ) & 0xff);
	outb(0x40, (PIT_RATE / HZ) >> 8);
}

static uint32_t word_of(const char *cmdline, const char *name)
{
	uint32_t number = 0, i;

	for (; *cmdline; cmdline++) {
		for (i = 0; name[i] && cmdline[i] == name[i]; i++)
			;
		if (name[i])
			continue;
		for (cmdline += i; *cmdline >= '0' && *cmdline <= '9'; cmdline++)
			number = number * 10 + *cmdline - '0';
		return number;
	}
	return 0;
}

static struct {
	uint64_t last, maxgap;
	uint32_t number, writes, scans, bad, next, random;
} seen;

static void look_at_time(void)
{
	uint64_t now = rdtsc();

	if (now < seen.last)
		seen.bad++;
	else if (now - seen.last > seen.maxgap)
		seen.maxgap = now - seen.last;
	seen.last = now;
}

static void work(uint32_t rate)
{
	uint32_t i, page;

	for (i = 0; i < rate; i++) {
		seen.random = seen.random * 1664525u + 1013904223u;
		page = (seen.random >> 8) % nr_pages;
		write_page(page, versions[page] + 1);
		seen.writes++;
	}
	for (i = 0; i < PAGES_PER_TICK; i++) {
		seen.bad += !page_is_good(seen.next);
		if (++seen.next == nr_pages) {
			seen.next = 0;
			seen.scans++;
		}
	}
}

static void report_lost(void)
{
	struct net_lost net = net_take_lost();

	if (!net.asked)
		return;
	put_field(" asked=", net.asked);
	put_field(" answered=", net.answered);
	put_field(" lost=", net.lost);
	put_field(" gap=", net.gap);
}

static void report(void)
{
	put_field("HB ", seen.number++);
	put_field(" tsc=", seen.last);
	put_field(" ticks=", ticks);
	put_field(" maxgap=", seen.maxgap);
	put_field(" writes=", seen.writes);
	put_field(" scans=", seen.scans);
	if (disk.nr) {
		put_field(" dblocks=", disk.filled);
		put_field(" dwrites=", disk.writes);
		put_field(" dflushes=", disk.flushes);
		put_field(" dscans=", disk.scans);
		put_field(" dbad=", disk.bad);
		put_field(" derr=", disk.errors);
		put_field(" dwait=", disk.wait);
		disk.wait = disk.under_way ? ticks - disk.since : 0;
	}
	if (net_echoes())
		put_field(" echoes=", net_echoes());
	report_lost();
	put_field(" bad=", seen.bad);
	send_line();
	seen.maxgap = 0;
}

void guest_main(const struct multiboot *info)
{
	const char *cmdline = (const char *)info->cmdline;
	uint32_t rate = word_of(cmdline, "rate="), spoil = word_of(cmdline, "spoil="), i;
	uint32_t blocks = word_of(cmdline, "disk="), grow = word_of(cmdline, "grow=");
	uint32_t stride = word_of(cmdline, "stride="), host = word_of(cmdline, "host=");
	uint32_t asks = word_of(cmdline, "asks=");

	load_gdt();
	find_memory(0x100000 + info->mem_upper * 1024, word_of(cmdline, "mib="));
	for (i = 0; i < nr_pages; i++)
		write_page(i, 1);
	put_field("FILLED pages=", nr_pages);
	put_field(" rate=", rate);
	send_line();
	pages[nr_pages / 2 * WORDS] ^= spoil & 1;
	disk_start(blocks, grow, stride);
	net_start(host, asks);
	start_timer();
	seen.last = rdtsc();
	for (;;) {
		__asm__ volatile("sti; hlt; cli");
		look_at_time();
		work(rate);
		disk_work(spoil);
		net_work();
		if (ticks % TICKS_PER_LINE == 0)
			report();
	}
}
