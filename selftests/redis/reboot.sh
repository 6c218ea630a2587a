#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What a refresh is compared with: the VM with Redis is saved, the machine is reset, and the next
# kernel restores the VM.  The state is on a disk meanwhile, with the results of the test.

. /lab/lib.sh
. /lab/tap.sh
. /lab/restart.sh
. /lab/move.sh
. /lab/facts.sh
. /lab/redis.sh

SAVED=$RESULTS/redis.save

begin_libvirt()
{
	disk=$(find_disk -v) && (cd / && cpio -i -d -u <"$disk") || return 1
	ip link set lo up
	libvirt_start 11111111-1111-4111-8111-111111111111
}

begin_redis()
{
	redis_follow lines && redis_domain >redis.xml && virsh define redis.xml && virsh start redis
}

save_redis()
{
	mark save does >>timeline
	virsh save redis "$SAVED" || return 1
	mark save "done" >>timeline
	echo "saved_bytes $(stat -c %s "$SAVED")" >>facts
}

restore_redis()
{
	redis_follow lines-restored
	mark restore does >>timeline-restored
	virsh restore "$SAVED" || return 1
	mark restore "done" >>timeline-restored
	rm "$SAVED"
}

# The line says when, by the TSC, which goes on through the reset.
reset_machine()
{
	# The emulator's firmware does not survive a reset by the keyboard controller.
	echo pci >/sys/kernel/reboot/type
	machine_restarts
	mark down "done" >/dev/ttyS0
	stty -echo </dev/ttyS0
	reboot -f
	sleep 5
	echo "the machine goes on after it should have been reset"
}

before()
{
	check "there is libvirt" begin_libvirt
	check "the VM is started" begin_redis
	check "Redis answers" redis_comes lines 120
	facts_short | tee facts
	look before | tee timeline
	check "the VM is saved" save_redis
	check "it does not run" [ -z "$(virsh list --name | tr -d '\n')" ]
	redis_unfollow
	[ "$tap_failed" = 0 ] && reset_machine
	tap_end
	exit 1
}

after()
{
	check "there is libvirt in the next kernel" begin_libvirt
	mark boot "done" >timeline-restored
	check "the VM is restored" restore_redis
	check "Redis goes on" redis_comes lines-restored 60
	look after | tee -a timeline-restored
	redis_unfollow
	check "the VM runs" [ "$(virsh list --name | tr -d '\n')" = redis ]
	virsh destroy redis
	tap_end
}

[ "$(grep -c ^processor /proc/cpuinfo)" = 1 ] ||
	{ echo "the emulated firmware does not start a second time with two CPUs"; exit 4; }
mkdir -p /run
seed-random
case $STAGE in
1)	before ;;
*)	after ;;
esac
