# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# Stages of the second kernel (selftests/partition/init) to which VMs move.

# Not without libvirt.
[ ! -f /lab/move.sh ] || . /lab/move.sh

# Those that the test has asked for, once.
more_modules()
{
	[ -e /lab/modules/order-more ] && [ -z "$more_loaded" ] || return 0
	more_loaded=y
	insmod_list /lab/modules/order-more
}

# libvirt:ADDRESS: the daemon, reachable by the link
stage_libvirt()
{
	ip link set lo up && ip addr flush dev vmlink0 && ip link set vmlink0 mtu 65535 up &&
		ip addr add "$1/24" dev vmlink0 || return 1
	more_modules || return 1
	# Another one than the other kernel has, whose address ends otherwise.
	host=${1##*.}
	kvm_load && libvirt_start $host$host$host$host$host$host$host$host-2222-4222-8222-222222222222 "$1"
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
	[ "$(virsh list --all --name | grep -v '^l1$' | sort | tr -d '\n')" = vm1vm2vm3 ] || return 1
	[ "$(nproc)" = "$(sed 's/.*-//' /sys/devices/system/cpu/present | awk '{ print $1 + 1 }')" ] ||
		return 1
	! dmesg | grep -E "BUG:|WARNING:" || return 1
	p1 "refresh good"
}

# short_entries WHEN: how many there have been in this kernel
short_entries()
{
	entries=$(cat /sys/kernel/debug/kvm/nvx/fast_entry)
	p1 "l1: $1: round $(l1_round /run/l1.serial), $entries short VM-entries"
}

# l1_goes_on_by WHEN: L1 and its L2, by the short form
l1_goes_on_by()
{
	was=$(cat /sys/kernel/debug/kvm/nvx/fast_entry)
	round=$(l1_round /run/l1.serial)
	l1_goes_on /run/l1.serial "${round:-0}" || return 1
	short_entries "$1"
	[ "$entries" -gt "$was" ]
}

refreshed_l1_and_look()
{
	. /lab/l1-lib.sh
	[ "$KMOD" = nvx ] && until [ -s /run/l1.serial ]; do sleep 0.1; done
	l1_goes_on_by "above the shim" && refreshed_and_look && l1_goes_on_by "bare" || return 1
	p1 "refresh with nvx good"
}

# refreshed_l1:TEST: as refreshed, with an L1 and its L2 among the VMs, nvx in this kernel.
stage_refreshed_l1()
{
	refreshed_l1_and_look
	say_end "$1" $? && end_by poweroff -f
}

# disks_are_its_own: by QEMU, by libvirt's nodes, and by what else is here
disks_are_its_own()
{
	nestctl disk plan | tee /tmp/disks
	[ "$(grep -c ' local$' /tmp/disks)" = 2 ] || return 1
	# There is nothing left to do.
	nestctl disk attach | grep '^0 disk' || return 1
	has_open vm1 "$DATA-part1" && has_open vm2 /images/vm2.qcow2 &&
		image_is_locked /images/vm2.qcow2 || return 1
	! pidof qemu-nbd && [ ! -e /run/nestctl/disks ] && ! ip address show dev lo | grep 10.99 &&
		! netstat -tn | grep ':108.*ESTABLISHED'
}

# What the VMs say of their disks, when they have read all of it again.
disks_say()
{
	for name in vm1 vm2; do
		disk_says $name 120 || return 1
		p1 "$name: $1 $(heartbeat $name)"
	done
}

# The image grows here, too, and is in order when its VM has ended.
image_says()
{
	disk_grows vm2 120 && virsh destroy vm2 && image_is_whole /images/vm2.qcow2 || return 1
	p1 "vm2: its image $(ls -ls /images/vm2.qcow2)"
}

# The peer was the first kernel, and is this one in the end.
answers_here()
{
	ip addr add 10.98.0.1/24 dev br0 && echoes_for 1 10.98.0.2 || return 1
	p1 "peer here: $(cat /tmp/echoes)"
}

disks_and_look()
{
	bridge_up && ip link add link vmlink0 name vmlink0.1 type vlan id 1 &&
		ip link set dev vmlink0.1 mtu 1500 up master br0 || return 1
	stage_guest vm2 && stage_guest vm1 && disks_say served && disk_grows vm2 120 || return 1
	[ "$(nestctl disk plan | grep -c ' served$')" = 2 ] || return 1
	# The first kernel waits for that.
	say_word "$(word 3 $WORD_BEGINS)"
	mkdir -p /images
	echo "$DATA-part2 /images ext4 noauto 0 0" >/etc/fstab
	# Drivers wait for what they will have, udev for what they will find.
	insmod_list /lab/modules/order
	data_links >/dev/null &
	nestctl refresh commit --wait 300 || { nestctl refresh status; nestctl disk plan; return 1; }
	shim_is bare || return 1
	# shellcheck disable=SC2034 # for say_word
	MUTE=1
	disks_are_its_own && disks_say own && answers_here && image_says || return 1
	autostart_is 1 || return 1
	! dmesg | grep -E "BUG:|WARNING:" || return 1
	p1 "disks good"
}

# disks:TEST: the same with VMs whose disks are the first kernel's, one on a bridge over the link.
stage_disks()
{
	disks_and_look
	say_end "$1" $? && end_by poweroff -f
}

# network_says WHEN: what the VM has lost up to now
network_says()
{
	p1 "network: $1: $(heartbeat vm1)"
	gaps vm1 "$KHZ" | sed "s/^/P1: network: $1: /"
}

# bridge: of the VMs, with the link, and the network card when that comes, or is there
stage_bridge()
{
	more_modules && bridge_up && ip link set vmlink0 mtu 65535 up &&
		ip link add link vmlink0 name vmlink0.1 type vlan id 1 &&
		ip link set dev vmlink0.1 mtu 1500 up master br0 && insmod /lab/e1000.ko || return 1
	card_is_port &
}

# The card was the first kernel's until now, so that something was lost, or this one's, so that nothing was.
lost_as_it_should()
{
	lost=$(($(gaps vm1 "$KHZ" | wc -l) - gaps))
	if [ "$card" = own ]; then
		[ $lost = 0 ]
	else
		[ $lost -gt 0 ]
	fi
}

network_and_look()
{
	KHZ=$(tr ' ' '\n' </proc/cmdline | sed -n 's/^tsc_early_khz=//p')
	[ -e /sys/class/net/br0 ] || stage_bridge || return 1
	card=own
	[ -e /sys/class/net/eth0 ] || card="the first kernel's"
	stage_guest vm2 && stage_guest vm1 && answered vm1 || return 1
	network_says "before, the card is $card"
	gaps=$(gaps vm1 "$KHZ" | wc -l)
	# The first kernel waits for that.
	say_word "$(word 4 $WORD_BEGINS)"
	mark commit does
	nestctl refresh commit --wait 300 || { nestctl refresh status; return 1; }
	mark commit "done"
	# shellcheck disable=SC2034 # for say_word
	MUTE=1
	shim_is bare && answered vm1
	rc=$?
	network_says "after"
	dmesg | grep -E 'br0|e1000|PCI function|first kernel|shim' | sed 's/^/P1: log /'
	grep eth0 /proc/interrupts
	[ $rc = 0 ] && lost_as_it_should && guests_go_on bare && autostart_is 1 || return 1
	! dmesg | grep -E "BUG:|WARNING:" || return 1
	p1 "network good"
}

# network:TEST: the same with a VM on a bridge, of which the machine's network card is a port.
stage_network()
{
	network_and_look
	say_end "$1" $? && end_by poweroff -f
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

# For what it has of the first kernel's tests.
is()
{
	[ "$1" = "$2" ] || { echo "'$1' is not '$2'"; return 1; }
}

# The VM, and what it has counted, since this kernel has had it.
hop_guest()
{
	guest_says vm1 120 || return 1
	p1 "hop $1: $2 $(heartbeat vm1)"
}

# This kernel, number N, has the machine to itself; the same as those before it.
hop_settle()
{
	stage_guest vm1 || return 1
	nestctl refresh commit --wait 300 || { nestctl refresh status; return 1; }
	# shellcheck disable=SC2034 # for say_word
	MUTE=1
	shim_is bare && hop_guest "$1" bare && disk_reads || return 1
	[ "$(nproc)" = "$(sed 's/.*-//' /sys/devices/system/cpu/present | awk '{ print $1 + 1 }')" ] ||
		return 1
	hop_facts "$1" || return 1
	sed "s/^/P1: hop $1: /" "/hops/$1/facts" | grep -E 'module|block|zoneinfo|run|net'
	! dmesg | grep -E "BUG:|WARNING:" || return 1
	p1 "hop $1 at $(uptime) s"
}

# No drift: as the kernel two before this one, whose places this one has, and but for these as the last.
hop_compare()
{
	[ "$1" -lt 2 ] || hop_drift $(($1 - 1)) "$1" || return 1
	[ "$1" -lt 3 ] || hop_drift $(($1 - 2)) "$1"
}

# A kernel after this one, number N, that is taken back when it has booted: its first CPU is the machine's boot
# CPU, and its code for CPUs that start is where this one has its own.
hop_undo()
{
	hop_boot $(($1 + 1)) "scen=idle:1" && p1_word $WORD_INIT 120
	rc=$?
	nestctl refresh undo && [ $rc = 0 ] || return 1
	[ "$(nproc)" = "$(sed 's/.*-//' /sys/devices/system/cpu/present | awk '{ print $1 + 1 }')" ] ||
		return 1
	vm_on_each && hop_guest "$1" undone && hop_facts undone && hop_drift "$1" undone || return 1
	rm -r /hops/undone
}

# hop:N:OF:TEST:BAD: this kernel, number N, takes the place of that before it; then OF is there, or the next one
# takes the place of this one.  What differs is counted in BAD, and does not end the row.
stage_hop()
{
	export NO_COLOR=1
	. /lab/hops-lib.sh
	# shellcheck disable=SC2046 # words
	set -- $(echo "$1" | tr : ' ')
	bad=$4
	if hop_settle "$1"; then
		hop_compare "$1" || bad=$((bad + 1))
		[ "$1" -gt 1 ] || hop_undo "$1" || bad=$((bad + 1))
		p1 "hop $1 good, bad so far: $bad"
		if [ "$1" -lt "$2" ] && hop_run $(($1 + 1)) "$2" "$3" $bad; then
			p1 "hop $1 ends: $(heartbeat vm1), QEMU $(pidof qemu-system-x86_64)"
			nestctl refresh resume --commit=auto
		fi
		[ "$1" = "$2" ] || bad=$((bad + 1))
	else
		bad=$((bad + 1))
	fi
	dmesg | tail -n 40
	say_end "$3" "$bad" && end_by poweroff -f
}
