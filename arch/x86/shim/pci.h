/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Configuration space of PCI functions while two kernels share the machine.
 */
#ifndef SHIM_PCI_H
#define SHIM_PCI_H

#include "apic.h"
#include "owner.h"
#include "ports.h"

#define PCI_NR_BARS	6
#define PCI_NR_LINKS	4
#define PCI_HEADER	16		/* registers of four bytes */
#define PCI_MSI		4		/* the same, of the capability */

enum pci_bar_kind { BAR_NONE, BAR_IO, BAR_MEMORY, BAR_MEMORY_64, BAR_UPPER };

/* What others than the owner see of a function. */
enum pci_show {
	PCI_PRIVATE,		/* nothing */
	PCI_SHOWN,		/* all, to read: a bridge in front of theirs */
	PCI_NAMELESS,		/* no vendor, so no driver: registers that firmware code reads */
};

enum pci_verdict {
	PCI_PASS,
	PCI_ABSENT,		/* reads all ones, a write has no effect */
	PCI_DROP,		/* a write without effect, as to read-only registers */
	PCI_DENY,
	PCI_LINKS,		/* some bytes of it: pci_links_*() */
};

/*
 * @config, @msi_config: registers as they are in the device; whoever resets a function by
 * another way than by writing them reads them again.
 */
struct pci_function {
	u16	bdf;
	u8	owner;				/* a partition */
	u8	show;				/* enum pci_show */
	bool	bridge;				/* header type 1 */
	u8	links;				/* offset of PIRQ registers, 0: none */
	u8	bar_kind[PCI_NR_BARS];
	u64	bar_size[PCI_NR_BARS];		/* powers of two */
	u32	rom_size;
	u32	config[PCI_HEADER];
	u8	msi;				/* offset of the capability, 0: none */
	u32	msi_config[PCI_MSI];
};

struct pci {
	struct pci_function	*function;
	u32			nr_functions;
	const struct owner_map	*memory;
	const struct ports	*ports;
	const struct apic_set	*cpus;
	u32			latch[NR_PARTS];
	u8			links[NR_PARTS][PCI_NR_LINKS];
};

void pci_latch_write(struct pci *pci, u32 part, u32 value);
bool pci_latch_target(const struct pci *pci, u32 part, u16 port, u16 *bdf, u16 *reg);
bool pci_ecam_target(u64 base, u8 first_bus, u8 last_bus, u64 hpa, u16 *bdf, u16 *reg);
enum pci_verdict pci_read(const struct pci *pci, u32 part, u16 bdf, u16 reg, u32 width,
			  struct denied *denied);
enum pci_verdict pci_write(struct pci *pci, u32 part, u16 bdf, u16 reg, u32 width, u32 value,
			   struct denied *denied);
u32 pci_links_read(const struct pci *pci, u32 part, u16 bdf, u16 reg, u32 width, u32 real);
void pci_links_write(struct pci *pci, u32 part, u16 bdf, u16 reg, u32 width, u32 value);

/* pci_function.c */
bool pci_function_valid(const struct pci *pci, const struct pci_function *function);
bool pci_function_write(const struct pci *pci, struct pci_function *function, u16 reg,
			u32 width, u32 value, struct denied *denied);
bool pci_function_stop(struct pci_function *function, u16 *command);

/* A register of four bytes after a write to some of them. */
static inline u32 pci_merge(u32 old, u16 reg, u32 width, u32 value)
{
	u32 mask = width == 4 ? ~0u : ((1u << 8 * width) - 1) << 8 * (reg & 3);

	return (old & ~mask) | (value << 8 * (reg & 3) & mask);
}

#endif /* SHIM_PCI_H */
