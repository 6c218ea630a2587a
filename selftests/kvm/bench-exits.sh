#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# nestctl bench: each of its operations leaves the guest as often as it says.

. /lab/lib.sh
. /lab/tap.sh

COUNT=300
# Samples of an operation, and the one that is not counted.
RUNS=6
TRACE=/sys/kernel/tracing

trace()
{
	[ -e $TRACE/trace ] || mount -t tracefs tracefs $TRACE || return 1
	echo 8192 >$TRACE/buffer_size_kb
	echo 1 >$TRACE/events/kvm/kvm_exit/enable
}

# exits REASON
exits()
{
	grep -c "kvm_exit: .* reason $1 " $TRACE/trace
}

is()
{
	echo "$1, wanted $2"
	[ "$1" = "$2" ]
}

# of NAME: picoseconds of an operation
of()
{
	tr -d '{}[]" ' <bench.json | tr , '\n' | tr : ' ' | awk -v name="$1" '
		$1 == "name" { on = $2 == name }
		on && $1 == "picoseconds" { print $2 }'
}

at_least()
{
	echo "$1, at least $2"
	[ "${1:-0}" -ge "$2" ]
}

check "exits are traced" trace
check "it measures" sh -c "nestctl bench --count=$COUNT --json >bench.json"
echo 0 >$TRACE/events/kvm/kvm_exit/enable
for reason in CPUID VMCALL MSR_READ; do
	check "$reason exits each time" is "$(exits $reason)" $((COUNT * RUNS))
done
# OUT, and the end of each run of five operations.
check "so does OUT" is "$(exits IO_INSTRUCTION)" $((COUNT * RUNS + 5 * RUNS))
for name in cpuid vmcall rdmsr out; do
	check "$name costs more than the loop" at_least "$(of $name)" $(($(of loop) + 1))
done
check "user space costs more than KVM" at_least "$(of out)" "$(of cpuid)"
check "people can read it" sh -c "nestctl bench --count=100 | grep -q '^out  *[0-9.]'"
nestctl bench --count=2000
tap_end
