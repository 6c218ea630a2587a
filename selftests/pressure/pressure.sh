#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# An L2 that checks its memory, while L1's kernel, its VMM and L0's kernel do to that
# memory what they do to any: swap, merge, collapse, split, move, protect, log.

. /lab/lib.sh
. /lab/tap.sh

PARAMS=/sys/module/kvm_intel/parameters
COUNTERS=/sys/kernel/debug/kvm/nvx
KSM=/sys/kernel/mm/ksm
OUT=l1/pressure
SWAP=/tmp/l1-swap

vmstat()
{
	sed -n "s/^$1 //p" /proc/vmstat
}

# ksm: L1's memory, which QEMU offers, is merged while L2 runs.
ksm()
{
	echo 5000 >$KSM/pages_to_scan
	echo 2 >$KSM/sleep_millisecs
	echo 1 >$KSM/run
	tries=0
	while [ "$(cat $KSM/pages_sharing)" -lt 200 ] && [ $tries -lt 400 ]; do
		sleep 0.05
		tries=$((tries + 1))
	done
	cat $KSM/pages_sharing >"$RESULTS/merged"
}

# Requests of pressure-l1.sh.
l1_cmd()
{
	case $1 in
	windows)
		echo "$2" >$PARAMS/nvx_fault_around
		echo "$2" >$PARAMS/nvx_tdp_fault_around
		echo "$3" >$PARAMS/nvx_populate ;;
	pageout)
		nvx-pressure pageout "$(pidof qemu-system-x86_64)" >>"$RESULTS/pageout.log" 2>&1 ;;
	counters)
		grep . $COUNTERS/fast_* | sed 's/.*nvx.//' >"$RESULTS/counters.$2" ;;
	ksm)	ksm ;;
	ksm_end)
		echo 2 >$KSM/run
		echo 0 >$KSM/run ;;
	esac
}

at_least()
{
	echo "$1, at least $2"
	[ -n "$1" ] && [ "$1" -ge "$2" ]
}

# moved COUNTER FROM TO: by how much between the ends of two runs of pressure-l1.sh.
moved()
{
	echo $(($(sed -n "s/^$1://p" "counters.$3") - $(sed -n "s/^$1://p" "counters.$2")))
}

# passed LOG KIND
passed()
{
	cat "$OUT/$1.log"
	grep -q "^passed $2:" "$OUT/$1.log"
}

kvm_load || exit 1
for disk in /dev/ram*; do
	mkswap "$disk" >/dev/null && swapon "$disk" || exit 1
done
truncate -s 96M /r$SWAP
out=$(vmstat pswpout) in=$(vmstat pswpin)
l1_boot pressure -cpu host,-umip \
	-qemu "-drive file=$SWAP,format=raw,if=none,id=swap,file.locking=off -device virtio-blk-device,drive=swap" \
	/lab/pressure-l1.sh
check "L1 has done its part" test $? = 0
for kind in swap thp ksm protect remap log; do
	check "windows of 16: $kind" passed default $kind
done
check "forty rounds: log" passed many log
for kind in swap log; do
	check "a bare guest: $kind" passed bare $kind
done
for kind in balloon swap migrate slots log; do
	check "windows of 64, populate 16: $kind" passed wide $kind
done
check "L0 swaps and merges L1's memory: L2" passed below none
check "L2 ran all the time" fails grep "ended before" $OUT/below.log
# Both kinds of guests are what nvx_fast is for.
for form in fast_entry fast_exit; do
	check "$form, guests like a kernel" at_least "$(moved $form warm many)" 10000
	check "$form, bare guests" at_least "$(moved $form many bare)" 10000
done
check "fast_direct, guests like a kernel" at_least "$(moved fast_direct warm many)" 500
check "fast_direct, bare guests" at_least "$(moved fast_direct many bare)" 500
check "pages of L1 swapped out" at_least $(($(vmstat pswpout) - out)) 1000
check "pages of L1 swapped in" at_least $(($(vmstat pswpin) - in)) 1000
check "pages of L1 merged" at_least "$(cat merged)" 100
check "L0 has mapped around faults" at_least "$(cat $COUNTERS/around_mapped)" 1000
check "L1 has mapped around faults" at_least "$(sed -n 's/tdp_around_mapped //p' $OUT/counters)" 1000
check "L1 has allocated ahead" at_least "$(sed -n 's/populate_pages //p' $OUT/counters)" 1000
read -r before after <$OUT/available
check "L1 has its memory back: $before KiB before, $after after" at_least "$after" $((before - 4096))
check "no complaint of L1's kernel" fails grep -E "cut here|BUG:|Oops|Call Trace|rcu.*stall|Bad page" $OUT/dmesg
for disk in /dev/ram*; do
	swapoff "$disk"
done
check "L0 has its memory back" rmmod brd
tap_end
