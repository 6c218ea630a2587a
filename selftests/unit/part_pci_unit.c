// SPDX-License-Identifier: GPL-2.0-only
/*
 * The filter of PCI configuration space: rows with what each access is.  TAP.  Run by
 * partition_test.py; part_pci_fuzz.c compares with devices.
 */
#include "part_unit.h"
#include "part_pci_model.h"

static struct machine *m = &machine;

static void test_latch(void)
{
	u16 bdf, reg;

	machine_init(m);
	ok(!pci_latch_target(&m->pci, 0, 0xcfc, &bdf, &reg), "latch: off at first");
	pci_latch_write(&m->pci, 0, 0xffffffff);
	pci_latch_write(&m->pci, 1, 0x80001810);
	ok(m->pci.latch[0] == 0x80fffffc && m->pci.latch[1] == 0x80001810,
	   "latch: one for each, without reserved bits");
	ok(pci_latch_target(&m->pci, 1, 0xcfe, &bdf, &reg) && bdf == BDF(0, 3, 0) && reg == 0x12,
	   "latch: function and register");
	ok(pci_latch_target(&m->pci, 0, 0xcfc, &bdf, &reg) && bdf == 0xffff && reg == 0xfc,
	   "latch: the last function");
	pci_latch_write(&m->pci, 1, 0x00001810);
	ok(!pci_latch_target(&m->pci, 1, 0xcfc, &bdf, &reg), "latch: off again");
}

static void test_ecam(void)
{
	const u64 base = 0xb0000000;
	u16 bdf, reg;

	ok(pci_ecam_target(base, 0, 255, base + 0x18abc, &bdf, &reg) &&
	   bdf == BDF(0, 3, 0) && reg == 0xabc, "ECAM: function and register");
	ok(pci_ecam_target(base, 0, 255, base + BIT(28) - 1, &bdf, &reg) &&
	   bdf == 0xffff && reg == 0xfff, "ECAM: the last byte");
	ok(!pci_ecam_target(base, 0, 255, base + BIT(28), &bdf, &reg) &&
	   !pci_ecam_target(base, 0, 255, base - 1, &bdf, &reg), "ECAM: beside it");
	ok(pci_ecam_target(base, 2, 3, base + BIT(21), &bdf, &reg) && bdf == BDF(2, 0, 0) &&
	   !pci_ecam_target(base, 2, 3, base + BIT(20), &bdf, &reg) &&
	   !pci_ecam_target(base, 2, 3, base + BIT(22), &bdf, &reg), "ECAM: some buses only");
	ok(!pci_ecam_target(0, 0, 255, BIT(28) + BIT(60), &bdf, &reg), "ECAM: far away");
}

struct read_row {
	const char *name;
	u16 bdf, reg;
	u8 width;
	enum pci_verdict want[2];
};

static const struct read_row read_rows[] = {
	{ "host bridge", BDF(0, 0, 0), 0, 4, { PCI_PASS, PCI_PASS } },
	{ "ISA bridge", BDF(0, 1, 0), 0x0e, 1, { PCI_PASS, PCI_PASS } },
	{ "a link", BDF(0, 1, 0), 0x63, 1, { PCI_LINKS, PCI_LINKS } },
	{ "all links", BDF(0, 1, 0), 0x60, 4, { PCI_LINKS, PCI_LINKS } },
	{ "behind the links", BDF(0, 1, 0), 0x64, 4, { PCI_PASS, PCI_PASS } },
	{ "before the links", BDF(0, 1, 0), 0x5c, 4, { PCI_PASS, PCI_PASS } },
	{ "vendor of a nameless one", BDF(0, 1, 3), 0, 4, { PCI_PASS, PCI_ABSENT } },
	{ "device of a nameless one", BDF(0, 1, 3), 2, 2, { PCI_PASS, PCI_ABSENT } },
	{ "its other registers", BDF(0, 1, 3), 0x5c, 4, { PCI_PASS, PCI_PASS } },
	{ "of the first", BDF(0, 2, 0), 0, 4, { PCI_PASS, PCI_ABSENT } },
	{ "of the second", BDF(0, 3, 0), 0, 2, { PCI_ABSENT, PCI_PASS } },
	{ "extended register", BDF(0, 3, 0), 0xffc, 4, { PCI_ABSENT, PCI_PASS } },
	{ "no such register", BDF(0, 3, 0), 0x1000, 4, { PCI_DENY, PCI_DENY } },
	{ "no such function", BDF(7, 0, 0), 0, 4, { PCI_ABSENT, PCI_ABSENT } },
};

static void test_reads(void)
{
	char name[80];
	size_t i;
	u32 part;

	machine_init(m);
	for (i = 0; i < ARRAY_SIZE(read_rows); i++) {
		const struct read_row *row = &read_rows[i];
		bool good = true;

		for (part = 0; part < 2; part++)
			good &= pci_read(&m->pci, part, row->bdf, row->reg, row->width,
					 &m->denied[part]) == row->want[part];
		snprintf(name, sizeof(name), "read: %s", row->name);
		ok(good, name);
	}
}

/* ---- writes, one after the other to the same machine */

struct write_row {
	const char *name;
	u8 part, function, width;
	u16 reg;
	u32 value;
	enum pci_verdict want;
};

static const struct write_row write_rows[] = {
	{ "BAR to its own memory", 1, F_NET, 4, 0x10, 0xe0200000, PCI_PASS },
	{ "BAR over the other's device", 1, F_NET, 4, 0x10, 0xfc000000, PCI_DENY },
	{ "BAR over RAM", 1, F_NET, 4, 0x10, 0x00100000, PCI_DENY },
	{ "BAR over the IOAPIC", 0, F_VGA, 4, 0x18, 0xfec00000, PCI_DENY },
	{ "a byte of a BAR", 1, F_NET, 1, 0x13, 0xfc, PCI_DENY },
	{ "a word of a BAR", 1, F_NET, 2, 0x12, 0xfc00, PCI_DENY },
	{ "last byte of a BAR's size is another's", 1, F_NET, 4, 0x10, 0xe3fe0000, PCI_PASS },
	{ "sizing with decoding on", 1, F_NET, 4, 0x10, 0xffffffff, PCI_DENY },
	{ "decoding off", 1, F_NET, 2, 0x04, 0x0004, PCI_PASS },
	{ "sizing", 1, F_NET, 4, 0x10, 0xffffffff, PCI_PASS },
	{ "decoding on with a BAR that is nowhere", 1, F_NET, 2, 0x04, 0x0007, PCI_DENY },
	{ "the same by a byte", 1, F_NET, 1, 0x04, 0x02, PCI_DENY },
	{ "I/O decoding alone", 1, F_NET, 2, 0x04, 0x0005, PCI_PASS },
	{ "the old value", 1, F_NET, 4, 0x10, 0xe0000000, PCI_PASS },
	{ "decoding on", 1, F_NET, 4, 0x04, 0x00000007, PCI_PASS },
	{ "64-bit BAR, its low half", 1, F_NET, 4, 0x18, 0x10000000, PCI_PASS },
	{ "64-bit BAR, its high half", 1, F_NET, 4, 0x1c, 0x0, PCI_DENY },
	{ "I/O BAR to its own ports", 1, F_NET, 4, 0x14, 0xdfc0, PCI_PASS },
	{ "I/O BAR over the other's ports", 1, F_NET, 4, 0x14, 0xe000, PCI_DENY },
	{ "I/O BAR with a high half", 1, F_NET, 4, 0x14, 0x0001e000, PCI_DENY },
	{ "ROM, off", 1, F_NET, 4, 0x30, 0xfffff800, PCI_PASS },
	{ "ROM, on", 1, F_NET, 4, 0x30, 0xfffff801, PCI_DENY },
	{ "ROM over the other's device", 1, F_NET, 4, 0x30, 0xfc000001, PCI_DENY },
	{ "ROM to its own memory", 1, F_NET, 4, 0x30, 0xe0100001, PCI_PASS },
	{ "window to its own memory", 1, F_BRIDGE, 4, 0x20, 0xe3f0e100, PCI_PASS },
	{ "window that ends in the other's", 1, F_BRIDGE, 2, 0x22, 0xe400, PCI_DENY },
	{ "window that begins in the other's", 1, F_BRIDGE, 2, 0x20, 0xdff0, PCI_DENY },
	{ "window closed", 1, F_BRIDGE, 4, 0x20, 0x0000fff0, PCI_PASS },
	{ "prefetchable window, its high half", 1, F_BRIDGE, 4, 0x2c, 0x41, PCI_DENY },
	{ "I/O window over the other's ports", 1, F_BRIDGE, 1, 0x1d, 0xe1, PCI_DENY },
	{ "I/O window with high halves", 1, F_BRIDGE, 4, 0x30, 0x00010000, PCI_DENY },
	{ "bus numbers", 1, F_BRIDGE, 4, 0x18, 0x00ff0100, PCI_DENY },
	{ "bus numbers by a byte", 1, F_BRIDGE, 1, 0x1a, 0xff, PCI_DENY },
	{ "latency timer of the other bus", 1, F_BRIDGE, 1, 0x1b, 0x40, PCI_PASS },
	{ "VGA behind a bridge", 1, F_BRIDGE, 2, 0x3e, 0x0008, PCI_DENY },
	{ "reset of what is behind a bridge", 1, F_BRIDGE, 2, 0x3e, 0x0040, PCI_PASS },
	{ "ROM of a bridge", 0, F_OTHER_BRIDGE, 4, 0x38, 0xe0000001, PCI_DENY },
	{ "interrupt line", 1, F_NET, 1, 0x3c, 11, PCI_PASS },
	{ "power management", 1, F_NET, 2, 0x44, 3, PCI_PASS },
	{ "message to an own CPU", 1, F_NET, 4, 0x54, 0xfee03000, PCI_PASS },
	{ "its vector", 1, F_NET, 2, 0x5c, 0x4031, PCI_PASS },
	{ "messages on", 1, F_NET, 2, 0x52, 0x0081, PCI_PASS },
	{ "message to a foreign CPU", 1, F_NET, 4, 0x54, 0xfee00000, PCI_DENY },
	{ "the same by a byte", 1, F_NET, 1, 0x55, 0x00, PCI_DENY },
	{ "message as NMI", 1, F_NET, 2, 0x5c, 0x0431, PCI_DENY },
	{ "message to RAM", 1, F_NET, 4, 0x54, 0x00100000, PCI_DENY },
	{ "message above 4 GiB", 1, F_NET, 4, 0x58, 1, PCI_DENY },
	{ "short message as NMI", 1, F_BEHIND, 2, 0xfc, 0x0431, PCI_DENY },
	{ "short message, vector", 1, F_BEHIND, 4, 0xfc, 0x0041, PCI_PASS },
	{ "messages off", 1, F_NET, 1, 0x52, 0x80, PCI_PASS },
	{ "nowhere, off", 1, F_NET, 4, 0x54, 0, PCI_PASS },
	{ "messages on, nowhere", 1, F_NET, 4, 0x50, 0x00810000, PCI_DENY },
	{ "behind the capability", 1, F_NET, 4, 0x60, ~0u, PCI_PASS },
	{ "across two registers", 1, F_NET, 4, 0x0e, 0, PCI_DENY },
	{ "command of what is shown", 1, F_ISA, 2, 0x04, 0, PCI_DROP },
	{ "BAR of what is shown", 1, F_HOST, 4, 0x10, ~0u, PCI_DROP },
	{ "chipset register", 1, F_HOST, 1, 0x59, 0x33, PCI_DENY },
	{ "the same, by its owner", 0, F_HOST, 1, 0x59, 0x33, PCI_CHIPSET },
	{ "the last one of the host bridge", 0, F_HOST, 4, 0xffc, 0, PCI_CHIPSET },
	{ "base of power management", 0, F_POWER, 4, 0x40, 0x2f9, PCI_CHIPSET },
	{ "the same by a byte", 0, F_POWER, 1, 0x41, 0x02, PCI_CHIPSET },
	{ "decoders of the ISA bridge", 0, F_ISA, 2, 0x4e, 0xffff, PCI_CHIPSET },
	{ "behind the links", 0, F_ISA, 4, 0x64, 0, PCI_CHIPSET },
	{ "header of the ISA bridge", 0, F_ISA, 2, 0x04, 0x0007, PCI_PASS },
	{ "capability of a bridge to another bus", 0, F_OTHER_BRIDGE, 4, 0x84, 3, PCI_PASS },
	{ "the same, of the other's", 1, F_OTHER_BRIDGE, 4, 0x84, 3, PCI_DENY },
	{ "link", 1, F_ISA, 1, 0x62, 0x80, PCI_LINKS },
	{ "link, by its owner", 0, F_ISA, 1, 0x62, 0x80, PCI_LINKS },
	{ "command of the other's", 1, F_VGA, 2, 0x04, 0, PCI_DENY },
	{ "BAR of the other's", 0, F_NET, 4, 0x10, 0, PCI_DENY },
};

static void test_writes(void)
{
	char name[80];
	size_t i;

	machine_init(m);
	for (i = 0; i < ARRAY_SIZE(write_rows); i++) {
		const struct write_row *row = &write_rows[i];
		struct denied denied = { };
		enum pci_verdict got = pci_write(&m->pci, row->part, functions[row->function].bdf,
						 row->reg, row->width, row->value, &denied);

		snprintf(name, sizeof(name), "write: %s", row->name);
		ok(got == row->want && total_denied(&denied) == (got == PCI_DENY), name);
	}
}

/* Every width at every alignment says the same as its bytes do, of a foreign function. */
static void test_widths(void)
{
	static const u8 of[] = { F_VGA, F_ISA, F_POWER };
	bool crossing = true, foreign = true;
	u32 reg, width, i;

	machine_init(m);
	for (i = 0; i < ARRAY_SIZE(of); i++) {
		for (reg = 0; reg < 4096 + 8; reg++) {
			for (width = 1; width <= 8; width++) {
				struct denied denied = { };
				enum pci_verdict got = pci_write(&m->pci, 1, functions[of[i]].bdf,
								 reg, width, 0, &denied);
				bool fits = (width == 1 || width == 2 || width == 4) &&
					    reg % 4 + width <= 4 && reg < 4096;

				crossing &= fits || (got == PCI_DENY &&
						     denied.count[DENIED_PCI_WIDTH] == 1);
				foreign &= got != PCI_PASS;
			}
		}
	}
	ok(crossing, "widths: none across registers, none beyond the last");
	ok(foreign, "widths: no write to a foreign function, wherever and however wide");
}

static void test_chipset(void)
{
	struct denied denied = { };

	ok(pci_chipset_write(0xb001, 0xb001, &denied) && !total_denied(&denied),
	   "chipset: what is there may be written");
	ok(!pci_chipset_write(0x2f9, 0xb001, &denied) && !pci_chipset_write(0, 1, &denied) &&
	   denied.count[DENIED_PCI_CHIPSET] == 2 && total_denied(&denied) == 2,
	   "chipset: nothing else may");
}

static u32 links_write(u32 part, u16 bdf, u16 reg, u32 width, u32 value)
{
	return pci_links_write(&m->pci, part, bdf, reg, width, value, &m->denied[part]);
}

static void test_links(void)
{
	struct pci *pci = &m->pci;

	machine_init(m);
	ok(!links_write(1, BDF(0, 1, 0), 0x60, 4, 0x0b0a0580) &&
	   !links_write(1, BDF(0, 1, 0), 0x61, 1, 0x09) &&
	   !links_write(1, BDF(0, 1, 0), 0x62, 2, 0x8007), "links: no byte gets to the device");
	ok(pci_links_read(pci, 1, BDF(0, 1, 0), 0x60, 4, 0x12345678) == 0x80070980 &&
	   pci_links_read(pci, 1, BDF(0, 1, 0), 0x62, 2, 0x1234) == 0x8007 &&
	   pci_links_read(pci, 1, BDF(0, 1, 0), 0x63, 1, 0x12) == 0x80,
	   "links: bytes, words and all");
	ok(!pci->links[0][0] && !pci->links[0][3], "links: the other's are others");
	ok(!links_write(1, BDF(7, 7, 7), 0x60, 4, 0) &&
	   pci_links_read(pci, 1, BDF(0, 1, 0), 0x64, 4, 0x12345678) == 0x12345678 &&
	   pci->links[1][0] == 0x80, "links: nothing else");
	ok(links_write(0, BDF(0, 1, 0), 0x60, 4, 0x0a0a800b) == 0xf &&
	   links_write(0, BDF(0, 1, 0), 0x62, 1, 0x05) == 1 &&
	   pci_links_read(pci, 0, BDF(0, 1, 0), 0x60, 4, 0) == 0x0a05800b,
	   "links: what their owner writes does");
	ok(!total_denied(&m->denied[0]) && !total_denied(&m->denied[1]), "links: none is denied");
}

/* Pin 11 goes to the second partition, with the link that leads to it. */
static void test_links_given(void)
{
	struct pci *pci = &m->pci;

	machine_init(m);
	links_write(0, BDF(0, 1, 0), 0x60, 4, 0x80050b0b);
	links_write(1, BDF(0, 1, 0), 0x60, 4, 0x80808080);
	m->ioapic.owner[11] = 1;
	pci_give_links(pci, 11, 1);
	ok(pci->link_owner[0] == 1 && pci->link_owner[1] == 1 && !pci->link_owner[2] &&
	   !pci->link_owner[3], "links given: those that lead to the pin");
	ok(pci_links_read(pci, 1, BDF(0, 1, 0), 0x60, 4, 0) == 0x80800b0b,
	   "links given: the new owner finds them as they are");
	ok(links_write(1, BDF(0, 1, 0), 0x60, 1, 0x80) == 1 &&
	   links_write(1, BDF(0, 1, 0), 0x60, 1, 0x0b) == 1, "links given: off and on");
	ok(!links_write(1, BDF(0, 1, 0), 0x61, 1, 0x05) && m->denied[1].count[DENIED_PCI_LINK] == 1,
	   "links given: not to the other's pin");
	ok(!links_write(0, BDF(0, 1, 0), 0x60, 1, 0x80) && !total_denied(&m->denied[0]) &&
	   pci->links[0][0] == 0x80 && pci->links[1][0] == 0x0b,
	   "links given: no more the giver's, who may write what it likes");
	ok(links_write(0, BDF(0, 1, 0), 0x60, 4, 0x050b0b0b) == 8 &&
	   m->denied[0].count[DENIED_PCI_LINK] == 1,
	   "links given: nor may another link of the giver's lead there");
	ok(links_write(0, BDF(0, 1, 0), 0x62, 1, 0x8b) == 1, "links given: but when it is off");
}

/* ---- functions that are given */

static bool decoded_is(const struct pci_decoded *d, u64 bar0, u64 bar2, u64 rom)
{
	return d->nr_memory == 2 + !!rom && d->memory[0].hpa == bar0 &&
	       d->memory[0].size == 0x20000 && d->memory[1].hpa == bar2 &&
	       d->memory[1].size == 0x100000 &&
	       (!rom || (d->memory[2].hpa == rom && d->memory[2].size == 0x40000)) &&
	       d->nr_ports == 1 && d->ports[0].first == 0x6000 && d->ports[0].last == 0x603f;
}

/* A function of the first partition's that can be given. */
static struct pci_function *givable(void)
{
	struct pci_function *f = &m->function[F_NET];

	machine_init(m);
	f->owner = 0;
	f->config[1] = 0x02100003;
	f->config[2] = 0x02000003;
	f->config[4] = 0xf0000000;
	f->config[5] = 0x6001;
	f->config[6] = 0x1000000c;
	f->config[7] = 0x50;
	f->msi_config[0] = 0x00800005;
	return f;
}

static void test_give(void)
{
	static const u8 shown[] = { F_HOST, F_ISA, F_POWER, F_BRIDGE, F_OTHER_BRIDGE };
	struct pci_function *f = givable();
	struct pci_decoded d;
	bool good = true;
	u64 where;
	u32 i;

	ok(!pci_give_check(&m->pci, f, &d) && decoded_is(&d, 0xf0000000, 0x5010000000, 0),
	   "given: memory of 32 and of 64 bits, and ports");
	f->config[12] = 0xf1000000;
	ok(!pci_give_check(&m->pci, f, &d) && decoded_is(&d, 0xf0000000, 0x5010000000, 0xf1000000),
	   "given: a ROM that has an address, though it is off");
	for (i = 0; i < ARRAY_SIZE(shown); i++)
		good &= pci_give_check(&m->pci, &m->function[shown[i]], &d) == PCI_GIVE_E_KIND;
	ok(good, "not given: bridges, and what both see");
	f->msi_config[0] |= 0x10000;
	ok(pci_give_check(&m->pci, f, &d) == PCI_GIVE_E_MESSAGES, "not given: messages are on");
	f = givable();
	f->bar_size[0] = 0x800;
	ok(pci_give_check(&m->pci, f, &d) == PCI_GIVE_E_PAGES, "not given: a BAR of half a page");
	f = givable();
	f->config[4] = 0;
	ok(pci_give_check(&m->pci, f, &d) == PCI_GIVE_E_PAGES, "not given: a BAR without address");
	f = givable();
	f->config[5] = 1;
	ok(pci_give_check(&m->pci, f, &d) == PCI_GIVE_E_PAGES, "not given: the same of ports");
	f = givable();
	owner_move(&m->memory, 0x5010080000, 0x1000, OWNER_PART, OWNER_PART + 1, &where);
	ok(pci_give_check(&m->pci, f, &d) == PCI_GIVE_E_FOREIGN,
	   "not given: a page of it is another's");
	f = givable();
	f->config[5] = 0xc001;
	ok(pci_give_check(&m->pci, f, &d) == PCI_GIVE_E_FOREIGN,
	   "not given: a port of it is another's");
	f = givable();
	f->bar_kind[5] = BAR_MEMORY_64;
	ok(pci_give_check(&m->pci, f, &d) == PCI_GIVE_E_PAGES,
	   "not given: a BAR without its other half");
}

/* The whole of it: after the gift the filter lets its owner use it, and the giver not. */
static void test_given(void)
{
	struct pci_function *f = givable();
	struct pci_decoded d;
	u64 where;
	u32 i;

	pci_give_check(&m->pci, f, &d);
	f->owner = 1;
	ok(!pci_function_valid(&m->pci, f), "given: not before its addresses are");
	for (i = 0; i < d.nr_memory; i++)
		owner_move(&m->memory, d.memory[i].hpa, d.memory[i].size, OWNER_PART,
			   OWNER_PART + 1, &where);
	ok(!pci_function_valid(&m->pci, f), "given: nor before its ports are");
	ok(pci_give_ports(&m->ports, &d, 1) && pci_function_valid(&m->pci, f),
	   "given: with both it decodes its owner's");
	ok(pci_write(&m->pci, 1, f->bdf, 4, 2, 7, &m->denied[1]) == PCI_PASS &&
	   pci_write(&m->pci, 1, f->bdf, 0x10, 4, 0xf0000000, &m->denied[1]) == PCI_PASS &&
	   pci_write(&m->pci, 1, f->bdf, 0x10, 4, 0xf0020000, &m->denied[1]) == PCI_DENY,
	   "given: its BARs stay where they are");
	ok(pci_read(&m->pci, 0, f->bdf, 0, 4, &m->denied[0]) == PCI_ABSENT &&
	   pci_write(&m->pci, 0, f->bdf, 4, 2, 0, &m->denied[0]) == PCI_DENY,
	   "given: the giver finds nothing there");
	ok(ports_decide(&m->ports, 0, 0x603f, 1, false, 0, &m->denied[0]).verdict == PORT_DENY &&
	   ports_decide(&m->ports, 1, 0x603f, 1, false, 0, &m->denied[1]).verdict == PORT_ALLOW &&
	   ports_decide(&m->ports, 0, 0x6040, 1, false, 0, &m->denied[0]).verdict == PORT_ALLOW,
	   "given: ports, and none beside them");
	m->ports.nr_ranges = PORT_MAX_RANGES;
	ok(!pci_give_ports(&m->ports, &d, 1) && m->ports.nr_ranges == PORT_MAX_RANGES,
	   "given: not more ranges of ports than there is room for");
}

static void test_restore(void)
{
	struct pci_function *f = givable();
	u32 order[PCI_HEADER + 2], value[PCI_HEADER + 2], nr;

	f->config[1] = 0x02100007;
	f->config[3] = 0x40001008;
	f->config[15] = 0x010b;
	memcpy(f->given_config, f->config, sizeof(f->config));
	f->config[1] = 0x02100407;
	f->config[4] = 0xffffffff;
	f->config[15] = 0x0105;
	nr = pci_give_restore(f, order, value);
	ok(nr == PCI_HEADER - 1 && order[0] == 1 && value[0] == 0 && order[nr - 1] == 1 &&
	   value[nr - 1] == 3, "comes back: decoders off first, on last, and no bus master");
	ok(order[1] == 3 && value[1] == 0x1008, "comes back: without a self-test");
	ok(order[2] == 4 && value[2] == 0xf0000000 && order[nr - 2] == 15 &&
	   value[nr - 2] == 0x010b, "comes back: all other registers in between");
	ok(f->config[1] == 0x02100003 && f->config[4] == 0xf0000000 && f->config[15] == 0x010b,
	   "comes back: as it was given");
}

static void test_valid(void)
{
	struct pci_function *function = &m->function[F_NET];
	u32 i;
	bool good = true;

	machine_init(m);
	for (i = 0; i < NR_FUNCTIONS; i++)
		good &= pci_function_valid(&m->pci, &m->function[i]);
	ok(good, "given away: what decodes its owner's");
	function->owner = 0;
	ok(!pci_function_valid(&m->pci, function), "given away: without its memory");
	function->config[1] = 0;
	ok(!pci_function_valid(&m->pci, function), "given away: with messages to the other side");
	function->msi_config[0] = 0;
	ok(pci_function_valid(&m->pci, function), "given away: when it is quiet");
	function->owner = NR_PARTS;
	ok(!pci_function_valid(&m->pci, function), "given away: to nobody");
	function->owner = 1;
	function->bar_kind[5] = BAR_MEMORY_64;
	function->bar_size[5] = 16;
	ok(!pci_function_valid(&m->pci, function), "given away: a BAR without its other half");
}

static void test_stop(void)
{
	struct pci_function net = functions[F_NET], host = functions[F_HOST];
	struct pci_function bridge = functions[F_BRIDGE];
	u16 command = 0;

	net.config[1] = 0x02100407;
	net.config[2] = 0x02000003;
	ok(pci_function_stop(&net, &command) && command == 0x0403 && net.config[1] == 0x02100403,
	   "stopped: a function, and nothing else of it");
	ok(pci_function_stop(&net, &command) && command == 0x0403, "stopped: once more");
	host.config[1] = 0x02000006;
	host.config[2] = 0x06000002;
	command = 0xaaaa;
	ok(!pci_function_stop(&host, &command) && host.config[1] == 0x02000006 &&
	   command == 0xaaaa, "not stopped: the host bridge");
	ok(!pci_function_stop(&bridge, &command) && bridge.config[1] == 7 && command == 0xaaaa,
	   "not stopped: a bridge, for what is behind it");
}

int main(int argc, char **argv)
{
	test_latch();
	test_ecam();
	test_reads();
	test_writes();
	test_widths();
	test_chipset();
	test_links();
	test_links_given();
	test_give();
	test_given();
	test_restore();
	test_valid();
	test_stop();
	return finish();
}
