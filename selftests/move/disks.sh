# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash disable=SC2034,SC2153 # for refresh.sh; of lib.sh
#
# part-disks: what its first kernel does otherwise than that of part-refresh.  Its VMs have disks that
# only one kernel can drive: a partition, and a qcow2 image on a file system in the other partition.  One is on a
# bridge, too, and answers there; a connection to it is used from before the refresh on.

THERE=disks
MORE=--bridge=br0

make_images()
{
	data=$(data_links) && mkfs.ext4 -q "${data}2" && mkdir -p /images &&
		mount -t ext4 "$DATA-part2" /images && image /images/vm2.qcow2
}

begin_vms()
{
	make_images && bridge_up && ip addr add 10.98.0.1/24 dev br0 &&
		libvirt_start 11111111-1111-4111-8111-111111111111 0.0.0.0 || return 1
	DISK="$(disk "$DATA-part1") $NIC" domain vm1 16 rate=2 disk=48 host=2 >vm1.xml
	# shellcheck disable=SC2086 # words
	DISK=$(disk /images/vm2.qcow2 qcow2) domain vm2 32 rate=2 $QCOW2 >vm2.xml
	DISK='' domain vm3 16 >vm3.xml
	virsh define vm1.xml && virsh define vm2.xml && virsh define vm3.xml &&
		virsh autostart vm3 && virsh start vm1 && virsh start vm2
}

# kinds: what a move does with the disks, a word each
kinds()
{
	nestctl disk plan --json | sed -n 's/.*"kind": *"\([a-z]*\)".*/\1/p' | tr '\n' ' '
}

# refused_as WHY IMAGE: a VM with such a disk does not move.  cache= for a file system that needs one.
refused_as()
{
	DISK=$(disk "$2") domain vm4 16 | sed "s/cache='none'/cache='writeback'/" >vm4.xml
	virsh define vm4.xml && virsh start vm4 || return 1
	nestctl disk plan >why
	rc=$?
	virsh destroy vm4
	virsh undefine vm4
	cat why
	[ $rc = 1 ] && grep "vm4.* refused" why | grep -q "$1"
}

other_images()
{
	truncate -s 1M /other.img && cp /other.img /images/other.img &&
		losetup /dev/loop0 /images/other.img && ln -s /dev/loop0 /dev/disk/by-id/loop
}

# Each is refused before anything is done, with what to do.
refusals()
{
	check "there are disks that cannot move" other_images
	for what in "by-id:$(find_disk -a)" "file system of their own:/other.img" \
		"does not say which disk:/dev/disk/by-id/loop"; do
		check "a disk is refused: ${what%:*}" refused_as "${what%:*}" "${what#*:}"
	done
	check "they are gone" losetup -d /dev/loop0
}

before_move()
{
	for vm in vm1 vm2; do check "the disk of $vm is right" disk_says $vm; done
	check "both can move" is "$(kinds)" "local local "
	check "QEMU has its image locked" image_is_locked /images/vm2.qcow2
	refusals
	check "the VM on the bridge answers" echoes_for 1 10.98.0.2
	cat /tmp/echoes
	echoes 10.98.0.2 >echoes.out 2>&1 &
	peer=$!
}

connection_goes_on()
{
	sleep 1
	kill -0 $peer && kill -TERM $peer && wait $peer
	rc=$?
	cat echoes.out
	return $rc
}

# The VMs there wait, and go on.
servers_are_killed()
{
	# shellcheck disable=SC2046 # numbers
	kill -9 $(pidof qemu-nbd) && sleep 0.5 && ! pidof qemu-nbd && nestctl disk serve
}

after_move()
{
	check "the connection has stayed" connection_goes_on
	sed 's/^/# the peer: /' echoes.out
	check "a new one" echoes_for 1 10.98.0.2
	check "the disks are right there" p1_word "$(word 3 "$WORD_BEGINS")" 120
	check "both disks are served" is "$(pidof qemu-nbd | wc -w)" 2
	check "by what is known" is "$(find /run/nestctl/disks -name '*.json' | wc -l)" 2
	check "the servers are killed, and started again" servers_are_killed
	check "both are there" is "$(pidof qemu-nbd | wc -w)" 2
	echo "# on the link: $(cat /sys/class/net/vmlink0/statistics/tx_bytes) bytes sent," \
		"$(cat /sys/class/net/vmlink0/statistics/rx_bytes) received"
}
