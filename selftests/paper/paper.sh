#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# One configuration of scripts/bench-paper: the workloads of runs.sh in a Linux L1,
# then in a Linux L2 of the same size under another L1.  Leaves runs.txt of both levels and snapshots.txt, which has
# what L0 counted when each run began and ended: exits and nanoseconds of idling.

. /lab/lib.sh
. /paper/runs.sh

STATS=/sys/kernel/debug/kvm
SNAPSHOTS=$RESULTS/snapshots.txt

# snapshot LEVEL NAME/RUN begin|end
snapshot()
{
	echo "$* $(cat $STATS/exits) $(cat $STATS/irq_exits) $(cat $STATS/halt_exits) $(
		sed -n 's/.*idle_sleeptime *: *\([0-9]*\).*/\1/p' /proc/timer_list)"
}

# Requests of nvx-paper at L1, and of L2's, which L1 passes on with its own level.
l1_cmd()
{
	case $1 in
	snap)	snapshot 1 "$2" "$3" >>"$SNAPSHOTS" ;;
	snap2)	snapshot 2 "$2" "$3" >>"$SNAPSHOTS" ;;
	esac
}

# Parameters in effect, and nvx's counters where there are any.
note()
{
	for file in /sys/module/kvm_intel/parameters/nvx* $STATS/nvx/*; do
		[ ! -f "$file" ] || echo "${file##*/} $(cat "$file")"
	done >"$1"
}

kvm_load kvm.halt_poll_ns=0 || exit 1
l1_boot plain -m "$GUEST_MEM" -cpu host,-umip /paper/paper-guest.sh ||
	{ echo "the L1 that is measured failed with status $?"; exit 1; }
l1_boot host -m 640 -cpu host,-umip -disk /paper/paper-l1.sh
rc=$?
note l0-parameters.txt
[ $rc -eq 0 ] || { echo "L1 failed with status $rc"; exit 1; }
[ -s l1/host/l2/guest/runs.txt ] || { echo "L2 left no results"; exit 1; }
echo "$(wc -l <l1/plain/runs.txt) runs at L1, $(wc -l <l1/host/l2/guest/runs.txt) at L2"
