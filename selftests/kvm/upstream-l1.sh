#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel's own selftests of nested VMX in an L1: their L1 is an L2 here, their L2
# an L3.  L1_PARAMS has the parameters of L1's kvm-intel.  How each one ended is
# in l1/upstream/statuses, for scripts/check-upstream to compare.

. /lab/lib.sh
. /lab/tap.sh

# all_pass TAG: or are skipped (4).
all_pass()
{
	[ -s "l1/$1/statuses" ] && ! grep -v ' [04]$' "l1/$1/statuses"
}

kvm_load || exit 1
check "L1 runs all of them" l1_boot upstream -cpu host,-umip /lab/upstream-l1-l1.sh
sed 's/^/# /' l1/upstream/statuses
check "one at least passes" grep ' 0$' l1/upstream/statuses
check "none fails" all_pass upstream
tap_end
