#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of migrate.sh that runs in L1, with nvx or stock: L2 is copied by its dirty log
# again and again, before L1 itself is, meanwhile and on the second host.

. /lab/lib.sh

kvm_load || exit 1
nvx-pressure -r 1000000 log >l2.log 2>&1 &
pid=$!
until grep -q "under way" l2.log; do
	kill -0 $pid || exit 1
	sleep 0.02
done
l0_call migrate || { echo "no answer from L0" >>l2.log; exit 1; }
sleep 0.3
# It has a pass more to make, which checks all of L2's memory.
kill $pid
wait $pid
rc=$?
echo "L2 has ended" >/dev/ttyS0
exit $rc
