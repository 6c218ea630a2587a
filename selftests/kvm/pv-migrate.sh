#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# An L1 with its VMCSs in memory is saved while its L2 runs, and loaded by a new
# QEMU on freshly loaded modules: by a host with nvx_pv=0 it is refused before it
# runs, on the next one L2 goes on and computes what it should, and another one has all
# that it and L1 have written.

. /lab/lib.sh
. /lab/tap.sh

MONITOR="-chardev pipe,id=mon,path=/tmp/mon -mon chardev=mon,mode=readline"
STATE=/tmp/l1-state

# The distribution's emulator logs addresses, not pages, in the page-modification log.
NO_PML=
[ "$EMULATOR" != distribution ] || NO_PML=pml=0

# Requests of pv-migrate-l1.sh.
l1_cmd()
{
	[ "$1" = migrate ] || return
	echo "migrate \"exec:cat>$STATE\"" >/r/tmp/mon.in
	echo quit >/r/tmp/mon.in
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
	check "the state of L1 was saved" test -s /r$STATE

	kvm_load $NO_PML nvx_pv=0 || return
	cp "$vm_dir/$vm_tag.console" source.console
	# It stays paused: the vCPU must not run.
	(sleep 1; echo quit >/r/tmp/mon.in) &
	machine refused.log -incoming "exec:cat<$STATE"
	cp "$vm_dir/$vm_tag.console" refused.console
	check "a host with nvx_pv=0 refuses it" \
		grep -q "Received unsupported nested state size: nested_state->size=" refused.console

	kvm_load $NO_PML || return
	machine target.log -incoming "exec:cat<$STATE"
}

kvm_load $NO_PML || exit 1
l1_boot pv -cpu host,-umip -m 192 /lab/pv-migrate-l1.sh
check "L1 and its L2 have gone on" test $? = 0
check "L1 has used the VMCS in memory" \
	test "$(cat /sys/kernel/debug/kvm/nvx/pv_bytes)" -gt 0
case " ${L1_PARAMS:-} " in
*" nvx_deleg_l1=1 "*)
	check "L1 has delegated, on the second host, too" \
		test "$(cat /sys/kernel/debug/kvm/nvx/deleg_cpuid)" -gt 100 ;;
esac
cat l1/pv/l1.log l1/pv/memory.log
tap_end
