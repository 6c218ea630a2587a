#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# This kernel stands still with interrupts off, as one that hangs; the other one and its VM go on
# meanwhile.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh

SECONDS_OFF=10

part_begin
check "the second kernel is started" p1_boot stays,cpu:3,stayed,stay
check "its VM runs, it is about to compute" p1_word "$(word 2 $WORD_BEGINS)" 120
was=$(part word)
check "this kernel stands still" insmod /lab/poke.ko do=stall count=$SECONDS_OFF
now=$(part word)
rmmod poke
check "it was not through before" [ "$was" -lt "$(word 2 $WORD_GOOD)" ]
check "it has gone on by itself, its VM is right" is "$now" "$(word 4 $WORD_BEGINS)"
check "the VM of this kernel runs" vm_runs
check "nothing was denied to the other one" nothing_denied second
part_end
tap_end
