#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of touch.sh that runs in L1, with nvx: measure L2 under each setting.

. /lab/lib.sh

PARAMS=/sys/module/kvm_intel/parameters
OPS=touch_present,touch_absent

# measure NAME L0 L1 POPULATE: window of fault-around at L0 and L1, of populate.
measure()
{
	echo "$3" >$PARAMS/nvx_tdp_fault_around || return 1
	echo "$4" >$PARAMS/nvx_populate || return 1
	l0_call around "$2"
	nvx-vmm --ops=$OPS -n 1024 -o "$1.json" || return 1
	l0_call trace_start
	nvx-vmm --ops=$OPS -n 64 --batches=16 --marks -o "$1-marks.json" || return 1
	l0_call trace_stop "$TAG" "$1"
	for counter in tdp_around_mapped populate_pages; do
		echo "$counter $(cat /sys/kernel/debug/kvm/nvx/$counter)"
	done >"$1.counters"
}

kvm_load || exit 1
measure off 1 1 1 &&
	measure l0 16 1 1 &&
	measure l1 1 16 1 &&
	measure both 16 16 1 &&
	measure populate 16 16 16 &&
	measure wide 64 64 64
