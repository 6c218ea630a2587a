#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Load and unload the modules 20 times with a nested guest in between.  The
# kernel must not complain (the lab looks), nothing may stay behind.

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

one_round()
{
	kvm_load && /bin/nvx_prefault_test && kvm_unload
}

round=1
while [ $round -le $ROUNDS ]; do
	check "round $round" one_round
	[ $round -ne $WARM ] || warm=$(kernel_kib)
	round=$((round + 1))
done
kvm_unload
end=$(kernel_kib)
echo "# kernel memory: $warm KiB after $WARM rounds, $end KiB after $ROUNDS"
check "kernel memory is back" test $((end - warm)) -le $NOISE_KIB
check "no slab cache is left" fails caches
check "no debugfs directory is left" fails ls /sys/kernel/debug/kvm
# Apart: ls of both would already fail if one of them were gone.
check "kvm-intel.ko is gone" fails ls -d /sys/module/kvm_intel
check "kvm.ko is gone" fails ls -d /sys/module/kvm
tap_end
