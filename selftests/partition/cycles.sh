#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The second kernel ends by its own faults, and starts again; at last all that it has is
# taken from it while it runs.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh

# ends HOW WHY: boot it, and wait for its end.
ends()
{
	check "$1: the second kernel is started" p1_boot "$1"
	check "$1: it reaches its init" p1_word $WORD_INIT
	case $1 in
	hang)
		check "$1: it hangs" p1_word "$(word 1 $WORD_BEGINS)"
		sleep 0.5
		check "$1: it is killed" nestctl refresh kill
		;;
	esac
	check "$1: its end is a $2" p1_ends "$2"
	check "$1: the VM of this kernel runs" vm_runs
	starts=$((starts + 1))
}

part_begin
starts=0
ends panic reset
ends triple triple-fault
ends hang killed
check "as many starts" is "$(part starts)" $starts
check "it is started once more" p1_boot stay
check "it reaches its init" p1_word $WORD_INIT
part_end
tap_end
