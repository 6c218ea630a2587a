/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * I/O ports while two kernels share the machine.
 */
#ifndef SHIM_PORTS_H
#define SHIM_PORTS_H

#include "partition.h"

#define PORT_MAX_RANGES	32

enum port_verdict { PORT_ALLOW, PORT_DENY, PORT_EMULATE };

/* What to emulate. */
enum port_what {
	PORT_NOTHING,
	PORT_ABSENT,		/* reads all ones, a write has no effect */
	PORT_PCI_ADDRESS,	/* CF8, pci_latch_*() */
	PORT_PCI_DATA,		/* CFC to CFF, pci_decide() */
	PORT_RTC_INDEX,		/* an index for each partition */
	PORT_RTC_DATA,		/* rtc_decide() */
	PORT_A20,		/* port 92h, a value for each partition */
	PORT_PM1_EVENT,		/* status reads 0, enable bits are remembered */
	PORT_PIC,		/* masks are remembered, nothing is pending */
	PORT_PIT,		/* remembered */
	PORT_POWER_OFF,		/* the partition's */
	PORT_RESET,
};

struct port_answer {
	u8	verdict;	/* enum port_verdict */
	u8	what;		/* enum port_what */
};

struct port_range {
	u16	first, last;
	u8	part;
};

/*
 * The machine as its FADT and \_S5 describe it; a port of 0 is not there.  @platform is the
 * partition to which all belongs that is not in @range: PIC, PIT, RTC, legacy devices.
 */
struct ports {
	u16			pm1_event[2], pm1_control[2];
	u8			pm1_event_length;
	u8			s5_type[2];
	u16			pm_timer, smi_command;
	u16			reset;
	u8			reset_value;
	u8			platform, keyboard;
	u8			nr_ranges;
	struct port_range	range[PORT_MAX_RANGES];
	bool			output_port[NR_PARTS];	/* the next byte of 60h is for it */
};

enum rtc_rule { RTC_REAL, RTC_ZERO, RTC_REMEMBERED, RTC_DROP };

struct port_answer ports_decide(struct ports *ports, u32 part, u16 port, u32 width,
				bool write, u32 value, struct denied *denied);
bool ports_own(const struct ports *ports, u32 part, u32 first, u32 nr);
void ports_fill_bitmap(const struct ports *ports, u32 part, u8 *bitmap);
enum rtc_rule rtc_decide(const struct ports *ports, u32 part, u8 index, bool write);

#endif /* SHIM_PORTS_H */
