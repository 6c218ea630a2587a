#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of bypass.sh that runs in L1, without EPT: measure L2 on stock (the tag is
# "stock"), or with nvx, without and with nvx_bypass_pf.

. /lab/lib.sh

COUNTERS=/sys/kernel/debug/kvm/nvx
OPS="pf_nx pf_cr3 pf_unmap pf_protect pf_fork pf_bulk pf_mixed"

# measure NAME: instructions of each operation, then the exits of L0.
measure()
{
	for ops in $OPS; do
		nvx-vmm --ops="$ops" -n 256 -o "$1-$ops.json" || return 1
	done
	l0_call trace_start
	for ops in $OPS; do
		nvx-vmm --ops="$ops" -n 16 --batches=12 --marks -o "$1-marks-$ops.json" ||
			return 1
	done
	l0_call trace_stop "$TAG" "$1"
	for counter in "$COUNTERS"/bypass_*; do
		echo "${counter##*/} $(cat "$counter")"
	done >"$1.counters"
}

if [ "$TAG" = stock ]; then
	kvm_load nvx=0 ept=0 && measure stock
	exit
fi
kvm_load ept=0 nvx_bypass_pf=0 && measure off || exit 1
kvm_load ept=0 nvx_bypass_pf=1 && measure on || exit 1
# With EPT it refuses itself.
kvm_load nvx_bypass_pf=1 || exit 1
cat /sys/module/kvm_intel/parameters/nvx_bypass_pf >with-ept
