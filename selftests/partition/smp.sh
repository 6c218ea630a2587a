#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The second kernel has two CPUs: it starts the second one itself, puts it out of use and starts it
# again, and cannot start one that is not its own.  With four CPUs the first kernel has two as well, and a
# VM on each: all of them forget memory that is given, and an NMI of either kernel to all its CPUs gets there and
# nowhere else.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/attack-lib.sh

[ -d /sys/devices/system/cpu/cpu2 ] || { echo "needs three CPUs (lab run --cpus 3)"; exit 4; }
NMIS=20

# The same as vm_begin, on CPU 1.
other_vm_begin()
{
	taskset 2 refresh-vm p1 1000000000 >p1.vm 2>&1 &
	other_vm=$!
	while kill -CONT $other_vm 2>/dev/null && sleep 0.02; do
		kill -STOP $other_vm
		sleep 0.2
	done &
}

vms_run()
{
	vm_runs && { [ -z "$other_vm" ] || kill -0 "$other_vm"; }
}

other_vm_end()
{
	kill -CONT "$other_vm"
	kill "$other_vm"
	wait "$other_vm"
	cat p1.vm
	grep ' bad 0 ' p1.vm
}

broadcasts()
{
	check "the second kernel sends $NMIS NMIs to all its CPUs" p1_word "$(word 4 $WORD_GOOD)" 120
	check "none has come to this kernel" is "$(nmis)" "$before"
	check "it looks whether one comes" p1_word "$(word 5 $WORD_BEGINS)"
	check "this kernel sends $NMIS to all its CPUs" attack do=nmis count=$NMIS
	check "they have come to the other one" is $(($(nmis) - before)) $NMIS
	attacks_over
	check "the second kernel was still looking" is "$(part word)" "$(word 5 $WORD_BEGINS)"
	check "none has come to that one, whose VMs have run" p1_word "$(word 5 $WORD_GOOD)" 120
}

part_begin
export P1_CPUS=1-2
other_vm=
if [ -d /sys/devices/system/cpu/cpu3 ]; then
	P1_CPUS=2-3
	other_vm_begin
fi
before=$(nmis)
check "the second kernel is started" p1_boot cpus:2,ap:1,foreign:2${other_vm:+,nmis:$NMIS,quiet},reboot
check "it reaches its init" p1_word $WORD_INIT 120
check "it has two CPUs" p1_word "$(word 1 $WORD_GOOD)"
check "both run" is "$(part running)" 2
check "one goes and comes, with VMs" p1_word "$(word 2 $WORD_GOOD)" 120
check "a CPU of this kernel does not come to it" p1_word "$(word 3 $WORD_GOOD)" 120
check "which was denied" [ "$(denied icr-foreign second)" -gt 0 ]
[ -z "$other_vm" ] || broadcasts
check "VMs of this kernel run" vms_run
check "reboot is its end" p1_ends reset
check "none of its CPUs runs" is "$(part running)" 0
check "memory and CPUs come back" nestctl refresh undo
check "VMs of this kernel run" vms_run
check "it is started again" p1_boot cpus:2,vms,stay
check "it has two CPUs again, and VMs on them" p1_word "$(word 2 $WORD_GOOD)" 120
[ -z "$other_vm" ] || check "the VM of CPU 1 has noticed nothing" other_vm_end
part_end
tap_end
