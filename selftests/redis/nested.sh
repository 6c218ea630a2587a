#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Redis in an L2: its VMM is in an L1 of this kernel, for good, which is what a refresh spares.  When its
# speed has been looked at, this kernel counts the exits of both levels by reason, which takes time.
# REDIS_L1_CPU: more for L1's -cpu, as in ,+invtsc.

. /lab/lib.sh
. /lab/tap.sh

TRACING=/sys/kernel/tracing

# counters: NAME VALUE of nvx, if it is there
counters()
{
	[ ! -d /sys/kernel/debug/kvm/nvx ] || (cd /sys/kernel/debug/kvm/nvx && grep . ./*) |
		sed 's,^\./\([^:]*\):,\1 ,'
}

# histogram EVENT WORD: WORD REASON COUNT
histogram()
{
	sed -n "s/^{ exit_reason: *\([0-9]*\) } hitcount: *\([0-9]*\)$/$2 \1 \2/p" $TRACING/events/kvm/"$1"/hist
}

# Called by L1 when it begins, and when it is done.
l1_cmd()
{
	case $1 in
	begin)
		counters >counters.before
		for event in kvm_exit kvm_nested_vmexit; do
			echo hist:keys=exit_reason >$TRACING/events/kvm/$event/trigger || echo "no histogram"
		done
		;;
	end)
		histogram kvm_exit exit >exits
		histogram kvm_nested_vmexit nested >>exits
		for event in kvm_exit kvm_nested_vmexit; do
			echo '!hist:keys=exit_reason' >$TRACING/events/kvm/$event/trigger
		done
		counters | while read -r name value; do
			was=$(sed -n "s/^$name //p" counters.before)
			echo "counter $name $((value - was))"
		done | grep -v ' 0$' >>exits
		;;
	esac
}

check "Redis runs in an L2" l1_boot host -m 512 -smp 2 -cpu "host,-umip${REDIS_L1_CPU:-}" -disk /lab/redis-l1.sh
check "exits were counted, L2's too" grep -q ^nested exits
cp l1/host/lines l1/host/timeline l1/host/redis.serial .
grep -h "^L1: " l1/host.console
cat exits
tail -n 5 l1/host.console
tap_end
