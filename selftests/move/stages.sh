# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# Stages of the second kernel (selftests/partition/init) to which VMs move.

# Not without libvirt.
[ ! -f /lab/move.sh ] || . /lab/move.sh

# libvirt:ADDRESS: the daemon, reachable by the link
stage_libvirt()
{
	ip link set lo up && ip addr flush dev vmlink0 && ip link set vmlink0 mtu 65535 up &&
		ip addr add "$1/24" dev vmlink0 || return 1
	[ ! -e /lab/modules/order-more ] || insmod_list /lab/modules/order-more
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

# What the first kernel sends to port 4444, a line each.
stage_orders()
{
	printf '%s\n' '#!/bin/sh' '. /lab/move.sh' 'while IFS= read -r line; do eval "$line"; done 2>&1' >/tmp/orders &&
		chmod +x /tmp/orders && nc -ll -p 4444 -e /tmp/orders
}

# l1: it comes, and its L2 runs on, by the short form where this KVM has one.
stage_l1()
{
	. /lab/l1-lib.sh
	until [ -s /run/l1.serial ]; do sleep 0.1; done
	l1_goes_on /run/l1.serial 0 && l1_goes_on /run/l1.serial "$(l1_round /run/l1.serial)" ||
		return 1
	p1 "l1: round $(l1_round /run/l1.serial)"
	# It writes too fast for the usual pause.
	BACK="--downtime 2000 --timeout 200"
	[ "$KMOD" = nvx ] || return 0
	entries=$(cat /sys/kernel/debug/kvm/nvx/fast_entry)
	p1 "l1: $entries short VM-entries"
	[ "$entries" -gt 0 ]
}

# back:ADDRESS: all go back to where they came from.
stage_back()
{
	# shellcheck disable=SC2086 # options
	nestctl move --json $BACK "qemu+tcp://$1/system" && [ -z "$(virsh list --all --name)" ]
}

# VMs that were here before the shim left, and are after it.
guests_go_on()
{
	for name in vm2 vm1; do
		guest_says $name 120 || return 1
		p1 "$name: $1 $(heartbeat $name)"
	done
}

# mark PHASE STATE: with this clock, and how many pages each VM has written
mark()
{
	p1 "mark $(uptime) $(($(heartbeat_field vm1 writes))) $(($(heartbeat_field vm2 writes))) $*"
}

# autostart_is 0|1: of vm3, which had it in the first kernel
autostart_is()
{
	p1 "autostart of: $(virsh list --all --autostart --name | tr '\n' ' ')"
	[ "$(virsh list --all --autostart --name | grep -c '^vm3$')" = "$1" ]
}

# This kernel knows how far the first one is with the refresh: moving, or ending.
refresh_is_known()
{
	says=$(nestctl refresh status --json | tr -d ' \n' | sed 's/.*"refresh"://')
	p1 "refresh: $says"
	case $says in
	'{"phase":"move"'* | '{"phase":"off"'*)	return 0 ;;
	esac
	return 1
}

refreshed_and_look()
{
	stage_guest vm2 && stage_guest vm1 && autostart_is 0 && refresh_is_known || return 1
	mark commit does
	nestctl refresh commit --wait 300 || { nestctl refresh status; return 1; }
	mark commit "done"
	nestctl refresh status
	shim_is bare || return 1
	# The first kernel's line is this one's, and nobody listens to its words.
	# shellcheck disable=SC2034 # for say_word
	MUTE=1
	mark final does
	sleep 1
	mark final "done"
	guests_go_on bare && autostart_is 1 && disk_reads || return 1
	show after
	facts_take /tmp/facts || return 1
	sed 's/^/P1: fact /' /tmp/facts/facts
	virsh list --all
	[ "$(virsh list --all --name | sort | tr -d '\n')" = vm1vm2vm3 ] || return 1
	[ "$(nproc)" = "$(sed 's/.*-//' /sys/devices/system/cpu/present | awk '{ print $1 + 1 }')" ] ||
		return 1
	! dmesg | grep -E "BUG:|WARNING:" || return 1
	p1 "refresh good"
}

# hangs_and_look: the first kernel stands still: VMs go on, and it is not taken for dead.
hangs_and_look()
{
	until [ -e /tmp/hangs ]; do sleep 0.1; done
	begun=$(cut -d . -f 1 /proc/uptime)
	sleep 0.5
	nestctl refresh commit && return 1
	shim_is below && guest_says vm2 && guest_says vm1 || return 1
	for name in vm2 vm1; do
		p1 "row moved, hang of the first kernel: $name $(heartbeat $name)"
	done
	# It has not gone on meanwhile.
	p1 "hang from $begun to $(uptime)"
	[ $(($(cut -d . -f 1 /proc/uptime) - begun)) -lt 8 ]
}

# hangs:TEST: the VMs come, the first kernel hangs for a while, and panics then: the rest as for refreshed.
stage_hangs()
{
	stage_orders &
	stage_guest vm2 && stage_guest vm1 && hangs_and_look && refreshed_and_look
	say_end "$1" $? && end_by poweroff -f
}

# refreshed:TEST: the VMs come, the first kernel ends, all it had is this one's, and the shim leaves.
stage_refreshed()
{
	refreshed_and_look
	say_end "$1" $? && end_by poweroff -f
}
