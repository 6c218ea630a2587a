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
