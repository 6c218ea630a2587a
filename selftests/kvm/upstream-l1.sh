#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel's own selftests of nested VMX in an L1: their L1 is an L2 here, their L2
# an L3.  How each one ended is in l1/TAG/statuses.
#
# upstream-l1: L1_PARAMS has the parameters of L1's kvm-intel; for scripts/check-upstream
# to compare.  upstream-l3: L1 has nvx, which is the hypervisor of the L3 and has its
# VMCSs in the page that nvx of L0 gave it; once as L1 comes, once with L1 delegating
# exits of its guest to L0.

. /lab/lib.sh
. /lab/tap.sh

tags=upstream
[ "$TESTNAME" != upstream-l3 ] || tags='plain delegation'

# all_pass TAG: or are skipped (4).
all_pass()
{
	[ -s "l1/$1/statuses" ] && ! grep -v ' [04]$' "l1/$1/statuses"
}

kvm_load || exit 1
for tag in $tags; do
	check "$tag: L1 runs all of them" l1_boot "$tag" -cpu host,-umip /lab/upstream-l1-l1.sh
	sed 's/^/# /' "l1/$tag/statuses"
	check "$tag: one at least passes" grep ' 0$' "l1/$tag/statuses"
	check "$tag: none fails" all_pass "$tag"
done
tap_end
