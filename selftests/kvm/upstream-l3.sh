#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel's own selftests of nested VMX in an L1 with nvx: their L2 is an L3, for
# which nvx of L1 is the hypervisor and has its VMCSs in the page that nvx of L0 gave
# it.  Once as L1 comes, once with L1 delegating exits of its guest to L0.

. /lab/lib.sh
. /lab/tap.sh

# all_pass TAG: or are skipped (4).
all_pass()
{
	[ -s "l1/$1/statuses" ] && ! grep -v ' [04]$' "l1/$1/statuses"
}

kvm_load || exit 1
for tag in plain delegation; do
	check "$tag: L1 runs all of them" l1_boot $tag -cpu host,-umip /lab/upstream-l1-l1.sh
	sed 's/^/# /' l1/$tag/statuses
	check "$tag: one at least passes" grep ' 0$' l1/$tag/statuses
	check "$tag: none fails" all_pass $tag
done
tap_end
