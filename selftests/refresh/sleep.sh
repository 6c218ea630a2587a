#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Hibernation of a virtualized machine: the shim leaves before tasks are frozen, and
# may come back when it is over.  There is no swap space, so the kernel takes its
# snapshot, finds nowhere to write it, and goes on.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh

[ -w /sys/power/disk ] || { echo "this kernel cannot hibernate"; exit 4; }

insmod /bin/vmm-refresh.ko || exit 1
refresh-vm beside 100000 >beside.vm 2>&1 &
vm=$!
sleep 0.01
check "virtualize under a VM" refresh-ctl on
installs=$(status installs)
check "its VMCS is borrowed" [ "$installs" -gt 0 ]
check "nothing to hibernate to" fails sh -c "echo disk >/sys/power/state"
dmesg | grep -i -e hibernat -e vmm_refresh | tail -n 8 | sed 's/^/# /'
check "the kernel got as far as its snapshot" sh -c "dmesg | grep -q 'PM: hibernation: '"
check "the log says that the shim left" sh -c "dmesg | grep -q 'vmm_refresh: .*the shim leaves first'"
check "the machine is bare" is "$(cat /sys/class/misc/vmm-refresh/state)" bare
shim_comes_back $vm
tap_end
