#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# vmlink0, the network between both kernels: TCP both ways, MIB with small packets and LARGE with the largest
# (64, a GiB), what ethtool asks for on either side, a side that reboots, that loads its module again, that lies,
# that is killed while bytes are on their way.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/attack-lib.sh

OURS=10.99.0.1
THEIRS=10.99.0.2
MIB=${MIB:-64}
LARGE=${LARGE:-1024}

# carrier 0|1 [SECONDS]: wait for it
carrier()
{
	left=$((${2:-20} * 10))
	while [ "$(cat /sys/class/net/vmlink0/carrier)" != "$1" ]; do
		left=$((left - 1))
		[ $left -gt 0 ] || { echo "the carrier is not $1"; return 1; }
		sleep 0.1
	done
}

# counter NAME: of our side
counter()
{
	link-tcp stats vmlink0 | awk -v name="$1" '$1 == name { print $2 }'
}

reach()
{
	ping -c 3 -W 5 $THEIRS
}

# tcp send|get MIB: how it went is kept for tcp_works
tcp()
{
	link-tcp "$1" $THEIRS "$2" >>tcp
}

# A MiB more has gone out.
sends()
{
	from=$(counter tx_bytes)
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ $(($(counter tx_bytes) - from)) -lt 1048576 ] || return 0
		sleep 0.2
	done
	return 1
}

# It waits for a side that is not there, and no byte goes out.
still_sends()
{
	from=$(counter tx_bytes)
	sleep 1
	kill -0 $sender && is "$(counter tx_bytes)" "$from"
}

lies()
{
	echo $(($(counter bad_head) + $(counter bad_tail) + $(counter bad_length) +
		$(counter bad_offloads)))
}

# What this side may not write.
foreign_write()
{
	theirs=$(dmesg | sed -n 's/.*vmlink0: sends in .*, reads that at \(0x[0-9a-f]*\),.*/\1/p' | tail -1)
	before=$(denied memory-write first)
	attack do=write addr=$((theirs + 64)) value=1 && attacks_over &&
		is $(($(denied memory-write first) - before)) 1
}

tcp_works()
{
	check "$1: TCP, $2 MiB to the other kernel" tcp send "$2"
	check "$1: TCP, $2 MiB from it" tcp get "$2"
	sed "s/^/# $1: /" tcp
	rm tcp
}

both_ways()
{
	check "there is a carrier" carrier 1
	check "ping" reach
	tcp_works "MTU 1500" "$MIB"
	ip link set vmlink0 mtu 65535
	check "ping with the largest packets" ping -c 2 -W 5 -s 65000 $THEIRS
	tcp_works "MTU 65535" "$LARGE"
	check "ethtool -i" sh -c "link-tcp info vmlink0 | grep 'driver: vmm-refresh'"
	link-tcp stats vmlink0
	check "fewer doorbells than packets" at_most "$(counter bells)" "$(counter tx_packets)"
	check "no lie" is "$(lies)" 0
	link-tcp end $THEIRS
	check "ethtool -i and -S on the other side" p1_word "$(word 1 $WORD_GOOD)"
}

# The other kernel unloads its module, and loads it again.
reload()
{
	check "its module goes: no carrier" carrier 0
	check "its module is loaded again" p1_word "$(word 2 $WORD_GOOD)"
	check "there is a carrier again" carrier 1
	check "it has the link" p1_word "$(word 3 $WORD_BEGINS)"
	check "ping after that" reach
	link-tcp end $THEIRS
}

# It lies six times; a lie about what it has read is seen when we send.
liar()
{
	resets=$(counter resets)
	check "it begins to lie" p1_word "$(word 4 $WORD_BEGINS)"
	while [ "$(part word)" -lt "$(word 4 $WORD_GOOD)" ]; do
		ping -c 1 -W 1 $THEIRS >/dev/null
	done
	check "it has lied" p1_word "$(word 4 $WORD_GOOD)"
	link-tcp stats vmlink0
	for lie in "bad_head 2" "bad_length 2" "bad_offloads 1" "bad_tail 1"; do
		check "lies: $lie" is "${lie%% *} $(counter "${lie%% *}")" "$lie"
	done
	check "each of them has ended what was" is $(($(counter resets) - resets)) 6
	check "it could not write our half" is "$(denied memory-write second)" 1
	check "nor can we write its half" foreign_write
	check "there is a carrier after all lies" carrier 1
	check "ping after all lies" reach
	tcp_works "after all lies" 1
	link-tcp end $THEIRS
}

part_begin
check "no link without a second kernel" fails ip link show vmlink0
check "the second kernel is started" p1_boot "link,reload,link,lie,link,reboot"
check "there is a link" ip link set vmlink0 up
check "the other end is not there yet" is "$(cat /sys/class/net/vmlink0/carrier)" 0
ip addr add $OURS/24 dev vmlink0
check "it reaches its init" p1_word $WORD_INIT
check "it has the link" p1_word "$(word 1 $WORD_BEGINS)"
both_ways
reload
liar
check "it reboots" p1_ends reset
check "no carrier" carrier 0
check "it is started once more" p1_boot "link,stay"
check "there is a carrier once more" carrier 1 60
check "ping once more" reach
check "it has the link once more" p1_word "$(word 1 $WORD_BEGINS)"
link-tcp send $THEIRS "$LARGE" >sender.txt 2>&1 &
sender=$!
check "bytes are on their way" sends
check "it is killed" nestctl refresh kill
check "no carrier after that" carrier 0
check "what was on its way does not get there" still_sends
kill $sender
wait $sender
check "it is started after that" p1_boot "link,stay"
check "there is a carrier after that" carrier 1 60
check "ping after that" reach
tcp_works "after the loss" 1
check "the VM of this kernel runs" vm_runs
part_end
check "there is no link any more" fails ip link show vmlink0
tap_end
