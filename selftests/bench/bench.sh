#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Measure what operations of a guest cost: of an L1 (native), of an L2 under an
# L1 without UMIP (noumip) and with the UMIP that L0 offers (umip).  With nvx
# also of an L2 when L0 does not offer UMIP that it has to emulate (noemul).
# Each configuration runs twice: untraced for instructions, traced for exits.
# OFF=1: only the exits of an L2, with what the module has been loaded with.
# scripts/nvx-report turns what this leaves into tables.

. /lab/lib.sh
. /bench/trace.sh

die()
{
	echo "$*"
	exit 1
}

# Requests of bench-l1.sh.  No status gets back to L1: leave a trace or none.
l1_cmd()
{
	case $1 in
	trace_start)	trace_start ;;
	trace_stop)	trace_stop "$RESULTS/l1/$2/exits.trace.gz" ;;
	esac
}

native()
{
	mkdir -p native
	nvx-vmm -o native/instructions.json || die "native: nvx-vmm failed"
	trace_start || die "native: cannot start tracing"
	nvx-vmm --marks=trace -o native/marks.json || die "native: nvx-vmm --marks failed"
	trace_stop native/exits.trace.gz || die "native: no trace"
}

# nested TAG CPU: the same in an L1 that QEMU gives this CPU.
nested()
{
	l1_boot "$1" -cpu "$2" /bench/bench-l1.sh || die "$1: L1 failed with status $?"
	[ -s "l1/$1/exits.trace.gz" ] || die "$1: no trace"
	for counter in /sys/kernel/debug/kvm/nvx/*; do
		[ ! -f "$counter" ] || echo "${counter##*/} $(cat "$counter")"
	done >"l1/$1/nvx-counters"
}

[ -n "$OFF" ] || native
nested noumip host,-umip
nested umip host
if [ "$KMOD" = nvx ] && [ -z "$OFF" ]; then
	kvm_load nvx_no_umip_emul=1 || die "noemul: kvm-intel does not take nvx_no_umip_emul=1"
	nested noemul host
fi
echo "measured: $(cd l1 && echo ./*/)"
