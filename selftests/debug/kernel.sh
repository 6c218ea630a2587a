#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The debug kernel is one and its checks are on.  What it has said while it came up is judged
# by the lab.

. /lab/tap.sh

is_on()
{
	grep -q "$@"
}

check "this is a debug kernel" is_on -e -debug- /proc/sys/kernel/osrelease
check "lockdep is on" is_on '^ *debug_locks: *1' /proc/lockdep_stats
check "KASAN is on" is_on -w kasan_multi_shot /proc/cmdline
check "KASAN has its shadow" is_on 'KernelAddressSanitizer initialized' /tmp/before
grep -E 'Preempt|preempt' /tmp/before
tap_end
