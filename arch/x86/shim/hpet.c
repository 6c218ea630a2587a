// SPDX-License-Identifier: GPL-2.0-only
/*
 * What who has a timer of the HPET may write to its registers.  Where its interrupt goes is no
 * affair of one partition: as a message it is a write to any address, with any vector.
 */
#include "hpet.h"

#define ROUTE		0x3e00u		/* pin of an IOAPIC */
#define MESSAGE		0x4000u		/* a message instead */
#define MESSAGE_AT	0x10		/* and what follows: its value and address */

/* @config: the timer's configuration as it is.  Messages may be switched off. */
bool hpet_timer_ok(u32 offset, u64 value, u32 config)
{
	u32 reg = offset & (HPET_TIMER_SIZE - 1);

	if (reg >= MESSAGE_AT)
		return false;
	/* Its upper half cannot be written. */
	return reg || !((value ^ config) & ROUTE || value & ~config & MESSAGE);
}
