#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Load and unload the modules 20 times, with nestctl, with a nested guest in between.
# The kernel must not complain (the lab looks), nothing may stay behind.  nestctl
# refuses what it must, and takes back what it began.

. /lab/lib.sh
. /lab/tap.sh

ROUNDS=20
# By then every cache and pool has its working size.
WARM=5
# Kernel memory may differ by pages that per-CPU caches hold at the moment.
NOISE_KIB=256

meminfo()
{
	sed -n "s/^$1: *\([0-9]*\) kB/\1/p" /proc/meminfo
}

# Slab, percpu and vmalloc memory: what a module could leak.
kernel_kib()
{
	sync
	echo 3 >/proc/sys/vm/drop_caches
	echo $(($(meminfo SUnreclaim) + $(meminfo Percpu) + $(meminfo VmallocUsed)))
}

caches()
{
	grep -E '^(kvm_|x86_emulator|pte_list_desc|vmx)' /proc/slabinfo
}

# Stock modules are no business of nestctl load.
load()
{
	if [ "$KMOD" = nvx ]; then
		# shellcheck disable=SC2086,SC2153 # a list of parameters, from run.env
		nestctl load --from /lab/kvm nested=1 $KPARAMS
	else
		kvm_load
	fi
}

unload()
{
	note_counters
	nestctl unload --none
}

one_round()
{
	load && /bin/nvx_prefault_test && unload
}

# status_of COMMAND...: its exit status
status_of()
{
	"$@"
	echo "exit status $?"
}

# A user of /dev/kvm is named, and nothing changes.
refuses_users()
{
	sleep 1000 <>/dev/kvm &
	status_of nestctl unload --none >/tmp/refused
	grep "process $! (sleep) has /dev/kvm open" /tmp/refused &&
		grep "exit status 1" /tmp/refused && [ -d /sys/module/kvm_intel ]
	result=$?
	kill $!
	wait
	return $result
}

# kvm.ko is loaded, kvm-intel.ko does not take this: nothing is loaded then.
takes_back()
{
	status_of nestctl load --from /lab/kvm nested=perhaps >/tmp/back
	grep "undone.*kvm.ko" /tmp/back && grep "exit status 3" /tmp/back &&
		[ ! -d /sys/module/kvm ]
}

# A guest moves counters, and nestctl shows them.
shows()
{
	nestctl status | grep "KVM: $KMOD" || return 1
	[ "$KMOD" = nvx ] || return 0
	nestctl features | grep "^prefault.* 1 " && /bin/nvx_prefault_test &&
		nestctl stats | grep "^prefault_mapped"
}

kvm_unload
insmod_list /lab/kvm/order
load >/tmp/load
check "nestctl shows what is loaded" shows
check "nestctl refuses while /dev/kvm is open" refuses_users
check "nestctl unloads" unload
[ "$KMOD" != nvx ] || check "nestctl takes back what it began" takes_back

round=1
while [ $round -le $ROUNDS ]; do
	check "round $round" one_round
	[ $round -ne $WARM ] || warm=$(kernel_kib)
	round=$((round + 1))
done
end=$(kernel_kib)
echo "# kernel memory: $warm KiB after $WARM rounds, $end KiB after $ROUNDS"
check "kernel memory is back" test $((end - warm)) -le $NOISE_KIB
check "no slab cache is left" fails caches
check "no debugfs directory is left" fails ls /sys/kernel/debug/kvm
# Apart: ls of both would already fail if one of them were gone.
check "kvm-intel.ko is gone" fails ls -d /sys/module/kvm_intel
check "kvm.ko is gone" fails ls -d /sys/module/kvm
tap_end
