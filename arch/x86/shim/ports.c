// SPDX-License-Identifier: GPL-2.0-only
/*
 * I/O ports: an access is judged byte by byte, as most devices of a PC have ports of a byte,
 * and what its bytes say is brought together.  A byte that resets the machine is found in
 * an access of any width.
 */
#include "ports.h"

enum port_class {
	CLASS_OTHER, CLASS_OWN, CLASS_FOREIGN, CLASS_FREE,
	CLASS_PCI_ADDRESS, CLASS_PCI_RESET, CLASS_PCI_DATA,
	CLASS_RTC_INDEX, CLASS_RTC_DATA, CLASS_KEYBOARD_DATA, CLASS_KEYBOARD, CLASS_A20,
	CLASS_PIC, CLASS_PIT, CLASS_PIT_MODE, CLASS_READ_ONLY, CLASS_SMI,
	CLASS_PM1_LOW, CLASS_PM1_HIGH, CLASS_PM1_EVENT,
};

/* Ports that every PC has. */
static const struct {
	u16	first, last;
	u8	class;
} fixed[] = {
	{ 0x20, 0x21, CLASS_PIC },
	{ 0x40, 0x41, CLASS_PIT },
	{ 0x42, 0x42, CLASS_FREE },		/* channel 2 interrupts nobody */
	{ 0x43, 0x43, CLASS_PIT_MODE },
	{ 0x60, 0x60, CLASS_KEYBOARD_DATA },
	{ 0x61, 0x61, CLASS_FREE },		/* its gate */
	{ 0x64, 0x64, CLASS_KEYBOARD },
	{ 0x70, 0x70, CLASS_RTC_INDEX },
	{ 0x71, 0x71, CLASS_RTC_DATA },
	{ 0x80, 0x80, CLASS_FREE },		/* written for its delay */
	{ 0x92, 0x92, CLASS_A20 },
	{ 0xa0, 0xa1, CLASS_PIC },
	{ 0xed, 0xed, CLASS_FREE },		/* like 80h */
	{ 0x4d0, 0x4d1, CLASS_READ_ONLY },	/* ELCR */
	{ 0xcf8, 0xcf8, CLASS_PCI_ADDRESS },
	{ 0xcf9, 0xcf9, CLASS_PCI_RESET },
	{ 0xcfa, 0xcfb, CLASS_PCI_ADDRESS },
	{ 0xcfc, 0xcff, CLASS_PCI_DATA },
};

#define PCI_RESET_CPU		0x04
#define A20_RESET		0x01
#define KEYBOARD_OUTPUT_PORT	0xd1
#define KEYBOARD_PULSE		0xf0
#define OUTPUT_PORT_RESET	0x01	/* low: reset */
#define OUTPUT_PORT_A20		0x02	/* low: bit 20 of addresses is 0, for all CPUs */
#define PIT_CHANNEL		0xc0
#define PIT_CHANNEL_2		0x80
#define SLEEP_ENABLE		0x20	/* of the high byte of PM1_CNT */
#define SLEEP_TYPE(byte)	((byte) >> 2 & 7)

#define RTC_INDEX_MASK		0x7f
#define RTC_REGISTER_C		0x0c	/* reading it clears its flags */
#define RTC_SHUTDOWN		0x0f

static const struct port_answer allowed = { PORT_ALLOW, PORT_NOTHING };
static const struct port_answer refused = { PORT_DENY, PORT_NOTHING };

static bool within(u32 port, u32 first, u32 nr)
{
	return first && port - first < nr;
}

/* Blocks whose place the firmware tells. */
static enum port_class class_of_acpi(const struct ports *ports, u32 port)
{
	u32 i;

	for (i = 0; i < 2; i++) {
		if (within(port, ports->pm1_control[i], 2))
			return port == ports->pm1_control[i] ? CLASS_PM1_LOW : CLASS_PM1_HIGH;
		if (within(port, ports->pm1_event[i], ports->pm1_event_length))
			return CLASS_PM1_EVENT;
	}
	if (within(port, ports->pm_timer, 4))
		return CLASS_FREE;
	if (within(port, ports->smi_command, 2))
		return CLASS_SMI;
	return CLASS_OTHER;
}

static enum port_class class_of(const struct ports *ports, u32 part, u32 port)
{
	enum port_class class;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(fixed); i++)
		if (port >= fixed[i].first && port <= fixed[i].last)
			return fixed[i].class;
	class = class_of_acpi(ports, port);
	if (class != CLASS_OTHER)
		return class;
	for (i = 0; i < ports->nr_ranges; i++)
		if (port >= ports->range[i].first && port <= ports->range[i].last)
			return ports->range[i].part == part ? CLASS_OWN : CLASS_FOREIGN;
	return CLASS_OTHER;
}

static struct port_answer emulate(enum port_what what)
{
	return (struct port_answer){ PORT_EMULATE, what };
}

/* For the one who has it the device, for others @what. */
static struct port_answer allow_if(bool own, enum port_what what)
{
	return own ? allowed : emulate(what);
}

static struct port_answer refuse(struct denied *denied, enum denied_kind kind)
{
	deny(denied, kind);
	return refused;
}

/* A line that is low for a moment, or for long: bit 0 is the reset, bit 1 is A20. */
static struct port_answer write_lines(bool own, u8 lines, struct denied *denied)
{
	if (!(lines & OUTPUT_PORT_RESET))
		return emulate(PORT_RESET);
	if (own && !(lines & OUTPUT_PORT_A20))
		return refuse(denied, DENIED_PORT_A20);
	return allow_if(own, PORT_ABSENT);
}

/* 60h and 64h: each partition can reset itself, whoever has the keyboard. */
static struct port_answer write_keyboard(struct ports *ports, u32 part, bool command, u8 value,
					 struct denied *denied)
{
	bool own = part == ports->keyboard, lines = ports->output_port[part];

	ports->output_port[part] = command && value == KEYBOARD_OUTPUT_PORT;
	if (command && value >= KEYBOARD_PULSE)
		return write_lines(own, value, denied);
	if (!command && lines)
		return write_lines(own, value, denied);
	return allow_if(own, PORT_ABSENT);
}

/* The high byte has type and start of a sleep; the low one is the platform's. */
static struct port_answer write_pm1(const struct ports *ports, u32 part, u32 port, bool high,
				    u8 value, struct denied *denied)
{
	u32 block = within(port, ports->pm1_control[1], 2);

	if (high && value & SLEEP_ENABLE) {
		if (SLEEP_TYPE(value) == ports->s5_type[block])
			return emulate(PORT_POWER_OFF);
		return refuse(denied, DENIED_PORT_SLEEP);
	}
	return allow_if(part == ports->platform, PORT_ABSENT);
}

static struct port_answer write_byte(struct ports *ports, u32 part, u32 port, u8 value,
				     struct denied *denied)
{
	enum port_class class = class_of(ports, part, port);
	bool platform = part == ports->platform;

	if (port && port == ports->reset && value == ports->reset_value)
		return emulate(PORT_RESET);
	switch (class) {
	case CLASS_PCI_RESET:
		return emulate(value & PCI_RESET_CPU ? PORT_RESET : PORT_ABSENT);
	case CLASS_A20:
		return emulate(value & A20_RESET ? PORT_RESET : PORT_A20);
	case CLASS_KEYBOARD_DATA:
	case CLASS_KEYBOARD:
		return write_keyboard(ports, part, class == CLASS_KEYBOARD, value, denied);
	case CLASS_PIT_MODE:
		if ((value & PIT_CHANNEL) == PIT_CHANNEL_2)
			return allowed;
		return allow_if(platform, PORT_PIT);
	case CLASS_PM1_LOW:
	case CLASS_PM1_HIGH:
		return write_pm1(ports, part, port, class == CLASS_PM1_HIGH, value, denied);
	case CLASS_SMI:
		return refuse(denied, DENIED_PORT_SMI);
	default:
		return allow_if(platform, PORT_ABSENT);
	}
}

/* Classes for which reading and writing is the same, and the value does not matter. */
static bool is_plain(enum port_class class, bool platform, struct port_answer *answer)
{
	switch (class) {
	case CLASS_OWN:
	case CLASS_FREE:
		*answer = allowed;
		return true;
	case CLASS_PCI_ADDRESS:
		/* Not all of it at once: no latch takes that. */
		*answer = emulate(PORT_ABSENT);
		return true;
	case CLASS_PCI_DATA:
		*answer = emulate(PORT_PCI_DATA);
		return true;
	case CLASS_RTC_INDEX:
		*answer = emulate(PORT_RTC_INDEX);
		return true;
	case CLASS_RTC_DATA:
		*answer = emulate(PORT_RTC_DATA);
		return true;
	case CLASS_PIC:
		*answer = allow_if(platform, PORT_PIC);
		return true;
	case CLASS_PIT:
		*answer = allow_if(platform, PORT_PIT);
		return true;
	case CLASS_PM1_EVENT:
		*answer = allow_if(platform, PORT_PM1_EVENT);
		return true;
	case CLASS_OTHER:
		*answer = allow_if(platform, PORT_ABSENT);
		return true;
	case CLASS_PIT_MODE:
	case CLASS_PM1_LOW:
	case CLASS_READ_ONLY:
		*answer = allowed;
		return platform;
	default:
		return false;
	}
}

static struct port_answer read_byte(const struct ports *ports, u32 part, u32 port)
{
	switch (class_of(ports, part, port)) {
	case CLASS_PCI_RESET:
		return emulate(PORT_ABSENT);
	case CLASS_A20:
		return emulate(PORT_A20);
	case CLASS_KEYBOARD_DATA:
	case CLASS_KEYBOARD:
		return allow_if(part == ports->keyboard, PORT_ABSENT);
	case CLASS_PM1_LOW:
	case CLASS_PM1_HIGH:
	case CLASS_READ_ONLY:
		return allowed;
	default:
		return allow_if(part == ports->platform, PORT_ABSENT);
	}
}

static struct port_answer decide_byte(struct ports *ports, u32 part, u32 port, bool write,
				      u8 value, struct denied *denied)
{
	enum port_class class = class_of(ports, part, port);
	struct port_answer answer;

	if (class == CLASS_FOREIGN)
		return refuse(denied, DENIED_PORT);
	if (!(write && port == ports->reset) &&
	    is_plain(class, part == ports->platform, &answer))
		return answer;
	return write ? write_byte(ports, part, port, value, denied) :
		       read_byte(ports, part, port);
}

static bool ends(struct port_answer answer)
{
	return answer.verdict == PORT_EMULATE &&
	       (answer.what == PORT_RESET || answer.what == PORT_POWER_OFF);
}

/*
 * The end of the partition goes before everything else, then what is denied.  Devices
 * that differ behind one access are denied, too: no kernel does that.
 */
struct port_answer ports_decide(struct ports *ports, u32 part, u16 port, u32 width,
				bool write, u32 value, struct denied *denied)
{
	struct port_answer answer = allowed, byte;
	bool mixed = false;
	u32 i;

	if (part >= NR_PARTS || (width != 1 && width != 2 && width != 4) ||
	    port + width > 0x10000)
		return refuse(denied, DENIED_PORT_WIDTH);
	if (port == 0xcf8 && width == 4)
		return emulate(PORT_PCI_ADDRESS);
	for (i = 0; i < width; i++) {
		byte = decide_byte(ports, part, port + i, write, value >> 8 * i, denied);
		if (ends(byte))
			return byte;
		if (i && (byte.verdict != answer.verdict || byte.what != answer.what))
			mixed = true;
		if (!i || byte.verdict == PORT_DENY)
			answer = byte;
	}
	if (mixed && answer.verdict != PORT_DENY)
		return refuse(denied, DENIED_PORT_WIDTH);
	return answer;
}

/* May a device of @part decode these ports? */
bool ports_own(const struct ports *ports, u32 part, u32 first, u32 nr)
{
	enum port_class class;
	u32 port;

	if (!nr || first > 0xffff || nr > 0x10000 - first)
		return false;
	for (port = first; port < first + nr; port++) {
		class = class_of(ports, part, port);
		if (class != CLASS_OWN && (class != CLASS_OTHER || part != ports->platform))
			return false;
		if (port == ports->reset)
			return false;
	}
	return true;
}

/* I/O bitmaps A and B, one behind the other: an access that is not always allowed exits. */
void ports_fill_bitmap(const struct ports *ports, u32 part, u8 *bitmap)
{
	struct port_answer answer;
	u32 port, bits = 0;

	for (port = 0; port < 0x10000; port++) {
		bool exits = !is_plain(class_of(ports, part, port), part == ports->platform,
				       &answer) || answer.verdict != PORT_ALLOW;

		if (port && port == ports->reset)
			exits = true;
		/* It is in use: no bit of it is clear for a moment. */
		bits |= exits << (port & 7);
		if ((port & 7) != 7)
			continue;
		bitmap[port >> 3] = bits;
		bits = 0;
	}
}

/*
 * CMOS and RTC behind port 71h.  The platform's owner has it; others read time and settings,
 * but not the flags that reading clears.  The byte for the firmware is each one's own: a CPU
 * of a partition does not come from its reset vector.
 */
enum rtc_rule rtc_decide(const struct ports *ports, u32 part, u8 index, bool write)
{
	index &= RTC_INDEX_MASK;
	if (index == RTC_SHUTDOWN)
		return RTC_REMEMBERED;
	if (part == ports->platform)
		return RTC_REAL;
	if (write)
		return RTC_DROP;
	return index == RTC_REGISTER_C ? RTC_ZERO : RTC_REAL;
}
