#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# This kernel ends, by what the test's words say, while the other one runs a VM: that one goes on, has
# the machine, and says the end of the test on this kernel's line.  kdump: its crash kernel, which has the
# second half of the test, runs in its part of the machine before, with CRASH_MORE on its command line.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/restart.sh
. /lab/attack-lib.sh
[ ! -f /lab/crash.sh ] || . /lab/crash.sh

# A reset by the middle of an access.
end_by()
{
	case $1 in
	kdump)	echo c >/proc/sysrq-trigger ;;
	panic)	echo 1 >/proc/sys/kernel/panic && echo c >/proc/sysrq-trigger ;;
	triple)	insmod /lab/poke.ko do=triple ;;
	reset)	insmod /lab/poke.ko do=out addr=0xcf7 value=0x060000 width=4 ;;
	esac
}

# Memory before the last block, which has a hole and is not given: it is the other kernel's and read as
# zeros, more of it than the shim has tables for at a time.
FROM_END=224 MIB=96

foreign_is_dumped()
{
	from=$((($(stat -c %s /proc/vmcore) >> 20) - FROM_END))
	echo "$from MiB"
	is "$(dd if=/proc/vmcore bs=1M skip=$from count=$MIB 2>dd.err | tr -d '\0' | wc -c)" 0 &&
		cat dd.err && grep -q "^$MIB+0 records in" dd.err
}

# leave STATUS: of the test; what this kernel says from here on is no longer its test's, a panic neither.
leave()
{
	echo "$1" >"$RESULTS/.rc"
	machine_restarts
}

captured()
{
	check "a crash kernel runs" [ -e /proc/vmcore ]
	check "on one CPU" is "$(nproc)" 1
	check "its local APIC is in its mode" attack do=x2apic value="$(x2apic_wanted)"
	attacks_over
	check "above the shim" is "$(hostcheck below)" 1
	check "the host works" host_works
	check "its dump can be read" dump_is_there
	check "so can what is not its own" foreign_is_dumped
	check "KVM works" refresh-vm captured 50
	tap_end
	leave $?
	reboot -f
	sleep 10
	exit 1
}

[ "$STAGE" = 1 ] || captured
part_begin
check "the second kernel is started" p1_boot "stays,joined,outlive:$TESTNAME"
check "the link" ip link set vmlink0 up
check "the second kernel's VM runs, and it has the link" p1_word "$(word 3 $WORD_BEGINS)" 120
check "the VM of this kernel runs" vm_runs
check "the VM has noticed nothing" vm_end
if [ "$TEST_ARGS" = kdump ]; then
	check "it has a crash kernel" load_crash_kernel movablecore nr_cpus=1 "$CRASH_MORE"
	# Until that one says otherwise.
	leave 1
else
	tap_end
	leave $?
fi
end_by "$TEST_ARGS"
echo "# this kernel has not ended"
exit 1
