#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Commands of the manual that take VMX or a second kernel, as the pages show them: the rows
# "lab" of /lab/commands, those of a page in one shell.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh

RELEASE=$(uname -r)
MODULES=/lib/modules/$RELEASE

# What goes on for ever is ended by SIGTERM.
sudo()
{
	case " $* " in
	*" --watch "*)	timeout 3 "$@"; [ $? = 143 ] ;;
	*)		"$@" ;;
	esac
}

# A machine where the packages are installed, and a kernel to boot beside this one.
prepare()
{
	mkdir -p "$MODULES/kernel/arch/x86/kvm" "$MODULES/updates/dkms" "$MODULES/kernel/lib" /boot
	cp /lab/kvm/*.ko "$MODULES/kernel/arch/x86/kvm/"
	cp "/build/modules/$RELEASE/stripped/"*.ko "$MODULES/updates/dkms/"
	cp /lab/modules/*.ko "$MODULES/kernel/lib/" 2>/dev/null
	depmod "$RELEASE"
	for name in 6.12 "$RELEASE"; do
		ln -s /second/bzImage "/boot/vmlinuz-$name"
		ln -s /second/initrd "/boot/initrd.img-$name"
	done
	cd / && PWD=/ && export PATH
}

# good STATUS COMMAND: in this shell
good()
{
	eval "$2"
	rc=$?
	case ",$1," in
	*,$rc,*)	return 0 ;;
	esac
	echo "status $rc instead of $1"
	return 1
}

# of_page PAGE: all of its rows, in one shell
of_page()
{
	while IFS="$TAB" read -r how command; do
		status=${how#lab}
		status=${status#=}
		check "$1: $command" good "${status:-0}" "$command" </dev/null
	done
}

TAB=$(printf '\t')
check "a machine with the packages" prepare
seed-random
insmod /bin/vmm-refresh.ko || exit 1
[ -d /sys/devices/system/cpu/cpu1 ] || { echo "needs two CPUs (lab run --cpus 2)"; exit 4; }
for page in $(sed -n 's/^\[\(.*\)\]$/\1/p' /lab/commands); do
	sed -n "\|^\[$page\]|,/^\$/p" /lab/commands | grep "^lab" >/tmp/rows || continue
	path=$PATH
	of_page "$page" </tmp/rows
	PATH=$path
	cd / || exit 1
done
check "the distribution's KVM is loaded at the end" test ! -e /sys/module/kvm_intel/parameters/nvx
tap_end
