#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A domain of Debian's libvirt that is a hypervisor: it is defined, starts, is saved, and goes on
# with the L2 that runs in it.  Its XML is the one that the manual shows.

. /lab/lib.sh
. /lab/tap.sh
. /lab/move.sh
. /lab/l1-lib.sh

SAVED=/var/lib/libvirt/l1.save

# virsh console locks the terminal.
terminals()
{
	mkdir -p /dev/pts /var/lock
	mount -t devpts -o ptmxmode=0666 devpts /dev/pts
}

# The console of the domain, as virsh shows it on a terminal, until the domain is off.
watch()
{
	rm -f /tmp/keys
	mkfifo /tmp/keys
	: >console.log
	script -q -f -c "virsh console --force l1" console.log <>/tmp/keys >/dev/null 2>&1 &
}

# stats NAME: one of what domstats says
stats()
{
	virsh domstats l1 --state --vcpu --balloon | sed -n "s/^ *$1=//p"
}

is_off()
{
	! pidof qemu-system-x86_64 && [ "$(virsh domstate l1 | head -n 1)" = "shut off" ]
}

managed()
{
	virsh dominfo l1 | sed -n 's/^Managed save: *//p'
}

is()
{
	echo "'$1', wanted '$2'"
	[ "$1" = "$2" ]
}

at_least()
{
	echo "$1, at least $2"
	[ "${1:-0}" -ge "$2" ]
}

# It cannot go on without what it uses, and the saved file stays as it is.
refused_without_nvx()
{
	kvm_load nvx=0 || return 1
	if virsh restore $SAVED >refused 2>&1; then
		cat refused
		return 1
	fi
	cat refused
	grep -h "nested state" refused /var/log/libvirt/qemu/l1.log
}

ip link set lo up
check "kernel and initramfs of an L1" l1_files
check "terminals" terminals
check "the daemon starts" libvirt_start 11111111-1111-4111-8111-111111111111
# shellcheck disable=SC2119
l1_xml >l1.xml
check "the domain is defined" virsh define l1.xml
check "it starts" virsh start l1
tick "the domain has started"
watch
check "its console says that an L2 runs in it" l1_goes_on console.log 0
tick "$(grep -a 'L1: modules' console.log | tr -d '\r')"
modules=$(l1_modules console.log)
check "its clock is the TSC" grep -aq "L1: clock tsc" console.log
check "domstats: it runs" is "$(stats state.state)" 1
check "domstats: one vCPU" is "$(stats vcpu.current)" 1
check "domstats: the vCPU's time, in ns" at_least "$(stats vcpu.0.time)" 100000000
check "domstats: its memory" is "$(stats balloon.current)" 196608
last=$(l1_round console.log)
check "it is saved" virsh save l1 $SAVED
check "it is off" is_off
tick "saved: $(stat -c %s $SAVED) bytes"
if [ "$KMOD" = nvx ] && [ "$modules" = nvx ]; then
	check "without nvx it is not restored" refused_without_nvx
	check "nor is it lost: it is off" is_off
	kvm_load
fi
check "it is restored" virsh restore $SAVED
watch
check "its L2 goes on" l1_goes_on console.log "$last"
tick "restored"
last=$(l1_round console.log)
check "managed save" virsh managedsave l1
check "it is off, and libvirt knows" is "$(is_off && managed)" yes
check "it starts where it was" virsh start l1
watch
check "its L2 goes on again" l1_goes_on console.log "$last"
check "nothing is saved any more" is "$(managed)" no
check "it is ended" virsh destroy l1
check "it is forgotten" virsh undefine l1
check "no domain is left" is "$(virsh list --all --name | tr -d '\n')" ""
cp /var/log/libvirt/libvirtd.log /var/log/libvirt/qemu/l1.log .
tap_end
