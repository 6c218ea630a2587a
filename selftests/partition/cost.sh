#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What a second kernel costs: how long this one stands still when the shim comes and goes, how long it takes
# to give memory, and the boot of the second kernel against that of the same kernel, initramfs and command
# line on the bare machine, with as much memory, which has the end of the test.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/restart.sh

TOOK=1000000	# what stage "took" says is above, in hundredths of milliseconds
MIB=896
MEMORY=/sys/devices/system/memory/memory

# stands_still WORDS...: what of this CPU is away while refresh-ctl does that on the other one
stands_still()
{
	gap refresh-ctl "$@" >gap.out && echo "# $*: $(tail -1 gap.out)" >>costs
}

milliseconds()
{
	awk '{ printf "%d", $1 * 1000 }' /proc/uptime
}

# The last blocks of memory but one, which has a hole, by their numbers.
blocks()
{
	for block in "$MEMORY"[0-9]*; do
		[ "$(cat "$block/valid_zones")" != Movable ] || echo "${block#"$MEMORY"}"
	done | sort -n | sed '$d' | tail -$((MIB / 128))
}

# set_blocks STATE NUMBER...
set_blocks()
{
	state=$1
	shift
	for block in "$@"; do
		echo "$state" >"$MEMORY$block/state" || { echo "block $block"; return 1; }
	done
}

# From the last one on, and back.
memory_goes()
{
	list=$(blocks)
	[ "$(echo "$list" | wc -l)" = $((MIB / 128)) ] || { echo "$list"; return 1; }
	from=$(milliseconds)
	# shellcheck disable=SC2046,SC2086 # words
	set_blocks offline $(echo "$list" | sort -rn) || return 1
	to=$(milliseconds)
	# shellcheck disable=SC2086 # words
	set_blocks online_movable $list || return 1
	echo "# $MIB MiB taken out of this kernel: $((to - from)) ms" >>costs
}

boot_takes()
{
	from=$(milliseconds)
	p1_boot took,stay || return 1
	echo "# given, loaded and started, all of it: $(($(milliseconds) - from)) ms" >>costs
}

part_begin
sleep 1
check "the VM of this kernel has noticed nothing" vm_end
check "this CPU is away while nothing happens" stands_still status
check "... while the shim comes" stands_still on
check "... while it goes" stands_still off
check "memory goes and comes" memory_goes
nestctl refresh boot -n --json --cpus 1 --memory ${MIB}M --serial $SERIAL --kernel /second/bzImage \
	--initrd /second/initrd --append "$(echo $P1_APPEND)" >dry
WORDS=$(sed -n 's/.*"cmdline": *"\([^"]*\)".*/\1/p' dry)
check "its command line is known" [ -n "$WORDS" ]
check "the second kernel is started" boot_takes
check "it says how long its boot took" p1_word $((TOOK + 1)) 120
took=$((($(part word) - TOOK) / 100))
echo "# boot beside this kernel: $took ms, $((took * KHZ)) instructions, $(p1_exits) exits" >>costs
cat costs
check "all it had comes back" nestctl refresh undo
check "nothing is left" no_trace_left
check "unload the module" rmmod vmm_refresh
tap_end
echo $? >"$RESULTS/.rc"
machine_restarts
kexec-crash -e /second/bzImage /second/initrd "$WORDS mem=$((MIB + 1))M scen=bare:$TESTNAME:$took"
echo "# this kernel has not ended"
exit 1
