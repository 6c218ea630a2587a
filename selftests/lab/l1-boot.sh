#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# An L1 boots under QEMU, loads its own KVM, talks to L0, and its files and its
# exit status come back.

. /lab/lib.sh

l1_cmd()
{
	echo "$*" >>"$RESULTS/requests"
	cat /sys/kernel/debug/kvm/exits >>"$RESULTS/exits"
}

cat >script <<'X'
. /lab/lib.sh
kvm_load || exit 1
l0_call before 1 || exit 1
cat /proc/uptime >uptime
dmesg | grep -i 'kvm' >kvm-lines
l0_call after 2 || exit 1
exit 7
X

l1_boot first script
rc=$?
[ $rc -eq 7 ] || { echo "L1 returned $rc instead of 7"; exit 1; }
[ -s l1/first/uptime ] || { echo "L1's file did not come back"; exit 1; }
[ "$(cat requests)" = "before 1
after 2" ] || { echo "L1's requests did not arrive in order"; exit 1; }
echo "L1 was up for $(cut -d ' ' -f 1 l1/first/uptime) s"
