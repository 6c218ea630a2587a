#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What page faults cost an L2 whose L1 has no EPT, on stock, and with nvx with
# nvx_bypass_pf and without: exits that L0 takes and instructions of all levels.

. /lab/lib.sh
. /lab/tap.sh
. /bench/trace.sh

# Where bypass-l1.sh leaves what it measures: stock, or on and off.
out_of()
{
	[ "$1" = stock ] && echo l1/stock || echo l1/bypass
}

# Requests of bypass-l1.sh.  A step that fails leaves no trace.
l1_cmd()
{
	case $1 in
	trace_start)	trace_start ;;
	trace_stop)	trace_stop "$RESULTS/l1/$2/$3.trace.gz" ;;
	esac
}

# count NAME: the events of a trace, for each operation per 1000 of it, what the marks
# cost taken off: "ID KIND NUMBER", the number of the operation in two hex digits.
#   exits: those that L2's instructions cause, with the VM-entry after each
#   timer: those that come with timers, of L0 or L1, with the VM-entry after each
#   other: what KVM of L1 needs L0 for, none with nvx
count()
{
	gunzip -c "$(out_of "$1")/$1.trace.gz" | awk '
		/kvm_pio: pio_write at 0xe9 / {
			mark = $0
			sub(/.*val 0x4e/, "", mark)
			in_batch = mark ~ /^[0-7]/
			op = substr(mark, 1, 2)
			size = substr(mark, 3, 4) == "0000" ? 0 : 1
			if (in_batch)
				batches[op, size]++
			ops[op]
			next
		}
		!in_batch { next }
		/kvm_nested_vmexit:.*(EXTERNAL_INTERRUPT|PREEMPTION_TIMER)/ {
			# L1 comes back by a VM-entry that the operation has no part in.
			events[op, "exits", size]--
			events[op, "timer", size]++
		}
		!/kvm_exit:/ { next }
		{ kind = "other" }
		/EXTERNAL_INTERRUPT|INTERRUPT_WINDOW|PREEMPTION_TIMER|MSR_WRITE/ { kind = "timer" }
		/EXCEPTION_NMI|CR_ACCESS|INVLPG|VMRESUME|IO_INSTRUCTION/ { kind = "exits" }
		{ events[op, kind, size]++ }
		END {
			for (op in ops) {
				if (!batches[op, 0] || !batches[op, 1])
					continue
				print op, "exits", slope("exits")
				print op, "timer", slope("timer")
				print op, "other", slope("other")
			}
		}
		function slope(kind) {
			full = events[op, kind, 1] / batches[op, 1]
			empty = events[op, kind, 0] / batches[op, 0]
			return int(1000 * (full - empty) / 16)
		}' >"$1.events"
}

# exits NAME ID, timers NAME ID, others NAME ID: one of them.
exits()
{
	sed -n "s/^$2 exits //p" "$1.events"
}

timers()
{
	sed -n "s/^$2 timer //p" "$1.events"
}

others()
{
	sed -n "s/^$2 other //p" "$1.events"
}

# mean NAME OP, median NAME OP: instructions per operation.
mean()
{
	sed -n "s/.*\"$2\".*\"mean\": \([0-9]*\).*/\1/p" "$(out_of "$1")/$1-$2.json"
}

median()
{
	sed -n "s/.*\"$2\".*\"median\": \([0-9]*\).*/\1/p" "$(out_of "$1")/$1-$2.json"
}

at_most()
{
	echo "$1, at most $2"
	[ -n "$1" ] && [ -n "$2" ] && [ "$1" -le "$2" ]
}

# ID: all exits of stock.
of_stock()
{
	echo $(($(exits stock "$1") + $(others stock "$1")))
}

# OP ID: all exits with nvx are accounted for.
accounted()
{
	for name in off on; do
		check "$1, $name: no exits of another kind, $(timers $name "$2") per 1000 for timers" \
			test "$(others $name "$2")" = 0
	done
}

# OP ID EXITS: the operation populates a page table: EXITS per 1000, one of L2's less than
# without, and half of stock's instructions.
populates()
{
	accounted "$1" "$2"
	exits_stock=$(of_stock "$2") exits_off=$(exits off "$2") exits_on=$(exits on "$2")
	check "$1: $exits_on exits per 1000 (without: $exits_off, stock: $exits_stock)" \
		at_most "$exits_on" "$3"
	check "$1: without, one exit of L2 more" at_most "$((exits_on + 1900))" "$exits_off"
	check "$1: $(mean on "$1") instructions (without: $(mean off "$1"), stock: $(mean stock "$1"))" \
		at_most "$((2 * $(mean on "$1")))" "$(mean stock "$1")"
}

# Instructions that a fault on an absent entry costs more if it exits all the same:
# KVM has to see whether the entry is one of a device.
TRAP=300

# OP ID TRAPS: another one does not cost more than without, nor than stock, by more than 1
# per cent, but for the TRAPS faults in it that exit all the same.
costs_no_more()
{
	accounted "$1" "$2"
	exits_stock=$(of_stock "$2") exits_off=$(exits off "$2") exits_on=$(exits on "$2")
	check "$1: $exits_on exits per 1000 (without: $exits_off)" \
		at_most "$((exits_on * 100))" "$((exits_off * 101))"
	check "$1: stock has $exits_stock" at_most "$((exits_on * 100))" "$((exits_stock * 101))"
	check "$1: $(median on "$1") instructions (without: $(median off "$1"))" \
		at_most "$((($(median on "$1") - $3 * TRAP) * 100))" "$(($(median off "$1") * 101))"
	check "$1: stock has $(median stock "$1")" \
		at_most "$(($(median on "$1") * 100))" "$(($(median stock "$1") * 101))"
}

counter()
{
	sed -n "s/^$2 //p" "l1/bypass/$1.counters"
}

kvm_load nvx=0 || exit 1
check "L1 measures stock" l1_boot stock -cpu host,-umip /bench/bypass-l1.sh
kvm_load || exit 1
check "L1 measures nvx" l1_boot bypass -cpu host,-umip /bench/bypass-l1.sh
for name in stock off on; do
	check "$name: the trace is complete" count $name
done

# Two for each page.  KVM learns that a table is filled that way by one fault that exits:
# 2 of 12 * 16 pages, which are in one table.
populates pf_nx 11 2011
# Four more are those of reading and loading CR3.
populates pf_cr3 12 6011
costs_no_more pf_unmap 13 1
costs_no_more pf_protect 14 0
costs_no_more pf_fork 15 0
costs_no_more pf_bulk 16 1
costs_no_more pf_mixed 17 0
check "counter bypass_direct" test "$(counter on bypass_direct)" -gt 500
check "counter bypass_emulated" test "$(counter on bypass_emulated)" -gt 500
check "counter bypass_mapped" test "$(counter on bypass_mapped)" -gt 500
check "nothing is counted without" test "$(counter off bypass_emulated)$(counter off bypass_trapped)" = 00
check "with EPT the parameter is cleared" test "$(cat l1/bypass/with-ept)" = N
tap_end
