# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash disable=SC2034,SC2153 # for refresh.sh; of lib.sh
#
# part-network: what its first kernel does otherwise than that of part-refresh.  The machine's network card is
# a port of the bridge on which a VM is, and that VM asks a station outside of the machine all the time.
# given: the card is the second kernel's from its start on.

THERE=network
MORE=--bridge=br0
[ "$TEST_ARGS" != given ] || P1_DEVICE=0000:00:04.0 BEFORE=bridge,

begin_vms()
{
	bridge_up && insmod /lab/e1000.ko && card_is_port &&
		libvirt_start 11111111-1111-4111-8111-111111111111 0.0.0.0 || return 1
	DISK=$NIC domain vm1 16 rate=2 host=2 asks=254 >vm1.xml
	DISK='' domain vm2 32 rate=2 >vm2.xml
	DISK='' domain vm3 16 >vm3.xml
	virsh define vm1.xml && virsh define vm2.xml && virsh define vm3.xml &&
		virsh autostart vm3 && virsh start vm1 && virsh start vm2
}

before_move()
{
	check "the station outside answers the VM" answered vm1
	check "nothing has been lost" is "$(gaps vm1 "$KHZ")" ""
	[ -z "$P1_DEVICE" ] || check "the card can be given" ip link set dev eth0 down
}

# The slot of one that was given is empty here.
card_is_here()
{
	[ -e /sys/bus/pci/devices/0000:00:04.0 ]
}

after_move()
{
	check "the card is the kernel's that it should be" ${P1_DEVICE:+fails} card_is_here
	check "it answers the VM there" p1_word "$(word 4 "$WORD_BEGINS")" 120
	gaps vm1 "$KHZ" | sed 's/^/# here: vm1 /'
	echo "# on the link: $(cat /sys/class/net/vmlink0/statistics/tx_bytes) bytes sent," \
		"$(cat /sys/class/net/vmlink0/statistics/rx_bytes) received"
}
