#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of nested.sh that runs in L1: QEMU with the devices that libvirt gives the same VM.

. /lab/lib.sh
. /lab/redis.sh

LINES=/r/tmp/redis/redis.lines

# In the directory that QEMU has for its root.
begin_redis()
{
	mkdir /r/tmp/redis && mv /redis/* /r/tmp/redis && redis_follow lines || return 1
	chroot /r /usr/bin/qemu-system-x86_64 -machine pc-i440fx-7.2,accel=kvm,usb=off -cpu host \
		-m 128 -smp 1 -no-user-config -nodefaults -display none -no-reboot \
		-kernel /tmp/redis/vmlinuz -initrd /tmp/redis/initrd -append "$REDIS_APPEND" \
		-serial file:/tmp/redis/redis.serial -device virtio-serial-pci \
		-chardev "file,id=ycsb,path=${LINES#/r},append=on" \
		-device virtserialport,chardev=ycsb,name=ycsb >qemu.log 2>&1 &
	qemu=$!
}

# Between the marks nothing is counted that is not between the calls.
counted()
{
	mark counted does
	l0_call begin && sleep "$LOOK" && l0_call end || return 1
	mark counted "done"
}

kvm_load && begin_redis || exit 1
echo "L1: modules $KMOD, clock $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
redis_comes lines 240 && look nested >timeline && counted >>timeline
rc=$?
kill -0 "$qemu" || rc=1
redis_unfollow
kill "$qemu"
wait "$qemu"
cp /r/tmp/redis/redis.serial .
cat qemu.log
exit $rc
