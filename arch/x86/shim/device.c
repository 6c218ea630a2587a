// SPDX-License-Identifier: GPL-2.0-only
/*
 * The chipset itself: ports, PCI configuration space, the IOAPIC.  The lock of the world is held.
 */
#include "vmx_ops.h"
#include "world.h"

#define PCI_CONFIG_ENABLE	0x80000000u

u32 port_in(u16 port, u32 width)
{
	u32 value = 0;

	if (width == 1)
		asm volatile("inb %1, %b0" : "+a" (value) : "d" (port));
	else if (width == 2)
		asm volatile("inw %1, %w0" : "+a" (value) : "d" (port));
	else
		asm volatile("inl %1, %0" : "+a" (value) : "d" (port));
	return value;
}

void port_out(u16 port, u32 width, u32 value)
{
	if (width == 1)
		asm volatile("outb %b0, %1" : : "a" (value), "d" (port));
	else if (width == 2)
		asm volatile("outw %w0, %1" : : "a" (value), "d" (port));
	else
		asm volatile("outl %0, %1" : : "a" (value), "d" (port));
}

/* Who reads and writes CF8 next writes what it needs there. */
u32 config_read(u16 bdf, u32 reg)
{
	port_out(PCI_CONFIG_ADDRESS, 4, PCI_CONFIG_ENABLE | (u32)bdf << 8 | (reg & ~3u));
	return port_in(PCI_CONFIG_DATA, 4);
}

void config_write(u16 bdf, u32 reg, u32 width, u32 value)
{
	port_out(PCI_CONFIG_ADDRESS, 4, PCI_CONFIG_ENABLE | (u32)bdf << 8 | (reg & ~3u));
	port_out(PCI_CONFIG_DATA + (reg & 3), width, value);
}

static void store(u32 offset, u32 value)
{
	device_write32(mem_map(world.ioapic_hpa + offset, 0), value);
}

u32 ioapic_hw_read(u32 reg)
{
	store(IOAPIC_INDEX, reg);
	return device_read32(mem_map(world.ioapic_hpa + IOAPIC_DATA, 0));
}

void ioapic_hw_apply(const struct ioapic_ops *ops)
{
	u32 i;

	for (i = 0; i < ops->nr; i++) {
		if (ops->op[i].reg == IOAPIC_OP_EOI) {
			store(IOAPIC_EOI, ops->op[i].value);
			continue;
		}
		store(IOAPIC_INDEX, ops->op[i].reg);
		store(IOAPIC_DATA, ops->op[i].value);
	}
}
