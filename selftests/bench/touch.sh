#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What the first touch of a page costs an L2: exits that L0 takes, on average over
# all pages, and instructions of all levels, by the size of the windows.

. /lab/lib.sh
. /lab/tap.sh
. /bench/trace.sh

PARAMS=/sys/module/kvm_intel/parameters
COUNTERS=/sys/kernel/debug/kvm/nvx
OUT=l1/touch

# windows PAGES: of this level.
windows()
{
	echo "$1" >$PARAMS/nvx_fault_around
	echo "$1" >$PARAMS/nvx_tdp_fault_around
}

# Requests of touch-l1.sh.  A step that fails leaves no trace.
l1_cmd()
{
	case $1 in
	around)		windows "$2" ;;
	trace_start)	trace_start ;;
	trace_stop)	trace_stop "$RESULTS/l1/$2/$3.trace.gz" ;;
	esac
}

# exits NAME ID: exits per operation of the number ID, what the marks cost taken off.
exits()
{
	gunzip -c "$OUT/$1.trace.gz" | awk -v id="$2" '
		/kvm_pio: pio_write at 0xe9 / {
			mark = $0
			sub(/.*val 0x4e/, "", mark)
			number = index("0123456789abcdef", substr(mark, 2, 1)) - 1
			high = substr(mark, 1, 1)
			in_batch = high == "0" && number == id
			if (in_batch) {
				size = substr(mark, 3, 4) == "0000" ? 0 : 1
				batches[size]++
			}
			next
		}
		/kvm_exit:/ && in_batch && !/EXTERNAL_INTERRUPT/ { exits[size]++ }
		END {
			if (!batches[0] || !batches[1])
				exit 1
			printf "%d\n", 1000 * (exits[1] / batches[1] -
				exits[0] / batches[0]) / 64
		}'
}

# mean NAME OP: instructions per operation, on average over 64 pages.  The median of
# such averages: the timers and workers of three kernels take 300,000 instructions at
# once now and then, 300 for each page of a run.
mean()
{
	sed -n "s/.*\"$2\".*\"block_mean\": \([0-9]*\).*/\1/p" "$OUT/$1.json"
}

at_most()
{
	echo "$1, at most $2"
	[ -n "$1" ] && [ "$1" -le "$2" ]
}

more_than()
{
	echo "$1, more than $2"
	[ -n "$1" ] && [ "$1" -gt "$2" ]
}

# median NAME OP: the same, without what timers of three kernels add.
median()
{
	sed -n "s/.*\"$2\".*\"median\": \([0-9]*\).*/\1/p" "$OUT/$1.json"
}

# no_dearer NAME OFF OP: at most a hundredth more instructions than without.
no_dearer()
{
	got=$(median "$1" "$3")
	off=$(median "$2" "$3")
	check "$1 $3: $got instructions per page, $2: $off" at_most "$got" $((off * 101 / 100))
}

# native NAME PAGES: the same one level up, where the guest is an L1.
native()
{
	windows "$2"
	check "L0 measures $1" nvx-vmm --ops=touch_present,touch_absent -n 1024 -o "$OUT/$1.json"
}

# limit NAME OP ID EXITS INSTRUCTIONS: thousandths of exits, instructions at most, 5 %
# above the larger of two runs.
limit()
{
	got=$(exits "$1" "$3")
	check "$1 $2: $got exits per 1000 pages, at most $4" at_most "$got" "$4"
	got=$(mean "$1" "$2")
	check "$1 $2: $got instructions per page, at most $5" at_most "$got" "$5"
}

kvm_load || exit 1
check "windows of 16 pages are the default" \
	test "$(cd $PARAMS && cat nvx_fault_around nvx_tdp_fault_around nvx_populate | xargs)" = "16 16 1"
check "L1 measures" l1_boot touch -cpu host,-umip /bench/touch-l1.sh

# Without: two exits for each page, for all of them.
got=$(exits off 5)
check "off touch_present: $got exits per 1000 pages" more_than "$got" 1950
limit off touch_present 5 2100 13230
# One side alone cannot help much: L2 misses in EPT12, or L0 shadows each entry.
got=$(exits l0 5)
check "l0 touch_present: $got exits per 1000 pages" more_than "$got" 1950
limit l1 touch_present 5 200 3033
limit both touch_present 5 135 2283
limit wide touch_present 5 40 1664
# Timer ticks and new page tables come on top of two exits.
limit both touch_absent 6 2050 16587
limit populate touch_absent 6 141 5514
# Where nothing is around, the windows cost nothing: fresh memory, and an L1 that
# maps page by page.
no_dearer both off touch_absent
no_dearer l0 off touch_absent
no_dearer l0 off touch_present
no_dearer l1 off touch_absent
native native-off 1
native native-on 16
no_dearer native-on native-off touch_absent
check "counter around_mapped" test "$(cat $COUNTERS/around_mapped)" -gt 1000
check "counter tdp_around_mapped" test "$(sed -n 's/tdp_around_mapped //p' $OUT/both.counters)" -gt 1000
check "counter populate_pages" test "$(sed -n 's/populate_pages //p' $OUT/populate.counters)" -gt 1000
tap_end
