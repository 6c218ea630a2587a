#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Each row of the table of attacks, from each side on the other: it is denied, counted under its
# kind, and harms nobody.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/attack-lib.sh

# counted KIND WHOSE TIMES: since before
counted()
{
	now=$(denied "$1" "$2")
	[ $((now - before)) = "$3" ] || { echo "$((now - before)) times"; return 1; }
}

# Index and data registers of the IOAPIC, from two CPUs at the same time.
race()
{
	check "it begins with the IOAPIC" p1_word "$(word 1 $WORD_BEGINS)"
	check "each finds its own there" attack do=race addr=5 count=1000
	check "both at a time" is "$(part word)" "$(word 1 $WORD_BEGINS)"
	attacks_over
	check "so does the other one" p1_word "$(word 1 $WORD_GOOD)" 120
}

# The other kernel goes through its rows by itself: what it has been denied by then, kind by kind.
second_attacks()
{
	before=$(nmis)
	check "the second kernel is started" p1_boot "race,attack:$1,unhurt"
	check "it reaches its init" p1_word $WORD_INIT
	race
	attack_rows 1 "$1" 0 1 2 >rows.1
	check "each of its attacks comes back" p1_word "$(word 2 $WORD_GOOD)" 120
	awk '{ n[$1] += $2 } END { for (kind in n) print kind, n[kind] }' rows.1 | sort >kinds.1
	while read -r kind times; do
		# Its boot is denied some, too.
		[ "$kind" != msr ] || times=$((times + BOOT_MSRS))
		check "1: $kind: denied and counted" is "$(denied "$kind" second)" "$times"
	done <kinds.1
	check "no NMI has come to this kernel" is "$(nmis)" "$before"
}

# first_attacks PAGE [ROWS]: of this kernel, while the second one runs; 2: when that has ended
first_attacks()
{
	side=${2:-0}
	attack_rows "$side" "$1" 1 0 5 >rows
	last=
	while read -r kind times words; do
		[ "$kind" = "$last" ] || before=$(denied "$kind" first)
		# shellcheck disable=SC2086 # words
		check "$side: $words: comes back" attack $words
		check "$side: $words: is denied as $kind, $times times" counted "$kind" first "$times"
		last=$kind before=$now
	done <rows
	attacks_over
}

# This kernel has all shim pages in its map.  It asks for that of the other one's CPU, whose VM exits
# all the time, and says that it has written fields of it.
first_wants_page()
{
	at=$(shim_page 1)
	told=$(status page_exits)
	check "it asks for the shim page of the other's CPU" attack do=write addr="$at" value=0x180000000
	sleep 0.3
	check "that page tells nothing" is "$(status page_exits)" "$told"
	check "nor is anything taken from it" attack do=write addr="$at" value=0x100001fff
	sleep 0.3
	check "the other kernel's VM runs on" p1_word "$(word 3 $WORD_BEGINS)"
	check "still nothing is told" is "$(status page_exits)" "$told"
	attack do=write addr="$at" value=0x80000000
}

part_begin
THEIRS=0x42000000
OURS=0x08000000
# What a boot of 6.12 writes of MSRs that are the machine's.
BOOT_MSRS=2
second_attacks $OURS
check "it runs a VM as before" p1_word "$(word 3 $WORD_BEGINS)"
check "the VM of this kernel runs" vm_runs
first_attacks $THEIRS
first_wants_page
sleep 0.3
check "the second kernel and its VM run, no NMI has come to it" p1_word "$(word 3 $WORD_BEGINS)"
check "it is killed" nestctl refresh kill
first_attacks $THEIRS 2
part_end
tap_end
