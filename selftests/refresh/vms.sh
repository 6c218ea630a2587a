#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Stock KVM with VMs that check their own state: the shim comes while they run,
# while they start, while KVM is loaded again; it leaves while they run.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh

CYCLES=${CYCLES:-200}
CPUIDS=20480	# 80 reports of 256

# run_vm NAME REPORTS: in the background, its verdict in a file.
run_vm()
{
	(refresh-vm "$1" "$2" >"$1.vm" 2>&1; echo $? >"$1.rc") &
}

vm_good()
{
	cat "$1.vm"
	is "$(cat "$1.rc")" 0
}

shrink_slabs()
{
	for slab in /sys/kernel/slab/*/shrink; do
		echo 1 >"$slab"
	done
}

# Free pages, with what each CPU keeps for itself: lists of pages, slabs (once more for what
# RCU gives back meanwhile), and a difference of dozens that it has not told yet.
memory()
{
	sync
	echo 3 >/proc/sys/vm/drop_caches
	shrink_slabs
	sleep 0.02
	shrink_slabs
	echo 1 >/proc/sys/vm/stat_refresh
	awk '$1 == "nr_free_pages" || $1 == "count:" { n += $2 } END { print n }' /proc/zoneinfo
}

insmod /bin/vmm-refresh.ko || exit 1
check "a VM before" refresh-vm before 50
bare=$(refresh-vm ticks 20 cpuid | sed 's/.*cpuid //')

# VM first, then the shim, three rounds; then VM and shim end in turn.
run_vm running 3000
sleep 0.02
for round in 1 2 3; do
	check "round $round: under a running VM" refresh-ctl on
	sleep 0.01
	check "round $round: its VMCS is borrowed" [ "$(status installs)" -gt 0 ]
	check "round $round: its exits are the host's" [ "$(status guest_exits)" -gt 0 ]
	check "round $round: no VMX instruction failed" is "$(status vmfails)" 0
	check "round $round: and away again" refresh-ctl off
	sleep 0.005
done
wait
check "the VM noticed nothing" vm_good running

# Shim first: VMXON and all of the VM's life above it.
check "shim first" refresh-ctl on
check "a VM starts and ends" refresh-vm above 50
before_host=$(status host_exits) before_guest=$(status guest_exits)
above=$(refresh-vm ticks 80 cpuid | sed 's/.*cpuid //')
host=$(($(status host_exits) - before_host))
guest=$(($(status guest_exits) - before_guest))
echo "# guest CPUID: $bare instructions bare, $above above the shim"
echo "# $CPUIDS guest CPUIDs: $guest exits of the guest, $host of the host"
check "instructions of a guest CPUID: at most 1.92 x bare" at_most $((above * 100)) $((bare * 192))
check "exits per guest CPUID: at most 2.1" at_most $(((host + guest) * 10)) $((CPUIDS * 21))
echo "exits_per_cpuid=$(awk "BEGIN { print ($host + $guest) / $CPUIDS }") bare=$bare above=$above" >figures

# Two VMs on one CPU: one VMCS is active but not current when the shim comes.
run_vm a 600
run_vm b 600
sleep 0.01
check "devirtualize under two VMs" refresh-ctl off
sleep 0.01
check "virtualize under two VMs" refresh-ctl on
wait
check "VM a noticed nothing" vm_good a
check "VM b noticed nothing" vm_good b
check "KVM unloads above the shim" kvm_unload
check "KVM loads above the shim" kvm_load
check "a VM of the new KVM" refresh-vm reloaded 50
check "leave in the end" refresh-ctl off
check "a VM after" refresh-vm after 50

# Without VMCS shadowing every VMREAD is an exit.
check "without shadowing" refresh-ctl on noshadow nopage
check "a VM without shadowing" refresh-vm plain 50
check "VMREADs leave then" [ "$(exits 2 23)" -gt 1000 ]
check "leave" refresh-ctl off

refresh-vm many 100000000 >many.vm 2>&1 &
vm=$!
sleep 0.02
# The VM has all its memory by then, and the module's calls their caches.
refresh-ctl cycle 5
memory >/dev/null
free=$(memory)
same=$(memory)
check "$CYCLES cycles under a VM" refresh-ctl cycle "$CYCLES"
left=$(memory)
check "the VM runs on" kill -0 $vm
kill $vm
wait $vm
echo $? >many.rc
check "the VM noticed nothing of them" vm_good many
check "every cycle was one" [ "$(status launches)" -ge "$CYCLES" ]
echo "# free pages: $free, again without a cycle $same, after $CYCLES cycles $left"
# Stacks and slabs of whoever runs come and go, as between the two measurements before; a
# page for each cycle would be a leak.
[ "$same" -ge "$free" ] || free=$same
check "no memory is lost" at_most $((free - left)) 16
check "nothing is left" no_trace_left
check "the host works after" host_works
check "unload the module" rmmod vmm_refresh
tap_end
