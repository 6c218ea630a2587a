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

# The emulated CPU logs addresses, not pages, in the page-modification log.
NO_PML=pml=0

# Requests of migrate-l1.sh.
l1_cmd()
{
	[ "$1" = migrate ] || return
	for word in "migrate \"exec:cat>$STATE\"" "info migrate" quit; do
		echo "$word" >/r/tmp/mon.in
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

vm_run()
{
	machine source.log
	cp "$vm_dir/$vm_tag.console" source.console
	around=$(cat /sys/kernel/debug/kvm/nvx/around_mapped)
	kvm_load $NO_PML || return
	machine target.log -incoming "exec:cat<$STATE"
	cp "$vm_dir/$vm_tag.console" target.console
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
check "the first host mapped around faults" at_least "$around" 100
check "the second host did, too" \
	at_least "$(cat /sys/kernel/debug/kvm/nvx/around_mapped)" 100
cat l1/migrate/l2.log
tap_end
