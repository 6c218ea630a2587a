#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A domain of Debian's libvirt that is a hypervisor: it is defined, starts, is saved, and goes on
# with the L2 that runs in it.  Its XML is the one that the manual shows.

. /lab/lib.sh
. /lab/tap.sh
. /lab/move.sh

SAVED=/var/lib/libvirt/l1.save

tick()
{
	echo "# $(cut -d ' ' -f 1 /proc/uptime) s after power-on: $*"
}

# Kernel and initramfs of the lab's L1, where the XML has them.
l1_files()
{
	# virsh console locks the terminal.
	mkdir -p /var/lib/libvirt/l1 stage/lab /dev/pts /var/lock
	mount -t devpts -o ptmxmode=0666 devpts /dev/pts || return 1
	cp /lab/l1-l2.sh stage/lab/script
	echo "LEVEL=1 TAG=libvirt VM_DISK=" >stage/lab/level.env
	ln -s /r/lab/vmlinuz /var/lib/libvirt/l1/vmlinuz
	{
		cat /r/lab/l1.cpio /lab/next.cpio
		(cd stage && find . | cpio -o -H newc 2>/dev/null)
	} >/var/lib/libvirt/l1/initrd.img
	rm -r stage
}

# The console of the domain, as virsh shows it on a terminal, until the domain is off.
watch()
{
	rm -f /tmp/keys
	mkfifo /tmp/keys
	: >console.log
	script -q -f -c "virsh console --force l1" console.log <>/tmp/keys >/dev/null 2>&1 &
}

# round: the last one that L1 has said to be good
round()
{
	tr -d '\r' <console.log | sed -n 's/^L1: round \([0-9]*\) good$/\1/p' | tail -n 1
}

# goes_on ROUND: L1 says more, and nothing bad
goes_on()
{
	left=1200
	until now=$(round) && [ "${now:-0}" -gt "$1" ]; do
		left=$((left - 1))
		[ $left -gt 0 ] && ! grep -e bad -e "Script done" console.log ||
			{ echo "L1 does not go on:"; tail -n 20 console.log; libvirt_says; return 1; }
		sleep 0.1
	done
	echo "round $now after $1"
	! grep bad console.log
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
check "the daemon starts" libvirt_start 11111111-1111-4111-8111-111111111111
check "the domain is defined" virsh define /lab/l1.xml
check "it starts" virsh start l1
tick "the domain has started"
watch
check "its console says that an L2 runs in it" goes_on 0
tick "$(grep -a 'L1: modules' console.log | tr -d '\r')"
modules=$(tr -d '\r' <console.log | sed -n 's/^L1: modules //p')
check "domstats: it runs" is "$(stats state.state)" 1
check "domstats: one vCPU" is "$(stats vcpu.current)" 1
check "domstats: the vCPU's time, in ns" at_least "$(stats vcpu.0.time)" 100000000
check "domstats: its memory" is "$(stats balloon.current)" 196608
last=$(round)
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
check "its L2 goes on" goes_on "$last"
tick "restored"
last=$(round)
check "managed save" virsh managedsave l1
check "it is off, and libvirt knows" is "$(is_off && managed)" yes
check "it starts where it was" virsh start l1
watch
check "its L2 goes on again" goes_on "$last"
check "nothing is saved any more" is "$(managed)" no
check "it is ended" virsh destroy l1
check "it is forgotten" virsh undefine l1
check "no domain is left" is "$(virsh list --all --name | tr -d '\n')" ""
cp /var/log/libvirt/libvirtd.log /var/log/libvirt/qemu/l1.log .
tap_end
