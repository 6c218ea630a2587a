#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Redis in a VM of the second kernel alone on the machine, for a comparison.

. /lab/lib.sh
. /lab/tap.sh
. /lab/move.sh
. /lab/facts.sh
. /lab/redis.sh

add_files()
{
	disk=$(find_disk -v) && (cd / && cpio -i -d -u <"$disk")
}

begin_redis()
{
	libvirt_start 22222222-2222-4222-8222-222222222222 && redis_follow lines &&
		redis_domain >redis.xml && virsh define redis.xml && virsh start redis
}

mkdir -p /run
seed-random
ip link set lo up
check "there is libvirt" add_files
check "the VM is started" begin_redis
check "Redis answers" redis_comes lines 120
look bare | tee timeline
redis_unfollow
facts_short | tee facts
cp /run/redis.serial .
check "the VM runs" [ "$(virsh list --name | tr -d '\n')" = redis ]
virsh destroy redis
tap_end
