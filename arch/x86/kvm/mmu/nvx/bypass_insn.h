/* SPDX-License-Identifier: GPL-2.0-only */
/* nvx_bypass_pf: the instructions that fill page tables. */
#ifndef __KVM_X86_MMU_NVX_BYPASS_INSN_H
#define __KVM_X86_MMU_NVX_BYPASS_INSN_H

#include <linux/types.h>

/* REX, opcode, ModRM, SIB, displacement, constant. */
#define NVX_MOV_BYTES	12

/**
 * struct nvx_mov - a MOV of 64 bits to memory, in 64-bit mode
 * @len: its length, bytes
 * @reg: number of the register that it stores, or -1
 * @value: the constant that it stores if there is no register
 */
struct nvx_mov {
	unsigned int len;
	int reg;
	u64 value;
};

/**
 * nvx_decode_mov() - Is it such an instruction?
 * @insn: NVX_MOV_BYTES bytes of code
 * @mov: filled in
 *
 * Forms with other prefixes than REX.W, and those that only use the accumulator, are
 * left to the emulator.  The operand's address is not computed: the page fault has
 * reported it.
 *
 * Context: Any.
 * Return: true if it is.
 */
static inline bool nvx_decode_mov(const u8 *insn, struct nvx_mov *mov)
{
	unsigned int mod = insn[2] >> 6, reg = insn[2] >> 3 & 7, rm = insn[2] & 7;

	/* REX.W */
	if ((insn[0] & 0xf8) != 0x48 || mod == 3)
		return false;

	mov->len = 3;
	if (rm == 4) {
		rm = insn[3] & 7;
		mov->len++;
	}
	if (mod == 1)
		mov->len++;
	else if (mod == 2 || rm == 5)
		mov->len += 4;

	switch (insn[1]) {
	case 0x89:
		mov->reg = reg | (insn[0] & 4) << 1;
		return true;
	case 0xc7:
		mov->reg = -1;
		mov->value = (s32)(insn[mov->len] | insn[mov->len + 1] << 8 |
				   insn[mov->len + 2] << 16 |
				   (u32)insn[mov->len + 3] << 24);
		mov->len += 4;
		return !reg;
	default:
		return false;
	}
}

#endif /* __KVM_X86_MMU_NVX_BYPASS_INSN_H */
