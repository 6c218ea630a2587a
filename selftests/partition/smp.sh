#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The second kernel has two CPUs: it starts the second one itself, puts it out of use and starts it
# again, and cannot start one that is not its own.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh

[ -d /sys/devices/system/cpu/cpu2 ] || { echo "needs three CPUs (lab run --cpus 3)"; exit 4; }
export P1_CPUS=1-2
part_begin
check "the second kernel is started" p1_boot cpus:2,ap:1,foreign:2,reboot
check "it reaches its init" p1_word $WORD_INIT 120
check "it has two CPUs" p1_word "$(word 1 $WORD_GOOD)"
check "both run" is "$(part running)" 2
check "one goes and comes, with VMs" p1_word "$(word 2 $WORD_GOOD)" 120
check "a CPU of this kernel does not come to it" p1_word "$(word 3 $WORD_GOOD)" 120
check "which was denied" [ "$(denied icr-foreign second)" -gt 0 ]
check "the VM of this kernel runs" vm_runs
check "reboot is its end" p1_ends reset
check "none of its CPUs runs" is "$(part running)" 0
check "it is started again" p1_boot cpus:2,stay
check "it has two CPUs again" p1_word "$(word 1 $WORD_GOOD)" 120
part_end
tap_end
