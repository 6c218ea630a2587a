/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The IOAPIC of two partitions.
 */
#ifndef SHIM_IOAPIC_H
#define SHIM_IOAPIC_H

#include "apic.h"

#define IOAPIC_PINS		24
#define IOAPIC_MAX_OPS		(2 * IOAPIC_PINS)

#define IOAPIC_INDEX		0x00
#define IOAPIC_DATA		0x10
#define IOAPIC_EOI		0x40

#define RTE_LOGICAL		BIT(11)
#define RTE_READONLY		(BIT(12) | BIT(14))	/* delivery status, remote IRR */
#define RTE_LEVEL		BIT(15)
#define RTE_MASKED		BIT(16)

/*
 * What the caller writes to the hardware, in this order and under its lock: @reg goes to
 * the index, @value to the data; IOAPIC_OP_EOI is the EOI register.  Nobody but the caller
 * ever writes the hardware's index, so no two CPUs can get between the two.
 */
#define IOAPIC_OP_EOI		0xffffu

struct ioapic_ops {
	u32	nr;
	struct {
		u32	reg, value;
	} op[IOAPIC_MAX_OPS];
};

/* @hw: what has been written to the hardware, without bits that it changes itself. */
struct ioapic {
	u8	pins;
	u32	id, version;			/* registers 0 and 1 */
	u8	owner[IOAPIC_PINS];
	u64	hw[IOAPIC_PINS];
	struct {
		u32	index;
		u64	rte[IOAPIC_PINS];
	} part[NR_PARTS];
};

#define IOAPIC_NO_REG		0xffffffffu

void ioapic_init(struct ioapic *io, u32 id, u32 version, u8 owner, const u64 *rte);
u32 ioapic_read(const struct ioapic *io, u32 part, u32 offset, u32 width, u32 *reg,
		struct denied *denied);
void ioapic_write(struct ioapic *io, const struct apic_set *set, u32 part, u32 offset,
		  u32 width, u32 value, struct ioapic_ops *ops, struct denied *denied);
u32 ioapic_give(struct ioapic *io, const struct apic_set *set, u32 pin, u32 to,
		struct ioapic_ops *ops, struct denied *denied);
bool ioapic_target(const struct ioapic *io, const struct apic_set *set, u32 part, u32 pin,
		   u32 *index, u8 *vector);
void ioapic_lose_cpu(struct ioapic *io, u32 pin, u32 part, u32 id, struct ioapic_ops *ops,
		     struct denied *denied);
void ioapic_mask(struct ioapic *io, u32 pin, struct ioapic_ops *ops);

#endif /* SHIM_IOAPIC_H */
