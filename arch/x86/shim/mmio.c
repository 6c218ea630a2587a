// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decode what compilers make of reads and writes of a device (SDM 2, chapter 2): MOV in all its
 * forms but those with segment and control registers, MOVZX and MOVSX.  The address is not
 * decoded, as the exit tells it.
 */
#include "mmio.h"

struct reader {
	const u8	*code;
	u32		at, available;
	bool		short_of;	/* the instruction is longer than what there is */
};

static u8 next(struct reader *r)
{
	if (r->at < r->available)
		return r->code[r->at++];
	r->short_of = true;
	return 0;
}

static u64 immediate(struct reader *r, u32 bytes)
{
	u64 value = 0;
	u32 i;

	for (i = 0; i < bytes; i++)
		value |= (u64)next(r) << 8 * i;
	/* Four bytes stand for eight with a sign. */
	return bytes == 4 && value & BIT(31) ? value | ~0ull << 32 : value;
}

struct prefixes {
	bool	word, address;
	u8	rex;
};

static u8 read_prefixes(struct reader *r, bool long_mode, struct prefixes *prefixes)
{
	u8 byte;

	for (;;) {
		byte = next(r);
		switch (byte) {
		case 0x66:
			prefixes->word = true;
			continue;
		case 0x67:
			prefixes->address = true;
			continue;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
			continue;
		}
		break;
	}
	if (!long_mode || (byte & 0xf0) != 0x40)
		return byte;
	prefixes->rex = byte;
	return next(r);
}

/* The byte ModRM has been read; SIB and displacement follow.  Not with 16-bit addresses. */
static void skip_address(struct reader *r, u8 modrm)
{
	u8 mod = modrm >> 6, base = modrm & 7;

	if (base == 4)
		base = next(r) & 7;
	if (mod == 1)
		immediate(r, 1);
	else if (mod == 2 || (!mod && base == 5))
		immediate(r, 4);
}

/* 0f b6, b7, be, bf: from a byte or a word. */
static bool extend(struct mmio *mmio, u8 opcode)
{
	if ((opcode & ~0x09u) != 0xb6)
		return false;
	mmio->sign = opcode & 8;
	mmio->size = opcode & 1 ? 2 : 1;
	return true;
}

static bool is_move(u8 opcode, struct mmio *mmio)
{
	switch (opcode) {
	case 0x88:
	case 0x89:
	case 0xa2:
	case 0xa3:
		mmio->write = true;
		break;
	case 0x8a:
	case 0x8b:
	case 0xa0:
	case 0xa1:
		break;
	case 0xc6:
	case 0xc7:
		mmio->write = true;
		mmio->imm = true;
		break;
	default:
		return false;
	}
	if (!(opcode & 1)) {
		mmio->size = 1;
		mmio->dest = 1;
	}
	return true;
}

/*
 * @available: bytes of @code that there are.
 * False: another instruction, or more of it than there is.
 */
bool mmio_decode(const u8 *code, u32 available, bool long_mode, struct mmio *mmio)
{
	struct reader r = { .code = code, .available = available };
	struct prefixes prefixes = { };
	u8 opcode, modrm;

	*mmio = (struct mmio){ };
	opcode = read_prefixes(&r, long_mode, &prefixes);
	mmio->size = prefixes.rex & 8 ? 8 : prefixes.word ? 2 : 4;
	mmio->dest = mmio->size;
	if (opcode == 0x0f) {
		if (!extend(mmio, next(&r)))
			return false;
	} else if (!is_move(opcode, mmio)) {
		return false;
	}
	/* Without long mode: addresses of 16 bits. */
	if (prefixes.address && !long_mode)
		return false;
	if ((opcode & 0xfc) == 0xa0) {
		immediate(&r, long_mode && !prefixes.address ? 8 : 4);
	} else {
		modrm = next(&r);
		/* A register is no memory; the groups of c6 and c7 have one member. */
		if (modrm >> 6 == 3 || (mmio->imm && modrm & 0x38))
			return false;
		mmio->reg = (modrm >> 3 & 7) | (prefixes.rex & 4 ? 8 : 0);
		skip_address(&r, modrm);
	}
	if (mmio->imm)
		mmio->value = immediate(&r, mmio->size == 8 ? 4 : mmio->size);
	/* Without a REX prefix bytes 4 to 7 are the second ones of registers 0 to 3. */
	if (!mmio->imm && mmio->dest == 1 && !prefixes.rex && mmio->reg >= 4) {
		mmio->high = true;
		mmio->reg -= 4;
	}
	mmio->length = r.at;
	return !r.short_of;
}

static u64 mask_of(u32 bytes)
{
	return bytes < 8 ? BIT(8 * bytes) - 1 : ~0ull;
}

/* What a write writes; @reg: the register as it is. */
u64 mmio_source(const struct mmio *mmio, u64 reg)
{
	u64 value = mmio->imm ? mmio->value : mmio->high ? reg >> 8 : reg;

	return value & mask_of(mmio->size);
}

/* The register after a read of @value. */
u64 mmio_result(const struct mmio *mmio, u64 reg, u64 value)
{
	u64 mask = mask_of(mmio->dest);

	value &= mask_of(mmio->size);
	if (mmio->sign && value >> (8 * mmio->size - 1))
		value |= ~mask_of(mmio->size);
	if (mmio->dest >= 4)
		return value & mask;
	if (mmio->high) {
		mask <<= 8;
		value <<= 8;
	}
	return (reg & ~mask) | (value & mask);
}
