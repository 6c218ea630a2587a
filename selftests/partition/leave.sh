#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# This kernel switches off while the other one runs: that one takes the machine, and the shim away
# from under itself.  It says so on its own line, and the end of the test on this kernel's.  The test's
# words: with "killed" nestctl is killed there again and again.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/restart.sh
. /lab/facts.sh

# The other kernel's initrd, with what this one has found on the bare machine.
add_facts()
{
	mkdir -p /tmp/add
	facts_take /tmp/add/facts || return 1
	(cd /tmp/add && find facts | cpio -o -H newc) >/tmp/facts.cpio || return 1
	cat /second/initrd /tmp/facts.cpio >/tmp/initrd
}

[ -d /sys/devices/system/cpu/cpu1 ] || { echo "needs two CPUs (lab run --cpus 2)"; exit 4; }
check "what the bare machine is like" add_facts
# shellcheck disable=SC2034 # for p1_boot
INITRD=/tmp/initrd
part_begin
check "the second kernel is started" p1_boot "leave:$TESTNAME:$TEST_ARGS"
check "it waits for this one's end" p1_word "$(word 1 $WORD_BEGINS)"
check "the VM of this kernel runs" vm_runs
check "the VM noticed nothing" vm_end
last_words
poweroff -f
