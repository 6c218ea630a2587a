#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# VMs whose memory is in the pool move to the second kernel and back: none of it is sent, and what
# is not as it should be is refused by the hook.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/move.sh
. /lab/vms.sh

LIBVIRT=qemu+tcp://$THEIRS/system
# RAM blocks of the firmware travel in any case.
MOST_SENT=1000000

# pieces: START MIB STATE of the pool in a line each
pieces()
{
	nestctl pool list
}

pool_is()
{
	pieces
	! pieces | grep -v " $1\$"
}

# moves NAME: what nestctl says of one, NAME VALUE in a line each
moves()
{
	tr -d '{}[]" ' <moves.json | tr , '\n' | tr : ' ' | awk -v name="$1" '
		$1 == "name" { on = $2 == name } on'
}

fact()
{
	moves "$1" | awk -v fact="$2" '$1 == fact { print $2 }'
}

# Two in the pool, one of them five times as large; one whose memory is copied.
define_vms()
{
	libvirt_start 11111111-1111-4111-8111-111111111111 0.0.0.0 || return 1
	domain vm1 96 rate=2 >vm1.xml
	domain vm2 512 rate=2 mib=128 >vm2.xml
	domain vm3 16 rate=2 >vm3.xml
	virsh define vm1.xml && virsh define vm2.xml && virsh define vm3.xml
}

convert()
{
	nestctl domain convert --dry-run "$1" && nestctl domain convert "$1"
}

# What is converted and undone is what it was.
undone()
{
	virsh dumpxml --inactive vm1 >before.xml
	nestctl domain convert vm1 && nestctl domain convert --undo vm1 || return 1
	virsh dumpxml --inactive vm1 >after.xml
	diff before.xml after.xml
}

# Its memory is said to be where there is no pool.
wrong_range()
{
	virsh dumpxml --inactive vm1 >good.xml
	sed "s/start=\(.\)0x[0-9a-f]*/start=\10x10000000/" good.xml >wrong.xml
	cmp good.xml wrong.xml && return 1
	virsh define wrong.xml
	! virsh start vm1 2>refused && cat refused && grep -q "not in this kernel's pool" refused &&
		virsh define good.xml
}

# By libvirt alone: nobody has lent the memory.
not_lent()
{
	! virsh migrate --live --p2p --persistent --undefinesource vm1 "$LIBVIRT" \
		--migrateuri tcp://$THEIRS 2>refused && cat refused &&
		grep -q "is the other kernel's" refused && is "$(virsh domstate vm1)" running
}

sent_nothing()
{
	cat moves.json
	for name in vm1 vm2; do
		is "$(fact $name how)" zero-copy && [ "$(fact $name ram_bytes_sent)" -lt $MOST_SENT ] ||
			return 1
	done
	is "$(fact vm3 how)" copy && [ "$(fact vm3 ram_bytes_sent)" -gt 8000000 ]
}

# By the size of the memory it would be five times as long.
as_short()
{
	[ "$(fact vm1 pause_ms)" -gt 0 ] &&
		[ "$(fact vm2 pause_ms)" -lt $((2 * $(fact vm1 pause_ms))) ]
}

all_run()
{
	for name in vm1 vm2 vm3; do
		guest_says $name 180 || return 1
	done
}

total()
{
	awk '/^MemTotal/ { print $2 }' /proc/meminfo
}

# The kernel counts what describes memory that came at boot as reserved, of other memory as used.
all_is_back()
{
	now=$(total)
	echo "$memory KiB, then $now"
	[ "$now" -ge "$memory" ] && [ $((now - memory)) -lt 16384 ]
}

# What is saved is made again at the same place.
saved_pool()
{
	pieces >before
	mkdir -p /etc && nestctl pool save && cat /etc/nestctl/pool && nestctl pool restore &&
		nestctl pool delete "$start" && is "$(pieces)" "there is no pool" &&
		nestctl pool restore && pieces | diff before -
}

# By libvirt, with its memory: it goes on where it was.
saved_vm()
{
	scans=$(heartbeat_field vm1 scans)
	virsh save vm1 /run/vm1.save && is "$(virsh domstate vm1)" "shut off" && pool_is here &&
		virsh restore /run/vm1.save && ls -l /run/vm1.save && rm /run/vm1.save &&
		guest_says vm1 180 && [ $(($(heartbeat_field vm1 scans))) -gt $((scans)) ]
}

off_and_delete()
{
	virsh destroy vm1 && virsh destroy vm2 && virsh destroy vm3 || return 1
	nestctl pool delete "$start"
}

module_begin
ip link set lo up
check "there is libvirt, for both kernels" add_libvirt
memory=$(total)
check "there is no pool" sh -c "nestctl pool list | grep -q 'no pool'"
check "what it is made of is mapped by a page of 1 GiB" grep -q 'DirectMap1G: *[1-9]' /proc/meminfo
check "a pool is made" nestctl pool create 640M
start=$(pieces | awk '{ print $1; exit }')
check "it is this kernel's" pool_is here
check "a part of a block is refused" fails nestctl pool create 100M
check "it is saved, and restored" saved_pool
check "VMs are defined" define_vms
check "convert and undo" undone
check "the first one is converted" convert vm1
check "the second one is converted" convert vm2
check "a range outside of the pool is refused" wrong_range
for vm in vm1 vm2 vm3; do
	check "$vm starts" virsh start $vm
done
check "a pool with VMs is not deleted" fails nestctl pool delete "$start"
check "all run" all_run
check "one is saved, and restored" saved_vm
# shellcheck disable=SC2034 # for p1_boot
INITRD=/tmp/initrd P1_MEMORY=512M
# The larger VM has more memory than that.
P1_APPEND="$P1_APPEND sysctl.vm.overcommit_memory=1"
check "the second kernel is started" p1_boot \
	"libvirt:$THEIRS,guest:vm3,guest:vm2,guest:vm1,back:$OURS,stay"
rm /tmp/initrd
check "our end of the link" link_up
check "it reaches its init" p1_word $WORD_INIT
check "there is libvirt" p1_word "$(word 1 $WORD_GOOD)" 120
check "a move by libvirt alone is refused" not_lent
check "the pool is still here" pool_is here
check "all move" sh -c "nestctl move --json $LIBVIRT >moves.json 2>progress"
cat progress
check "of two nothing was sent" sent_nothing
echo "# paused for $(fact vm1 pause_ms) ms (96 MiB), $(fact vm2 pause_ms) ms (512 MiB)"
check "the pause is not by the size of the memory" as_short
check "none is here" is "$(here)" ""
nestctl pool list
check "the second VM runs there, its memory is right" p1_word "$(word 3 $WORD_GOOD)" 240
check "the first one, too" p1_word "$(word 4 $WORD_GOOD)" 120
check "all move back" p1_word "$(word 5 $WORD_GOOD)" 120
check "all are here" is "$(here)" vm1vm2vm3
check "the pool is here" pool_is here
check "all run here" all_run
nestctl refresh status
check "nothing was denied to the other kernel" nothing_denied second
check "nor to this one" nothing_denied first
check "all the other kernel had comes back" nestctl refresh undo
check "all go on" all_run
cp /run/*.serial .
cp /var/log/libvirt/libvirtd.log .
check "the pool becomes memory again" off_and_delete
check "all of it" all_is_back
check "nothing is left of it" is "$(nestctl pool list)" "there is no pool"
dmesg | grep -E "BUG:|WARNING:|pool:" && dmesg | tail -50
tap_end
