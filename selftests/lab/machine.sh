#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The machine is what was asked for: needs no VMX, so every backend must pass.

. /lab/lib.sh

fail()
{
	echo "$*"
	exit 1
}

release=$(uname -r)
case $release in
6.*)	;;
*)	fail "kernel $release is not one of ours" ;;
esac
[ "$(grep -c ^processor /proc/cpuinfo)" -ge 1 ] || fail "no CPU in /proc/cpuinfo"
[ "$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)" -gt 500000 ] ||
	fail "less memory than asked for"
[ -d /sys/kernel/debug/tracing ] || fail "debugfs is not mounted"
echo "kernel $release"
