#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# This kernel ends, by what the test's words say, while the other one runs a VM: that one goes on, has
# the machine, and says the end of the test on this kernel's line.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/restart.sh

# A reset by the middle of an access.
end_by()
{
	case $1 in
	panic)	echo 1 >/proc/sys/kernel/panic && echo c >/proc/sysrq-trigger ;;
	triple)	insmod /lab/poke.ko do=triple ;;
	reset)	insmod /lab/poke.ko do=out addr=0xcf7 value=0x060000 width=4 ;;
	esac
}

part_begin
check "the second kernel is started" p1_boot "stays,outlive:$TESTNAME"
check "its VM runs" p1_word "$(word 2 $WORD_BEGINS)" 120
check "the VM of this kernel runs" vm_runs
check "the VM has noticed nothing" vm_end
tap_end
rc=$?
echo $rc >"$RESULTS/.rc"
# What this kernel says from here on is no longer its test's, a panic neither.
machine_restarts
end_by "$TEST_ARGS"
echo "# this kernel has not ended"
exit 1
