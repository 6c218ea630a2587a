#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A VM that is a hypervisor moves to the second kernel while its L2 runs, and back.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/move.sh
. /lab/vms.sh
. /lab/l1-lib.sh

SERIAL_LOG=/run/l1.serial

begin_l1()
{
	libvirt_start 11111111-1111-4111-8111-111111111111 0.0.0.0 && start_l1 $SERIAL_LOG
}

module_begin
ip link set lo up
check "there is libvirt, for both kernels" add_libvirt
check "and what an L1 boots from" add_l1
check "an L1 is started" begin_l1
check "it says that an L2 runs in it" l1_goes_on $SERIAL_LOG 0
tick "$(grep -a 'L1: modules' $SERIAL_LOG | tr -d '\r')"
# shellcheck disable=SC2034 # for p1_boot
INITRD=/tmp/initrd
check "the second kernel is started" p1_boot "libvirt:$THEIRS,l1,back:$OURS,stay"
rm /tmp/initrd
check "our end of the link" link_up
check "it reaches its init" p1_word $WORD_INIT
check "there is libvirt" p1_word "$(word 1 $WORD_GOOD)" 120
check "L1 and its L2 go on beside it" l1_goes_on $SERIAL_LOG "$(l1_round $SERIAL_LOG)"
last=$(l1_round $SERIAL_LOG)
# It writes too fast for the usual pause.
check "L1 moves" nestctl move --downtime 2000 --timeout 60 qemu+tcp://$THEIRS/system
if [ -z "$(here)" ]; then
	tick "it has moved"
	check "it is not here" is "$(here)" ""
	check "no QEMU is here" fails pidof qemu-system-x86_64
	check "its L2 goes on there" p1_word "$(word 2 $WORD_GOOD)" 120
	check "it moves back" p1_word "$(word 3 $WORD_GOOD)" 120
	tick "it is back"
	check "it is here" is "$(here)" l1
	check "its L2 goes on here" l1_goes_on $SERIAL_LOG "$last"
	check "once more" l1_goes_on $SERIAL_LOG "$(l1_round $SERIAL_LOG)"
else
	libvirt_says
fi
check "nothing was denied to the other kernel" nothing_denied second
check "nor to this one" nothing_denied first
check "all the other kernel had comes back" nestctl refresh undo
check "L1 and its L2 go on" l1_goes_on $SERIAL_LOG "$(l1_round $SERIAL_LOG)"
cp $SERIAL_LOG /var/log/libvirt/libvirtd.log /var/log/libvirt/qemu/l1.log .
virsh destroy l1
tap_end
