#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What the shim costs the operations of a guest of the host: instructions (TSC) and
# exits to the shim, bare, with the shim, and with the shim but without VMCS
# shadowing; with nvx the same on the shim page.  scripts/bench-shim makes a report of "figures".

. /lab/lib.sh
. /lab/refresh.sh

OPS="cpuid vmcall rdmsr pio_user touch_present touch_absent int_loop"
FEW=100
MANY=600

total()
{
	refresh-ctl status | tr ' ' '\n' |
		awk -F= '/^(host|guest)_exits=/ { n += $2 } END { print n + 0 }'
}

run()
{
	nvx-vmm --ops="$1" --samples="$2" -o "$3" || exit 1
}

# Exits of a run grow with its operations; all else cancels out.
exits_per_op()
{
	a=$(total)
	run "$1" $FEW /dev/null
	b=$(total)
	run "$1" $MANY /dev/null
	c=$(total)
	awk "BEGIN { printf \"%.2f\", ($c - 2 * $b + $a) / ($MANY - $FEW) }"
}

measure()
{
	for op in $OPS; do
		run "$op" 200 result
		ticks=$(sed -n 's/.*"median": \([0-9]*\),.*/\1/p' result)
		exits=0
		[ "$1" = bare ] || exits=$(exits_per_op "$op")
		echo "$1 $op $ticks $exits" | tee -a figures
	done
}

insmod /bin/vmm-refresh.ko || exit 1
measure bare
# The shim page is used by nvx only; with stock KVM the flag changes nothing.
refresh-ctl on nopage || exit 1
echo "idle busy $(refresh-ctl busy) 0" >>figures
measure shim
refresh-ctl off || exit 1
refresh-ctl on noshadow nopage || exit 1
measure noshadow
refresh-ctl off || exit 1
[ -e /sys/module/kvm_intel/parameters/nvx_features ] || { rmmod vmm_refresh; exit; }
refresh-ctl on || exit 1
measure page
[ "$(status page_exits)" -gt 1000 ] || exit 1
refresh-ctl off || exit 1
refresh-ctl on noshadow || exit 1
measure page-noshadow
[ "$(status page_exits)" -gt 1000 ] || exit 1
refresh-ctl off || exit 1
rmmod vmm_refresh
