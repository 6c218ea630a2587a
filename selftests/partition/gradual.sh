#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Memory and CPUs pass to the other kernel in steps while VMs run there, then this one ends.  The other one
# says the end of the test on this kernel's line.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/restart.sh

[ -d /sys/devices/system/cpu/cpu2 ] || { echo "needs three CPUs (lab run --cpus 3)"; exit 4; }
part_begin
export P1_MEMORY=512M
check "the second kernel is started" p1_boot "gradual:$TESTNAME"
check "it has VMs, and waits" p1_word "$(word 1 $WORD_BEGINS)"
sleep 4
check "memory and a CPU pass to it" nestctl refresh give --rate=128M --order=memory,cpus
check "it has two CPUs" is "$(part cpus)" 2
check "it has all memory that could go" is "$(part memory)" $((896 << 20))
sleep 4
check "both of its CPUs run" is "$(part running)" 2
check "nothing was denied to it" nothing_denied second
check "the VM of this kernel runs" vm_runs
check "the VM noticed nothing" vm_end
nestctl refresh status
last_words
poweroff -f
