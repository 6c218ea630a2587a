#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The second kernel gets a PCI function of its own, the lab's network card: its registers and interrupts
# are that kernel's, none of them is this one's, and all of it comes back.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/attack-lib.sh
. /lab/nic.sh

# Configuration address of a register of the card, or of the ISA bridge, where the PIRQ registers are.
at()
{
	printf '0x%x' $((0x80000000 + 4 * 2048 + $1))
}

link_at()
{
	printf '0x%x' $((0x80000800 + 0x60 + $1))
}

# resource N: first address of a BAR
resource()
{
	sed -n "$(($1 + 1))s/ .*//p" "$PCI/$NIC/resource"
}

nic_facts()
{
	pci_functions
	cat /proc/ioports
	od -An -tx1 -N 64 "$PCI/$NIC/config"
	readlink "$PCI/$NIC/driver"
	cat "$PCI/$NIC/irq" "$PCI/$NIC/enable"
}

# is_denied KIND TIMES WORDS...: one attack of this kernel's
is_denied()
{
	kind=$1 times=$2 before=$(denied "$1" first)
	shift 2
	check "$*: comes back" attack "$@"
	check "$*: is denied as $kind, $times times" is "$(($(denied "$kind" first) - before))" "$times"
}

# There is nothing in the slot.
reads_ones()
{
	attack do=pci-read "addr=$(at "$1")" "width=$2" || return 1
	dmesg | sed -n 's/.*poke: PCI .*: //p' | tail -1 | grep -qx "$(printf "%0$((2 * $2))d" 0 | tr 0 f)"
}

config_is_denied()
{
	for width in 1 2 4; do
		check "configuration reads as of an empty slot, $width bytes" reads_ones 0 $width
		is_denied pci-function 1 do=pci "addr=$(at 4)" value=0 width=$width
	done
	is_denied pci-function 1 do=pci "addr=$(at 6)" value=0 width=2
	is_denied pci-function 1 do=pci "addr=$(at 7)" value=0 width=1
	is_denied pci-function 1 do=pci "addr=$(at 16)" value=0 width=4
}

# Links that do not lead to the card's pin may not; what this kernel writes to the one that does is
# not what the device has.
links_are_denied()
{
	before=$(denied pci-link first)
	for link in 0 1 2 3; do
		attack do=pci "addr=$(link_at $link)" "value=$1" width=1 || return 1
	done
	is $(($(denied pci-link first) - before)) 3 || return 1
	for link in 0 1 2 3; do
		attack do=pci "addr=$(link_at $link)" value=0x80 width=1 || return 1
	done
}

attacks()
{
	config_is_denied
	for page in 0 0x5000 0x1f000; do
		is_denied memory-read 1 do=read addr=$((BAR + page))
		is_denied memory-write 1 do=write addr=$((BAR + page)) value=0
	done
	for width in 1 2 4; do
		is_denied port $width do=absent addr=$PORTS width=$width
		is_denied port $width do=out addr=$((PORTS + 32 - width)) value=0 width=$width
	done
	check "no other link leads to its pin" links_are_denied "$IRQ"
	check "nor does this kernel's entry of the IOAPIC" attack do=ioapic "addr=$IRQ" value=0x40
}

part_begin
check "the card's interrupts come to this kernel" nic_works
IRQ=$(cat "$PCI/$NIC/irq") BAR=$(resource 0) PORTS=$(resource 1)
echo "# interrupt $IRQ, memory at $BAR, ports at $PORTS"
nic_facts >nic.before

check "what both kernels see is not given" fails env P1_DEVICE=0000:00:01.3 sh -c \
	". /lab/lib.sh; . /lab/refresh.sh; . /lab/partition.sh; p1_boot stay"
check "the log says why" sh -c "dmesg | grep 'PCI function 0000:00:01.3 cannot be given: bridges'"
check "nothing is taken then" fails sh -c "nestctl refresh status --json | grep -q '\"taken\": *true'"

# shellcheck disable=SC2034 # of p1_boot
P1_DEVICE=$NIC
nestctl refresh boot -n --cpus 1 --memory 896M --kernel /second/bzImage --initrd /second/initrd \
	--device $NIC >dry
check "a dry run names the driver" grep "unbind $NIC from part-nic" dry
check "the second kernel is started with it" p1_boot nic,idle:12,nic,stay
check "this kernel has it no more" [ ! -e "$PCI/$NIC" ]
echo 1 >/sys/bus/pci/rescan
check "nor does it find it" [ ! -e "$PCI/$NIC" ]
check "its registers and interrupts are the other one's" p1_word "$(word 1 $WORD_GOOD)" 120
attacks
check "the second kernel has been idle so far" is "$(part word)" "$(word 2 $WORD_BEGINS)"
check "it is as it was for the other one" p1_word "$(word 3 $WORD_GOOD)" 60
# Its own attack, twice: a BAR of the card where it has nothing.
check "its BARs stay where they are" is "$(denied pci-decode second)" 2
check "nothing of its boot was denied" is "$(denied pci-function second)$(denied pci-link second)" 00
check "the VM of this kernel runs" vm_runs
check "it is killed" nestctl refresh kill
check "it is started again" p1_boot nic,stay
check "the card works once more" p1_word "$(word 1 $WORD_GOOD)" 120
check "it is killed" nestctl refresh kill
nestctl refresh status
part_end
check "the card works here again" is "$(cat $FOUND/interrupts)" $((2 * NIC_ROUNDS))
nic_facts >nic.after
check "it is what it was" diff nic.before nic.after
check "its driver can go" rmmod part-nic
tap_end
