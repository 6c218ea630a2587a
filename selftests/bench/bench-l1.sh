#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of bench.sh that runs in L1, with L1's stock KVM.

. /lab/lib.sh

# Where L0 emulates UMIP an operation that leads to user space and back has the
# most exits: a tick of L1 falls into every other batch of 16 and hides a VMWRITE
# or adds one.  Only this operation is asked for there: many short batches.
case $TAG in
noumip)	ops='' batches='' ;;
*)	ops="--ops pio_user" batches="--samples 8 --batches 80" ;;
esac

kvm_load || exit 1
# shellcheck disable=SC2086 # one word per option
[ -n "$OFF" ] || nvx-vmm $ops -o instructions.json || exit 1
l0_call trace_start || exit 1
# shellcheck disable=SC2086 # one word per option
nvx-vmm $ops --marks $batches -o marks.json
rc=$?
l0_call trace_stop "$TAG" || exit 1
exit $rc
