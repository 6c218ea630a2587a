#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of range-smp.sh that runs in L1, with nvx.

. /lab/lib.sh

kvm_load || exit 1
grep -c ^processor /proc/cpuinfo >cpus
nvx-pressure protect remap >log 2>&1
status=$?
cat /sys/kernel/debug/kvm/nvx/l1_range_remote >remote
exit $status
