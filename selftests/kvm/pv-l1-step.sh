#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Called by nvx-vmm before each operation: pv-l1-step.sh WHAT, with $OP and $VM.

. /lab/lib.sh

FILE=/sys/kernel/debug/kvm/$VM/nvx_deleg

note()
{
	l0_call note "$1" || { echo "no answer from L0"; exit 1; }
}

# step TEXT COMMAND...: the operator does something, and is told if it fails.
step()
{
	what=$1
	shift
	"$@" || { echo "$OP: $what"; exit 1; }
}

write()
{
	echo "$2" >"$1"
}

case $1/$OP in
absent/*)
	step "this VM has no directory" test -d "${FILE%/*}"
	step "nvx_deleg without the interface" test ! -e "$FILE"
	;;
granted/cpuid)
	step "granted by itself" grep -q N "$FILE"
	step "mode is not 644" test "$(stat -c %a "$FILE")" = 644
	step "cannot be granted" write "$FILE" 1
	note other
	step "a second VM fails" nvx-vmm --ops=cpuid,rdmsr -n 100 -o other.json
	note granted
	;;
granted/vmcall)
	note revoked
	step "cannot be revoked" write "$FILE" 0
	# The default is for VMs that are still to come.
	step "the default cannot be changed" write \
		/sys/module/kvm_intel/parameters/nvx_deleg_l1 1
	;;
granted/rdmsr)
	step "the default has changed this VM" grep -q N "$FILE"
	;;
default/*)
	step "not granted by default" grep -q Y "$FILE"
	;;
esac
