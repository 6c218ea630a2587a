// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: the IOAPIC of two partitions above one in hardware.  Between any two
 * operations each entry of the hardware is masked or interrupts its owner only; after each
 * access it is what its owner has written, and each reads what it has written.
 */
#include "part_denied.h"
#include "part_fuzz.h"
#include "part_ioapic_model.h"

static struct ioapic io;
static struct hardware hw;
static u64 written[NR_PARTS][PINS];	/* plain memory of what each wrote */
static u8 owner[PINS], written_index[NR_PARTS];

static void start(u32 version)
{
	u32 pin;

	memset(&hw, 0, sizeof(hw));
	for (pin = 0; pin < PINS; pin++) {
		hw.rte[pin] = pin & 1 ? 0x10000 : 0x0400000000000830ull | pin;
		hw.rte[pin] &= pin & 1 ? ~0ull : ~0x800ull;
		hw.rte[pin] |= pin >= 16 ? 0x8000 : 0;
		written[0][pin] = hw.rte[pin];
		written[1][pin] = 0x10000;
		owner[pin] = 0;
	}
	memset(written_index, 0, sizeof(written_index));
	ioapic_init(&io, 0x01000000, version, 0, hw.rte);
	/* Some pins are the second partition's from the beginning. */
	for (pin = 0; pin < PINS; pin += 3) {
		owner[pin] = 1;
		io.owner[pin] = 1;
		io.hw[pin] = 0x10000;
		hw.rte[pin] = 0x10000;
	}
}

static u64 expected(u32 pin)
{
	u64 rte = written[owner[pin]][pin];

	return is_masked(rte) || reaches(rte) == 1u << owner[pin] ? rte : rte | 0x10000;
}

static void apply(const struct ioapic_ops *ops, u32 part)
{
	u32 i, pin, old_index = hw.index;

	must(ops->nr <= IOAPIC_MAX_OPS, "no more operations than there is room for");
	for (i = 0; i < ops->nr; i++) {
		u32 reg = ops->op[i].reg;

		if (reg != IOAPIC_OP_EOI) {
			must(reg >= 0x10 && reg < 0x10 + 2 * PINS, "entries only are written");
			pin = (reg - 0x10) / 2;
			must(owner[pin] == part, "own pins only are written");
			hw_write(&hw, reg, ops->op[i].value);
			must(hw_pin_ok(&hw, pin, part), "never open for another's CPU");
		} else {
			for (pin = 0; pin < PINS; pin++)
				must((hw.rte[pin] & 0x80ff) != (0x8000 | ops->op[i].value) ||
				     owner[pin] == part, "EOI of own pins only");
			hw_write(&hw, reg, ops->op[i].value);
		}
	}
	if (!ops->nr)
		must(hw.index == old_index, "nothing happens without an operation");
	for (pin = 0; pin < PINS; pin++)
		must(hw.rte[pin] == expected(pin), "the hardware has what its owner wrote");
}

static void write_one(struct input *input, u32 part, struct denied *denied)
{
	static const u8 offsets[] = { 0x00, 0x10, 0x10, 0x40, 0x00, 0x10, 0x20, 0x04 };
	u32 offset = offsets[take8(input) & 7], value = take32(input), pin;
	u32 width = take8(input) & 0x38 ? 4 : 1;
	struct ioapic_ops ops;

	if (offset == 0)
		value = value & 0x80 ? value : 0x10 + value % 52;
	else if (offset == 0x40)
		value = 0x20 | (value & 7);
	else if (value & 0x80000000)		/* something that makes sense */
		value = written_index[part] & 1 ? (value & 5) << 24 :
			(value & 0x18800) | 0x20 | (value & 7);
	ioapic_write(&io, &set, part, offset, width, value, &ops, denied);
	pin = (written_index[part] - 0x10) / 2;
	if (width == 4 && offset == 0) {
		written_index[part] = value;
	} else if (width == 4 && offset == 0x10 && written_index[part] >= 0x10 && pin < PINS) {
		if (written_index[part] & 1)
			written[part][pin] = (written[part][pin] & 0xffffffff) |
					     (u64)value << 32;
		else
			written[part][pin] = (written[part][pin] & ~0xffffffffull) |
					     (value & ~0x5000u);
	}
	apply(&ops, part);
}

static void read_one(struct input *input, u32 part, struct denied *denied)
{
	u32 index = written_index[part], pin = (index - 0x10) / 2, reg, value;

	must(ioapic_read(&io, part, 0, 4, &reg, denied) == index && reg == IOAPIC_NO_REG,
	     "the index reads as written");
	value = ioapic_read(&io, part, 0x10, 4, &reg, denied);
	if (index < 0x10 || pin >= PINS)
		return;
	must(value == (u32)(written[part][pin] >> (index & 1 ? 32 : 0)),
	     "an entry reads as written");
	must((reg == index) == (owner[pin] == part && !(index & 1)),
	     "status bits are those of an own pin");
}

static void give_one(struct input *input, struct denied *denied)
{
	u32 pin = take8(input) % PINS, to = !owner[pin], vector;
	struct ioapic_ops ops;

	vector = ioapic_give(&io, &set, pin, to, &ops, denied);
	owner[pin] = to;
	must(ops.nr == 3, "a pin is given away in three operations");
	must(ops.op[0].value & 0x10000 && !(ops.op[0].value & 0x8000), "closed and edge first");
	apply(&ops, to);
	must(!hw.irr[pin] || hw.line[pin], "nothing waits for an EOI of the former owner");
	must(!vector || (vector == (hw.rte[pin] & 0xff) && hw_pin_ok(&hw, pin, to) &&
			 !is_masked(hw.rte[pin])), "what is sent again is the new owner's");
}

int fuzz_one_input(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct denied denied[NR_PARTS] = { };

	start(take8(&input) & 1 ? 0x170020 : 0x170011);
	while (input.left) {
		u8 what = take8(&input);
		u32 part = what & 1, pin = what >> 3 & 15;

		switch (what >> 1 & 3) {
		case 0:
		case 1:
			write_one(&input, part, &denied[part]);
			break;
		case 2:
			read_one(&input, part, &denied[part]);
			break;
		default:
			hw.line[pin + 8] ^= true;
			hw_deliver(&hw, pin + 8);
			if (what & 0x80)
				give_one(&input, &denied[part]);
		}
	}
	return 0;
}
