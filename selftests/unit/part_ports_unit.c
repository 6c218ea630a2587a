// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O ports of two partitions: rows with what each access is, and rules that hold for all
 * ports, values and widths.  TAP.  Run by partition_test.py.
 */
#include "part_unit.h"
#include "../../arch/x86/shim/ports.h"

#define COM1	0x3f8
#define COM2	0x2f8

/* As of a PC with a PIIX3 or PIIX4; the second partition has COM2 and some ports of PCI. */
static const struct ports machine = {
	.pm1_event = { 0xb000 }, .pm1_control = { 0xb004, 0xb104 }, .pm1_event_length = 4,
	.s5_type = { 0, 5 }, .pm_timer = 0xb008, .smi_command = 0xb2,
	.reset = 0xc800, .reset_value = 0x5a, .platform = 0, .keyboard = 0, .nr_ranges = 3,
	.range = { { COM1, COM1 + 7, 0 }, { COM2, COM2 + 7, 1 }, { 0xc000, 0xc01f, 1 } },
};

static struct ports ports;

enum answer {
	ALLOW, ABSENT, DENY, RESET, OFF, ADDRESS, DATA, INDEX, CMOS, A20, EVENT, PIC, PIT,
};

static enum answer ask(u32 part, u16 port, u32 width, bool write, u32 value,
		       struct denied *denied)
{
	static const enum answer what[] = {
		[PORT_ABSENT] = ABSENT, [PORT_PCI_ADDRESS] = ADDRESS, [PORT_PCI_DATA] = DATA,
		[PORT_RTC_INDEX] = INDEX, [PORT_RTC_DATA] = CMOS, [PORT_A20] = A20,
		[PORT_PM1_EVENT] = EVENT, [PORT_PIC] = PIC, [PORT_PIT] = PIT,
		[PORT_POWER_OFF] = OFF, [PORT_RESET] = RESET,
	};
	struct port_answer answer = ports_decide(&ports, part, port, width, write, value, denied);

	if (answer.verdict == PORT_EMULATE)
		return what[answer.what];
	return answer.verdict == PORT_ALLOW ? ALLOW : DENY;
}

struct row {
	const char *name;
	u16 port;
	u8 width;
	bool write;
	u32 value;
	enum answer want[2];		/* of each partition */
};

#define IN	false, 0
#define OUT	true

static const struct row rows[] = {
	{ "PCI address", 0xcf8, 4, OUT, 0x80000000, { ADDRESS, ADDRESS } },
	{ "PCI address, read", 0xcf8, 4, IN, { ADDRESS, ADDRESS } },
	{ "PCI address, its last byte", 0xcfb, 1, OUT, 1, { ABSENT, ABSENT } },
	{ "PCI address, its first word", 0xcf8, 2, OUT, 0x0280, { ABSENT, ABSENT } },
	{ "PCI address, odd", 0xcf7, 4, OUT, 0, { DENY, ABSENT } },
	{ "PCI address and data", 0xcfa, 4, OUT, 0, { DENY, DENY } },
	{ "PCI data", 0xcfc, 4, OUT, 7, { DATA, DATA } },
	{ "PCI data, a byte", 0xcff, 1, IN, { DATA, DATA } },
	{ "PCI data, an odd word", 0xcfd, 2, IN, { DATA, DATA } },
	{ "PCI data and beyond", 0xcfe, 4, OUT, 0, { DENY, DENY } },
	{ "reset control", 0xcf9, 1, OUT, 6, { RESET, RESET } },
	{ "reset control, what it is to be", 0xcf9, 1, OUT, 2, { ABSENT, ABSENT } },
	{ "reset control in a word", 0xcf8, 2, OUT, 0x0600, { RESET, RESET } },
	{ "reset control in an odd word", 0xcf9, 2, OUT, 0x0006, { RESET, RESET } },
	{ "reset control in an odd dword", 0xcf7, 4, OUT, 0x00040000, { RESET, RESET } },
	{ "reset control, read", 0xcf9, 1, IN, { ABSENT, ABSENT } },
	{ "RTC index", 0x70, 1, OUT, 0x8f, { INDEX, INDEX } },
	{ "RTC data", 0x71, 1, IN, { CMOS, CMOS } },
	{ "RTC index and data", 0x70, 2, OUT, 0x0a0f, { DENY, DENY } },
	{ "keyboard pulses reset", 0x64, 1, OUT, 0xfe, { RESET, RESET } },
	{ "keyboard pulses all lines", 0x64, 1, OUT, 0xf0, { RESET, RESET } },
	{ "keyboard pulses A20", 0x64, 1, OUT, 0xfd, { DENY, ABSENT } },
	{ "keyboard pulses nothing", 0x64, 1, OUT, 0xff, { ALLOW, ABSENT } },
	{ "keyboard self test", 0x64, 1, OUT, 0xaa, { ALLOW, ABSENT } },
	{ "keyboard status", 0x64, 1, IN, { ALLOW, ABSENT } },
	{ "keyboard data", 0x60, 1, IN, { ALLOW, ABSENT } },
	{ "keyboard command", 0x60, 1, OUT, 0xf4, { ALLOW, ABSENT } },
	{ "keyboard reset in a dword", 0x61, 4, OUT, 0xfe000000, { RESET, RESET } },
	{ "port 92h resets", 0x92, 1, OUT, 3, { RESET, RESET } },
	{ "port 92h in a word", 0x91, 2, OUT, 0x0100, { RESET, RESET } },
	{ "port 92h, A20", 0x92, 1, OUT, 2, { A20, A20 } },
	{ "port 92h, read", 0x92, 1, IN, { A20, A20 } },
	{ "reset register", 0xc800, 1, OUT, 0x5a, { RESET, RESET } },
	{ "reset register, another value", 0xc800, 1, OUT, 0x5b, { ALLOW, ABSENT } },
	{ "reset register in a dword", 0xc7fe, 4, OUT, 0x005a0000, { RESET, RESET } },
	{ "power off", 0xb004, 2, OUT, 0x2001, { OFF, OFF } },
	{ "power off by the high byte", 0xb005, 1, OUT, 0x20, { OFF, OFF } },
	{ "power off, second block", 0xb104, 2, OUT, 0x3400, { OFF, OFF } },
	{ "sleep of another type", 0xb004, 2, OUT, 0x2401, { DENY, DENY } },
	{ "sleep, second block", 0xb104, 2, OUT, 0x2000, { DENY, DENY } },
	{ "power off in an odd dword", 0xb003, 4, OUT, 0x00200100, { OFF, OFF } },
	{ "PM1 control without sleep", 0xb004, 2, OUT, 0x0401, { ALLOW, ABSENT } },
	{ "PM1 control, low byte", 0xb004, 1, OUT, 0x20, { ALLOW, ABSENT } },
	{ "PM1 control, read", 0xb004, 2, IN, { ALLOW, ALLOW } },
	{ "PM1 status and enable", 0xb000, 4, OUT, 0xffffffff, { ALLOW, EVENT } },
	{ "PM timer", 0xb008, 4, IN, { ALLOW, ALLOW } },
	{ "SMI command", 0xb2, 1, OUT, 0xf0, { DENY, DENY } },
	{ "SMI command in a word", 0xb1, 2, OUT, 0xf000, { DENY, DENY } },
	{ "SMI status", 0xb3, 1, OUT, 0, { DENY, DENY } },
	{ "PIC mask", 0x21, 1, OUT, 0xff, { ALLOW, PIC } },
	{ "second PIC", 0xa0, 2, OUT, 0xff11, { ALLOW, PIC } },
	{ "PIT channel 0", 0x40, 1, OUT, 0, { ALLOW, PIT } },
	{ "PIT channel 2", 0x42, 1, OUT, 0, { ALLOW, ALLOW } },
	{ "PIT mode of channel 0", 0x43, 1, OUT, 0x34, { ALLOW, PIT } },
	{ "PIT mode of channel 2", 0x43, 1, OUT, 0xb0, { ALLOW, ALLOW } },
	{ "PIT read-back", 0x43, 1, OUT, 0xc2, { ALLOW, PIT } },
	{ "port 61h", 0x61, 1, OUT, 1, { ALLOW, ALLOW } },
	{ "I/O delay", 0x80, 1, OUT, 0, { ALLOW, ALLOW } },
	{ "ELCR, read", 0x4d0, 1, IN, { ALLOW, ALLOW } },
	{ "ELCR", 0x4d0, 1, OUT, 0, { ALLOW, ABSENT } },
	{ "serial port of the first", COM1, 1, OUT, 'x', { ALLOW, DENY } },
	{ "serial port of the first, read", COM1 + 5, 1, IN, { ALLOW, DENY } },
	{ "serial port of the second", COM2, 1, OUT, 'x', { DENY, ALLOW } },
	{ "last byte of a dword is another's", COM2 - 3, 4, OUT, 0, { DENY, DENY } },
	{ "PCI function of the second", 0xc000, 4, IN, { DENY, ALLOW } },
	{ "VGA", 0x3c0, 1, OUT, 0, { ALLOW, ABSENT } },
	{ "IDE", 0x1f0, 2, IN, { ALLOW, ABSENT } },
	{ "the last port", 0xffff, 1, IN, { ALLOW, ABSENT } },
	{ "beyond the last port", 0xffff, 2, IN, { DENY, DENY } },
	{ "three bytes", 0x80, 3, IN, { DENY, DENY } },
};

static void test_rows(void)
{
	char name[80];
	size_t i;
	u32 part;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		bool good = true;

		for (part = 0; part < 2; part++) {
			struct denied denied = { };
			enum answer got;

			ports = machine;
			got = ask(part, row->port, row->width, row->write, row->value, &denied);
			good &= got == row->want[part] && !!total_denied(&denied) == (got == DENY);
		}
		snprintf(name, sizeof(name), "port: %s", row->name);
		ok(good, name);
	}
}

static enum answer output_port(u32 part, u16 between, u8 value)
{
	struct denied denied = { };

	ports = machine;
	ask(part, 0x64, 1, OUT, 0xd1, &denied);
	if (between)
		ask(part, between, 1, OUT, 0x20, &denied);
	return ask(part, 0x60, 1, OUT, value, &denied);
}

static void test_output_port(void)
{
	struct denied denied = { };

	ok(output_port(0, 0, 0xfe) == RESET && output_port(1, 0, 0xde) == RESET,
	   "output port: reset");
	ok(output_port(0, 0, 0xdf) == ALLOW && output_port(1, 0, 0xdf) == ABSENT,
	   "output port: A20 on");
	ok(output_port(0, 0, 0xdd) == DENY && output_port(1, 0, 0xdd) == ABSENT,
	   "output port: A20 off");
	ok(output_port(0, 0x64, 0xfe) == ALLOW, "output port: another command in between");
	ok(output_port(0, 0x80, 0xfe) == RESET, "output port: another port in between");
	ports = machine;
	ask(0, 0x64, 1, OUT, 0xd1, &denied);
	ok(ask(1, 0x60, 1, OUT, 0xfe, &denied) == ABSENT &&
	   ask(0, 0x60, 1, OUT, 0xfe, &denied) == RESET &&
	   ask(0, 0x60, 1, OUT, 0xfe, &denied) == ALLOW,
	   "output port: each partition has its own, for one byte");
}

/* ---- rules for all of them */

static u8 bitmap[2][0x10000 / 8];

static bool always_allowed(u32 part, u32 port)
{
	struct denied denied = { };
	u32 value;

	ports = machine;
	if (ask(part, port, 1, IN, &denied) != ALLOW)
		return false;
	/* A command may be needed first. */
	for (value = 0; value < 0x200; value++) {
		if (value >= 0x100)
			ask(part, 0x64, 1, OUT, 0xd1, &denied);
		if (ask(part, port, 1, OUT, value & 0xff, &denied) != ALLOW)
			return false;
	}
	return true;
}

static void test_bitmaps(void)
{
	u32 part, port, trapped[2] = { };
	bool exact = true;

	for (part = 0; part < 2; part++) {
		memset(bitmap[part], 0x55, sizeof(bitmap[part]));
		ports_fill_bitmap(&machine, part, bitmap[part]);
		for (port = 0; port < 0x10000; port++) {
			bool exits = bitmap[part][port / 8] >> (port % 8) & 1;

			trapped[part] += exits;
			exact &= exits == !always_allowed(part, port);
		}
	}
	printf("# %u and %u ports exit\n", trapped[0], trapped[1]);
	ok(exact, "bitmap: exactly what is not always allowed exits");
	ok(trapped[0] < 64 && trapped[1] > 65000, "bitmap: few ports of the platform's owner");
}

/* What single bytes say, brought together as simply as can be. */
static enum answer by_bytes(u32 part, u16 port, u32 width, bool write, u32 value)
{
	enum answer first = ALLOW, byte;
	struct denied denied = { };
	bool denies = false, mixed = false;
	struct ports saved = ports;
	u32 i;

	if (port + width > 0x10000)
		return DENY;
	if (port == 0xcf8 && width == 4)
		return ADDRESS;
	for (i = 0; i < width; i++) {
		byte = ask(part, port + i, 1, write, value >> 8 * i & 0xff, &denied);
		if (byte == RESET || byte == OFF) {
			ports = saved;
			return byte;
		}
		denies |= byte == DENY;
		mixed |= i && byte != first;
		first = i ? first : byte;
	}
	ports = saved;
	return denies || mixed ? DENY : first;
}

static void test_widths(void)
{
	static const u16 around[] = {
		0x1e, 0x3e, 0x5e, 0x62, 0x6e, 0x7e, 0x90, 0xb0, 0x2f4, 0x3f6, 0xaffe, 0xb002,
		0xb006, 0xb102, 0xc7fe, 0xcf4, 0xcf8, 0xcfc, 0xfffc,
	};
	bool same = true, counted = true, mine = true;
	u32 i, n = 400000;

	ports = machine;
	for (i = 0; i < n; i++) {
		u32 part = random_below(2), width = 1 << random_below(3), value = random64();
		u16 port = around[random_below(ARRAY_SIZE(around))] + random_below(6);
		bool write = random_below(3);
		struct denied denied = { };
		enum answer want, got;

		if (random_below(4) == 0)
			port = random64();
		want = by_bytes(part, port, width, write, value);
		got = ask(part, port, width, write, value, &denied);
		same &= got == want;
		counted &= !!total_denied(&denied) == (got == DENY);
		mine &= got != ALLOW || !ports_own(&machine, !part, port, width);
	}
	printf("# %u accesses\n", n);
	ok(same, "widths: an access is what its bytes are");
	ok(counted, "widths: exactly what is denied is counted");
	ok(mine, "widths: what a device of the other may decode is never allowed");
}

static void test_own(void)
{
	ok(ports_own(&machine, 1, 0xc000, 32) && !ports_own(&machine, 1, 0xc000, 33) &&
	   !ports_own(&machine, 1, 0xc100, 4) && !ports_own(&machine, 1, COM1, 8),
	   "own: what the second partition has been given, and no more");
	ok(ports_own(&machine, 0, 0xc100, 4) && !ports_own(&machine, 0, 0xbff0, 17) &&
	   !ports_own(&machine, 0, 0xcf0, 16) && !ports_own(&machine, 0, 0xc800, 1) &&
	   !ports_own(&machine, 0, 0xfff0, 17) && !ports_own(&machine, 0, 0xc100, 0) &&
	   !ports_own(&machine, 0, 0xffffffff, 2) && !ports_own(&machine, 0, 0xb000, 4),
	   "own: what nobody else has, and no port with a rule");
}

static void test_rtc(void)
{
	bool good = true;
	u32 index;

	for (index = 0; index < 256; index++) {
		bool shutdown = (index & 0x7f) == 0xf, flags = (index & 0x7f) == 0xc;

		good &= rtc_decide(&machine, 0, index, false) ==
			(shutdown ? RTC_REMEMBERED : RTC_REAL);
		good &= rtc_decide(&machine, 0, index, true) ==
			(shutdown ? RTC_REMEMBERED : RTC_REAL);
		good &= rtc_decide(&machine, 1, index, false) ==
			(shutdown ? RTC_REMEMBERED : flags ? RTC_ZERO : RTC_REAL);
		good &= rtc_decide(&machine, 1, index, true) ==
			(shutdown ? RTC_REMEMBERED : RTC_DROP);
	}
	ok(good, "RTC: reading is for both, its flags and writing for one");
}

int main(int argc, char **argv)
{
	random_seed(argc, argv);
	test_rows();
	test_output_port();
	test_bitmaps();
	test_widths();
	test_own();
	test_rtc();
	return finish();
}
