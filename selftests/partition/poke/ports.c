// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices and registers that both kernels reach: ports, PCI configuration space, IOAPIC, the
 * interrupt command register, MSRs.
 */
#include <linux/io.h>
#include <linux/irqflags.h>
#include <linux/pci_regs.h>
#include <linux/printk.h>
#include <asm/apicdef.h>
#include <asm/msr.h>

#include "poke.h"

#define PCI_ADDRESS	0xcf8
#define PCI_DATA	0xcfc

#define IOAPIC_BASE	0xfec00000
#define IOAPIC_DATA	0x10
#define IOAPIC_MASKED	0x10000

static void port_write(unsigned long port, u32 value, unsigned int width)
{
	if (width == 1)
		outb(value, port);
	else if (width == 2)
		outw(value, port);
	else
		outl(value, port);
}

int poke_out(const struct poke *p)
{
	port_write(p->addr, p->value, p->width);
	return 0;
}

/* What is not there, or not for us, reads as ones. */
int poke_absent(const struct poke *p)
{
	u32 value = p->width == 1 ? inb(p->addr) : p->width == 2 ? inw(p->addr) : inl(p->addr);
	u32 ones = ~0u >> (32 - 8 * p->width);

	pr_info("poke: port %lx: %x\n", p->addr, value);
	return value == ones ? 0 : -EIO;
}

/* @addr as for the address port; its two lowest bits are those of the data port. */
int poke_pci(const struct poke *p)
{
	unsigned long flags;
	u32 saved;

	local_irq_save(flags);
	saved = inl(PCI_ADDRESS);
	outl(p->addr & ~3ul, PCI_ADDRESS);
	port_write(PCI_DATA + (p->addr & 3), p->value, p->width);
	outl(saved, PCI_ADDRESS);
	local_irq_restore(flags);
	return 0;
}

/* Turns bits @value of the register, which stays what it is; none: what is there is written. */
int poke_pci_turn(const struct poke *p)
{
	unsigned long port = PCI_DATA + (p->addr & 3), flags;
	u32 saved, was, now;

	local_irq_save(flags);
	saved = inl(PCI_ADDRESS);
	outl(p->addr & ~3ul, PCI_ADDRESS);
	was = inl(PCI_DATA);
	port_write(port, was >> 8 * (p->addr & 3) ^ p->value, p->width);
	outl(p->addr & ~3ul, PCI_ADDRESS);
	now = inl(PCI_DATA);
	outl(saved, PCI_ADDRESS);
	local_irq_restore(flags);
	pr_info("poke: PCI %lx: %x, then %x\n", p->addr, was, now);
	return now == was ? 0 : -EIO;
}

static u32 config_read(u32 address)
{
	outl(address, PCI_ADDRESS);
	return inl(PCI_DATA);
}

static void config_write(u32 address, u32 value)
{
	outl(address, PCI_ADDRESS);
	outl(value, PCI_DATA);
}

/* @addr: of the register; it becomes @value while nothing is decoded, and then decoding goes on. */
int poke_bar(const struct poke *p)
{
	u32 command = (p->addr & ~0xfful) + PCI_COMMAND, was, bar, now, moved;
	unsigned long flags;
	u32 saved;

	local_irq_save(flags);
	saved = inl(PCI_ADDRESS);
	was = config_read(command) & 0xffff;
	bar = config_read(p->addr);
	config_write(command, was & ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
	config_write(p->addr, p->value);
	moved = config_read(p->addr);
	config_write(command, was);
	now = config_read(command) & 0xffff;
	config_write(p->addr, bar);
	config_write(command, was);
	outl(saved, PCI_ADDRESS);
	local_irq_restore(flags);
	pr_info("poke: BAR %lx: %x, then %x, command %x, then %x\n", p->addr, bar, moved, was, now);
	return moved == p->value && was & PCI_COMMAND_IO && !(now & PCI_COMMAND_IO) ? 0 : -EIO;
}

int poke_pci_read(const struct poke *p)
{
	unsigned long port = PCI_DATA + (p->addr & 3), flags;
	u32 saved, value;

	local_irq_save(flags);
	saved = inl(PCI_ADDRESS);
	outl(p->addr & ~3ul, PCI_ADDRESS);
	value = p->width == 1 ? inb(port) : p->width == 2 ? inw(port) : inl(port);
	outl(saved, PCI_ADDRESS);
	local_irq_restore(flags);
	pr_info("poke: PCI %lx: %0*x\n", p->addr, 2 * p->width, value);
	return 0;
}

/* Part of the address port, which is all of it or nothing: what is in it stays. */
int poke_address(const struct poke *p)
{
	unsigned long flags;
	u32 saved, ours = 0x80000000, left;

	local_irq_save(flags);
	saved = inl(PCI_ADDRESS);
	outl(ours, PCI_ADDRESS);
	port_write(p->addr, p->value, p->width);
	left = inl(PCI_ADDRESS);
	outl(saved, PCI_ADDRESS);
	local_irq_restore(flags);
	pr_info("poke: PCI address %x, was %x\n", left, ours);
	return left == ours ? 0 : -EIO;
}

static u32 ioapic_read(void __iomem *ioapic, u32 index)
{
	writel(index, ioapic);
	return readl(ioapic + IOAPIC_DATA);
}

static void ioapic_write(void __iomem *ioapic, u32 index, u32 value)
{
	writel(index, ioapic);
	writel(value, ioapic + IOAPIC_DATA);
}

/* @addr: the number of the pin; @value: both halves of its entry, which is as before in the end. */
int poke_ioapic(const struct poke *p)
{
	void __iomem *ioapic = ioremap(IOAPIC_BASE, PAGE_SIZE);
	u32 index = 0x10 + 2 * p->addr, low, high;
	unsigned long flags;

	if (!ioapic)
		return -ENOMEM;
	local_irq_save(flags);
	low = ioapic_read(ioapic, index);
	high = ioapic_read(ioapic, index + 1);
	ioapic_write(ioapic, index, IOAPIC_MASKED);
	ioapic_write(ioapic, index + 1, p->value >> 32);
	ioapic_write(ioapic, index, (u32)p->value);
	ioapic_write(ioapic, index, IOAPIC_MASKED);
	ioapic_write(ioapic, index + 1, high);
	ioapic_write(ioapic, index, low);
	local_irq_restore(flags);
	iounmap(ioapic);
	return 0;
}

/*
 * Index and data of a masked pin (@addr) @count times, while the other kernel does the same: an
 * index that is not one's own shows in what is read back.
 */
int poke_race(const struct poke *p)
{
	void __iomem *ioapic = ioremap(IOAPIC_BASE, PAGE_SIZE);
	u32 index = 0x10 + 2 * p->addr, i, wrong = 0;
	unsigned long flags;

	if (!ioapic)
		return -ENOMEM;
	for (i = 0; i < p->count; i++) {
		u32 value = IOAPIC_MASKED | (0x20 + i % 0x80);

		local_irq_save(flags);
		writel(index, ioapic);
		writel(value, ioapic + IOAPIC_DATA);
		wrong += readl(ioapic) != index;
		wrong += readl(ioapic + IOAPIC_DATA) != value;
		local_irq_restore(flags);
	}
	iounmap(ioapic);
	pr_info("poke: %u times, %u wrong\n", p->count, wrong);
	return wrong ? -EIO : 0;
}

/* A register of the IOAPIC, if there is one, by an access of @width bytes. */
int poke_ioapic_write(const struct poke *p)
{
	void __iomem *ioapic = ioremap(IOAPIC_BASE, PAGE_SIZE), *at = ioapic + p->addr;

	if (!ioapic)
		return -ENOMEM;
	if (p->width == 1)
		writeb(p->value, at);
	else if (p->width == 2)
		writew(p->value, at);
	else if (p->width == 4)
		writel(p->value, at);
	else
		writeq(p->value, at);
	iounmap(ioapic);
	return 0;
}

int poke_ioapic_read(const struct poke *p)
{
	void __iomem *ioapic = ioremap(IOAPIC_BASE, PAGE_SIZE), *at = ioapic + p->addr;
	u64 value;

	if (!ioapic)
		return -ENOMEM;
	value = p->width == 1 ? readb(at) : p->width == 2 ? readw(at) :
		p->width == 4 ? readl(at) : readq(at);
	iounmap(ioapic);
	pr_info("poke: IOAPIC %lx: %llx\n", p->addr, value);
	return value ? -EIO : 0;
}

int poke_wrmsr(const struct poke *p)
{
	int r = wrmsrl_safe(p->addr, p->value);

	pr_info("poke: MSR %lx: %s\n", p->addr, r ? "exception" : "done");
	return r ? -EFAULT : 0;
}
