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

# counted KIND WHOSE BEFORE TIMES
counted()
{
	is $(($(denied "$1" "$2") - $3)) "$4"
}

# The other kernel goes through its rows by itself: what it has been denied by then, kind by kind.
second_attacks()
{
	attack_rows 1 "$1" 0 1 2 >rows.1
	check "the second kernel is started" p1_boot "attack:$1,kvm,stay"
	check "it reaches its init" p1_word $WORD_INIT
	check "each of its attacks comes back" p1_word "$(word 1 $WORD_GOOD)" 120
	awk '{ n[$1] += $2 } END { for (kind in n) print kind, n[kind] }' rows.1 | sort >kinds.1
	while read -r kind times; do
		# Its boot is denied some, too.
		[ "$kind" != msr ] || times=$((times + BOOT_MSRS))
		check "1: $kind: denied and counted" is "$(denied "$kind" second)" "$times"
	done <kinds.1
}

first_attacks()
{
	attack_rows 0 "$1" 1 0 5 >rows.0
	while read -r kind times words; do
		before=$(denied "$kind" first)
		# shellcheck disable=SC2086 # words
		check "0: $words: comes back" attack $words
		check "0: $words: is denied as $kind" counted "$kind" first "$before" "$times"
	done <rows.0
}

part_begin
THEIRS=0x42000000
OURS=0x08000000
# What a boot of 6.12 writes of MSRs that are the machine's.
BOOT_MSRS=2
second_attacks $OURS
check "it works as before" p1_word "$(word 2 $WORD_GOOD)" 120
check "the VM of this kernel runs" vm_runs
first_attacks $THEIRS
check "the second kernel runs" p1_word "$(word 3 $WORD_BEGINS)"
check "it is killed" nestctl refresh kill
part_end
tap_end
