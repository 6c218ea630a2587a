# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# Record the exits that L0 takes: trace_start, then trace_stop FILE.

TRACING=/sys/kernel/tracing
EVENTS="kvm_exit kvm_nested_vmexit kvm_pio"
BUFFER_KIB=24576

trace_start()
{
	echo 0 >$TRACING/tracing_on
	echo $BUFFER_KIB >$TRACING/buffer_size_kb || return 1
	echo >$TRACING/trace
	for event in $EVENTS; do
		echo 1 >$TRACING/events/kvm/"$event"/enable || return 1
	done
	echo 1 >$TRACING/tracing_on
}

# trace_stop FILE: an incomplete trace is worse than none.
trace_stop()
{
	echo 0 >$TRACING/tracing_on
	for event in $EVENTS; do
		echo 0 >$TRACING/events/kvm/"$event"/enable
	done
	for stats in $TRACING/per_cpu/cpu*/stats; do
		lost=$(sed -n 's/^overrun: //p' "$stats")
		[ "$lost" = 0 ] || { echo "the trace buffer lost $lost events: $1"; return 1; }
	done
	gzip -1 <$TRACING/trace >"$1"
}
