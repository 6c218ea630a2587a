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
shim_comes_back $vm
tap_end
