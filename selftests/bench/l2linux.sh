#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A full Linux as L2, under QEMU in an L1 under QEMU, computes the same checksum
# as this machine.

. /lab/lib.sh

. /bench/checksum.sh

expected=$(checksum)
l1_boot linux -m 512 -disk /bench/l2linux-l1.sh || { echo "L1 failed with status $?"; exit 1; }

dir=l1/linux/l2/linux
[ -s $dir/checksum ] || { echo "no checksum came back from L2"; exit 1; }
grep -qw hypervisor $dir/cpuinfo || { echo "L2 does not run under a hypervisor"; exit 1; }
actual=$(cat $dir/checksum)
[ "$actual" = "$expected" ] ||
	{ echo "L2 computed $actual, this machine $expected"; exit 1; }
echo "L2 Linux computed $actual"
