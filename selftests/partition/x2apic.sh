#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# This kernel is in x2APIC mode, or not (nox2apic); so is the second one, or it is in the other mode.  In each
# it starts a CPU of its own, and neither gets at the other's.  In the end it has the machine, in this
# kernel's mode, and is compared with it.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/attack-lib.sh
. /lab/restart.sh
. /lab/facts.sh

[ -d /sys/devices/system/cpu/cpu3 ] || { echo "needs four CPUs (lab run --cpus 4)"; exit 4; }
grep -q '^flags.* hypervisor' /proc/cpuinfo || { echo "needs lab run --x2apic"; exit 4; }
HERE=$(x2apic_wanted) NMIS=10

# The other kernel's initrd, with what this one has found on the bare machine.
add_facts()
{
	mkdir -p /tmp/add
	facts_take /tmp/add/facts || return 1
	(cd /tmp/add && find facts | cpio -o -H newc) >/tmp/facts.cpio || return 1
	cat /second/initrd /tmp/facts.cpio >/tmp/initrd
}

# boot MODE SCENARIO: the other kernel, in this mode
boot()
{
	words=
	[ "$1" = 1 ] || words=nox2apic
	# shellcheck disable=SC2086 # none, or one
	p1_boot "$2" $words
}

# counts ROWS: KIND TIMES
counts()
{
	awk '{ n[$1] += $2 } END { for (kind in n) print kind, n[kind] }' "$1" | sort
}

# Rows of the first kernel; each kind is counted at the end of its rows.
first_attacks()
{
	apic_rows 0 0x42000000 "$APIC" 0 5 "$HERE" >rows.0
	last=
	while read -r kind times words; do
		[ "$kind" = "$last" ] || before=$(denied "$kind" first)
		# shellcheck disable=SC2086 # words
		check "$words: comes back" attack $words
		now=$(denied "$kind" first)
		check "$words: is denied as $kind, $times times" is $((now - before)) "$times"
		last=$kind before=$now
	done <rows.0
}

# beside MODE: the second kernel is in it
beside()
{
	nmis=$(nmis)
	check "$1: the second kernel is started" boot "$1" \
		"cpus:2,x2apic:$1,icrs:$APIC,ap:1,nmis:$NMIS,quiet,foreign:2,reboot"
	check "$1: it reaches its init" p1_word $WORD_INIT 120
	echo "# $1: $(p1_exits) exits until its init"
	check "$1: it has two CPUs" p1_word "$(word 1 $WORD_GOOD)" 60
	check "$1: both are in that mode" p1_word "$(word 2 $WORD_GOOD)" 60
	apic_rows 1 0x08000000 0 "$APIC" 2 "$1" >rows.1
	check "$1: there are rows for it" [ "$(wc -l <rows.1)" -gt 30 ]
	check "$1: its attacks come back" p1_word "$(word 3 $WORD_GOOD)" 120
	counts rows.1 >kinds.1
	while read -r kind times; do
		check "$1: $kind: $times denied" is "$(denied "$kind" second)" "$times"
	done <kinds.1
	check "$1: a CPU of its goes and comes, with VMs" p1_word "$(word 4 $WORD_GOOD)" 120
	check "$1: it sends $NMIS NMIs to all its CPUs" p1_word "$(word 5 $WORD_GOOD)" 120
	check "$1: none has come to this kernel" is "$(nmis)" "$nmis"
	check "$1: it looks whether one comes" p1_word "$(word 6 $WORD_BEGINS)" 60
	first_attacks
	check "$1: this kernel sends $NMIS to all its CPUs" attack do=nmis count=$NMIS
	check "$1: they have come to the other one" is $(($(nmis) - nmis)) $NMIS
	check "$1: the second kernel was still looking" is "$(part word)" "$(word 6 $WORD_BEGINS)"
	check "$1: none has come to that one, whose VMs have run" p1_word "$(word 6 $WORD_GOOD)" 120
	check "$1: a CPU of this kernel does not come to it" p1_word "$(word 7 $WORD_GOOD)" 120
	check "$1: reboot is its end" p1_ends reset
	check "$1: the VM of this kernel runs" vm_runs
	check "$1: CPUs and memory come back" nestctl refresh undo
	check "$1: this kernel's CPUs are in its mode" attack do=x2apic value=$HERE
	attacks_over
}

check "this kernel's CPUs are in its mode" attack do=x2apic value=$HERE
attacks_over
check "what the bare machine is like" add_facts
part_begin
APIC=$(apic_id 2)
export P1_CPUS=2-3
beside 1
[ $HERE = 0 ] || beside 0
# shellcheck disable=SC2034 # for p1_boot
INITRD=/tmp/initrd
check "the second kernel is started, to stay" boot $HERE "cpus:2,x2apic:$HERE,leave:$TESTNAME:$HERE"
check "it waits for this one's end" p1_word "$(word 3 $WORD_BEGINS)" 120
check "the VM of this kernel runs" vm_runs
check "the VM has noticed nothing" vm_end
last_words
poweroff -f
