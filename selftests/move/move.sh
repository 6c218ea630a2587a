#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# VMs move to the second kernel while they run, by libvirt over vmlink0, and back.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/move.sh
. /lab/vms.sh

# moves NAME: what nestctl says of one, NAME VALUE in a line each
moves()
{
	tr -d '{}[]" ' <moves.json | tr , '\n' | tr : ' ' | awk -v name="$1" '
		$1 == "name" { on = $2 == name } on'
}

module_begin
ip link set lo up
check "there is libvirt, for both kernels" add_libvirt
check "VMs are started" begin_vms
check "the first one runs" guest_says vm1
check "the second one runs" guest_says vm2
tick "VMs run"
# shellcheck disable=SC2034 # for p1_boot
INITRD=/tmp/initrd
check "the second kernel is started" p1_boot \
	"libvirt:$THEIRS,guest:vm2,guest:vm1,back:$OURS,stay"
rm /tmp/initrd
check "our end of the link" link_up
check "it reaches its init" p1_word $WORD_INIT
check "there is libvirt" p1_word "$(word 1 $WORD_GOOD)" 120
tick "the other libvirt is there"
check "VMs run here" guest_says vm1
nestctl move --dry-run qemu+tcp://$THEIRS/system
check "nothing has moved yet" is "$(here)" vm1vm2vm3
before1=$(heartbeat vm1) before2=$(heartbeat vm2)
check "all VMs move" sh -c "nestctl move --json qemu+tcp://$THEIRS/system >moves.json 2>progress"
tick "they have moved"
cat progress moves.json
check "none is here" is "$(here)" ""
check "no QEMU is here" fails pidof qemu-system-x86_64
check "undo does not end them" fails nestctl refresh undo
for vm in vm1 vm2; do
	check "$vm has moved" is "$(moves $vm | awk '/^state / { print $2 }')" moved
done
echo "# last here: vm1 $before1, then $(heartbeat vm1)"
echo "# last here: vm2 $before2, then $(heartbeat vm2)"
check "the second VM runs there, its memory is right" p1_word "$(word 2 $WORD_GOOD)" 120
check "the first one, too" p1_word "$(word 3 $WORD_GOOD)" 120
check "all move back" p1_word "$(word 4 $WORD_GOOD)" 120
tick "they are back"
check "all are here" is "$(here)" vm1vm2vm3
check "autostart has moved, too" sh -c "virsh dominfo vm3 | grep -q 'Autostart: *enable'"
check "the first one runs here" guest_says vm1
check "the second one runs here" guest_says vm2
nestctl refresh status
check "nothing was denied to the other kernel" nothing_denied second
check "nor to this one" nothing_denied first
check "all the other kernel had comes back" nestctl refresh undo
check "a VM runs" guest_says vm1
cp /run/*.serial .
cp /var/log/libvirt/libvirtd.log .
virsh destroy vm1
virsh destroy vm2
tap_end
