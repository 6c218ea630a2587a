# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash disable=SC2034,SC2153 # for refresh.sh; of lib.sh
#
# part-refresh-nvx: what its first kernel does otherwise than that of part-refresh.  Both kernels have nvx, and so
# has a third VM, which is a hypervisor with an L2.  Either kernel looks at nvx's counters itself: the first one's
# end with it.

. /lab/l1-lib.sh

THERE=refreshed_l1
# It writes too fast for the usual pause.
MORE="--downtime=2000 --timeout=120"
SERIAL_LOG=/run/l1.serial
# Short rounds: each look waits for the end of one.
L1_VALUES=ROUNDS=4

begin_vms()
{
	add_l1 && libvirt_start 11111111-1111-4111-8111-111111111111 0.0.0.0 || return 1
	domain vm1 16 rate=2 >vm1.xml
	domain vm2 16 rate=2 >vm2.xml
	domain vm3 16 >vm3.xml
	virsh define vm1.xml && virsh define vm2.xml && virsh define vm3.xml &&
		virsh autostart vm3 && virsh start vm1 && virsh start vm2 && start_l1 $SERIAL_LOG
}

before_move()
{
	check "this kernel has nvx" is "$KMOD" nvx
	check "an L2 runs in L1" l1_goes_on $SERIAL_LOG 0
	echo "# L1: modules $(l1_modules $SERIAL_LOG)"
	was=$(l1_round $SERIAL_LOG)
	check "by short VM-entries" [ "$(cat /sys/kernel/debug/kvm/nvx/fast_entry)" -gt 0 ]
	echo "# first kernel: round $was, $(cat /sys/kernel/debug/kvm/nvx/fast_entry) short VM-entries"
}

after_move()
{
	echo "# L1 here: round $was, at last $(l1_round $SERIAL_LOG)"
}
