#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of l2linux.sh that runs in L2.

. /lab/lib.sh

. /bench/checksum.sh

# Time in 1/100 s and timer interrupts.
now()
{
	echo "$(sed 's/ .*//; s/\.//; s/^0*//' /proc/uptime) $(sed -n 's/^ *LOC: *\([0-9]*\).*/\1/p' /proc/interrupts)"
}

cat /proc/cpuinfo >cpuinfo
cat /proc/uptime >uptime
now >ticks
checksum >checksum
now >>ticks
