#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A full Linux as L2, under QEMU in an L1 under QEMU, computes the same checksum
# as this machine, and has the ticks that it asks for meanwhile, not more and not fewer.
# If L1 delegates (L1_PARAMS) L0 has set the timer for most of them.

. /lab/lib.sh

. /bench/checksum.sh

# Of Debian's kernels.
HZ=250

expected=$(checksum)
l1_boot linux -m 512 -disk /bench/l2linux-l1.sh || { echo "L1 failed with status $?"; exit 1; }

dir=l1/linux/l2/linux
[ -s $dir/checksum ] || { echo "no checksum came back from L2"; exit 1; }
grep -qw hypervisor $dir/cpuinfo || { echo "L2 does not run under a hypervisor"; exit 1; }
actual=$(cat $dir/checksum)
[ "$actual" = "$expected" ] ||
	{ echo "L2 computed $actual, this machine $expected"; exit 1; }

read -r from ticks0 <<END
$(head -n 1 $dir/ticks)
END
read -r to ticks1 <<END
$(tail -n 1 $dir/ticks)
END
ticks=$((ticks1 - ticks0)) wanted=$(((to - from) * HZ / 100))
echo "$ticks timer interrupts in $((to - from)) hundredths of a second"
[ $((ticks * 100)) -ge $((wanted * 80)) ] && [ $((ticks * 100)) -le $((wanted * 120 + 500)) ] ||
	{ echo "about $wanted were due"; exit 1; }

case " ${L1_PARAMS:-} " in
*" nvx_deleg_l1=1 "*)
	set -- "$(cat /sys/kernel/debug/kvm/nvx/deleg_tsc_deadline)"
	echo "L0 set L2's timer $1 times"
	[ "$1" -ge $((ticks / 2)) ] || exit 1 ;;
esac
echo "L2 Linux computed $actual"
