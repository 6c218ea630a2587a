# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# Results that outlive the kernel: a test that takes the machine down goes on in the
# next one, be it a crash kernel or L0 after a reset.

say()
{
	echo "@lab $*" >/dev/ttyS0
}

# Put the directory of one test on the results disk, in blocks of 64 KiB from
# $SEGMENT to before $NEXT_SEGMENT.
save_results()
{
	tar -c -f /tmp/segment.tar -C /results "$1"
	dd if=/tmp/segment.tar of="$RESULTS_DISK" bs=64k seek="$SEGMENT" conv=fsync,notrunc \
		2>/dev/null
	export NEXT_SEGMENT=$((SEGMENT + ($(stat -c %s /tmp/segment.tar) + 65535) / 65536))
	rm -f /tmp/segment.tar
}

# The second sector of the results disk: what the next kernel has to do.
write_stage()
{
	printf '%-511s\n' "$*" | dd of="$RESULTS_DISK" bs=512 seek=1 conv=fsync,notrunc 2>/dev/null
}

# Called by a test: this kernel ends now.  The next one runs the script once more, with
# $STAGE one higher and the files in $RESULTS.
machine_restarts()
{
	dmesg -c >>"$RESULTS/dmesg.txt"
	save_results "$TESTNAME"
	write_stage "stage $TESTNAME $SEGMENT $NEXT_SEGMENT $((STAGE + 1))"
	say "test $TESTNAME restarts"
	sync
	# Setting the terminal waits until the line has carried all of it.
	stty -echo </dev/ttyS0
}

# True if a test waits to be continued: $TESTNAME, $STAGE, $SEGMENT, $RESULTS.
load_stage()
{
	# shellcheck disable=SC2046 # words
	set -- $(dd if="$RESULTS_DISK" bs=512 skip=1 count=1 2>/dev/null | tr -dc 'a-zA-Z0-9 ._:\n-')
	[ "$1" = stage ] || return 1
	write_stage none
	TESTNAME=$2 SEGMENT=$3 STAGE=$5 RESULTS=/results/$2
	export TESTNAME RESULTS
	dd if="$RESULTS_DISK" bs=64k skip="$SEGMENT" count=$(($4 - $3)) 2>/dev/null |
		tar -x -C /results
}
