/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Configuration space of PCI functions while two kernels share the machine.
 */
#ifndef SHIM_PCI_H
#define SHIM_PCI_H

#include "apic.h"
#include "ioapic.h"
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
	PCI_LINKS,		/* these are PIRQ registers: pci_links_*() */
	PCI_CHIPSET,		/* nothing may change there: pci_chipset_write() */
};

/*
 * @config, @msi_config: registers as they are in the device; whoever resets a function by
 * another way than by writing them reads them again.
 * @given: the first partition had it; @given_config: its registers at that time.
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
	bool	given;
	u32	given_config[PCI_HEADER];
};

/* Addresses that a function decodes, in whole pages, and ports. */
struct pci_decoded {
	u32	nr_memory, nr_ports;
	struct {
		u64	hpa, size;
	} memory[PCI_NR_BARS + 1];
	struct {
		u16	first, last;
	} ports[PCI_NR_BARS];
};

enum pci_give_error {
	PCI_GIVE_OK,
	PCI_GIVE_E_KIND,	/* not the giver's alone, or a bridge */
	PCI_GIVE_E_PAGES,	/* a BAR has no address, or not whole pages */
	PCI_GIVE_E_FOREIGN,	/* it decodes what is not the giver's */
	PCI_GIVE_E_MESSAGES,	/* messages are on */
};

struct pci {
	struct pci_function	*function;
	u32			nr_functions;
	const struct owner_map	*memory;
	const struct ports	*ports;
	const struct apic_set	*cpus;
	const struct ioapic	*ioapic;
	u32			latch[NR_PARTS];
	/* Of a PIRQ register: what each has written, whose it is, what it was when it was given. */
	u8			links[NR_PARTS][PCI_NR_LINKS];
	u8			link_owner[PCI_NR_LINKS];
	u8			link_given[PCI_NR_LINKS];
};

void pci_latch_write(struct pci *pci, u32 part, u32 value);
bool pci_latch_target(const struct pci *pci, u32 part, u16 port, u16 *bdf, u16 *reg);
bool pci_ecam_target(u64 base, u8 first_bus, u8 last_bus, u64 hpa, u16 *bdf, u16 *reg);
enum pci_verdict pci_read(const struct pci *pci, u32 part, u16 bdf, u16 reg, u32 width,
			  struct denied *denied);
enum pci_verdict pci_write(struct pci *pci, u32 part, u16 bdf, u16 reg, u32 width, u32 value,
			   struct denied *denied);
bool pci_chipset_write(u32 value, u32 real, struct denied *denied);
u32 pci_links_read(const struct pci *pci, u32 part, u16 bdf, u16 reg, u32 width, u32 real);
u32 pci_links_write(struct pci *pci, u32 part, u16 bdf, u16 reg, u32 width, u32 value,
		    struct denied *denied);
struct pci_function *pci_find(const struct pci *pci, u16 bdf);

/* pci_function.c */
bool pci_function_valid(const struct pci *pci, const struct pci_function *function);
bool pci_function_write(const struct pci *pci, struct pci_function *function, u16 reg,
			u32 width, u32 value, struct denied *denied);
bool pci_function_stop(struct pci_function *function, u16 *command);

/* pci_give.c */
enum pci_give_error pci_give_check(const struct pci *pci, const struct pci_function *function,
				   struct pci_decoded *decoded);
bool pci_give_ports(struct ports *ports, const struct pci_decoded *decoded, u32 to);
void pci_give_links(struct pci *pci, u32 pin, u32 to);
u32 pci_give_restore(struct pci_function *function, u32 *order, u32 *value);

/* A register of four bytes after a write to some of them. */
static inline u32 pci_merge(u32 old, u16 reg, u32 width, u32 value)
{
	u32 mask = width == 4 ? ~0u : ((1u << 8 * width) - 1) << 8 * (reg & 3);

	return (old & ~mask) | (value << 8 * (reg & 3) & mask);
}

#endif /* SHIM_PCI_H */
