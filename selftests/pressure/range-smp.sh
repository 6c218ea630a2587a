#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# An L1 with two CPUs takes memory away from an L2 that runs: L0 forgets the range for both
# CPUs in one exit, and L2, which checks its memory, finds all of it.

. /lab/lib.sh
. /lab/tap.sh

COUNTERS=/sys/kernel/debug/kvm/nvx

moved()
{
	echo "$1, at least $2"
	[ -n "$1" ] && [ "$1" -ge "$2" ]
}

kvm_load || exit 1
check "L1 with two CPUs does its part" l1_boot range -cpu host,-umip -smp 2 /lab/range-smp-l1.sh
cat l1/range/log
check "L1 has two CPUs" test "$(cat l1/range/cpus)" = 2
for kind in protect remap; do
	check "L2 has all of its memory: $kind" grep -q "^passed $kind:" l1/range/log
done
check "ranges of an L2 that ran, as L1 counts" moved "$(cat l1/range/remote)" 5
check "and as L0 does" moved "$(cat $COUNTERS/pv_range_remote)" 5
tap_end
