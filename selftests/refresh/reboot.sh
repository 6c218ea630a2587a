#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The machine is reset while it is virtualized.  An orderly reboot: the shim leaves
# first and says so (tests.cfg has what).

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/restart.sh

BOOT_ID=/proc/sys/kernel/random/boot_id

boot_is_new()
{
	fails cmp $BOOT_ID "$RESULTS/boot_id" && [ ! -e /proc/vmcore ]
}

# What a kernel finds that starts after the reset.
restarted()
{
	check "another boot" boot_is_new
	check "no shim is below" fails sh -c "hostcheck below | grep 1"
	check "the host works" host_works
	check "the module loads" insmod /bin/vmm-refresh.ko
	check "virtualize once more" refresh-ctl on
	check "a VM runs" refresh-vm restarted 50
	check "devirtualize" refresh-ctl off
	check "nothing is left" no_trace_left
}

orderly()
{
	insmod /bin/vmm-refresh.ko || exit 1
	refresh-vm beside 1000000 >/dev/null 2>&1 &
	sleep 0.01
	check "virtualize under a VM" refresh-ctl on
	sleep 0.01
	check "its VMCS is borrowed" [ "$(status installs)" -gt 0 ]
	dmesg -n 7
	cat $BOOT_ID >"$RESULTS/boot_id"
	# The emulator's firmware does not survive a reset by the keyboard controller.
	echo pci >/sys/kernel/reboot/type
	machine_restarts
	reboot -f
}

[ "$(grep -c ^processor /proc/cpuinfo)" = 1 ] ||
	{ echo "the emulated firmware does not start a second time with two CPUs"; exit 4; }
case $STAGE in
1)	orderly ;;
*)
	restarted
	tap_end
	exit
	;;
esac
sleep 5
echo "the machine goes on after it should have been reset"
exit 1
