// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: the filter of PCI configuration space against devices that do what their
 * registers say.  After each access each device decodes only what is its owner's, and a
 * write is denied exactly if otherwise that were not so.
 */
#include "part_denied.h"
#include "part_fuzz.h"
#include "part_pci_model.h"

static const u32 values[] = {
	0, ~0u, 2, 3, 7, 0xe0000000, 0xe0000008, 0xe3f00000, 0xe4000000, 0xdfff0000,
	0xfec00000, 0xfeb00000, 0x40, 0x3f, 0xc001, 0xc101, 0xdfc1, 0xe001, 0xbfc1, 0x0cf1,
	0xe100e100, 0xe200e100, 0xe400e300, 0xe100e200, 0x00110001, 0xc0c0, 0xd0c0, 0xe0c0,
	0xfee01000, 0xfee03000, 0xfee00000, 0xfee01004, 0x4031, 0x0431, 0x00810005, 0x31,
	0x0001ffff, 0x0000ffff, 0xe0000001, 0xfa000001, 0x00010100, 0x00180000,
};

static u32 pick_value(struct input *input)
{
	u8 how = take8(input);

	if (how & 0x80)
		return take32(input);
	return values[how % ARRAY_SIZE(values)] ^ (how & 0x40 ? 1u << (take8(input) & 31) : 0);
}

/* The other rules for bridges, as the PCI-to-PCI bridge specification numbers registers. */
static bool bridge_keeps(const struct pci_function *f, const u32 *old, const u32 *now)
{
	return !f->bridge || ((old[6] ^ now[6]) << 8 == 0 && !(~old[15] & now[15] & 0x180000));
}

static void write_behind(struct machine *m, u32 i, u16 reg, u32 width, u32 value,
			 enum pci_verdict verdict)
{
	struct pci_function *f = &m->function[i];
	u32 after[PCI_MSI];

	if (f->links && reg + width > f->links && reg < f->links + 4) {
		must(verdict == PCI_LINKS, "links are what they are to their owner, too");
		pci_links_write(&m->pci, f->owner, f->bdf, reg, width, value,
				&m->denied[f->owner]);
		return;
	}
	if (f->show != PCI_PRIVATE && !f->bridge) {
		must(verdict == PCI_CHIPSET, "nobody changes what the chipset decodes");
		return;
	}
	if (!f->msi || reg < f->msi || reg >= f->msi + sizeof(after)) {
		must(verdict == PCI_PASS, "its owner writes what is behind the header");
		return;
	}
	memcpy(after, m->hw_msi[i], sizeof(after));
	hw_msi_write(after, reg - f->msi, width, value);
	must((verdict == PCI_PASS) == hw_msi_ok(f->owner, after),
	     "a write is denied exactly if the device would interrupt another's CPU");
	if (verdict == PCI_PASS)
		memcpy(m->hw_msi[i], after, sizeof(after));
}

static void write_own(struct machine *m, u32 i, u16 reg, u32 width, u32 value)
{
	struct pci_function *f = &m->function[i];
	u64 before = total_denied(&m->denied[f->owner]);
	u32 after[PCI_HEADER];
	enum pci_verdict verdict = pci_write(&m->pci, f->owner, f->bdf, reg, width, value,
					     &m->denied[f->owner]);

	if ((reg & 3) + width > 4) {
		must(verdict == PCI_DENY, "an access across registers is denied");
		return;
	}
	must(total_denied(&m->denied[f->owner]) - before == (verdict == PCI_DENY), "counted");
	if (reg >= sizeof(after)) {
		write_behind(m, i, reg, width, value, verdict);
		return;
	}
	memcpy(after, m->hw[i], sizeof(after));
	hw_write(f, after, reg, width, value);
	must((verdict == PCI_PASS) == (hw_ok(f, after) && bridge_keeps(f, m->hw[i], after)),
	     "a write is denied exactly if the device would decode what is not its owner's");
	if (verdict == PCI_PASS)
		memcpy(m->hw[i], after, sizeof(after));
}

static void access_foreign(struct machine *m, u32 i, u16 reg, u32 width, u32 value, bool write)
{
	struct pci_function *f = &m->function[i];
	u32 part = !f->owner;
	enum pci_verdict verdict;

	if (write) {
		verdict = pci_write(&m->pci, part, f->bdf, reg, width, value,
				    &m->denied[part]);
		must(verdict != PCI_PASS, "nobody else writes");
	} else {
		verdict = pci_read(&m->pci, part, f->bdf, reg, width, &m->denied[part]);
		must(verdict != PCI_PASS || f->show == PCI_SHOWN ||
		     (f->show == PCI_NAMELESS && reg >= 4), "nobody else sees it");
	}
	if (verdict == PCI_LINKS) {
		must(f->links && reg + width > f->links && reg < f->links + 4,
		     "links are where they are");
		must(!pci_links_write(&m->pci, part, f->bdf, reg, width, value, &m->denied[part]),
		     "nobody else's links get to the device");
	}
}

int fuzz_one_input(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct machine *m = &machine;

	machine_init(m);
	while (input.left) {
		u8 what = take8(&input), where = take8(&input);
		u32 i = what % NR_FUNCTIONS, width = 1 << (what >> 3 & 3), value, k;
		u16 reg = where & 0x80 ? 4 * (where & 15) : where & 0x7f;

		/* Half of the others are to the capability, where there is one. */
		if ((where & 0xc0) == 0xc0 && machine.function[i].msi)
			reg = machine.function[i].msi + 2 * (where & 7);

		value = pick_value(&input);
		if (width == 8)
			width = 4;
		if (what & 0x20)
			access_foreign(m, i, reg, width, value, what & 0x40);
		else
			write_own(m, i, reg, width, value);
		for (k = 0; k < NR_FUNCTIONS; k++)
			must(hw_ok(&m->function[k], m->hw[k]), "each device decodes its owner's");
	}
	return 0;
}
