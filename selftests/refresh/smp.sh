#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Two CPUs and more: VMs that change their CPU, NMIs from one CPU to the others,
# CPUs that go offline and come back, all above the shim.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh

NMI_ROUNDS=${NMI_ROUNDS:-20}
CPU1=/sys/devices/system/cpu/cpu1
cpus=$(grep -c ^processor /proc/cpuinfo)

[ -d $CPU1 ] || { echo "needs two CPUs (lab run --cpus 2)"; exit 4; }

# How many NMIs all CPUs have taken; the log has room for a few backtraces only.
nmis_taken()
{
	awk '$1 == "NMI:" { for (i = 2; i <= NF; i++) sum += $i } END { print sum + 0 }' \
		/proc/interrupts
}

# sysrq has messages of level 6 go to the serial line whatever the console's level is,
# and what the NMIs have logged goes with them: 11 characters in an emulated millisecond.
# A kernel that crashes without a console just stops: --set KEEP_CONSOLE=1 shows why.
serial_console()
{
	[ -n "${KEEP_CONSOLE:-}" ] || echo "$1" >/sys/class/tty/ttyS0/console
}

nmi_storm()
{
	i=0
	while [ $i -lt "$NMI_ROUNDS" ]; do
		echo l >/proc/sysrq-trigger
		i=$((i + 1))
	done
}

# NMIs while the shim comes and goes, at any step of it.
cycles_under_nmis()
{
	: >storm
	while [ -e storm ]; do nmi_storm; done &
	refresh-ctl cycle $((5 * NMI_ROUNDS))
	status=$?
	rm -f storm
	wait $!
	return $status
}

# Run $1 on CPU 0, 1, ... twice, then wherever it likes.
migrate()
{
	i=0
	while [ $i -lt $((2 * cpus)) ]; do
		mask=$(printf %x $((1 << i % cpus)))
		taskset -p "$mask" "$1" >/dev/null 2>&1 || return 1
		sleep 0.01
		i=$((i + 1))
	done
	taskset -p "$(printf %x $(((1 << cpus) - 1)))" "$1" >/dev/null 2>&1
}

insmod /bin/vmm-refresh.ko || exit 1
dmesg -n 1
serial_console N
echo 1 >/proc/sys/kernel/sysrq

refresh-vm a 3000 >a.vm 2>&1 &
a=$!
refresh-vm b 3000 >b.vm 2>&1 &
b=$!
sleep 0.01
check "virtualize under two VMs" refresh-ctl on
check "VM a changes its CPU" migrate $a
check "VM b changes its CPU" migrate $b

before=$(nmis_taken)
nmi_storm
with=$(($(nmis_taken) - before))
passed_on=$(status nmis)
echo "# $NMI_ROUNDS rounds: $with NMIs, $passed_on passed on by the shim"
check "each CPU takes each NMI once" is "$with" $((NMI_ROUNDS * (cpus - 1)))
check "the shim has passed some on" [ "$passed_on" -gt 0 ]
check "no VMX instruction failed" is "$(status vmfails)" 0
check "devirtualize under two VMs" refresh-ctl off
wait
check "VM a noticed nothing" grep ' bad 0 ' a.vm
check "VM b noticed nothing" grep ' bad 0 ' b.vm

before=$(nmis_taken)
nmi_storm
check "as many NMIs arrive bare" is $(($(nmis_taken) - before)) "$with"
dmesg -c >/dev/null

before=$(nmis_taken)
check "NMIs while the shim comes and goes" cycles_under_nmis
echo "# $((5 * NMI_ROUNDS)) cycles, $(($(nmis_taken) - before)) NMIs"
check "some of them for each cycle" [ $(($(nmis_taken) - before)) -ge $((5 * NMI_ROUNDS)) ]
check "nothing is left of that" no_trace_left
serial_console Y
check "the kernel complained of nothing" fails \
	sh -c "dmesg | grep -E 'WARNING|BUG|Oops|vmm_refresh: .*register'"
dmesg -c >/dev/null

# CPUs that are offline get the shim when they come; they go and come while it is there.
kvm_unload
check "CPU 1 goes offline" sh -c "echo 0 >$CPU1/online"
check "virtualize without it" refresh-ctl on
check "the others are above the shim" is "$(status cpus)" $((cpus - 1))
check "CPU 1 comes online above the shim" sh -c "echo 1 >$CPU1/online"
check "it is above it, too" is "$(hostcheck below | tr -d '\n')" "$(printf %0${cpus}d 0 | tr 0 1)"
check "devirtualize" refresh-ctl off
check "CPU 1 goes offline" sh -c "echo 0 >$CPU1/online"
check "virtualize without it again" refresh-ctl on
check "devirtualize without it" refresh-ctl off
check "nothing is left of that either" no_trace_left
check "CPU 1 comes online bare" sh -c "echo 1 >$CPU1/online"
check "virtualize" refresh-ctl on

# Memory that is there to be taken away must not have the shim in it.
grep -q movablecore= /proc/cmdline && {
	check "there is movable memory" grep -q "zone *Movable" /proc/zoneinfo
	check "the shim is in memory" grep -qE "^0x[0-9a-f]+000 [0-9]+ [A-Z]" $DEBUG/reserve
	check "none that can be taken away" fails grep Movable $DEBUG/reserve
}

check "CPU 1 goes offline above the shim" sh -c "echo 0 >$CPU1/online"
check "the others are left above it" is "$(status cpus)" $((cpus - 1))
check "CPU 1 comes online above the shim" sh -c "echo 1 >$CPU1/online"
check "all CPUs are above it" is "$(status cpus)" "$cpus"
check "the host works" host_works
check "KVM loads" kvm_load
check "a VM runs" refresh-vm late 30
check "devirtualize" refresh-ctl off
check "nothing is left" no_trace_left
check "unload the module" rmmod vmm_refresh
tap_end
