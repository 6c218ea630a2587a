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

# L1 says what is going to happen; what the counters are then goes to a file.
l1_cmd()
{
	[ "$1" != note ] ||
		echo "$2 $(counter deleg_cpuid) $(counter deleg_rdmsr)" >>notes
}

# moved FROM TO: by how much the counters moved between two notes.
moved()
{
	cpuid=0 rdmsr=0 seen=
	while read -r name cpuid_now rdmsr_now; do
		case $name in
		"$1")	cpuid=$cpuid_now rdmsr=$rdmsr_now ;;
		"$2")	seen="$((cpuid_now - cpuid)) $((rdmsr_now - rdmsr))" ;;
		esac
	done <notes
	echo "$seen"
}

# moved_by FROM TO CPUID RDMSR: how many L0 answered, a few may be reflected.
moved_by()
{
	moved "$1" "$2"
	read -r cpuid rdmsr <<-END
		$(moved "$1" "$2")
	END
	[ "$cpuid" -ge $(($3 * 9 / 10)) ] && [ "$cpuid" -le "$3" ] &&
		[ "$rdmsr" -ge $(($4 * 9 / 10)) ] && [ "$rdmsr" -le "$4" ]
}

kvm_load || exit 1
check "L1 passes its part" l1 pv
cat l1/pv/tap
check "VMCSs in memory were used" test "$(counter pv_bytes)" -gt 0
check "CPUID was answered for L1" test "$(counter deleg_cpuid)" -gt 0
check "XCR0 was loaded for L1" test "$(counter pv_xstate)" -gt 0
check "MSRs of user space were loaded for L1" test "$(counter pv_uret)" -gt 0
check "MSRs of user space were given back" test "$(counter pv_restore)" -gt 0
# 100 operations and 16 to warm up.
check "nothing was answered for a VM beside the one granted" moved_by other granted 0 0
check "CPUID was answered for the VM that was granted" moved_by granted revoked 116 0
check "nothing was answered for it after that" moved_by revoked end 0 0
check "all was answered for a VM that has it by default" moved_by end default 116 116
kvm_load nvx_pv=0 || exit 1
check "nvx_pv=0: L1 finds nothing" fails l1 off
check "nvx_pv=0: and no counter moves" test "$(counter pv_bytes)" = 0
tap_end
