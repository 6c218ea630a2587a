#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The first kernel hangs when its last VM has left, and panics after a while: the VMs run on in the
# other one, which has the machine then, and says the end of the test on this kernel's line.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/move.sh
. /lab/vms.sh
. /lab/restart.sh
. /lab/faults-lib.sh

SECONDS_OFF=10

run_all()
{
	# shellcheck disable=SC2116,SC2086 # words
	nestctl refresh run --json --commit=stop --to=$TO --from=$FROM --link=$OURS/24 -- \
		--cpus 1 --memory 896M --serial $SERIAL --kernel /second/bzImage --initrd /tmp/initrd \
		--append "$(echo $P1_APPEND) scen=libvirt:$THEIRS,hangs:$TESTNAME"
}

faults_begin
check "all is done up to the commit" run_all
check "no VM is here" is "$(here)$(qemus)" ""
row moved "hang, then panic of this kernel" "VMs go on" "nothing: the other kernel takes the machine"
cp /run/*.serial .
tap_end
rc=$?
echo $rc >"$RESULTS/.rc"
# What this kernel says from here on is no longer its test's, a panic neither.
machine_restarts
echo 1 >/proc/sys/kernel/panic
there 'touch /tmp/hangs'
insmod /lab/poke.ko do=stall count=$SECONDS_OFF
echo c >/proc/sysrq-trigger
echo "# this kernel has not ended"
exit 1
