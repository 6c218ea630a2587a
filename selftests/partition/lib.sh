# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# What the tests of two kernels on one machine share, on the side of the first one.

. /lab/words.sh

SERIAL=0x2f8,3
RECORD=/run/nestctl/partition.json
KHZ=$(tr ' ' '\n' </proc/cmdline | sed -n 's/^tsc_early_khz=//p')
CLEAR=$(tr ' ' '\n' </proc/cmdline | grep ^clearcpuid=)
# As the lab boots its kernels, and what its machine needs.
P1_APPEND="mitigations=off ${P1_MORE:-quiet} cryptomgr.notests random.trust_cpu=off idle=halt panic=1
	tsc_early_khz=$KHZ $CLEAR"

# What nestctl says of the second kernel, NAME VALUE in a line each.
part_facts()
{
	nestctl refresh status --json | tr -d '{}[]" ' | tr , '\n' | tr : ' '
}

# part NAME: one fact
part()
{
	part_facts | awk -v name="$1" '$1 == name { print $2; exit }'
}

# denied KIND first|second: how often, to whom
denied()
{
	part_facts | awk -v kind="$1" -v whose="$2" '
		$1 == "kind" { on = $2 == kind }
		on && $1 == whose { n = $2 }
		END { print n + 0 }'
}

# p1_exits: of the second kernel's, all reasons, since it was started
p1_exits()
{
	part_facts | awk '$1 == "count" { n += $2 } END { print n + 0 }'
}

# Of what an ordinary kernel does nothing is denied but writes of MSRs that are the machine's:
# those are dropped and counted whoever makes them.  nothing_denied first|second
nothing_denied()
{
	part_facts | awk -v whose="$1" '
		$1 == "kind" { kind = $2 }
		$1 == whose && $2 > 0 { print kind, $2 }
		$1 == whose && $2 > 0 && kind != "msr" { bad = 1 }
		END { exit bad }'
}

# p1_boot SCENARIO [WORDS...]: the other kernel, or KERNEL, on CPU 1 and most of the memory that can go.
p1_boot()
{
	scenario=$1
	shift
	# shellcheck disable=SC2086 # words
	set -- $P1_APPEND "$@" "scen=$scenario"
	nestctl refresh boot --cpus "${P1_CPUS:-1}" --memory "${P1_MEMORY:-896M}" \
		${SERIAL:+--serial $SERIAL} ${P1_DEVICE:+--device $P1_DEVICE} --kernel "${KERNEL:-/second/bzImage}" --initrd "${INITRD:-/second/initrd}" \
		--append "$*"
}

# p1_word WORD [SECONDS]: wait until the other kernel has said it, or a later one.
p1_word()
{
	left=$((${2:-60} * 10))
	while [ $left -gt 0 ]; do
		# The state first: its last words may come between two looks.
		state=$(part state) now=$(part word)
		case $now in
		*$WORD_BAD)	echo "the second kernel says $now: its stage has failed"; return 1 ;;
		esac
		[ "${now:-0}" -lt "$1" ] || return 0
		is "$state" runs || { echo "it has ended ($(part why)) after word $now"; return 1; }
		sleep 0.1
		left=$((left - 1))
	done
	echo "the second kernel has not said $1, but $now"
	return 1
}

# p1_ends WHY [SECONDS]: wait until it has ended.
p1_ends()
{
	left=$((${2:-60} * 10))
	while [ "$(part state)" = runs ] && [ $left -gt 0 ]; do
		sleep 0.1
		left=$((left - 1))
	done
	is "$(part state)" ended && is "$(part why)" "$1"
}

# A VM of this kernel that is there all the time.  It works a tenth of the time: the second
# kernel gets there sooner when the emulator need not share.
vm_begin()
{
	taskset 1 refresh-vm p0 1000000000 >p0.vm 2>&1 &
	vm=$!
	while kill -CONT $vm 2>/dev/null && sleep 0.02; do
		kill -STOP $vm
		sleep 0.2
	done &
	pacer=$!
}

vm_runs()
{
	kill -0 "$vm"
}

# It has noticed nothing.
vm_end()
{
	kill $pacer
	kill -CONT "$vm"
	kill "$vm"
	wait "$vm"
	cat p0.vm
	grep ' bad 0 ' p0.vm
}

# A CPU for the other kernel, and the module.
module_begin()
{
	[ -d /sys/devices/system/cpu/cpu1 ] || { echo "needs two CPUs (lab run --cpus 2)"; exit 4; }
	mkdir -p /run
	# nestctl's tables have a random key, for which it would wait 15 seconds.
	seed-random
	insmod /bin/vmm-refresh.ko || exit 1
}

# The shim is loaded and a VM runs; what the machine is like now is kept.
part_begin()
{
	module_begin
	machine_facts >before
	vm_begin
}

# What this kernel knows of its test, before it ends; the other one has the disk afterwards, and says
# the end of the test.  With /lab/restart.sh.
last_words()
{
	tap_end
	echo $? >"$RESULTS/.rc"
	dmesg >>"$RESULTS/dmesg.txt"
	save_results "$TESTNAME"
	sync
}

# Nothing is taken any more, nothing is left, and the machine is what it was when the test began.
is_all_back()
{
	is "$(part state)" none && is "$(part shim)" bare && no_trace_left && fails test -e $RECORD &&
		vm_runs && machine_facts >now && diff before now
}

all_is_back()
{
	nestctl refresh undo && is_all_back
}

# The second kernel is taken away, whatever it does, and the machine is what it was.
part_end()
{
	check "all it had comes back" nestctl refresh undo
	check "there is no second kernel" is "$(part state)" none
	check "the VM of this kernel has noticed nothing" vm_end
	machine_facts >after
	check "the machine is as before" diff before after
	check "nothing is left" no_trace_left
	check "the host works" host_works
	cp $DEBUG/console shim.console
	check "unload the module" rmmod vmm_refresh
}

# What the machine looks like to this kernel, for before and after.  How finely it maps its memory
# each module changes that is loaded.
machine_facts()
{
	grep MemTotal /proc/meminfo
	grep -vE '^(cpu MHz|bogomips)' /proc/cpuinfo
	cat /proc/iomem
	for file in /sys/devices/system/cpu/cpu*/online /sys/devices/system/cpu/online \
		/sys/devices/system/memory/memory*/state \
		/sys/devices/system/memory/memory*/valid_zones; do
		echo "$file $(cat "$file")"
	done
}

# All names in /sys, and what is in the files about CPUs, memory and devices; likewise /proc.  Not what
# is counted, nor what the allocator and the VM of the test make and drop as they run.
machine_files()
{
	find /sys -path /sys/kernel/slab -prune -o -path /sys/kernel/debug -prune -o -print | sort
	find /sys/devices/system /sys/firmware/memmap /sys/bus/pci/devices/*/ -type f \
		! -name uevent ! -path '*/cpuidle/*' ! -path '*/node/node*' ! -name 'resource[0-9]*' \
		! -name rom ! -name 'runtime_*_time' -exec md5sum {} + 2>/dev/null | sort -k 2
	for file in cpuinfo iomem ioports devices misc mtrr modules cmdline bus/pci/devices; do
		[ ! -r /proc/$file ] || sed "/^cpu MHz/d; s|^|$file |" /proc/$file
	done
	awk '/^Node/ { zone = $4 } /^ *(spanned|present|managed|start_pfn)/ { print "zoneinfo", zone, $0 }' \
		/proc/zoneinfo
	awk 'NR > 1 { name = $1; sub(/^.*  +/, ""); print "interrupt", name, $0 }' /proc/interrupts
	find /proc/irq | sort
}
