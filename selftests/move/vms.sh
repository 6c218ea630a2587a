# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# The first kernel's side of tests in which VMs move to the second one.

# shellcheck disable=SC2034 # for the tests
OURS=10.99.0.1
# shellcheck disable=SC2034 # likewise
THEIRS=10.99.0.2

link_up()
{
	ip link set vmlink0 mtu 65535 up && ip addr add $OURS/24 dev vmlink0
}

# libvirt and QEMU for this kernel, and in the other one's initrd.
add_libvirt()
{
	disk=$(find_disk -a) && (cd / && cpio -i -d -u <"$disk") &&
		cat /second/initrd "$disk" >/tmp/initrd
}

# Two that run, one that does not, which is started with the daemon.
begin_vms()
{
	libvirt_start 11111111-1111-4111-8111-111111111111 0.0.0.0 || return 1
	domain vm1 16 rate=2 >vm1.xml
	domain vm2 32 rate=2 >vm2.xml
	domain vm3 16 >vm3.xml
	virsh define vm1.xml && virsh define vm2.xml && virsh define vm3.xml &&
		virsh autostart vm3 && virsh start vm1 && virsh start vm2
}

# Names of all VMs of this kernel, in one word.
here()
{
	virsh list --all --name | sort | tr -d '\n'
}
