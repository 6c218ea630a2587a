// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: instructions of any bytes, as a partition may have them behind an access to a
 * device.  What is decoded is the same with more bytes behind it, is cut off with fewer, and
 * changes no more of a register than the SDM says.
 */
#include "part_fuzz.h"
#include "../../arch/x86/shim/mmio.h"

static bool equal(const struct mmio *a, const struct mmio *b)
{
	return a->write == b->write && a->imm == b->imm && a->sign == b->sign &&
	       a->high == b->high && a->size == b->size && a->dest == b->dest &&
	       a->reg == b->reg && a->length == b->length && a->value == b->value;
}

static bool is_width(u8 bytes)
{
	return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

static u64 low(u64 value, u32 bytes)
{
	return bytes == 8 ? value : value & ((1ull << 8 * bytes) - 1);
}

/* A register after a read: what the SDM says of each width. */
static u64 expected(const struct mmio *mmio, u64 reg, u64 value)
{
	u64 mask = low(~0ull, mmio->dest), got = low(value, mmio->size);

	if (mmio->sign && got >> (8 * mmio->size - 1) & 1)
		got |= ~low(~0ull, mmio->size);
	if (mmio->dest == 4)
		return got & mask;
	if (mmio->high)
		return (reg & ~0xff00ull) | (got & 0xff) << 8;
	return (reg & ~mask) | (got & mask);
}

/* Bytes of an instruction that has been found to be a move (SDM 2A, 2.1, 2.2). */
static u32 length_of(const u8 *code, bool long_mode)
{
	u32 n = 0, word = 0, address = 0, wide = 0, opcode, mod, rm;

	for (; memchr("\x26\x2e\x36\x3e\x64\x65\x66\x67", code[n], 8); n++) {
		word |= code[n] == 0x66;
		address |= code[n] == 0x67;
	}
	if (long_mode && code[n] / 16 == 4)
		wide = code[n++] & 8;
	opcode = code[n++];
	if (opcode >= 0xa0 && opcode <= 0xa3)
		return n + (long_mode ? address ? 4 : 8 : address ? 2 : 4);
	n += opcode == 0x0f;
	mod = code[n] / 64;
	must((opcode & 0xfe) != 0xc6 || !(code[n] & 0x38), "a group with one member");
	rm = code[n++] % 8;
	if (rm == 4)
		rm = code[n++] % 8 == 5 && !mod ? 5 : 4;
	n += mod == 1 ? 1 : mod == 2 || (!mod && rm == 5) ? 4 : 0;
	if (opcode == 0xc6)
		n++;
	else if (opcode == 0xc7)
		n += wide || !word ? 4 : 2;
	return n;
}

static void check(const u8 *code, u32 available, bool long_mode, const struct mmio *mmio)
{
	struct mmio again;
	u64 reg = 0x1122334455667788ull, value = 0x99aabbccddeeff80ull;
	u32 i;

	must(mmio->length && mmio->length <= MMIO_MAX_CODE && mmio->length <= available, "length");
	must(mmio->length == length_of(code, long_mode), "the instruction's length");
	must(is_width(mmio->size) && is_width(mmio->dest), "widths");
	must(mmio->size <= mmio->dest, "no more is read than fits");
	must(mmio->reg < 16 && (long_mode || mmio->reg < 8), "register");
	must(!mmio->high || (mmio->dest == 1 && mmio->reg < 4), "AH to BH");
	must(!mmio->imm || mmio->write, "an immediate is written");
	must(long_mode || mmio->size < 8, "no eight bytes without long mode");
	for (i = 0; i < available; i++) {
		bool good = mmio_decode(code, i, long_mode, &again);

		must(good == (i >= mmio->length), "cut off, or not");
		must(!good || equal(mmio, &again), "the same with fewer bytes behind it");
	}
	if (mmio->write)
		must(mmio_source(mmio, reg) == low(mmio_source(mmio, reg), mmio->size),
		     "no more is written than the width");
	else
		must(mmio_result(mmio, reg, value) == expected(mmio, reg, value), "the register");
}

/* Mostly what moves: an opcode that is known, perhaps behind a prefix. */
static void make_known(u8 *code, u32 available, u8 how, bool long_mode)
{
	static const u8 known[] = { 0x88, 0x89, 0x8a, 0x8b, 0xc6, 0xc7, 0xa0, 0xa3, 0x0f };
	u32 at = how >> 2 & 1;

	if (at)
		code[0] = long_mode && how & 8 ? 0x40 | how >> 4 : 0x66;
	code[at] = known[code[at] % sizeof(known)];
	if (code[at] == 0x0f && available > at + 1)
		code[at + 1] = 0xb6 | (code[at + 1] & 9);
}

int fuzz_one_input(const uint8_t *data, size_t size)
{
	bool long_mode = size && data[0] & 1;
	u32 available = size ? size - 1 : 0;
	struct mmio mmio;
	u8 *code;

	if (available > MMIO_MAX_CODE)
		available = MMIO_MAX_CODE;
	/* On the heap and exact, for ASan. */
	code = malloc(available + !available);
	memcpy(code, data + !!size, available);
	if (available > 2 && data[0] & 2)
		make_known(code, available, data[0], long_mode);
	if (mmio_decode(code, available, long_mode, &mmio))
		check(code, available, long_mode, &mmio);
	free(code);
	return 0;
}
