#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of upstream-l1.sh that runs in L1.

. /lab/lib.sh

[ "$TAG" != delegation ] || L1_PARAMS=nvx_deleg_l1=1
# shellcheck disable=SC2086 # words of a command line
kvm_load $L1_PARAMS || exit 1
for program in /selftests/*; do
	name=${program##*/}
	timeout 60 "$program" >"$RESULTS/$name.txt" 2>&1
	echo "$name $?" >>"$RESULTS/statuses"
done
