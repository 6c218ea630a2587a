#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# nestctl refresh run: another kernel in the place of this one, while its VMs run.  All that can be
# seen from here is checked before this kernel ends; the other one looks at the rest and says the end
# of the test on this kernel's line.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/move.sh
. /lab/vms.sh
. /lab/restart.sh
. /lab/facts.sh

THERE=refreshed
# What is otherwise with some of these tests: THERE (what the other one does) and BEFORE (before it starts
# libvirtd), MORE (options), P1_DEVICE, begin_vms, before_move, after_move.
MORE=
BEFORE=
before_move()
{
	:
}

after_move()
{
	:
}

[ ! -f /lab/variant.sh ] || . /lab/variant.sh

# Each event with this clock, and how many pages each VM has written.
stamp()
{
	while IFS= read -r line; do
		echo "$(cut -d ' ' -f 1 /proc/uptime) $(($(heartbeat_field vm1 writes)))" \
			"$(($(heartbeat_field vm2 writes))) $line"
	done
}

# The VMs as they are without any of this.
normal()
{
	echo '{"event":"phase","phase":"normal","state":"does"}' | stamp >>timeline
	sleep 1
	echo '{"event":"phase","phase":"normal","state":"done"}' | stamp >>timeline
}

# Up to where nothing can be taken back.
run_all()
{
	# shellcheck disable=SC2086 # words
	{
		nestctl refresh run --json --commit=stop --off=power-off \
			--to=qemu+tcp://$THEIRS/system --from=qemu+tcp://$OURS/system --link=$OURS/24 $MORE -- \
			--cpus 1 --memory 896M --serial $SERIAL ${P1_DEVICE:+--device $P1_DEVICE} --kernel /second/bzImage \
			--initrd /tmp/initrd \
			--append "$(echo $P1_APPEND) scen=${BEFORE}libvirt:$THEIRS,$THERE:$TESTNAME" 2>progress
		echo $? >status
	} | stamp >>timeline
	return "$(cat status)"
}

# What ends this kernel; what the test has left is on the disk by then.
make_off()
{
	printf '%s\n' '#!/bin/sh' 'poweroff -f' >/bin/power-off && chmod +x /bin/power-off
}

# phase NAME: the last that the events say of one
phase()
{
	sed -n "s/.*\"phase\": *\"$1\", *\"state\": *\"\([a-z]*\)\".*/\1/p" timeline | tail -1
}

module_begin
ip link set lo up
check "there is libvirt, for both kernels" add_libvirt
check "VMs are started" begin_vms
# Nobody is to wait for what will not come.
[ "$tap_failed" = 0 ] || { libvirt_says; tap_end; exit 1; }
check "the first one runs" guest_says vm1
check "the second one runs" guest_says vm2
check "how this kernel ends" make_off
facts_short | sed 's/^/vmm0_/' | tee facts
before_move
normal
before1=$(heartbeat vm1) before2=$(heartbeat vm2)
check "all is done up to the commit" run_all
cat progress timeline
for name in plan disks boot address link vlan bridge move; do
	check "phase $name is done" is "$(phase $name)" "done"
done
check "no VM is here" is "$(here)" ""
check "no QEMU is here" fails pidof qemu-system-x86_64
after_move
echo "# here: vm1 $before1, at last $(heartbeat vm1)"
echo "# here: vm2 $before2, at last $(heartbeat vm2)"
check "the second kernel runs" is "$(part state)" runs
check "nothing was denied to it" nothing_denied second
check "nor to this one" nothing_denied first
check "the journal waits for the commit" grep -q '"off"\|"move"' /run/nestctl/run.json
cat /run/nestctl/run.json
cp /run/*.serial .
last_words
nestctl refresh resume --commit=auto
