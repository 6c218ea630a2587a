#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Another kernel boots on CPU 1 beside this one and its VM, works, ends, and all it had comes
# back.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh

part_begin
check "no second kernel yet" is "$(part state)" none
check "the second kernel is started" p1_boot "${SCENARIO:-idle:1,cpu:1,reboot}"
check "CPU 1 is not this kernel's" is "$(cat /sys/devices/system/cpu/online)" 0
check "it runs" is "$(part state)" runs
check "it reaches its init" p1_word $WORD_INIT
echo "# init after $(p1_exits) exits"
nestctl refresh status
check "the VM of this kernel runs" vm_runs
check "a memory block of its does not come online here" fails sh -c \
	"echo online_movable >/sys/devices/system/memory/memory8/state"
check "it is idle" p1_word "$(word 1 $WORD_GOOD)"
check "it works" p1_word "$(word 2 $WORD_GOOD)"
check "reboot is its end" p1_ends reset
nestctl refresh status
check "nothing was denied to it" nothing_denied second
check "nor to this kernel" nothing_denied first
part_end
tap_end
