#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The second kernel panics and has a crash kernel, which takes its place on its part of the machine.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh

part_begin
check "the second kernel is started" p1_boot kdump crashkernel=160M
check "it reaches its init" p1_word $WORD_INIT
check "it panics" p1_word "$(word 1 $WORD_BEGINS)"
check "its crash kernel has the dump, and runs a VM" p1_word "$(word 1 $WORD_GOOD)" 180
check "one start" is "$(part starts)" 1
check "that one's reboot is its end" p1_ends reset
check "the VM of this kernel runs" vm_runs
check "nothing was denied to it" nothing_denied second
part_end
tap_end
