#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel's own KVM selftests, those with nested guests included: what passes on
# the bare CPU passes above the shim.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh

# same NAME STATUS: the status of the run on the bare CPU.
same()
{
	"/selftests/$1" >"$1.shim" 2>&1
	status=$?
	[ $status = "$2" ] || tail -n 5 "$1.shim"
	is $status "$2"
}

insmod /bin/vmm-refresh.ko || exit 1
for program in /selftests/*; do
	name=${program##*/}
	"$program" >"$name.bare" 2>&1
	echo $? >"$name.rc"
done
check "virtualize" refresh-ctl on
passed=0
for program in /selftests/*; do
	name=${program##*/}
	bare=$(cat "$name.rc")
	[ "$bare" != 0 ] || passed=$((passed + 1))
	check "$name ends as on the bare CPU ($bare)" same "$name" "$bare"
done
echo "# $passed programs pass on the bare CPU"
check "most of them do" [ $passed -ge 15 ]
check "devirtualize" refresh-ctl off
check "nothing is left" no_trace_left
check "unload the module" rmmod vmm_refresh
tap_end
