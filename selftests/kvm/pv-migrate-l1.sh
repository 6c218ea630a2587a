#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of pv-migrate.sh that runs in L1, with nvx.

. /lab/lib.sh

PARAMS=/sys/module/kvm_intel/parameters

kvm_load || exit 1
[ "$(cat $PARAMS/nvx_pv_l1)" = Y ] || { echo "L1 has not found the interface" >l1.log; exit 1; }

nvx-vmm --ops=cpuid,rdmsr,pio_user,int_loop -n 20000 >l2.json 2>l1.log &
pid=$!
sleep 0.2
l0_call migrate || { echo "no answer from L0" >>l1.log; exit 1; }
kill -0 $pid || { echo "L2 ended before L1 was saved" >>l1.log; exit 1; }
wait $pid || { echo "L2 failed" >>l1.log; exit 1; }
nvx-vmm --ops=cpuid,touch_present -o after.json 2>>l1.log
