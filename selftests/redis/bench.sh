#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Redis in a VM while another kernel takes the place of this one: what it does in each phase.  The
# other kernel goes on with it (stages.sh) and says the end of the test on this kernel's line.
# Argument "pool": the VM's memory is in the pool, and is not copied.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/move.sh
. /lab/vms.sh
. /lab/restart.sh
. /lab/facts.sh
. /lab/redis.sh

begin_redis()
{
	libvirt_start 11111111-1111-4111-8111-111111111111 0.0.0.0 && redis_follow lines &&
		redis_domain >redis.xml && virsh define redis.xml && to_pool && virsh start redis
}

# The other kernel cannot have what the pool has.
MEMORY=896M
[ "$TEST_ARGS" != pool ] || MEMORY=640M

to_pool()
{
	[ "$TEST_ARGS" = pool ] || return 0
	nestctl pool create 128M && nestctl domain convert redis
}

virtualized()
{
	refresh-ctl on && look virtualized >>timeline && refresh-ctl off
}

# The other kernel waits before it starts libvirt: until then it is only there.
run_all()
{
	# shellcheck disable=SC2086 # words
	{
		nestctl refresh run --json --commit=stop --off=power-off \
			--to=qemu+tcp://$THEIRS/system --from=qemu+tcp://$OURS/system --link=$OURS/24 -- \
			--cpus 1 --memory $MEMORY --serial $SERIAL --kernel /second/bzImage \
			--initrd /tmp/initrd \
			--append "$(echo $P1_APPEND) scen=look:$LOOK,libvirt:$THEIRS,redis:$TESTNAME" \
			2>progress
		echo $? >status
	} | tsc-stamp >>timeline
	return "$(cat status)"
}

# Bytes that each network device has carried.
carried()
{
	for device in /sys/class/net/*; do
		echo "carried ${device##*/} $(cat "$device/statistics/rx_bytes" \
			"$device/statistics/tx_bytes" | awk '{ n += $1 } END { print n + 0 }')"
	done
}

make_off()
{
	printf '%s\n' '#!/bin/sh' 'poweroff -f' >/bin/power-off && chmod +x /bin/power-off
}

module_begin
ip link set lo up
check "there is libvirt, for both kernels" add_libvirt
check "the VM is started" begin_redis
check "Redis answers" redis_comes lines 120
check "how this kernel ends" make_off
facts_short | sed 's/^/vmm0_/' | tee facts
echo "tsc_khz $KHZ" >>facts
look normal >>timeline
check "the shim comes and goes" virtualized
check "all is done up to the commit" run_all
cat progress timeline
carried | tee -a facts
check "no VM is here" is "$(here)" ""
check "nothing was denied to the second kernel" nothing_denied second
check "nor to this one" nothing_denied first
redis_unfollow
cp /run/redis.serial .
tail -n 3 lines
last_words
nestctl refresh resume --commit=auto
