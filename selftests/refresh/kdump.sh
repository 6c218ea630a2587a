#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A host that is virtualized, with VMs, crashes: its crash kernel boots and works, KVM
# included.  The CPU that crashed stays above the shim, the others are started by
# INIT and start-up IPI: the shim is not below them any more.  BLOCKED=1 (two CPUs):
# the second CPU has an INIT pending when the host crashes.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/restart.sh
. /lab/crash.sh

cpus=$(grep -c ^processor /proc/cpuinfo)

# The shim below the first CPU, and below no other one.
expected_below()
{
	[ "$SHIM" = 0 ] && echo 0 || echo 1
	seq 2 "$cpus" | sed 's/.*/0/'
}

# KVM has all CPUs in VMX operation, and those do not see an INIT until VMXOFF, which
# the crash brings.
init_is_blocked()
{
	check "an INIT for CPU 1" taskset 1 refresh-ctl init "$(apic_id 1)"
	sleep 0.01
	check "the shim has left CPU 1 only" is "$(hostcheck below | tr -d '\n')" 10
	check "CPU 1 works" taskset 2 sh -c 'seq 20000 | wc -l'
}

crash()
{
	insmod /bin/vmm-refresh.ko || exit 1
	check "load a crash kernel" load_crash_kernel none
	vms=$cpus
	# A guest on the other CPU would get the INIT.
	[ -z "$BLOCKED" ] || vms=1
	for cpu in $(seq "$vms"); do
		refresh-vm "vm$cpu" 1000000 >/dev/null 2>&1 &
		taskset -p $((1 << (cpu - 1))) $! >/dev/null
	done
	sleep 0.01
	if [ "$SHIM" != 0 ]; then
		check "virtualize under VMs" refresh-ctl on test uart
		sleep 0.01
		check "their VMCSs are borrowed" [ "$(status installs)" -ge "$vms" ]
		[ -z "$BLOCKED" ] || init_is_blocked
	fi
	machine_restarts
	taskset 1 sh -c 'echo c >/proc/sysrq-trigger'
}

captured()
{
	check "a crash kernel runs" [ -e /proc/vmcore ]
	check "its CPUs: $cpus" is "$cpus" "$(cat "$RESULTS/cpus")"
	check "the shim is below the first CPU only" \
		is "$(hostcheck below)" "$(expected_below)"
	check "the host works" host_works
	check "KVM works" refresh-vm captured 50
	check "the dump can be read" dump_is_there
	tap_end
}

SHIM=${SHIM:-1}
case $STAGE in
1)
	echo "$cpus" >"$RESULTS/cpus"
	crash
	;;
*)	captured ;;
esac
