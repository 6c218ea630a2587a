# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# What the tests of faults during a refresh share: VMs that move slowly, what the other kernel is told
# to do, and a row of the table for each fault.

# shellcheck disable=SC2034 # for the tests
TO=qemu+tcp://$THEIRS/system
# shellcheck disable=SC2034 # likewise
FROM=qemu+tcp://$OURS/system
# MiB/s: with these a move takes some seconds, or a moment.
# shellcheck disable=SC2034 # likewise
SLOW=1
# shellcheck disable=SC2034 # likewise
FAST=1000

tick()
{
	echo "# $(cut -d ' ' -f 1 /proc/uptime) s after power-on: $*"
}

faults_begin()
{
	module_begin
	ip link set lo up
	check "there is libvirt, for both kernels" add_libvirt
	check "VMs are started" start_vms
	check "they run" all_run
	facts_before
	tick "VMs run"
}

# The largest moves first.  Of most of their memory nothing is sent.
start_vms()
{
	libvirt_start $OUR_UUID 0.0.0.0 || return 1
	domain vm1 16 rate=2 mib=2 >vm1.xml
	domain vm2 24 rate=2 mib=6 >vm2.xml
	domain vm3 16 >vm3.xml
	virsh define vm1.xml && virsh define vm2.xml && virsh define vm3.xml &&
		virsh autostart vm3 && virsh start vm1 && virsh start vm2
}

OUR_UUID=11111111-1111-4111-8111-111111111111

speed()
{
	virsh migrate-setspeed vm2 "$1"
}

# What must be the same when there is one kernel again.
machine()
{
	grep MemTotal /proc/meminfo
	cat /sys/devices/system/cpu/online
	grep -h . /sys/devices/system/memory/memory*/state | sort | uniq -c
	virsh list --all --autostart --name
	ls /run/nestctl/domains 2>/dev/null
}

facts_before()
{
	machine >machine.before
}

as_before()
{
	machine >machine.after
	diff machine.before machine.after && [ ! -e /run/nestctl/run.json ]
}

all_run()
{
	[ $# -gt 0 ] || set -- vm1 vm2
	for vm; do
		guest_says "$vm" || return 1
	done
}

# ---- the other kernel

link_up()
{
	ip link set vmlink0 mtu 65535 up && ip addr replace $OURS/24 dev vmlink0
}

# there COMMAND: it does that, and what it says is said here
there()
{
	echo "$*" | timeout 60 nc $THEIRS 4444
}

qemus_there()
{
	there qemus
}

# ---- rows

# Nobody runs one twice: qemus here, qemus there
once()
{
	echo "here: $1, there: $2"
	# shellcheck disable=SC2086 # words
	[ -z "$(printf '%s\n' $1 $2 | sort | uniq -d)" ]
}

# row STATE FAULT OUTCOME HOW: what has become of it, where VMs are.  $ALONE: nobody can be asked there;
# $LOST: what the fault itself has ended.
row()
{
	ours=$(qemus) theirs=''
	[ -n "${ALONE:-}" ] || theirs=$(qemus_there)
	echo "# row | $1 | $2 | $3 | ${ours:-none} | ${theirs:-none} | $4"
	check "$2, $1: none runs twice" once "$ours" "$theirs"
	# shellcheck disable=SC2086 # words
	found=$(printf '%s\n' $ours $theirs ${LOST:-} | sort | tr '\n' ' ')
	check "$2, $1: none is lost" is "$found" "vm1 vm2 "
}

# Status of a command, and what it said.
status_of()
{
	"$@" >said 2>&1
	rc=$?
	cat said
	return $rc
}
