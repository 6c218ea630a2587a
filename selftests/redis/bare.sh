#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Redis in a VM of the second kernel alone on the machine, for a comparison; and the VM moves from one
# libvirt to another one of the same kernel.

. /lab/lib.sh
. /lab/tap.sh
. /lab/move.sh
. /lab/facts.sh
. /lab/redis.sh

add_files()
{
	disk=$(find_disk -v) && (cd / && cpio -i -d -u <"$disk")
}

OTHER=qemu+tcp://127.0.0.1:16510/system

# The other libvirt has directories of its own; what the VM says there is in the same file.
beside()
{
	mkdir -p /tmp/run && mount --bind /run /tmp/run || exit 1
	for dir in /run /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
		mount -t tmpfs tmpfs $dir || exit 1
	done
	: >$LINES
	mount --bind "/tmp/run/${LINES##*/}" $LINES || exit 1
	LIBVIRT_PORT=16510 libvirt_start 33333333-3333-4333-8333-333333333333 && wait
}

# As in a refresh, but for the kernel.
plain_move()
{
	unshare -m sh "$0" beside >beside.txt 2>&1 &
	mark plain does >>timeline
	if ! nestctl move --json --wait 120 $OTHER >progress 2>&1 || ! redis_comes lines 60; then
		cat progress beside.txt
		return 1
	fi
	mark plain "done" >>timeline
}

begin_redis()
{
	libvirt_start 22222222-2222-4222-8222-222222222222 && redis_follow lines &&
		redis_domain >redis.xml && virsh define redis.xml && virsh start redis
}

[ "$1" != beside ] || beside
mkdir -p /run
seed-random
ip link set lo up
check "there is libvirt" add_files
check "the VM is started" begin_redis
check "Redis answers" redis_comes lines 120
look bare | tee timeline
facts_short | tee facts
cp /run/redis.serial .
check "the VM moves to another libvirt of this kernel" plain_move
redis_unfollow
check "it does not run here" [ -z "$(virsh list --name | tr -d '\n')" ]
check "it runs there" [ "$(virsh -c $OTHER list --name | tr -d '\n')" = redis ]
virsh -c $OTHER destroy redis
tap_end
