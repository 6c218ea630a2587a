#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of pv-migrate.sh that runs in L1, with nvx; its parameters are L1_PARAMS.

. /lab/lib.sh

# shellcheck disable=SC2086 # words
kvm_load ${L1_PARAMS:-} || exit 1
feature pv_l1 || { echo "L1 has not found the interface" >l1.log; exit 1; }

# A second L2 writes and checks its memory, and is copied by its dirty log all the time.
nvx-pressure -r 1000000 log >memory.log 2>&1 &
memory=$!
until grep -q "under way" memory.log; do
	kill -0 $memory || exit 1
	sleep 0.02
done
nvx-vmm --ops=cpuid,rdmsr,pio_user,int_loop -n 20000 >l2.json 2>l1.log &
pid=$!
sleep 0.2
l0_call migrate || { echo "no answer from L0" >>l1.log; exit 1; }
kill -0 $pid || { echo "L2 ended before L1 was saved" >>l1.log; exit 1; }
wait $pid || { echo "L2 failed" >>l1.log; exit 1; }
# It has a pass more to make, which checks all of its memory.
kill $memory
wait $memory || { echo "L2 or the copy of it lacks memory" >>l1.log; exit 1; }
nvx-vmm --ops=cpuid,touch_present -o after.json 2>>l1.log
