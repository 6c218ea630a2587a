/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instructions that move data to and from registers of devices.
 */
#ifndef SHIM_MMIO_H
#define SHIM_MMIO_H

#include "types.h"

#define MMIO_MAX_CODE	15

/*
 * @size: bytes in memory; @dest: bytes of the register that change, 4 clears the upper half.
 * @value: what is written, if @imm.
 */
struct mmio {
	bool	write, imm, sign;
	bool	high;			/* AH to BH */
	u8	size, dest, reg, length;
	u64	value;
};

bool mmio_decode(const u8 *code, u32 available, bool long_mode, struct mmio *mmio);
u64 mmio_source(const struct mmio *mmio, u64 reg);
u64 mmio_result(const struct mmio *mmio, u64 reg, u64 value);

#endif /* SHIM_MMIO_H */
