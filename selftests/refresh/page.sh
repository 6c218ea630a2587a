#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# nvx above the shim: KVM has what it reads and writes of a VMCS in memory.  VMs that
# check their own state while that comes and goes, in good order and by a panic of
# the shim; with two CPUs they move between CPUs that have it and one that has not.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh

CYCLES=${CYCLES:-20}
CPU1=/sys/devices/system/cpu/cpu1
# Two emulated CPUs are slow: then only what one cannot show.
SETTINGS="with noshadow"
[ ! -d $CPU1 ] || SETTINGS=
VMREAD=23
VMWRITE=25

[ -e /sys/module/kvm_intel/parameters/nvx_features ] ||
	{ echo "needs nvx (lab run --modules nvx)"; exit 4; }

# take PREFIX: the counts of one moment, in variables that begin with it.
take()
{
	eval "$(refresh-ctl status | tr ' ' '\n' | sed -n "s/^\(.*_exits=\)/$1\1/p")"
}

# in_memory COMMAND...: nearly every exit of a guest meanwhile was told in memory.
in_memory()
{
	take before_
	"$@" || return 1
	take after_
	guest=$((after_guest_exits - before_guest_exits))
	told=$((after_page_exits - before_page_exits))
	echo "$guest exits of guests, $told of them in memory"
	[ "$guest" -gt 100 ] && [ $((told * 100)) -ge $((guest * 98)) ]
}

# Exits of the host for each one of its guest: its VM entry, and rarely anything else.
one_exit_each()
{
	reads=$(exits 2 $VMREAD) writes=$(exits 2 $VMWRITE)
	take before_
	refresh-vm ticks 80 cpuid || return 1
	take after_
	host=$((after_host_exits - before_host_exits))
	guest=$((after_guest_exits - before_guest_exits))
	reads=$(($(exits 2 $VMREAD) - reads)) writes=$(($(exits 2 $VMWRITE) - writes))
	echo "$guest exits of the guest, $host of the host: $reads VMREAD, $writes VMWRITE"
	[ "$guest" -gt 20480 ] && [ $((host * 100)) -le $((guest * 105)) ]
}

# endless NAME: a VM in the background, its process in $vm.
endless()
{
	refresh-vm "$1" 100000000 >"$1.vm" 2>&1 &
	vm=$!
}

# end NAME PROCESS: it was still there, and has not seen anything wrong.
end()
{
	kill "$2" || return 1
	wait "$2" || return 1
	cat "$1.vm"
	grep -q ' bad 0 ' "$1.vm"
}

migrate()
{
	for mask in 1 2 1 2 1 2 3; do
		taskset -p $mask "$1" >/dev/null 2>&1 || return 1
		sleep 0.01
	done
	kill -0 "$1"
}

# The VMs run.
moment()
{
	sleep 0.01
}

insmod /bin/vmm-refresh.ko || exit 1
endless beside
beside=$vm
sleep 0.02

for setting in $SETTINGS; do
	flags=${setting#with}
	check "$setting: launch under a VM" refresh-ctl on $flags
	check "$setting: the VM's exits are told in memory" in_memory moment
	check "$setting: a VM's are from its first one" in_memory refresh-vm above 50
	check "$setting: one exit of the host for each" one_exit_each
	check "$setting: no VMX instruction failed" is "$(status vmfails)" 0
	check "$setting: leave" refresh-ctl off
	check "$setting: nothing is left" no_trace_left
	# Without the page the same is dear: the counts above mean something.
	check "$setting: launch without the page" refresh-ctl on $flags nopage
	check "$setting, without the page: a VM" refresh-vm without 20
	check "$setting, without the page: nothing is told in memory" is "$(status page_exits)" 0
	[ -z "$flags" ] || check "$setting, without the page: the host leaves more often" fails one_exit_each
	check "$setting, without the page: leave" refresh-ctl off
done

# The shim gives up: this CPU goes on without it, others with it.
for way in panic fault; do
	check "$way: launch" refresh-ctl on test
	check "$way: in memory before" in_memory moment
	check "$way: the shim gives up" refresh-ctl $way
	moment
	check "$way: a VM starts and ends after" refresh-vm after 20
	[ ! -d $CPU1 ] || {
		endless wanderer
		check "$way: a VM moves between the CPUs" migrate $vm
		check "$way: and saw nothing wrong" end wanderer $vm
	}
	check "$way: devirtualize" refresh-ctl off
	check "$way: nothing is left" no_trace_left
done

refresh-ctl cycle 3
check "$CYCLES cycles under a VM" refresh-ctl cycle "$CYCLES"
check "nothing is left of them" no_trace_left

[ ! -d $CPU1 ] || {
	check "launch on two CPUs" refresh-ctl on
	endless wanderer
	wanderer=$vm
	check "VM moves between the CPUs" in_memory migrate $wanderer
	check "CPU 1 goes offline" sh -c "echo 0 >$CPU1/online"
	check "its VMs' exits are told in memory elsewhere" in_memory moment
	check "CPU 1 comes back" sh -c "echo 1 >$CPU1/online"
	check "VM moves between the CPUs again" in_memory migrate $wanderer
	check "leave two CPUs" refresh-ctl off
	check "the VM saw nothing wrong" end wanderer $wanderer
	check "nothing is left of two CPUs" no_trace_left
}

check "the VM beside saw nothing wrong" end beside $beside

# KVM goes and comes above the shim.
check "launch for another KVM" refresh-ctl on
check "KVM unloads" kvm_unload
check "KVM loads" kvm_load
check "the new KVM has it" in_memory refresh-vm reloaded 50
check "KVM without it loads" kvm_load nvx_off=shim_page
before=$(status page_exits)
check "a VM of that one" refresh-vm plain 20
check "which does not have it" is "$(status page_exits)" "$before"
check "no VMX instruction failed" is "$(status vmfails)" 0
check "leave in the end" refresh-ctl off
check "nothing is left in the end" no_trace_left
check "KVM loads again" kvm_load
check "a VM after" refresh-vm after 20
check "the kernel complained of nothing" fails \
	sh -c "dmesg | grep -E 'WARNING|BUG|Oops|vmread|vmwrite|vmm_refresh: .*register'"
check "unload the module" rmmod vmm_refresh
tap_end
