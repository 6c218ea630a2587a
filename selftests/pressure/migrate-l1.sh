#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of migrate.sh that runs in L1, with nvx: L2 is copied by its dirty log
# again and again while L1 itself is.

. /lab/lib.sh

kvm_load || exit 1
nvx-pressure -r 150 log >l2.log 2>&1 &
pid=$!
sleep 0.2
l0_call migrate || { echo "no answer from L0" >>l2.log; exit 1; }
wait $pid
rc=$?
echo "L2 has ended" >/dev/ttyS0
exit $rc
