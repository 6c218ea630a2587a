#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of l1.sh that runs in L1: one L2 after another that checks its memory, and a line on
# the console for each.

. /lab/lib.sh

say()
{
	echo "$*" >/dev/ttyS0
}

kvm_load || { say "L1: no KVM"; exit 1; }
say "L1: clock $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
say "L1: modules $KMOD"
n=0
while nvx-pressure -r "${ROUNDS:-20}" none >l2.log 2>&1; do
	n=$((n + 1))
	say "L1: round $n good"
done
say "L1: round $((n + 1)) bad: $(tail -n 1 l2.log)"
