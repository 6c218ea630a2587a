// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions that move data to and from devices: rows with the bytes of each, and random
 * bytes that must not be read beyond their end.  TAP.  Run by partition_test.py.
 */
#include "part_unit.h"
#include "../../arch/x86/shim/hpet.h"
#include "../../arch/x86/shim/mmio.h"

struct row {
	const char *name;
	u8 length, code[MMIO_MAX_CODE];
	struct mmio want;
};

#define W	.write = true
#define IMM	.imm = true

static const struct row rows[] = {
	{ "mov [rdi], eax", 2, { 0x89, 0x07 }, { W, .size = 4, .dest = 4, .length = 2 } },
	{ "mov eax, [rdi]", 2, { 0x8b, 0x07 }, { .size = 4, .dest = 4, .length = 2 } },
	{ "mov [r9], r10d", 3, { 0x45, 0x89, 0x11 },
	  { W, .size = 4, .dest = 4, .reg = 10, .length = 3 } },
	{ "mov [rdi], rcx", 3, { 0x48, 0x89, 0x0f },
	  { W, .size = 8, .dest = 8, .reg = 1, .length = 3 } },
	{ "mov [rdi], cx", 3, { 0x66, 0x89, 0x0f },
	  { W, .size = 2, .dest = 2, .reg = 1, .length = 3 } },
	{ "mov [rdi], dl", 2, { 0x88, 0x17 }, { W, .size = 1, .dest = 1, .reg = 2, .length = 2 } },
	{ "mov [rdi], dh", 2, { 0x88, 0x37 },
	  { W, .size = 1, .dest = 1, .reg = 2, .high = true, .length = 2 } },
	{ "mov [rdi], sil", 3, { 0x40, 0x88, 0x37 },
	  { W, .size = 1, .dest = 1, .reg = 6, .length = 3 } },
	{ "mov dl, [rdi+8]", 3, { 0x8a, 0x57, 0x08 },
	  { .size = 1, .dest = 1, .reg = 2, .length = 3 } },
	{ "mov eax, [rdi+12345678h]", 6, { 0x8b, 0x87, 0x78, 0x56, 0x34, 0x12 },
	  { .size = 4, .dest = 4, .length = 6 } },
	{ "mov eax, [rip+12345678h]", 6, { 0x8b, 0x05, 0x78, 0x56, 0x34, 0x12 },
	  { .size = 4, .dest = 4, .length = 6 } },
	{ "mov ds:[ffffffffff5fb300h], esi", 7, { 0x89, 0x34, 0x25, 0x00, 0xb3, 0x5f, 0xff },
	  { W, .size = 4, .dest = 4, .reg = 6, .length = 7 } },
	{ "mov eax, [rax+rcx*4]", 3, { 0x8b, 0x04, 0x88 }, { .size = 4, .dest = 4, .length = 3 } },
	{ "mov eax, [rbp+rcx*4+4]", 4, { 0x8b, 0x44, 0x8d, 0x04 },
	  { .size = 4, .dest = 4, .length = 4 } },
	{ "mov dword [rdi], 12345678h", 6, { 0xc7, 0x07, 0x78, 0x56, 0x34, 0x12 },
	  { W, IMM, .size = 4, .dest = 4, .value = 0x12345678, .length = 6 } },
	{ "mov qword [rdi], -1", 7, { 0x48, 0xc7, 0x07, 0xff, 0xff, 0xff, 0xff },
	  { W, IMM, .size = 8, .dest = 8, .value = ~0ull, .length = 7 } },
	{ "mov word [rdi], 1234h", 5, { 0x66, 0xc7, 0x07, 0x34, 0x12 },
	  { W, IMM, .size = 2, .dest = 2, .value = 0x1234, .length = 5 } },
	{ "mov byte [rdi+1], 7", 4, { 0xc6, 0x47, 0x01, 0x07 },
	  { W, IMM, .size = 1, .dest = 1, .value = 7, .length = 4 } },
	{ "movzx eax, byte [rdi]", 3, { 0x0f, 0xb6, 0x07 }, { .size = 1, .dest = 4, .length = 3 } },
	{ "movzx r8, word [rdi]", 4, { 0x4c, 0x0f, 0xb7, 0x07 },
	  { .size = 2, .dest = 8, .reg = 8, .length = 4 } },
	{ "movsx eax, byte [rdi]", 3, { 0x0f, 0xbe, 0x07 },
	  { .size = 1, .dest = 4, .sign = true, .length = 3 } },
	{ "movsx rax, word [rdi]", 4, { 0x48, 0x0f, 0xbf, 0x07 },
	  { .size = 2, .dest = 8, .sign = true, .length = 4 } },
	{ "mov eax, moffs", 9, { 0xa1, 1, 2, 3, 4, 5, 6, 7, 8 },
	  { .size = 4, .dest = 4, .length = 9 } },
	{ "mov moffs, al", 9, { 0xa2, 1, 2, 3, 4, 5, 6, 7, 8 },
	  { W, .size = 1, .dest = 1, .length = 9 } },
	{ "mov gs:[rdi], eax", 3, { 0x65, 0x89, 0x07 }, { W, .size = 4, .dest = 4, .length = 3 } },
	{ "mov [edi], eax", 3, { 0x67, 0x89, 0x07 }, { W, .size = 4, .dest = 4, .length = 3 } },
};

static const struct {
	const char *name;
	u8 length, code[MMIO_MAX_CODE];
} refused[] = {
	{ "mov eax, edi: no memory", 2, { 0x89, 0xf8 } },
	{ "or [rdi], eax", 2, { 0x09, 0x07 } },
	{ "xchg [rdi], eax", 2, { 0x87, 0x07 } },
	{ "lock: no MOV has it", 3, { 0xf0, 0x89, 0x07 } },
	{ "rep movsd", 2, { 0xf3, 0xa5 } },
	{ "movaps", 3, { 0x0f, 0x28, 0x07 } },
	{ "mov es, [rdi]", 2, { 0x8e, 0x07 } },
	{ "c7 /1", 6, { 0xc7, 0x0f, 1, 2, 3, 4 } },
	{ "nothing", 0, { 0 } },
};

static bool same(const struct mmio *a, const struct mmio *b)
{
	return a->write == b->write && a->imm == b->imm && a->sign == b->sign &&
	       a->high == b->high && a->size == b->size && a->dest == b->dest &&
	       a->reg == b->reg && a->length == b->length && a->value == b->value;
}

static void test_rows(void)
{
	struct mmio mmio;
	u32 i, n, early;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];

		ok(mmio_decode(row->code, row->length, true, &mmio) && same(&mmio, &row->want),
		   row->name);
		early = 0;
		for (n = 0; n < row->length; n++)
			early += mmio_decode(row->code, n, true, &mmio);
		ok(!early, "... and not without its last byte");
	}
	for (i = 0; i < ARRAY_SIZE(refused); i++)
		ok(!mmio_decode(refused[i].code, refused[i].length, true, &mmio), refused[i].name);
}

static void test_32_bits(void)
{
	static const u8 inc[] = { 0x45, 0x89, 0x11 }, store[] = { 0x89, 0x11 };
	static const u8 moffs[] = { 0xa1, 1, 2, 3, 4, 5, 6, 7, 8 }, small[] = { 0x67, 0x89, 0x11 };
	static const u8 word[] = { 0x67, 0xa1, 1, 2, 3, 4 };
	struct mmio mmio;

	ok(!mmio_decode(inc, sizeof(inc), false, &mmio), "32 bits: 45h is INC, no prefix");
	ok(mmio_decode(store, sizeof(store), false, &mmio) && mmio.reg == 2 && mmio.length == 2,
	   "32 bits: MOV");
	ok(mmio_decode(moffs, sizeof(moffs), false, &mmio) && mmio.length == 5,
	   "32 bits: an offset of four bytes");
	ok(!mmio_decode(small, sizeof(small), false, &mmio), "32 bits: not with 16-bit addresses");
	ok(!mmio_decode(word, sizeof(word), false, &mmio), "32 bits: nor with 16-bit offsets");
}

static void test_values(void)
{
	struct mmio byte = { .size = 1, .dest = 1 }, high = { .size = 1, .dest = 1, .high = true };
	struct mmio word = { .size = 2, .dest = 2 }, four = { .size = 4, .dest = 4 };
	struct mmio sign = { .size = 1, .dest = 4, .sign = true };
	struct mmio wide = { .size = 1, .dest = 8, .sign = true };
	struct mmio imm = { .size = 4, .dest = 4, .imm = true, .value = ~0ull };
	u64 reg = 0x1122334455667788;

	ok(mmio_result(&byte, reg, ~0ull) == 0x11223344556677ff, "a byte leaves the rest");
	ok(mmio_result(&high, reg, 0xab) == 0x112233445566ab88, "so does the second one");
	ok(mmio_result(&word, reg, 0xabcd) == 0x112233445566abcd, "so does a word");
	ok(mmio_result(&four, reg, ~0ull) == 0xffffffff, "four bytes clear the upper half");
	ok(mmio_result(&sign, reg, 0x80) == 0xffffff80, "a sign, four bytes");
	ok(mmio_result(&wide, reg, 0x80) == 0xffffffffffffff80, "a sign, eight bytes");
	ok(mmio_source(&high, reg) == 0x77 && mmio_source(&word, reg) == 0x7788 &&
	   mmio_source(&imm, reg) == 0xffffffff, "what is written");
}

/* Of a copy of exactly as many bytes as there are: ASan sees a look behind them. */
static void test_random(void)
{
	u32 i, k, n, found = 0, wrong = 0;
	struct mmio mmio;
	u8 *code;

	for (i = 0; i < 300000; i++) {
		n = random_below(MMIO_MAX_CODE + 1);
		code = malloc(n ? n : 1);
		for (k = 0; k < n; k++)
			code[k] = random_below(3) ? random64() : 0x88 + random_below(4);
		if (mmio_decode(code, n, random_below(2), &mmio)) {
			found++;
			wrong += mmio.length > n || mmio.reg > 15 || !mmio.size || mmio.size > 8 ||
				 !mmio.dest || mmio.dest > 8;
		}
		free(code);
	}
	ok(found > 1000 && !wrong, "random bytes");
}

/* The configuration of a timer that goes to pin 2, and of one whose interrupt is a message. */
#define TO_PIN		0x0430u
#define TO_MESSAGE	0xc430u

static void test_timers(void)
{
	static const struct {
		const char *name;
		u32 offset;
		u64 value;
		u32 config;
		bool ok;
	} rows[] = {
		{ "on, periodic, 32 bits", 0x100, TO_PIN | 0x14c, TO_PIN, true },
		{ "level", 0x120, TO_PIN | 2, TO_PIN, true },
		{ "another pin", 0x100, 0x0630, TO_PIN, false },
		{ "no pin", 0x140, 0x0030, TO_PIN, false },
		{ "another pin, eight bytes", 0x120, 0xf000000000000630, TO_PIN, false },
		{ "the upper half", 0x104, 0xffffffff, TO_PIN, true },
		{ "a message", 0x100, TO_PIN | 0x4000, TO_PIN, false },
		{ "still a message", 0x120, TO_MESSAGE | 4, TO_MESSAGE, true },
		{ "no message any more", 0x120, TO_MESSAGE & ~0x4000u, TO_MESSAGE, true },
		{ "the comparator", 0x108, ~0ull, TO_PIN, true },
		{ "its upper half", 0x12c, ~0ull, TO_PIN, true },
		{ "a message's value", 0x110, 0x41, TO_MESSAGE, false },
		{ "a message's address", 0x134, 0xfee00000, TO_MESSAGE, false },
		{ "both", 0x150, 0xfee0000000000041, TO_PIN, false },
		{ "what is reserved", 0x118, 0, TO_PIN, false },
	};
	char name[80];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(name, sizeof(name), "HPET: %s", rows[i].name);
		ok(hpet_timer_ok(rows[i].offset, rows[i].value, rows[i].config) == rows[i].ok,
		   name);
	}
}

int main(int argc, char **argv)
{
	random_seed(argc, argv);
	test_rows();
	test_32_bits();
	test_values();
	test_timers();
	test_random();
	return finish();
}
