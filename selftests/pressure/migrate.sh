#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# L1 is migrated while its L2 writes and checks its memory, and while the VMM in L1
# copies that by the dirty log.  A page that QEMU, or the VMM, was not told of would be
# found out by L2 or by the comparison at the end.

. /lab/lib.sh
. /lab/tap.sh

MONITOR="-chardev pipe,id=mon,path=/tmp/mon -mon chardev=mon,mode=readline"
STATE=/tmp/l1-state

# The distribution's emulator logs addresses, not pages, in the page-modification log.
NO_PML=
[ "$EMULATOR" != distribution ] || NO_PML=pml=0

# The request of migrate-l1.sh.  It gets no answer on the first host: what would be one is
# in the pipe when QEMU has ended.
l1_cmd()
{
	[ "$1" = migrate ] || return
	for word in "migrate \"exec:cat>$STATE\"" "info migrate" quit; do
		echo "$word" >/r/tmp/mon.in
	done
	while pidof qemu-system-x86_64 >/dev/null; do
		sleep 0.05
	done
}

# machine LOG WORDS...: QEMU to its end.
machine()
{
	log=$1
	shift
	rm -f /r/tmp/mon.in /r/tmp/mon.out
	mkfifo /r/tmp/mon.in /r/tmp/mon.out
	cat /r/tmp/mon.out >"$log" &
	# shellcheck disable=SC2034 # for vm_qemu
	vm_qemu_words="$MONITOR $*"
	vm_qemu 7<>"$vm_work/in"
}

# Of nvx; nothing on stock.
counter()
{
	cat /sys/kernel/debug/kvm/nvx/"$1" 2>/dev/null
}

# The answer: L1 is on the second host, and runs.  Without all of its memory it may run
# for ever.
answer()
{
	until grep -qs "VM status: running" target.log; do
		[ ! -p /r/tmp/mon.in ] || echo "info status" >/r/tmp/mon.in
		sleep 0.1
	done
	echo ok >&6
	sleep 20
	kill "$(pidof qemu-system-x86_64)"
}

vm_run()
{
	exec 6<>"$vm_work/in"
	machine source.log
	# shellcheck disable=SC3045 # busybox has it
	read -r -t 1 _ <&6
	cp "$vm_dir/$vm_tag.console" source.console
	around=$(counter around_mapped)
	kvm_load $NO_PML || return
	rm /r/tmp/mon.in
	answer &
	answer=$!
	machine target.log -incoming "exec:cat<$STATE"
	kill $answer 2>/dev/null
	cp "$vm_dir/$vm_tag.console" target.console
	exec 6<&-
}

at_least()
{
	echo "$1, at least $2"
	[ -n "$1" ] && [ "$1" -ge "$2" ]
}

kvm_load $NO_PML || exit 1
l1_boot migrate -cpu host,-umip -m 192 /lab/migrate-l1.sh
check "L2 has its memory, and so has the copy" test $? = 0
tr '\r' '\n' <source.log >source.txt
check "L1 was copied while it ran" \
	at_least "$(sed -n 's/^dirty sync count: //p' source.txt)" 2
check "L2 did not end on the first host" fails grep "L2 has ended" source.console
check "L2 ended on the second host" grep "L2 has ended" target.console
if [ "$KMOD" = nvx ]; then
	check "L2 took the short forms, without KVM's loop, on the second host" \
		at_least "$(counter fast_direct)" 100
	check "the first host mapped around faults" at_least "$around" 100
	check "the second host did, too" at_least "$(counter around_mapped)" 100
fi
cat l1/migrate/l2.log
tap_end
