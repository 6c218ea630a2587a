#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What it costs to take one page away from an L2 that has 16, 64 or 256 MiB mapped,
# all of whose page tables L1 has just written: instructions of all levels.

. /lab/lib.sh
. /lab/tap.sh

# median TAG MIB
median()
{
	sed -n 's/.*"unmap".*"median": \([0-9]*\).*/\1/p' "l1/$1/$2.json"
}

# measure TAG PARAM...: boot L1 with L0's parameters.
measure()
{
	tag=$1
	shift
	check "$tag: load" kvm_load "$@"
	check "$tag: L1 measures" l1_boot "$tag" -cpu host,-umip /bench/invept-l1.sh
	for fill in 16 64 256; do
		echo "# $tag: $fill MiB: $(median "$tag" $fill) instructions"
	done
}

at_most()
{
	echo "$1, at most $2"
	[ -n "$1" ] && [ "$1" -le "$2" ]
}

measure range
measure full nvx_off=pv_range
small=$(median range 16)
# 5 % above what was measured; the same for any size.
check "ranges: instructions for 16 MiB" at_most "$small" 25177
check "ranges: 64 MiB cost what 16 do" at_most "$(median range 64)" $((small * 105 / 100))
check "ranges: 256 MiB cost what 16 do" at_most "$(median range 256)" $((small * 105 / 100))
# The larger L2 is, the more.
check "without: 64 MiB cost three times of 16" at_most $(($(median full 16) * 3)) "$(median full 64)"
check "without: 256 MiB cost three times of 64" at_most $(($(median full 64) * 3)) "$(median full 256)"
tap_end
