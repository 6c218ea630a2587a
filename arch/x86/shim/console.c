// SPDX-License-Identifier: GPL-2.0-only
/*
 * Console of the shim: a ring that the host reads through debugfs, and a UART
 * if the loader named one.  Usable in every context of the shim.
 */
#include <stdarg.h>

#include "shim.h"

#define UART_LSR	5
#define UART_LSR_THRE	0x20
#define UART_TRIES	100000

/* Not in the ring: its page is the host's, too. */
static u32 locked;

static struct shim_console *ring(void)
{
	return (struct shim_console *)shim_machine.console_va;
}

static u8 inb(u16 port)
{
	u8 value;

	asm volatile("inb %1, %0" : "=a" (value) : "Nd" (port));
	return value;
}

static void outb(u8 value, u16 port)
{
	asm volatile("outb %0, %1" : : "a" (value), "Nd" (port));
}

static void put_char(char c)
{
	struct shim_console *console = ring();
	int tries = UART_TRIES;

	console->data[console->head % sizeof(console->data)] = c;
	console->head++;
	if (!shim_machine.uart)
		return;
	while (!(inb(shim_machine.uart + UART_LSR) & UART_LSR_THRE) && --tries)
		;
	outb(c, shim_machine.uart);
}

static void put_string(const char *s)
{
	while (*s)
		put_char(*s++);
}

static void put_number(u64 value, u32 base)
{
	char digits[24];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (n)
		put_char(digits[--n]);
}

/*
 * A CPU that stops while it holds the lock must not silence the others: give up
 * waiting after a while and print all the same.
 */
static void lock(void)
{
	int tries = UART_TRIES;

	while (__atomic_exchange_n(&locked, 1, __ATOMIC_ACQUIRE) && --tries)
		asm volatile("pause");
}

/* %s, %d (not negative), %x and %llx with u64; nothing else. */
void console_print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	lock();
	for (; *format; format++) {
		if (*format != '%') {
			put_char(*format);
			continue;
		}
		format++;
		if (*format == 's') {
			put_string(va_arg(args, const char *));
		} else if (*format == 'd') {
			put_number(va_arg(args, u32), 10);
		} else if (*format == 'x') {
			put_number(va_arg(args, u32), 16);
		} else if (*format == 'l') {
			format += 2;
			put_number(va_arg(args, u64), 16);
		}
	}
	__atomic_store_n(&locked, 0, __ATOMIC_RELEASE);
	va_end(args);
}
