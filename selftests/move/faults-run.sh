#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Faults in each state of nestctl refresh run.  After each row there is one kernel again that runs all
# VMs, and the machine is as before.  The test's words say which ones.

# shellcheck disable=SC2034 # for faults-lib.sh and partition.sh
. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/move.sh
. /lab/vms.sh
. /lab/faults-lib.sh

# begin SCENARIO [OPTIONS...]: a refresh in the background, up to where nothing can be taken back
begin()
{
	scenario=$1
	shift
	# shellcheck disable=SC2086 # words
	nestctl refresh run --json --commit=stop --off=poweroff --to=$TO --from=$FROM \
		--link=$OURS/24 "$@" -- --cpus 1 --memory 896M --serial $SERIAL \
		--kernel /second/bzImage --initrd "$INITRD" \
		--append "$(echo $P1_APPEND) scen=$scenario" >events 2>said &
	run=$!
}

# at PHASE STATE: it is there
at()
{
	left=1200
	until grep -q "\"phase\":\"$1\",\"state\":\"$2\"" events; do
		left=$((left - 1))
		[ $left -gt 0 ] && kill -0 $run || { says; return 1; }
		sleep 0.05
	done
}

says()
{
	cat events said
}

# ends STATUS: it does
ends()
{
	wait $run
	is $? "$1" || { says; return 1; }
}

result()
{
	sed -n 's/.*"event":"end","result":"\([a-z]*\)".*/\1/p' events | tail -1
}

# goes STATUS VERB: what nestctl says then
goes()
{
	nestctl refresh "$2" --json >events 2>said
	is $? "$1" || { says; return 1; }
}

# moves NAME: its memory is under way
moves()
{
	left=1200
	until virsh domjobinfo "$1" | grep -q "^Memory processed"; do
		left=$((left - 1))
		[ $left -gt 0 ] && kill -0 $run || { says; virsh domjobinfo "$1"; return 1; }
		sleep 0.1
	done
}

# all_back STATE FAULT HOW: one kernel, all VMs, and nothing left
all_back()
{
	check "$2, $1: VMs run, their memory is right" all_run
	ALONE=1
	row "$1" "$2" "$(result)" "$3"
	ALONE=''
	check "$2, $1: the machine is as before" as_before
	check "$2, $1: there is no second kernel" is "$(part state)" none
	tick "$2, $1"
}

# no_room: for the journal, from now on; room: there is
no_room()
{
	dd if=/dev/zero of=/run/nestctl/full bs=4k 2>/dev/null
	! echo text >/run/nestctl/more 2>/dev/null
}

room()
{
	rm -f /run/nestctl/full /run/nestctl/more
}

# ip does something else, once: COMMAND
instead_of_ip()
{
	mkdir -p /tmp/bin
	printf '%s\n' '#!/bin/sh' "rm /tmp/bin/ip" "$1" >/tmp/bin/ip
	chmod +x /tmp/bin/ip
}

faults_of_run()
{
	INITRD=/second/initrd
	check "no room for the journal" no_room
	begin stay
	check "no room for the journal: nothing is begun" ends 3
	room
	all_back plan "disk full for the journal" "make room, run again"

	begin stay
	check "it boots" at boot does
	sleep 1
	kill -TERM $run
	check "abort: it goes back" ends 3
	all_back boot abort "run again"

	instead_of_ip "exec sleep 1000"
	begin stay
	check "a step that does not end: it goes back" ends 3
	all_back address "timeout of a step" "run again"

	instead_of_ip "dd if=/dev/zero of=/run/nestctl/full bs=4k 2>/dev/null; ip \"\$@\""
	begin stay
	check "no room for the journal: it goes back" ends 3
	room
	all_back address "disk full for the journal" "make room, run again"

	begin stay --wait=2
	check "the other libvirtd does not come: it goes back" ends 3
	all_back move "timeout: no libvirtd there" "run again"
}

faults_of_kernel()
{
	INITRD=/second/initrd
	begin "idle:1,panic"
	check "it boots" at boot does
	sleep 1
	kill -9 $run
	wait $run
	check "another one waits until what it had begun is done" refused 1 nestctl refresh resume
	left=600
	while nestctl refresh resume --json >events 2>said; [ $? = 1 ] && [ $left -gt 0 ]; do
		left=$((left - 1))
		sleep 0.1
	done
	says
	all_back boot "kill -9 of nestctl" "nestctl refresh resume (here: to a second kernel that panics)"

	begin "idle:1,panic"
	check "the second kernel panics: it goes back" ends 3
	all_back move "panic of the second kernel" "run again"

	begin "idle:1,hang" --wait=4
	check "the second kernel hangs before a VM moves: it goes back" ends 3
	all_back move "hang of the second kernel" "run again"

	INITRD=/tmp/initrd
	speed $SLOW
	begin "libvirt:$THEIRS,orders"
	check "a VM moves" moves vm2
	there 'insmod /lab/poke.ko do=hang' &
	order=$!
	check "the second kernel hangs while a VM moves: it goes back" ends 3
	kill $order
	speed $FAST
	all_back moving "hang of the second kernel" "run again"
}

# There it is, and all have moved.
run_and_wait()
{
	begin "libvirt:$THEIRS,orders"
	check "all have moved" ends 0
	check "it waits" is "$(result)" waits
	check "none is here" is "$(here)" ""
}

# vms_have_ended FAULT HOW: with the second kernel; they are defined here again, and can be started.
vms_have_ended()
{
	check "abort" goes 0 abort
	cat said
	LOST='vm1 vm2'
	ALONE=1
	row moved "$1" "VMs there end with it" "$2"
	LOST=''
	check "they are defined here" is "$(here)" vm1vm2vm3
	rm /run/vm1.serial /run/vm2.serial
	check "the first one starts" virsh start vm1
	check "the second one starts" virsh start vm2
	all_back moved "$1" "run again"
}

faults_of_second()
{
	INITRD=/tmp/initrd
	run_and_wait
	tick "all have moved"
	ip link set vmlink0 down
	check "abort, and the link is down: it says so" goes 4 abort
	check "link up" link_up
	row moved "abort, link down" "$(result)" "link up, nestctl refresh resume"
	there 'kill -9 $(pidof libvirtd)'
	check "libvirtd there is killed: VMs go on" is "$(qemus_there)" "vm1 vm2 "
	check "resume says so" goes 4 resume
	row moved "abort, libvirtd there is killed" "$(result)" "start it, nestctl refresh resume"
	check "it is started" is "$(libvirt_there)" 0
	check "none starts by itself" is "$(qemus_there)" "vm1 vm2 "
	check "all come back" goes 3 resume
	all_back moved abort "run again"

	run_and_wait
	there 'echo 1 >/proc/sys/kernel/panic; echo c >/proc/sysrq-trigger' &
	order=$!
	check "the second kernel ends" p1_ends reset
	kill $order
	vms_have_ended "panic of the second kernel" "nestctl refresh abort, virsh start"

	run_and_wait
	there 'insmod /lab/poke.ko do=hang' &
	order=$!
	sleep 1
	check "the second kernel hangs: abort cannot ask there" goes 4 abort
	kill $order
	ALONE=1
	LOST='vm1 vm2'
	row moved "hang of the second kernel" "$(result)" "nestctl refresh kill, nestctl refresh abort"
	check "it is ended" nestctl refresh kill
	vms_have_ended "hang of the second kernel, killed" "nestctl refresh abort, virsh start"
}

libvirt_there()
{
	there 'libvirt_start 22222222-2222-4222-8222-222222222222 '$THEIRS' >/dev/null 2>&1; echo $?'
}

# The journal is on a file system that can be full.
small_run()
{
	mkdir -p /run/nestctl && mount -t tmpfs -o size=64k tmpfs /run/nestctl
}

faults_begin
check "a small file system for the journal" small_run
PATH=/tmp/bin:$PATH
INITRD=
"faults_of_$TEST_ARGS"
check "nothing was denied to this kernel" nothing_denied first
cp /run/*.serial /var/log/libvirt/libvirtd.log .
tap_end
