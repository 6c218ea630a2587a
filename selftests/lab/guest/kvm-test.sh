#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Run the KVM selftest program that has the name of the test; with `lab run --shim`
# above the shim.

program=/lab/kvm-tests/$TESTNAME
# shellcheck disable=SC2086 # words
set -- $TEST_ARGS

[ "$SHIM" ] || exec "$program" "$@"

insmod /bin/vmm-refresh.ko && refresh-ctl on || exit 1
"$program" "$@"
rc=$?
state=$(cat /sys/class/misc/vmm-refresh/state)
refresh-ctl off && rmmod vmm_refresh || exit 1
# Else it ran on the bare CPU, and proves nothing.
[ "$state" = virtualized ] || { echo "the shim gave up: $state"; exit 1; }
exit $rc
