#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The host alone: it goes above the shim and back, notices nothing, and the shim
# sees nothing of it but what it has to.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh

cpus=$(grep -c ^processor /proc/cpuinfo)
kvm_unload
check "load the module" insmod /bin/vmm-refresh.ko
check "the host works before" host_works
hostcheck cpuid >bare.cpuid

check "no shim: devirtualize is refused" refused 19 refresh-ctl off
check "unknown flags are refused" refused 22 refresh-ctl on badflag
check "a short structure is refused" refused 22 refresh-ctl on badsize
check "a structure of more than a page is refused" refused 7 refresh-ctl on hugesize
check "programs older and newer than the module are answered" refresh-ctl sizes
check "a field that the module does not know is refused" refused 7 refresh-ctl newfield
check "refusals leave it bare" is "$(cat /sys/class/misc/vmm-refresh/state)" bare

check "virtualize" refresh-ctl on
check "state says so" is "$(cat /sys/class/misc/vmm-refresh/state)" virtualized
check "every CPU is above the shim" is "$(status cpus)" "$cpus"
check "a second time is refused" refused 16 refresh-ctl on
check "the module stays" fails rmmod vmm_refresh
check "the host works" host_works
hostcheck cpuid >shim.cpuid
check "CPUID is the same" cmp bare.cpuid shim.cpuid

# Work without CPUID or XSETBV: no exit at all, timer interrupts included.
check "work of the host does not leave to the shim" is "$(refresh-ctl busy)" 0

# Of all CPUs: one that has nothing to do needs none for a while.
timer_interrupts()
{
	awk '$1 == "LOC:" { for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }' \
		/proc/interrupts
}

irqs=$(timer_interrupts)
sleep 0.05
check "timer interrupts go on" [ "$(timer_interrupts)" -gt "$irqs" ]

# The host may program MTRRs, for later; it is told.
mtrr()
{
	cp /proc/mtrr "$1" && echo "base=0x$MTRR_BASE size=0x100000 type=uncachable" >/proc/mtrr &&
		grep -q "base=0x0*$MTRR_BASE " /proc/mtrr
}

# mtrr_gone SAVED: delete it, and all is as in the file.
mtrr_gone()
{
	echo "disable=$(sed -n "s/^reg\([0-9]*\): base=0x0*$MTRR_BASE .*/\1/p" /proc/mtrr)" >/proc/mtrr
	cmp "$1" /proc/mtrr
}

MTRR_BASE=1000000000	# nothing is there
[ ! -e /proc/mtrr ] || {
	check "nothing said of MTRRs" fails grep MTRR $DEBUG/console
	check "the host programs an MTRR" mtrr before.mtrr
	check "and is told that it has to wait" grep "MTRR .* of the host changes" $DEBUG/console
	check "it takes it back" mtrr_gone before.mtrr
}
check "KVM loads" kvm_load
check "a VM runs" refresh-vm early 20
check "KVM unloads" kvm_unload
check "no VMX instruction failed" is "$(status vmfails)" 0

check "devirtualize" refresh-ctl off
check "nothing is left" no_trace_left
check "the host works after" host_works
hostcheck cpuid >after.cpuid
check "CPUID is the same again" cmp bare.cpuid after.cpuid
check "unload the module" rmmod vmm_refresh
tap_end
