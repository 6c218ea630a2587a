# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# Stages of the second kernel (selftests/partition/init) to which VMs move.

. /lab/move.sh

# libvirt:ADDRESS: the daemon, reachable by the link
stage_libvirt()
{
	ip link set lo up && ip addr flush dev vmlink0 && ip link set vmlink0 mtu 65535 up &&
		ip addr add "$1/24" dev vmlink0 || return 1
	kvm_load && libvirt_start 22222222-2222-4222-8222-222222222222 "$1"
}

# guest:NAME: it comes, and its memory is right.
stage_guest()
{
	until [ -s "/run/$1.serial" ]; do sleep 0.1; done
	guest_says "$1" 120
	rc=$?
	p1 "$1: first $(grep -m 1 ^HB "/run/$1.serial")"
	p1 "$1: last $(heartbeat "$1")"
	[ $rc = 0 ] || libvirt_says
	return $rc
}

# back:ADDRESS: all go back to where they came from.
stage_back()
{
	nestctl move --json "qemu+tcp://$1/system" && [ -z "$(virsh list --all --name)" ]
}
