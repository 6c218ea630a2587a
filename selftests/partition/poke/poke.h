/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a kernel does to the other one on the machine, if it means no good.
 */
#ifndef POKE_H
#define POKE_H

#include <linux/types.h>

/* Parameters of the module. */
struct poke {
	unsigned long addr, value;
	unsigned int width, count;
};

/* Each returns 0 if it came back from what it did, -EFAULT if the CPU took an exception. */
int poke_read(const struct poke *p);
int poke_write(const struct poke *p);
int poke_exec(const struct poke *p);
int poke_walk(const struct poke *p);

int poke_lie(const struct poke *p);

int poke_out(const struct poke *p);
int poke_in(const struct poke *p);
int poke_address(const struct poke *p);
int poke_pci(const struct poke *p);
int poke_ioapic(const struct poke *p);
int poke_race(const struct poke *p);
int poke_ioapic_width(const struct poke *p);
int poke_icr(const struct poke *p);
int poke_wrmsr(const struct poke *p);

int poke_registers(const struct poke *p);

int poke_vmxon(const struct poke *p);
int poke_vmptrld(const struct poke *p);
int poke_vmclear(const struct poke *p);
int poke_vmcs(const struct poke *p);

#endif /* POKE_H */
