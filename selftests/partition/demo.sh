#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Everything once, with figures (scripts/demo-partition): a second kernel is planned, booted, idle,
# busy, attacks this one and is attacked, runs a VM beside this one's, and gets the machine.
# "facts" has what is seen from here, NAME VALUE in a line each; what the second kernel sees it
# says on its line.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/attack-lib.sh
. /lab/facts.sh
. /lab/restart.sh

THEIRS=0x42000000
OURS=0x08000000

fact()
{
	echo "$*" | tee -a facts
}

# One column of the counters as they are now: NAME.REASON COUNT
exits_now()
{
	part_facts | awk -v name="$1" '
		$1 == "reason" { reason = $2 }
		$1 == "count" { print name "." reason, $2 }' >>facts
}

# measure NAME SECONDS: exits of the second kernel, and this clock, at both ends.
measure()
{
	fact "$1_from $(cut -d ' ' -f 1 /proc/uptime)"
	exits_now "$1_exits_from"
	sleep "$2"
	fact "$1_to $(cut -d ' ' -f 1 /proc/uptime)"
	exits_now "$1_exits_to"
}

# What is denied to both, kind by kind, and what the table of attacks asks for.
denials()
{
	part_facts | awk '
		$1 == "kind" { kind = $2 }
		$1 == "second" || $1 == "first" { print "denied." $1 "." kind, $2 }' >>facts
	for side in 0 1; do
		awk -v side=$side '
			{ n[$1] += $2 }
			END { for (kind in n) print "asked." (side ? "second" : "first") "." kind, n[kind] }
		' rows.$side >>facts
	done
}

first_attacks()
{
	while read -r _ _ words; do
		# shellcheck disable=SC2086 # words
		attack $words || return 1
	done <rows.0
	attacks_over
}

part_begin
nestctl refresh plan --kernel /second/bzImage --initrd /second/initrd --cpus 1 --memory 896M >plan.txt
check "a plan" [ -s plan.txt ]
cat plan.txt
check "the second kernel is started" p1_boot "idle:4,cpu:2,attack:$OURS,kvm:200,demo:$TESTNAME"
check "it reaches its init" p1_word $WORD_INIT
attack_rows 0 $THEIRS 1 0 5 >rows.0
attack_rows 1 $OURS 0 1 2 >rows.1
exits_now boot_exits
check "it is idle" p1_word "$(word 1 $WORD_BEGINS)"
sleep 0.5
measure idle 2
check "it computes" p1_word "$(word 2 $WORD_BEGINS)"
sleep 0.3
measure busy 1
check "its attacks come back" p1_word "$(word 3 $WORD_GOOD)" 120
check "so do this kernel's" first_attacks
denials
facts_short | sed 's/^/vmm0_/' | tee -a facts
facts_lspci
check "VMs run in both" p1_word "$(word 4 $WORD_BEGINS)"
check "the VM of the second kernel is right" p1_word "$(word 4 $WORD_GOOD)" 120
check "the VM of this kernel runs" vm_runs
check "it waits for this one's end" p1_word "$(word 5 $WORD_BEGINS)"
check "the VM of this kernel has noticed nothing" vm_end
nestctl refresh status
last_words
poweroff -f
