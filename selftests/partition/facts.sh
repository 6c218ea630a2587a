# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# What the machine is like for the kernel that runs, a fact in a line; and how two kernels of the
# same release may differ in it (differences).

facts_cpus()
{
	for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
		n=${cpu##*/cpu}
		id=$(awk -v n="$n" '/^processor/ { on = $3 == n } on && /^apicid/ { print $3 }' \
			/proc/cpuinfo)
		awk -v n="$n" -v id="$id" '
			/^processor/ { on = $3 == n }
			on && !/^cpu MHz/ && NF { gsub(/[ \t]+/, " "); print "cpuinfo apic", id, $0 }' \
			/proc/cpuinfo
		for file in "$cpu"/topology/*; do
			echo "topology apic $id ${file##*/} $(cat "$file")"
		done
	done
	for file in present possible online; do
		echo "cpus $file $(cat /sys/devices/system/cpu/$file)"
	done
}

# Not where KASLR has put the kernel.  Pieces of RAM side by side are one.
facts_iomem()
{
	begin='' end=''
	while IFS= read -r line; do
		case $line in
		*" : Kernel "*)
			echo "iomem Kernel ${line##* }" ;;
		[0-9a-f]*" : System RAM")
			to=${line#*-}
			[ -n "$end" ] && [ $((0x$end + 1)) = $((0x${line%%-*})) ] || {
				[ -z "$end" ] || echo "iomem $begin-$end : System RAM"
				begin=${line%%-*}
			}
			end=${to%% *} ;;
		*)
			echo "iomem $line" ;;
		esac
	done </proc/iomem
	echo "iomem $begin-$end : System RAM"
}

facts_memory()
{
	grep -E '^(MemTotal|SwapTotal|VmallocTotal|Huge|DirectMap)' /proc/meminfo |
		sed 's/^/meminfo /; s/  */ /g'
	awk '/^Node/ { zone = $4 }
		/^ *(spanned|present|managed)/ { print "zoneinfo", zone, $1, $2; all[$1] += $2 }
		END { print "zoneinfo all present", all["present"] }' /proc/zoneinfo
	facts_iomem
	for block in /sys/devices/system/memory/memory*; do
		echo "block ${block##*/memory} $(cat "$block/state") $(cat "$block/valid_zones")"
	done
}

facts_devices()
{
	awk 'NR > 1 { name = $1; sub(/^.*  +/, ""); print "interrupt", name, $0 }' /proc/interrupts
	sed 's/[ \t][ \t]*/ /g; s/^/pci /' /proc/bus/pci/devices
	sed 's/^/ports /' /proc/ioports
	for file in /sys/firmware/acpi/tables/*; do
		[ ! -f "$file" ] || echo "acpi ${file##*/} $(md5sum <"$file")"
	done
}

facts_registers()
{
	dmesg -c >/dev/null
	insmod /lab/poke.ko do=registers && rmmod poke || return 1
	dmesg | sed -nE 's/.*poke: ((apic|pin) )/\1/p'
	dmesg -c >/dev/null
}

# To a directory: the release, and all facts.
facts_take()
{
	mkdir -p "$1"
	uname -r >"$1/release"
	{ facts_cpus && facts_memory && facts_devices && facts_registers; } >"$1/facts"
}

# Lines of either one that the other has not, "-" for the first one's; as often as each is there.
facts_differ()
{
	awk 'NR == FNR { n[$0]++; next }
		n[$0]-- > 0 { next }
		{ print "+", $0 }
		END { for (line in n) while (n[line]-- > 0) print "-", line }' "$1/facts" "$2/facts" |
		sort -k 2
}

# nothing_kept DIR: no less memory than there.  (More, as hash tables are sized by the memory at boot.)
nothing_kept()
{
	bare=$(awk '/^meminfo MemTotal/ { print $3 }' "$1/facts")
	now=$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)
	echo "P1: MemTotal $bare KiB bare, $now KiB now"
	[ "$now" -ge "$bare" ]
}

# facts_compare DIR: those of this kernel with those in DIR.  Each difference has to be one that
# is in the list; all are printed.
facts_compare()
{
	[ -f "$1/facts" ] || { echo "P1: the first kernel has no facts to compare with"; return 1; }
	[ "$(cat "$1/release")" = "$(uname -r)" ] || {
		echo "P1: $(cat "$1/release") and $(uname -r) are not compared"
		return 0
	}
	facts_take /tmp/facts || return 1
	facts_differ "$1" /tmp/facts >/tmp/differ
	echo "P1: facts $(wc -l <"$1/facts"), differences $(wc -l </tmp/differ)"
	sed -n 's/^\([^#][^\t]*\)\t.*/\1/p' /lab/differences >/tmp/known
	grep -vEf /tmp/known /tmp/differ >/tmp/unknown
	sed 's/^/P1: differs /' /tmp/differ
	sed 's/^/P1: unexpected /' /tmp/unknown
	[ ! -s /tmp/unknown ] && nothing_kept "$1"
}

# What people ask first, NAME VALUE in a line each.
facts_short()
{
	echo "kernel $(uname -r)"
	echo "cpus $(nproc)"
	awk '/^MemTotal/ { print "memory_kib", $2 }' /proc/meminfo
}

# As lspci -n has it.
facts_lspci()
{
	for device in /sys/bus/pci/devices/*; do
		[ ! -f "$device/class" ] || sed 's/^0x//' "$device/class" "$device/vendor" "$device/device" |
			tr '\n' ' ' | sed "s/^\(....\).. \(....\) \(....\) /lspci ${device##*/0000:} \1: \2:\3\n/"
	done
}
