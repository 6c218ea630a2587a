#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Faults while VMs move to the other kernel, one after the other beside the same second kernel: what
# cannot move runs on here, and moves when the fault is gone.  The test's words say which ones.

# shellcheck disable=SC2034 # for faults-lib.sh and partition.sh
. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/move.sh
. /lab/vms.sh
. /lab/faults-lib.sh

# Beside the one of nestctl.
REFUSES=/etc/libvirt/hooks/qemu.d/refuses

begin_move()
{
	rm -f progress said
	nestctl move "$@" $TO >said 2>progress &
	move=$!
	left=300
	until grep -q '^vm2: moves' progress; do
		left=$((left - 1))
		[ $left -gt 0 ] && kill -0 $move || { cat said progress; return 1; }
		sleep 0.1
	done
}

# ends STATUS: nestctl does, in time
ends()
{
	left=600
	while kill -0 $move 2>/dev/null; do
		left=$((left - 1))
		[ $left -gt 0 ] || { echo "it goes on"; return 1; }
		sleep 0.1
	done
	wait $move
	is $? "$1" || { cat said progress; return 1; }
}

why()
{
	sed -n 's/^vm2: //p' said | cut -c 1-400
}

# stays NAME STATUS HOW: the row of one after which all VMs are here
stays()
{
	check "$1: nestctl says so" ends "$2"
	check "$1: VMs run, their memory is right" all_run
	row moving "$1" "status $2: $(why)" "$3"
	check "$1: all are here" is "$(qemus)" "vm1 vm2 "
	tick "$1"
}

# The daemon there has to have noticed, too.
gone_there()
{
	left=400
	until [ -z "$(virsh -c $TO list --all --name | tr -d '\n')" ]; do
		left=$((left - 1))
		[ $left -gt 0 ] || { virsh -c $TO list --all; return 1; }
		sleep 0.1
	done
}

faults_of_moves()
{
	check "a move begins" begin_move
	kill -TERM $move
	stays "abort" 3 "move again"

	check "a move begins" begin_move --timeout=3
	stays "takes longer than --timeout" 3 "move again with more time"

	check "a move begins" begin_move
	there 'kill -9 $(qemu_of vm2)'
	stays "QEMU there is killed" 3 "move again"

	there "printf '#!/bin/sh\\nexec >&2\\necho no room\\nexit 1\\n' >$REFUSES; chmod +x $REFUSES"
	nestctl move $TO >said 2>progress &
	move=$!
	stays "the hook there refuses" 3 "mend what it says, move again"
	there "rm $REFUSES"

	check "a move begins" begin_move
	ip link set vmlink0 down
	check "link down: nestctl says so" ends 3
	check "link down: VMs run, their memory is right" all_run
	ALONE=1
	row moving "link down" "status 3: $(why)" "link up, move again"
	ALONE=''
	check "link up" link_up
	check "it has forgotten the move" gone_there
	tick "link down"
}

libvirt_there()
{
	there 'libvirt_start 22222222-2222-4222-8222-222222222222 '$THEIRS' >/dev/null 2>&1; echo $?'
}

faults_of_daemons()
{
	check "a move begins" begin_move
	there 'kill -9 $(pidof libvirtd)'
	check "libvirtd there is killed: nestctl says so" ends 3
	check "VMs run, their memory is right" all_run
	row moving "libvirtd there is killed" "status 3: $(why)" "start libvirtd there, move again"
	check "it is started again" is "$(libvirt_there)" 0
	check "it has forgotten the move" gone_there
	tick "libvirtd there"

	check "a move begins" begin_move
	kill -9 "$(pidof libvirtd)"
	check "libvirtd here is killed: nobody says where the VM is" ends 4
	check "it is started again" libvirt_start $OUR_UUID 0.0.0.0
	check "VMs run, their memory is right" all_run
	row moving "libvirtd here is killed" "status 4: $(why)" "start libvirtd, move again"
	check "it has forgotten the move" gone_there
	tick "libvirtd here"

	speed $SLOW
	check "a move begins" begin_move
	kill -9 $move
	wait $move
	speed $FAST
	check "nestctl is killed: the move ends" moved vm2
	row moving "nestctl is killed" "the move ends by itself" "move again: the others follow"
	check "all move" status_of nestctl move $TO
	check "none is here" is "$(here)" ""
	there 'kill -9 $(pidof libvirtd)'
	row moved "libvirtd there is killed" "VMs go on" "start libvirtd there"
	check "it is started again" is "$(libvirt_there)" 0
	check "it has started none" is "$(qemus_there)" "vm1 vm2 "
	check "all move back" status_of nestctl move --from $TO $FROM
	check "VMs run, their memory is right" all_run
	tick "nestctl is killed, and they are back"

	speed $SLOW
	check "a move begins" begin_move
	kill -9 "$(qemu_of vm2)"
	check "QEMU here is killed: nestctl says so" ends 3
	LOST=vm2
	row moving "QEMU here is killed" "status 3: $(why)" "virsh start: it is shut off here"
	LOST=''
	check "it is defined here" is "$(virsh domstate vm2 | head -1)" "shut off"
	check "the other one's memory is right" all_run vm1
	rm /run/vm2.serial
	check "it starts" virsh start vm2
	check "VMs run, their memory is right" all_run
}

moved()
{
	left=400
	while [ -n "$(qemu_of "$1")" ]; do
		left=$((left - 1))
		[ $left -gt 0 ] || return 1
		sleep 0.1
	done
}

faults_begin
# shellcheck disable=SC2034 # for p1_boot
INITRD=/tmp/initrd
check "the second kernel is started" p1_boot "libvirt:$THEIRS,orders"
rm /tmp/initrd
check "our end of the link" link_up
check "there is libvirt" p1_word "$(word 2 $WORD_BEGINS)" 120
tick "the other libvirt is there"
speed $SLOW
"faults_of_$TEST_ARGS"
speed $FAST
check "then all move" status_of nestctl move $TO
check "none is here" is "$(here)" ""
row moved none "status 0" ""
check "all move back" status_of nestctl move --from $TO $FROM
check "VMs run, their memory is right" all_run
check "nothing was denied to the other kernel" nothing_denied second
check "all the other kernel had comes back" nestctl refresh undo
check "the machine is as before" as_before
cp /run/*.serial /var/log/libvirt/libvirtd.log .
tap_end
