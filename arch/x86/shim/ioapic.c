// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each partition has an IOAPIC of its own: an index, and redirection entries that read as
 * they have been written.  Those of its pins are written through to the hardware, if they
 * interrupt its own CPUs; all others wait until it gets the pin.
 */
#include "ioapic.h"

#define REG_ID		0
#define REG_VERSION	1
#define REG_ARBITRATION	2
#define REG_RTE		0x10
#define LOW		0xffffffffull
#define VERSION_EOI	0x20		/* from there on it has the EOI register */

static u32 low_of(u32 pin)
{
	return REG_RTE + 2 * pin;
}

static void add(struct ioapic_ops *ops, u32 reg, u32 value)
{
	ops->op[ops->nr].reg = reg;
	ops->op[ops->nr].value = value;
	ops->nr++;
}

/* As the hardware was when the second partition came: it begins with all pins masked. */
void ioapic_init(struct ioapic *io, u32 id, u32 version, u8 owner, const u64 *rte)
{
	u32 pin, part;

	io->id = id;
	io->pins = (version >> 16 & 0xff) < IOAPIC_PINS ? (version >> 16 & 0xff) + 1 :
							  IOAPIC_PINS;
	/* Pins that are too many are nobody's. */
	io->version = (version & ~0xff0000u) | (io->pins - 1) << 16;
	for (pin = 0; pin < IOAPIC_PINS; pin++) {
		io->owner[pin] = owner;
		io->hw[pin] = pin < io->pins ? rte[pin] & ~RTE_READONLY : RTE_MASKED;
		for (part = 0; part < NR_PARTS; part++)
			io->part[part].rte[pin] = part == owner ? io->hw[pin] : RTE_MASKED;
	}
	for (part = 0; part < NR_PARTS; part++)
		io->part[part].index = 0;
}

/* What the hardware may have of the entry. */
static u64 checked(const struct apic_set *set, u32 part, u64 rte, struct denied *denied)
{
	if (rte & RTE_MASKED ||
	    apic_message_ok(set, part, rte >> 56, rte & RTE_LOGICAL, rte >> 8 & 7, rte & 0xff))
		return rte;
	deny(denied, DENIED_IOAPIC_RTE);
	return rte | RTE_MASKED;
}

/* Never open while one half is old and one is new. */
static void push(struct ioapic *io, u32 pin, u64 rte, struct ioapic_ops *ops)
{
	u64 old = io->hw[pin];

	if ((old ^ rte) >> 32) {
		if (!(old & RTE_MASKED))
			add(ops, low_of(pin), old | RTE_MASKED);
		add(ops, low_of(pin) + 1, rte >> 32);
	}
	if (old != rte)
		add(ops, low_of(pin), rte);
	io->hw[pin] = rte;
}

static void write_rte(struct ioapic *io, const struct apic_set *set, u32 part, u32 reg,
		      u32 value, struct ioapic_ops *ops, struct denied *denied)
{
	u32 pin = (reg - REG_RTE) / 2;
	u64 *rte = &io->part[part].rte[pin];

	if (reg & 1)
		*rte = (*rte & LOW) | (u64)value << 32;
	else
		*rte = (*rte & ~LOW) | (value & ~RTE_READONLY);
	if (io->owner[pin] == part)
		push(io, pin, checked(set, part, *rte, denied), ops);
}

static bool is_level(u64 rte, u32 vector)
{
	return rte & RTE_LEVEL && (rte & 0xff) == vector;
}

/*
 * The EOI register means every pin with that vector.  If one is the other side's, the own
 * ones forget their remote IRR by becoming edge for a moment, as before there was the
 * register.
 */
static void write_eoi(const struct ioapic *io, u32 part, u32 vector, struct ioapic_ops *ops,
		      struct denied *denied)
{
	bool own = false, foreign = false;
	u32 pin;

	for (pin = 0; pin < io->pins; pin++) {
		if (!is_level(io->hw[pin], vector))
			continue;
		own |= io->owner[pin] == part;
		foreign |= io->owner[pin] != part;
	}
	if (!own) {
		if (foreign)
			deny(denied, DENIED_IOAPIC_EOI);
		return;
	}
	if (!foreign) {
		add(ops, IOAPIC_OP_EOI, vector);
		return;
	}
	for (pin = 0; pin < io->pins; pin++) {
		if (io->owner[pin] != part || !is_level(io->hw[pin], vector))
			continue;
		add(ops, low_of(pin), (io->hw[pin] | RTE_MASKED) & ~RTE_LEVEL);
		add(ops, low_of(pin), io->hw[pin]);
	}
}

/*
 * @reg: IOAPIC_NO_REG, or the register of the hardware from which the caller adds the bits
 * RTE_READONLY.
 */
u32 ioapic_read(const struct ioapic *io, u32 part, u32 offset, u32 width, u32 *reg,
		struct denied *denied)
{
	u32 index = io->part[part].index, pin = (index - REG_RTE) / 2;

	*reg = IOAPIC_NO_REG;
	if (width != 4 || (offset != IOAPIC_INDEX && offset != IOAPIC_DATA)) {
		deny(denied, DENIED_IOAPIC_WIDTH);
		return 0;
	}
	if (offset == IOAPIC_INDEX)
		return index;
	if (index == REG_ID || index == REG_ARBITRATION)
		return io->id;
	if (index == REG_VERSION)
		return io->version;
	if (index < REG_RTE || pin >= io->pins)
		return 0;
	if (index & 1)
		return io->part[part].rte[pin] >> 32;
	if (io->owner[pin] == part)
		*reg = index;
	return io->part[part].rte[pin];
}

/* @ops: what is to be done to the hardware, often nothing. */
void ioapic_write(struct ioapic *io, const struct apic_set *set, u32 part, u32 offset,
		  u32 width, u32 value, struct ioapic_ops *ops, struct denied *denied)
{
	u32 index = io->part[part].index;

	ops->nr = 0;
	if (width != 4 || (offset != IOAPIC_INDEX && offset != IOAPIC_DATA &&
			   (offset != IOAPIC_EOI || (io->version & 0xff) < VERSION_EOI))) {
		deny(denied, DENIED_IOAPIC_WIDTH);
		return;
	}
	if (offset == IOAPIC_INDEX)
		io->part[part].index = value & 0xff;
	else if (offset == IOAPIC_EOI)
		write_eoi(io, part, value & 0xff, ops, denied);
	else if (index >= REG_RTE && index < low_of(io->pins))
		write_rte(io, set, part, index, value, ops, denied);
}

/*
 * The pin passes to @to, with what @to has believed to be in its entry.  On the way it is
 * masked and edge, which makes the hardware forget an interrupt whose EOI nobody will send.
 *
 * Return: 0, or a vector that the caller sends to the entry's destination, as an edge may have
 * come in between; one too many does no harm.
 */
u32 ioapic_give(struct ioapic *io, const struct apic_set *set, u32 pin, u32 to,
		struct ioapic_ops *ops, struct denied *denied)
{
	u64 rte;

	ops->nr = 0;
	if (pin >= io->pins || to >= NR_PARTS || io->owner[pin] == to)
		return 0;
	rte = checked(set, to, io->part[to].rte[pin], denied);
	add(ops, low_of(pin), (io->hw[pin] | RTE_MASKED) & ~RTE_LEVEL);
	add(ops, low_of(pin) + 1, rte >> 32);
	add(ops, low_of(pin), rte);
	io->owner[pin] = to;
	io->hw[pin] = rte;
	return rte & (RTE_MASKED | RTE_LEVEL) ? 0 : rte & 0xff;
}

/*
 * The CPU with that APIC ID is @part's no longer: an entry that is still open for it closes, until
 * @part says anew where it goes.  (Logical destinations are what CPUs have in LDR, and that is 0.)
 */
void ioapic_lose_cpu(struct ioapic *io, u32 pin, u32 part, u32 id, struct ioapic_ops *ops,
		     struct denied *denied)
{
	u64 rte;

	ops->nr = 0;
	if (pin >= io->pins || io->owner[pin] != part)
		return;
	rte = io->hw[pin];
	if (rte & (RTE_MASKED | RTE_LOGICAL) || rte >> 56 != id)
		return;
	deny(denied, DENIED_IOAPIC_RTE);
	push(io, pin, rte | RTE_MASKED, ops);
}

/* The owner has ended: its entries stay as they are for nobody to read. */
void ioapic_mask(struct ioapic *io, u32 pin, struct ioapic_ops *ops)
{
	ops->nr = 0;
	if (pin < io->pins)
		push(io, pin, io->hw[pin] | RTE_MASKED, ops);
}

/*
 * Which CPU of @part, by its place in @set, and with which vector, an edge at @pin would interrupt
 * if the pin were its own.  False: none.
 */
bool ioapic_target(const struct ioapic *io, const struct apic_set *set, u32 part, u32 pin,
		   u32 *index, u8 *vector)
{
	u64 rte;
	u32 i;

	if (pin >= io->pins)
		return false;
	rte = io->part[part].rte[pin];
	if (rte & RTE_MASKED || (rte >> 8 & 7) > APIC_DELIVERY_LOWEST ||
	    (rte & 0xff) < APIC_FIRST_VECTOR)
		return false;
	for (i = 0; i < set->nr; i++) {
		if (set->cpu[i].part != part || !set->cpu[i].runs ||
		    !(rte & RTE_LOGICAL ? apic_matches(&set->cpu[i], rte >> 56) :
					  set->cpu[i].id == rte >> 56))
			continue;
		*index = i;
		*vector = rte;
		return true;
	}
	return false;
}
