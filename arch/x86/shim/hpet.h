/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers of an HPET that two partitions use (IA-PC HPET specification 1.0a, 2.3.8 to 2.3.10).
 */
#ifndef SHIM_HPET_H
#define SHIM_HPET_H

#include "types.h"

/* Where registers of timers begin, and the first timer's end. */
#define HPET_TIMERS		0x100
#define HPET_TIMER_SIZE		0x20

bool hpet_timer_ok(u32 offset, u64 value, u32 config);

#endif /* SHIM_HPET_H */
