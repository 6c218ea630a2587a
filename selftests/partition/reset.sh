#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Whatever resets or switches off a machine, done by the second kernel: each port, by a byte in
# an access of each width and place, a triple fault, INIT.  Its end is its own.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/one-out.sh

# ends WHY WHAT OPERATION [WORDS...]
ends()
{
	why=$1 what=$2
	shift 2
	one_out "$@"
	check "$what: it is started" p1_boot nothing
	check "$what: $why is its end" p1_ends "$why" 10
	check "$what: the VM of this kernel runs" vm_runs
	[ "$(part state)" = ended ] || nestctl refresh kill
}

# by_each WHY PORT VALUE: that byte, alone and in all places of what is wider
by_each()
{
	for width in 1 2 4; do
		place=0
		while [ $place -lt $width ]; do
			port=$(printf 0x%x $(($2 - place)))
			value=$(printf 0x%x $(($3 << 8 * place)))
			# All of CF8 is the address of PCI.
			[ "$port,$width" = 0xcf8,4 ] ||
				ends "$1" "$value to $port, $width bytes" $OUT "$port" $width "$value"
			place=$((place + 1))
		done
	done
}

# INIT to itself: its CPU waits for a start-up IPI that nobody can send.
init_ends()
{
	one_out $SEND_IPI 0 0 "$1"
	check "INIT $1: it is started" p1_boot nothing
	sleep 0.2
	check "INIT $1: no CPU of its runs" is "$(part running)" 0
	check "INIT $1: it has not ended" is "$(part state)" runs
	check "INIT $1: the VM of this kernel runs" vm_runs
	check "INIT $1: it is killed" nestctl refresh kill
	check "INIT $1: that is its end" p1_ends killed
}

part_begin
PM1=$(od -An -tu4 -j 64 -N 4 /sys/firmware/acpi/tables/FACP | tr -d ' ')
by_each reset 0xcf9 0x06
by_each reset 0x92 0x01
by_each reset 0x64 0xfe
by_each power-off $((PM1 + 1)) 0x20
ends triple-fault "a triple fault" $TRIPLE_FAULT
init_ends 0x4500
init_ends 0xc500
check "nothing was denied to it" nothing_denied second
check "nor to this kernel" nothing_denied first
part_end
tap_end
