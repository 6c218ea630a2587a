// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IOAPIC of two partitions, and messages of devices: rows with what each is.  TAP.  Run by
 * partition_test.py; part_ioapic_fuzz.c compares with hardware.
 */
#include "part_unit.h"
#include "part_ioapic_model.h"

static struct ioapic io;
static struct ioapic_ops ops;
static struct denied denied;
static struct hardware hw;

static void apply(void)
{
	u32 i;

	for (i = 0; i < ops.nr; i++)
		hw_write(&hw, ops.op[i].reg, ops.op[i].value);
}

static void write_reg(u32 part, u32 reg, u32 value)
{
	ioapic_write(&io, &set, part, IOAPIC_INDEX, 4, reg, &ops, &denied);
	apply();
	ioapic_write(&io, &set, part, IOAPIC_DATA, 4, value, &ops, &denied);
	apply();
}

static u32 read_reg(u32 part, u32 reg)
{
	u32 from;

	ioapic_write(&io, &set, part, IOAPIC_INDEX, 4, reg, &ops, &denied);
	return ioapic_read(&io, part, IOAPIC_DATA, 4, &from, &denied);
}

static void start(u32 version)
{
	u32 pin;

	memset(&hw, 0, sizeof(hw));
	memset(&denied, 0, sizeof(denied));
	for (pin = 0; pin < PINS; pin++)
		hw.rte[pin] = 0x10000;
	ioapic_init(&io, 0x02000000, version, 0, hw.rte);
}

struct rte_row {
	const char *name;
	u32 high, low;
	bool open[2];
};

static const struct rte_row rte_rows[] = {
	{ "own CPU of the first", 0x04000000, 0x31, { true, false } },
	{ "own CPU of the second", 0x05000000, 0x31, { false, true } },
	{ "no CPU", 0x09000000, 0x31 },
	{ "all CPUs", 0xff000000, 0x31 },
	{ "lowest priority", 0x00000000, 0x131, { true, false } },
	{ "level", 0x00000000, 0x8031, { true, false } },
	{ "SMI", 0x00000000, 0x200 },
	{ "reserved mode", 0x00000000, 0x331 },
	{ "NMI", 0x00000000, 0x400 },
	{ "INIT", 0x00000000, 0x500 },
	{ "reserved mode 6", 0x00000000, 0x631 },
	{ "ExtINT", 0x00000000, 0x700 },
	{ "vector 0fh", 0x00000000, 0x0f },
	{ "vector 10h", 0x00000000, 0x10, { true, false } },
	{ "logical, both of the first", 0x03000000, 0x831, { true, false } },
	{ "logical, nobody", 0x04000000, 0x831 },
	{ "logical, all", 0xff000000, 0x831 },
};

static void test_entries(void)
{
	char name[80];
	size_t i;
	u32 part;

	for (i = 0; i < ARRAY_SIZE(rte_rows); i++) {
		const struct rte_row *row = &rte_rows[i];
		bool good = true;

		for (part = 0; part < 2; part++) {
			start(0x170011);
			ioapic_give(&io, &set, 5, part, &ops, &denied);
			write_reg(part, 0x1b, row->high);
			write_reg(part, 0x1a, row->low);
			good &= is_masked(hw.rte[5]) == !row->open[part];
			good &= !!total_denied(&denied) == !row->open[part];
			good &= denied.count[DENIED_IOAPIC_RTE] == total_denied(&denied);
			good &= read_reg(part, 0x1a) == row->low;
		}
		snprintf(name, sizeof(name), "entry: %s", row->name);
		ok(good, name);
	}
}

static void test_order(void)
{
	start(0x170011);
	write_reg(0, 0x1a, 0x31);
	ops.nr = 0;
	ioapic_write(&io, &set, 0, IOAPIC_INDEX, 4, 0x1b, &ops, &denied);
	ok(!ops.nr, "index: nothing for the hardware to do");
	ioapic_write(&io, &set, 0, IOAPIC_DATA, 4, 0x04000000, &ops, &denied);
	ok(ops.nr == 3 && ops.op[0].reg == 0x1a && ops.op[0].value == 0x10031 &&
	   ops.op[1].reg == 0x1b && ops.op[1].value == 0x04000000 &&
	   ops.op[2].reg == 0x1a && ops.op[2].value == 0x31,
	   "high half of an open entry: closed, changed, opened");
	ioapic_write(&io, &set, 0, IOAPIC_DATA, 4, 0x04000000, &ops, &denied);
	ok(!ops.nr, "the same again: nothing to do");
}

/* Two CPUs, one of each partition, between index and data of the other. */
static void test_races(void)
{
	start(0x170011);
	ioapic_give(&io, &set, 6, 1, &ops, &denied);
	apply();
	ioapic_write(&io, &set, 0, IOAPIC_INDEX, 4, 0x1a, &ops, &denied);
	ioapic_write(&io, &set, 1, IOAPIC_INDEX, 4, 0x1c, &ops, &denied);
	ioapic_write(&io, &set, 0, IOAPIC_DATA, 4, 0x30, &ops, &denied);
	apply();
	ioapic_write(&io, &set, 1, IOAPIC_DATA, 4, 0x10044, &ops, &denied);
	apply();
	ok(hw.rte[5] == 0x30 && hw.rte[6] == 0x10044, "index: one for each");
	ioapic_write(&io, &set, 1, IOAPIC_INDEX, 4, 0x1a, &ops, &denied);
	ioapic_write(&io, &set, 1, IOAPIC_DATA, 4, 0x10044, &ops, &denied);
	apply();
	ok(!ops.nr && hw.rte[5] == 0x30 && read_reg(1, 0x1a) == 0x10044 &&
	   read_reg(0, 0x1a) == 0x30, "a pin of the other: remembered, not done");
}

static void test_registers(void)
{
	u32 reg;

	start(0x230011 | 0x500000);
	ok(io.pins == PINS && read_reg(1, 1) == 0x170011, "version: no more pins than there are");
	ok(read_reg(0, 0) == 0x02000000 && read_reg(1, 2) == 0x02000000, "ID and arbitration");
	ok(!read_reg(0, 3) && !read_reg(0, 0x40) && !read_reg(0, 0xff), "no such register");
	write_reg(0, 0x40, 0x31);
	write_reg(0, 0, 0x0f000000);
	ok(!ops.nr && read_reg(0, 0) == 0x02000000, "none of them is written");
	ioapic_read(&io, 0, IOAPIC_DATA, 1, &reg, &denied);
	ioapic_read(&io, 0, 0x14, 4, &reg, &denied);
	ioapic_write(&io, &set, 0, IOAPIC_INDEX, 1, 7, &ops, &denied);
	ioapic_write(&io, &set, 0, IOAPIC_EOI, 4, 0x31, &ops, &denied);
	ok(denied.count[DENIED_IOAPIC_WIDTH] == 4 && io.part[0].index == 0,
	   "other widths and places, no EOI register in version 11h");
	start(0x070011);
	write_reg(0, 0x20, 0x31);
	ok(!ops.nr && io.pins == 8, "fewer pins");
}

static void test_eoi(void)
{
	start(0x170020);
	ioapic_give(&io, &set, 11, 1, &ops, &denied);
	apply();
	write_reg(0, 0x24, 0x8044);
	write_reg(1, 0x27, 0x01000000);
	write_reg(1, 0x26, 0x8045);
	ioapic_write(&io, &set, 1, IOAPIC_EOI, 4, 0x44, &ops, &denied);
	ok(!ops.nr && denied.count[DENIED_IOAPIC_EOI] == 1, "EOI: of the other's vector");
	ioapic_write(&io, &set, 1, IOAPIC_EOI, 4, 0x45, &ops, &denied);
	ok(ops.nr == 1 && ops.op[0].reg == IOAPIC_OP_EOI && ops.op[0].value == 0x45,
	   "EOI: of an own vector");
	write_reg(1, 0x26, 0x8044);
	hw.line[10] = true;
	hw.line[11] = true;
	hw_deliver(&hw, 10);
	hw_deliver(&hw, 11);
	ok(hw.irr[10] && hw.irr[11] && hw.arrived[0] == 1 && hw.arrived[1] == 1,
	   "level: both wait");
	hw.line[11] = false;
	ioapic_write(&io, &set, 1, IOAPIC_EOI, 4, 0x44, &ops, &denied);
	apply();
	ok(hw.irr[10] && !hw.irr[11] && hw.arrived[0] == 1,
	   "EOI: of a vector that both have: the own pin only");
	/* What a local APIC broadcasts cannot be filtered: one more arrives, none is lost. */
	hw_eoi(&hw, 0x44);
	ok(hw.irr[10] && hw.arrived[0] == 2, "EOI broadcast: a level that is still there comes again");
}

static void test_give(void)
{
	u32 vector;

	start(0x170011);
	write_reg(0, 0x24, 0x8044);
	write_reg(1, 0x25, 0x01000000);
	write_reg(1, 0x24, 0x8055);
	hw.line[10] = true;
	hw_deliver(&hw, 10);
	ok(hw.irr[10], "hand-over: the first has not ended the interrupt");
	vector = ioapic_give(&io, &set, 10, 1, &ops, &denied);
	apply();
	ok(!vector && hw.arrived[1] == 1 && hw.irr[10] && hw.rte[10] == 0x0100000000008055ull,
	   "hand-over: a level comes again, to the new owner");
	write_reg(0, 0x24, 0x8044);
	ok(!ops.nr, "hand-over: the former owner writes to memory");
	write_reg(0, 0x18, 0x40);
	write_reg(1, 0x19, 0x01000000);
	write_reg(1, 0x18, 0x51);
	ok(ioapic_give(&io, &set, 4, 1, &ops, &denied) == 0x51, "hand-over: an edge is sent again");
	ok(!ioapic_give(&io, &set, 4, 1, &ops, &denied) && !ops.nr,
	   "hand-over: to who has it");
	write_reg(1, 0x16, 0x52);
	ok(!ioapic_give(&io, &set, 3, 1, &ops, &denied) && ops.op[2].value == 0x10052,
	   "hand-over: an entry for another's CPU stays closed");
	ok(!ioapic_give(&io, &set, PINS, 1, &ops, &denied) && !ops.nr &&
	   !ioapic_give(&io, &set, 4, 2, &ops, &denied) && !ops.nr, "hand-over: of nothing");
	ioapic_mask(&io, 4, &ops);
	ok(ops.nr == 1 && ops.op[0].reg == 0x18 && ops.op[0].value == 0x10051,
	   "end of a partition: its pin is closed");
}

struct target_row {
	const char *name;
	u32 part, pin, high, low, index;	/* 9: nobody */
};

static const struct target_row target_rows[] = {
	{ "a CPU by its ID", 0, 23, 0x04000000, 0x31, 1 },
	{ "the other side's", 1, 23, 0x01000000, 0x31, 2 },
	{ "logical", 0, 23, 0x02000000, 0x831, 1 },
	{ "lowest priority", 0, 23, 0x03000000, 0x931, 0 },
	{ "logical, as it believes to be", 1, 23, 0x01000000, 0x831, 2 },
	{ "a CPU that does not run", 1, 23, 0x05000000, 0x31, 9 },
	{ "not its own", 0, 23, 0x01000000, 0x31, 9 },
	{ "masked", 0, 23, 0x04000000, 0x10031, 9 },
	{ "NMI", 0, 23, 0x04000000, 0x431, 9 },
	{ "vector 0fh", 0, 23, 0x04000000, 0x0f, 9 },
	{ "no such pin", 0, 24, 0x04000000, 0x31, 9 },
};

/* Where a pin that has no device would interrupt, whoever has it. */
static void test_target(void)
{
	char name[80];
	u32 i, index;
	u8 vector;

	for (i = 0; i < ARRAY_SIZE(target_rows); i++) {
		const struct target_row *row = &target_rows[i];

		start(0x170011);
		write_reg(row->part, 0x11 + 2 * row->pin, row->high);
		write_reg(row->part, 0x10 + 2 * row->pin, row->low);
		index = 9;
		vector = 0x31;
		ioapic_target(&io, &set, row->part, row->pin, &index, &vector);
		snprintf(name, sizeof(name), "doorbell: %s", row->name);
		ok(index == row->index && vector == 0x31, name);
	}
}

static void lose(u32 part, u32 id)
{
	u32 pin;

	for (pin = 0; pin < PINS; pin++) {
		ioapic_lose_cpu(&io, pin, part, id, &ops, &denied);
		apply();
	}
}

/* CPU 4 is the first one's no longer. */
static void test_lose(void)
{
	start(0x170011);
	ioapic_give(&io, &set, 7, 1, &ops, &denied);
	write_reg(0, 0x1b, 0x04000000);
	write_reg(0, 0x1a, 0x8031);
	write_reg(0, 0x1d, 0);
	write_reg(0, 0x1c, 0x32);
	write_reg(0, 0x21, 0x03000000);
	write_reg(0, 0x20, 0x833);
	write_reg(1, 0x1f, 0x05000000);
	write_reg(1, 0x1e, 0x34);
	lose(0, 4);
	ok(is_masked(hw.rte[5]) && denied.count[DENIED_IOAPIC_RTE] == 1 &&
	   total_denied(&denied) == 1, "a CPU that is lost: its pin closes");
	ok(!is_masked(hw.rte[6]) && !is_masked(hw.rte[7]) && !is_masked(hw.rte[8]),
	   "a CPU that is lost: others stay open");
	ok(read_reg(0, 0x1a) == 0x8031 && read_reg(0, 0x1b) == 0x04000000,
	   "a CPU that is lost: the entry reads as it was written");
	lose(0, 4);
	lose(0, 5);
	ok(total_denied(&denied) == 1 && !is_masked(hw.rte[7]),
	   "a CPU that is lost: once, and only for whose it was");
	write_reg(0, 0x1b, 0);
	ok(!is_masked(hw.rte[5]), "a CPU that is lost: another one opens the pin");
}

struct msi_row {
	const char *name;
	u64 address;
	u32 data;
	bool want[2];
};

static const struct msi_row msi_rows[] = {
	{ "own CPU of the first", 0xfee04000, 0x31, { true, false } },
	{ "own CPU of the second", 0xfee01000, 0x31, { false, true } },
	{ "all CPUs", 0xfeeff000, 0x31 },
	{ "logical, of the first", 0xfee03004, 0x31, { true, false } },
	{ "logical, with the hint", 0xfee0300c, 0x31, { true, false } },
	{ "logical, x2APIC of the second", 0xfee20004, 0x31, { false, true } },
	{ "logical, of both", 0xfee21004, 0x31 },
	{ "NMI", 0xfee01000, 0x431 },
	{ "SMI", 0xfee01000, 0x200 },
	{ "ExtINT", 0xfee01000, 0x731 },
	{ "vector 5", 0xfee01000, 5 },
	{ "RAM", 0x00101000, 0x31 },
	{ "above 4 GiB", 0x1fee01000, 0x31 },
	{ "beside it", 0xfef01000, 0x31 },
};

static void test_messages(void)
{
	char name[80];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(msi_rows); i++) {
		const struct msi_row *row = &msi_rows[i];

		snprintf(name, sizeof(name), "message: %s", row->name);
		ok(msi_message_ok(&set, 0, row->address, row->data) == row->want[0] &&
		   msi_message_ok(&set, 1, row->address, row->data) == row->want[1], name);
	}
}

int main(int argc, char **argv)
{
	test_entries();
	test_order();
	test_races();
	test_registers();
	test_eoi();
	test_give();
	test_target();
	test_lose();
	test_messages();
	return finish();
}
