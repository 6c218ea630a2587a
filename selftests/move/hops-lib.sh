# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# Refreshes in a row: kernel 0 is the lab's, each later one takes the place of the one before, below a
# VM that runs on through all of them.  /second has the kernel that comes next, and /hops what each
# kernel has found (facts.sh, and hop_names).

. /lab/partition.sh

# Even and odd kernels take turns: the serial line, the end of the link, libvirt's name of the host.
hop_serial()
{
	[ $(($1 % 2)) = 0 ] && echo 0x3f8,4 || echo 0x2f8,3
}

hop_address()
{
	echo 10.99.0.$(($1 % 2 + 1))
}

# Names that a kernel has for things, and what is left in /run.
hop_names()
{
	cut -d ' ' -f 1 /proc/modules | sort | sed 's/^/module /'
	for class in /sys/class/net /sys/class/block /sys/class/misc /sys/bus/pci/devices /sys/bus/platform/devices; do
		for name in "$class"/*; do
			echo "${name#/sys/}"
		done
	done
	sed 's/ .*//; s/^/console /; s/ttyS[01]/line/' /proc/consoles
	# nestctl's locks are files that stay.
	(cd / && find run) | grep -vx 'run/nestctl\(/lock\|/run.lock\)\{0,1\}' | sort
}

# hop_facts N: what this kernel, number N, has
hop_facts()
{
	facts_take "/hops/$1" && hop_names >>"/hops/$1/facts" &&
		awk '/^MemTotal/ { print $2 }' /proc/meminfo >"/hops/$1/memory"
}

# hop_drift N M: lines in which kernels N and M differ that are not known to
hop_drift()
{
	sed -n 's/^\([^#][^\t]*\)\t.*/\1/p' /lab/differences >/tmp/known
	facts_differ "/hops/$1" "/hops/$2" >/tmp/differ
	grep -vEf /tmp/known /tmp/differ >/tmp/drift
	p1 "hop $2 and $1: memory $(cat "/hops/$2/memory") and $(cat "/hops/$1/memory") KiB," \
		"$(wc -l </tmp/differ) differences, $(wc -l </tmp/drift) unknown"
	sed 's/^/P1: drift /' /tmp/drift
	[ ! -s /tmp/drift ]
}

# The next kernel's initrd, from /second/initrd, libvirt's disk, and this kernel's /second and /hops.
hop_initrd()
{
	disk=$(find_disk -a) && (cd / && find second hops | cpio -o -H newc 2>/dev/null) >/tmp/hops.cpio &&
		cat /second/initrd "$disk" /tmp/hops.cpio >/tmp/initrd && rm /tmp/hops.cpio
}

# hop_boot N WORDS: kernel N, without the VM
hop_boot()
{
	# shellcheck disable=SC2086 # words
	nestctl refresh boot --cpus 1 --memory 768M --serial "$(hop_serial "$1")" \
		--kernel /second/bzImage --initrd /second/initrd --append "$(echo $P1_APPEND) $2"
}

# hop_run N OF TEST BAD: kernel N, of which there are OF, in the place of this one; up to where nothing can be
# taken back.
hop_run()
{
	hop_initrd || return 1
	printf '%s\n' '#!/bin/sh' 'poweroff -f' >/bin/power-off && chmod +x /bin/power-off
	# shellcheck disable=SC2086 # words
	nestctl refresh run --json --commit=stop --off=power-off \
		"--to=qemu+tcp://$(hop_address "$1")/system" \
		"--from=qemu+tcp://$(hop_address $(($1 - 1)))/system" \
		"--link=$(hop_address $(($1 - 1)))/24" -- --cpus 1 --memory 768M \
		--serial "$(hop_serial "$1")" --kernel /second/bzImage --initrd /tmp/initrd \
		--append "$(echo $P1_APPEND) scen=libvirt:$(hop_address "$1"),hop:$1:$2:$3:$4"
}
