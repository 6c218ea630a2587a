#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Each step of a launch fails on each CPU, and the shim gives up on purpose: the
# host is as it was each time, and the next launch works.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh

EIO=5
ETIMEDOUT=110
ARRIVE=4
PARAMETERS=/sys/module/vmm_refresh/parameters
MACHINE_CHECK=/sys/devices/system/machinecheck/machinecheck0
cpus=$(grep -c ^processor /proc/cpuinfo)

# What the shim calls a CPU.
apic_of()
{
	awk -v cpu="$1" '$1 == "processor" { p = $3 } $1 == "apicid" && p == cpu { print $3 }' \
		/proc/cpuinfo
}

inject()
{
	echo "$2" >$PARAMETERS/fault_cpu
	echo "$1" >$PARAMETERS/fault_step
}

# said TEXT: the kernel has logged it.
said()
{
	dmesg | grep "$1"
}

insmod /bin/vmm-refresh.ko || exit 1
refresh-vm beside 100000 >beside.vm 2>&1 &
vm=$!
sleep 0.01

for step in 1 2 3 4 5 6; do
	cpu=0
	while [ $cpu -lt "$cpus" ]; do
		inject $step $cpu
		want=$EIO
		[ $step -ne $ARRIVE ] || want=$ETIMEDOUT
		check "step $step on CPU $cpu fails" refused $want refresh-ctl on
		check "step $step on CPU $cpu leaves nothing" no_trace_left
		cpu=$((cpu + 1))
	done
done
inject 0 0
check "the next launch works" refresh-ctl on
check "tests are refused without their flag" refused 1 refresh-ctl panic
check "and the return" refresh-ctl off

# Also under a process with selectors of its LDT, the descriptor of which may be gone.
for way in panic fault ldt ldt-gone; do
	check "$way: launch" refresh-ctl on test
	check "$way: the shim gives up" refresh-ctl $way
	check "$way: state says so" is "$(cat /sys/class/misc/vmm-refresh/state)" panicked
	check "$way: it said why" grep -q "panic: " $DEBUG/console
	cat $DEBUG/console | sed 's/^/# /'
	check "$way: the host works" host_works
	check "$way: devirtualize cleans up" refresh-ctl off
	check "$way: nothing is left" no_trace_left
done
# The return, step by step: it may be ugly, but the CPU is the host's again.
for step in 7 8; do
	cpu=0
	while [ $cpu -lt "$cpus" ]; do
		check "return step $step on CPU $cpu: launch" refresh-ctl on test
		inject $step $cpu
		dmesg -c >/dev/null
		check "return step $step on CPU $cpu: devirtualize" refresh-ctl off
		check "return step $step on CPU $cpu: the log says why" \
			said "shim: apic $(apic_of $cpu): panic: "
		check "return step $step on CPU $cpu: nothing is left" no_trace_left
		check "return step $step on CPU $cpu: the host works" host_works
		inject 0 0
		cpu=$((cpu + 1))
	done
done
# A machine check while the shim is at work is the host's, whose handler counts it.
# With no report in the banks it would wait for the other CPUs and give up.
machine_checks()
{
	awk '$1 == "MCE:" { for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }' \
		/proc/interrupts
}

mc_counts()
{
	before=$(machine_checks)
	"$@" && is "$(machine_checks)" $((before + 1))
}

check "machine check: launch" refresh-ctl on test
if [ -d $MACHINE_CHECK ]; then
	echo 0 >$MACHINE_CHECK/monarch_timeout
	check "machine check: the host gets it" mc_counts refresh-ctl mc
	inject 9 0
	check "machine check while the shim leaves: the host gets it" mc_counts refresh-ctl off
	inject 0 0
else
	check "machine check: refused where the host has them off" refused 1 refresh-ctl mc
	check "machine check: devirtualize" refresh-ctl off
fi
check "machine check: nothing is left" no_trace_left
check "machine check: the host works" host_works
check "the VM runs on" kill -0 $vm
kill $vm
wait $vm
check "a VM after" refresh-vm after 50
check "unload the module" rmmod vmm_refresh
tap_end
