#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of pressure.sh that runs in L1, with nvx: L2 under each kind of pressure.

. /lab/lib.sh

PARAMS=/sys/module/kvm_intel/parameters

# windows SIZE POPULATE: at both levels.
windows()
{
	echo "$1" >$PARAMS/nvx_fault_around
	echo "$1" >$PARAMS/nvx_tdp_fault_around
	echo "$2" >$PARAMS/nvx_populate
	l0_call windows "$1" "$2"
}

# run NAME WORDS...: each kind in a VM of its own; the log says which of them have passed.
run()
{
	name=$1
	shift
	nvx-pressure "$@" >>"$name.log" 2>&1
	l0_call counters "$name"
}

# What L0 does to L1's memory while L2 runs.
below()
{
	nvx-pressure -r 100000 none >below.log 2>&1 &
	pid=$!
	for _ in 1 2; do
		l0_call pageout
		sleep 0.05
	done
	l0_call ksm
	kill -0 $pid || echo "L2 ended before L0 was done" >>below.log
	kill $pid
	wait $pid
	l0_call ksm_end
}

available()
{
	echo 3 >/proc/sys/vm/drop_caches
	sed -n 's/MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo
}

kvm_load || exit 1
disk=$(find_disk -v)
mkswap "$disk" && swapon "$disk" || exit 1

windows 16 1
run warm none
before=$(available)
run default swap thp ksm protect remap log
run many -r 40 log
run bare -b swap log
windows 64 16
run wide balloon swap migrate slots log
below
swapoff "$disk"
echo "$before $(available)" >available
for counter in tdp_around_mapped populate_pages; do
	echo "$counter $(cat /sys/kernel/debug/kvm/nvx/$counter)"
done >counters
dmesg >dmesg
exit 0
