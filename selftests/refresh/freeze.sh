#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A virtualized machine is suspended to idle, and its serial line wakes it: the shim
# leaves before tasks are frozen, and may come back when it is over.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/restart.sh

# The lab types until the machine is awake.
suspend()
{
	echo enabled >/sys/class/tty/ttyS0/power/wakeup
	say wake
	suspended=1
	if echo freeze >/sys/power/state; then
		suspended=0
	fi
	say awake
	return $suspended
}

insmod /bin/vmm-refresh.ko || exit 1
refresh-vm beside 100000 >beside.vm 2>&1 &
vm=$!
sleep 0.01
check "virtualize under a VM" refresh-ctl on
sleep 0.01
check "its VMCS is borrowed" [ "$(status installs)" -gt 0 ]
dmesg -c >/dev/null
check "suspend to idle" suspend
dmesg | grep -e PM: -e vmm_refresh | sed 's/^/# /'
check "the machine slept" sh -c "dmesg | grep -q 'PM: suspend exit'"
check "the log says that the shim left" \
	sh -c "dmesg | grep -q 'vmm_refresh: suspend: the shim has left'"
check "the machine is bare" is "$(cat /sys/class/misc/vmm-refresh/state)" bare
check "nothing is left" no_trace_left
check "virtualize again" refresh-ctl on
sleep 0.01
check "the VM's VMCS is borrowed again" [ "$(status installs)" -gt 0 ]
check "the host works" host_works
check "devirtualize" refresh-ctl off
check "the VM runs on" kill -0 $vm
kill $vm
wait $vm
check "a VM after" refresh-vm after 50
check "unload the module" rmmod vmm_refresh
tap_end
