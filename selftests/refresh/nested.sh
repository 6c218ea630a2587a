#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A Linux guest under QEMU with a nested guest of its own, three levels above the
# shim.  The shim leaves and comes back while it runs.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh

# Requests of the guest: what refresh-ctl does, and the exits so far.
l1_cmd()
{
	[ "$1" != off ] || refresh-ctl status >>counts
	refresh-ctl "$1" || echo "failed: $1" >>failed
}

cat >script <<'X'
. /lab/lib.sh
kvm_load || exit 1
refresh-vm first 20 >vm || exit 2
l0_call off
refresh-vm bare 20 >>vm || exit 3
l0_call on
refresh-vm again 20 >>vm || exit 4
refresh-vm over 100 >>vm 2>&1 &
for switch in off on off on; do
	sleep 0.02
	l0_call $switch
done
grep -q '^State:.[RSD]' /proc/$!/status || exit 6
wait $! || exit 5
exit 7
X

insmod /bin/vmm-refresh.ko || exit 1
check "virtualize" refresh-ctl on
l1_boot linux script
check "the guest and its guests ran to the end" is $? 7
cat l1/linux/vm 2>/dev/null | sed 's/^/# /'
check "nested guests: no sum was wrong" is "$(grep -c ' bad 0 ' l1/linux/vm)" 4
check "the shim came and went" fails ls failed
sed 's/^/# /' counts
check "the host's KVM was above it" [ "$(status guest_exits)" -gt 0 ]
check "no VMX instruction failed" is "$(status vmfails)" 0
check "devirtualize" refresh-ctl off
check "nothing is left" no_trace_left
check "unload the module" rmmod vmm_refresh
tap_end
