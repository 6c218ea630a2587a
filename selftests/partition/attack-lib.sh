# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# The attacks of /lab/attacks, for both sides.

# Where this side's part of the link is, and the other's.
rings()
{
	dmesg | sed -n 's/.*vmlink0: sends in the memory at \(0x[0-9a-f]*\), reads that at \(0x[0-9a-f]*\),.*/\1 \2/p' |
		tail -1
}

# The rows of a side, its words filled in: KIND TIMES WORDS...
# attack_rows SIDE PAGE CPU OWN PIN [X2APIC]: PAGE is memory of the other side, CPU and OWN are APIC IDs,
# PIN is one of its own.  X2APIC: 1 if the side is in that
# mode (by default: if this kernel is); rows with x are for it, those with m for xAPIC.
attack_rows()
{
	pm1=$(od -An -tu4 -j 64 -N 4 /sys/firmware/acpi/tables/FACP | tr -d ' ')
	ours=$(rings)
	[ -n "$ours" ] || { echo "there is no link" >&2; return 1; }
	theirs=$((${ours#* })) ours=$((${ours% *}))
	# What the shim has in front of both is its own.
	x2=${6:-$(attack do=x2apic value=1 2>/dev/null && echo 1 || echo 0)}
	awk -v x2="$x2" -v bit="$(printf '0x%x' $((1 << $3)))" -v side="$1" -v page=$(($2)) -v cpu="$3" -v own="$4" -v pin="$5" -v pm1="$pm1" \
		-v ring="$theirs" -v reserve=$(((ours < theirs ? ours : theirs) - 4096)) '
		/^#/ || !NF || !index($1, side) || index($1, x2 ? "m" : "x") { next }
		{
			sub(/^[012mx]+ +/, "")
			gsub("@bit", bit)
			gsub("@id", cpu)
			gsub("@cpu", cpu * 16777216)
			gsub("@reserve:1", reserve - 4096)
			gsub("@reserve", reserve)
			gsub("@ring", ring)
			if (match($0, /@pm1[+][0-9]+/)) {
				n = substr($0, RSTART + 5, RLENGTH - 5)
				sub(/@pm1[+][0-9]+/, pm1 + n)
			}
			gsub("@pin", pin)
			# The lower half follows.
			gsub("@rte:", sprintf("0x%02x000000", cpu))
			gsub("@own-rte:", sprintf("0x%02x000000", own))
			gsub("@own", own * 16777216)
			if (match($0, /@page:[0-9]+/)) {
				n = substr($0, RSTART + 6, RLENGTH - 6)
				sub(/@page:[0-9]+/, sprintf("%d", page + n * 4096))
			}
			print
		}' /lab/attacks
}

# shim_page AREA: address of a CPU's shim page, in the reserve behind the two halves of the link
shim_page()
{
	# shellcheck disable=SC2046 # two words
	set -- "$1" $(rings)
	size=$(($2 < $3 ? $3 - $2 : $2 - $3))
	last=$(($2 < $3 ? $3 : $2))
	echo $((((last + size + 0xffff) & ~0xffff) + $1 * 0x10000 + 0x800))
}

# The same arguments: the rows of local APICs, but for what all other CPUs of the side itself get, for sides with
# more than one.
apic_rows()
{
	attack_rows "$@" | grep -E '^(icr|msr-apic)' | grep -v ' value=0xc4'
}

# attack WORDS...: 0 it came back, with or without an exception.  The module stays for the next one, until
# attacks_over.
attack()
{
	[ -d /sys/module/poke ] || insmod /lab/poke.ko || return 1
	echo "$*" >/sys/module/poke/parameters/row
}

attacks_over()
{
	rmmod poke
}
