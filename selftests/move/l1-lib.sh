# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# A domain of libvirt that is a hypervisor with an L2: its files, and what it says.

# Kernel and initramfs of the lab's L1, where the XML has them.
l1_files()
{
	mkdir -p /var/lib/libvirt/l1 stage/lab || return 1
	cp /lab/l1-l2.sh stage/lab/script
	echo "LEVEL=1 TAG=libvirt VM_DISK= ${L1_VALUES:-}" >stage/lab/level.env
	cp /r/lab/vmlinuz /var/lib/libvirt/l1/vmlinuz
	{
		cat /r/lab/l1.cpio /lab/next.cpio
		(cd stage && find . | cpio -o -H newc 2>/dev/null)
	} >/var/lib/libvirt/l1/initrd.img
	rm -r stage
}

# What L1 boots from has to be at the same place of both kernels; a file without its directories is left out.
add_l1()
{
	l1_files && (cd / && { printf '%s\n' var var/lib var/lib/libvirt; find var/lib/libvirt/l1; } |
		cpio -o -H newc >>/tmp/initrd)
}

# l1_xml [COMMAND...]: the XML of the manual, with this machine's TSC as libvirt has it, asked by COMMAND
# shellcheck disable=SC2120 # it may be none
l1_xml()
{
	hertz=$("$@" virsh capabilities | sed -n "s/.*<counter name='tsc' frequency='\([0-9]*\)'.*/\1/p")
	echo "# libvirt has a TSC of $hertz Hz" >&2
	[ "$hertz" ] && sed "s/\(<timer name='tsc' frequency=\)'[0-9]*'/\1'$hertz'/" /lab/l1.xml
}

# start_l1 LOG: by the XML of the manual, with its console in a file
start_l1()
{
	# shellcheck disable=SC2119
	l1_xml >l1.manual || return 1
	sed "s,<console type='pty'/>,<serial type='file'><source path='$1' append='on'/></serial>," \
		l1.manual >l1.xml
	virsh define l1.xml && virsh start l1
}

# l1_round LOG: the last one that L1 has said to be good
l1_round()
{
	tr -d '\r' <"$1" | sed -n 's/^L1: round \([0-9]*\) good$/\1/p' | tail -n 1
}

# l1_modules LOG: the KVM that it has
l1_modules()
{
	tr -d '\r' <"$1" | sed -n 's/^L1: modules //p'
}

# l1_goes_on LOG ROUND: L1 says more, and nothing bad
l1_goes_on()
{
	left=1200
	until now=$(l1_round "$1") && [ "${now:-0}" -gt "$2" ]; do
		left=$((left - 1))
		[ $left -gt 0 ] && ! grep -e bad -e "Script done" "$1" ||
			{ echo "L1 does not go on:"; tail -n 20 "$1"; libvirt_says; return 1; }
		sleep 0.1
	done
	echo "round $now after $2"
	! grep bad "$1"
}
