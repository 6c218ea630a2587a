/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An IOAPIC in hardware, as far as its entries go: what they contain, when a level-triggered
 * one waits for its EOI, and what arrives at which CPU.
 */
#ifndef PART_IOAPIC_MODEL_H
#define PART_IOAPIC_MODEL_H

#include "../../arch/x86/shim/ioapic.h"

#define PINS	24

/* The first partition uses flat logical mode; the second has it in its memory only, or x2APIC. */
static struct apic_cpu cpus[] = {
	{ .id = 0, .part = 0, .runs = true, .ldr = 1u << 24, .dfr = ~0u, .ldr_real = true },
	{ .id = 4, .part = 0, .runs = true, .ldr = 2u << 24, .dfr = ~0u, .ldr_real = true },
	{ .id = 1, .part = 1, .runs = true, .ldr = 1u << 24, .dfr = ~0u },
	{ .id = 5, .part = 1, .ldr = 2u << 24, .dfr = ~0u, .mode = APIC_X2APIC },
};

static const struct apic_set set = { cpus, ARRAY_SIZE(cpus) };

struct hardware {
	u32 index;
	u64 rte[PINS];
	bool irr[PINS], line[PINS];
	u32 arrived[NR_PARTS];
};

static inline bool is_logical_of(const struct apic_cpu *cpu, u32 dest)
{
	if (dest == 0xff)
		return true;
	if (cpu->mode == APIC_X2APIC)
		return cpu->id < 16 && dest & 1u << cpu->id;
	return cpu->ldr_real && dest & (cpu->ldr >> 24);
}

/* Whom the entry interrupts: a bit for each partition; 4: nobody, or not by an interrupt. */
static inline u32 reaches(u64 rte)
{
	u32 dest = rte >> 56, mode = rte >> 8 & 7, hit = 0, i;

	if (mode > 1 || (rte & 0xff) < 16)
		return 4;
	for (i = 0; i < ARRAY_SIZE(cpus); i++) {
		bool match = rte >> 11 & 1 ? is_logical_of(&cpus[i], dest) :
					     dest == 0xff || dest == cpus[i].id;

		hit |= match ? 1u << cpus[i].part : 0;
	}
	return !hit || dest == 0xff ? 4 : hit;
}

static inline bool is_masked(u64 rte)
{
	return rte >> 16 & 1;
}

/* A level that is asserted is sent again, as long as no EOI is awaited. */
static inline void hw_deliver(struct hardware *hw, u32 pin)
{
	u64 rte = hw->rte[pin];
	u32 who = reaches(rte);

	if (is_masked(rte) || !hw->line[pin] || (rte >> 15 & 1 && hw->irr[pin]))
		return;
	if (rte >> 15 & 1)
		hw->irr[pin] = true;
	else
		hw->line[pin] = false;		/* an edge is gone */
	if (who == 1 || who == 2)
		hw->arrived[who - 1]++;
}

static inline void hw_eoi(struct hardware *hw, u32 vector)
{
	u32 pin;

	for (pin = 0; pin < PINS; pin++) {
		if ((hw->rte[pin] & 0xff) != vector || !(hw->rte[pin] >> 15 & 1))
			continue;
		hw->irr[pin] = false;
		hw_deliver(hw, pin);
	}
}

/* One operation: index, then data. */
static inline void hw_write(struct hardware *hw, u32 reg, u32 value)
{
	u32 pin = (reg - 0x10) / 2;
	u64 *rte;

	if (reg == IOAPIC_OP_EOI) {
		hw_eoi(hw, value);
		return;
	}
	rte = &hw->rte[pin];
	hw->index = reg;
	if (reg & 1)
		*rte = (*rte & 0xffffffff) | (u64)value << 32;
	else
		*rte = (*rte & ~0xffffffffull) | (value & ~0x5000u);
	if (!(*rte >> 15 & 1))
		hw->irr[pin] = false;
	hw_deliver(hw, pin);
}

/* Open only for CPUs of @owner. */
static inline bool hw_pin_ok(const struct hardware *hw, u32 pin, u32 owner)
{
	return is_masked(hw->rte[pin]) || reaches(hw->rte[pin]) == 1u << owner;
}

#endif /* PART_IOAPIC_MODEL_H */
