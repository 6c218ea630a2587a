#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of bench.sh that runs in L1, with L1's stock KVM.

. /lab/lib.sh

kvm_load || exit 1
[ -n "$OFF" ] || nvx-vmm -o instructions.json || exit 1
l0_call trace_start || exit 1
nvx-vmm --marks -o marks.json
rc=$?
l0_call trace_stop "$TAG" || exit 1
exit $rc
