/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the guest owe each other.
 */
#ifndef SELFTESTS_MOVE_GUEST_H
#define SELFTESTS_MOVE_GUEST_H

#include <stdbool.h>
#include <stdint.h>

static inline void outb(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a" (value), "Nd" (port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a" (value) : "Nd" (port));
	return value;
}

static inline void outw(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a" (value), "Nd" (port));
}

static inline void outl(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a" (value), "Nd" (port));
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a" (value) : "Nd" (port));
	return value;
}

static inline uint32_t pci_read(uint32_t function, uint32_t from)
{
	outl(0xcf8, 0x80000000 | function << 8 | from);
	return inl(0xcfc);
}

static inline void pci_enable(uint32_t function)
{
	outl(0xcf8, 0x80000000 | function << 8 | 4);
	/* Ports, bus master. */
	outl(0xcfc, 5);
}

static inline uint64_t rdtsc(void)
{
	uint64_t tsc;

	__asm__ volatile("rdtsc" : "=A" (tsc));
	return tsc;
}

/*
 * What became of the requests to the station: all that were made, all that were answered; between
 * two answers at most, since this was asked: how many were not, and for how long, in TSC.
 */
struct net_lost {
	uint32_t asked, answered, lost;
	uint64_t gap;
};

void *memset(void *to, int byte, unsigned long size);

void net_start(uint32_t host, uint32_t asks);
void net_work(void);
uint32_t net_echoes(void);
struct net_lost net_take_lost(void);

#endif /* SELFTESTS_MOVE_GUEST_H */
