#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# An L1 with its VMCSs in memory has every capability that it has without, and can
# be told not to use the interface, or to delegate, at load and while it runs.

. /lab/lib.sh
. /lab/tap.sh

COUNTERS=/sys/kernel/debug/kvm/nvx

l1()
{
	l1_boot "$1" -cpu host,-umip /lab/pv-l1-l1.sh
}

counter()
{
	cat "$COUNTERS/$1"
}

kvm_load || exit 1
check "L1 passes its part" l1 pv
cat l1/pv/tap
check "VMCSs in memory were used" test "$(counter pv_bytes)" -gt 0
check "CPUID was answered for L1" test "$(counter deleg_cpuid)" -gt 0
kvm_load nvx_pv=0 || exit 1
check "nvx_pv=0: L1 finds nothing" fails l1 off
check "nvx_pv=0: and no counter moves" test "$(counter pv_bytes)" = 0
tap_end
