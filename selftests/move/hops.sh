#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Refreshes in a row: a kernel takes the place of this one below a VM, and another one the place of that,
# HOPS times.  What can be seen from here is checked before this kernel ends; the last one says the end
# of the test on this kernel's line.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/move.sh
. /lab/restart.sh
. /lab/facts.sh
. /lab/hops-lib.sh

p1()
{
	echo "P0: $*"
}

begin_vm()
{
	libvirt_start 11111111-1111-4111-8111-111111111111 0.0.0.0 || return 1
	domain vm1 16 rate=2 >vm1.xml
	virsh define vm1.xml && virsh start vm1
}

unpack_libvirt()
{
	disk=$(find_disk -a) && (cd / && cpio -i -d -u <"$disk")
}

run_first()
{
	hop_run 1 "${HOPS:-2}" "$TESTNAME" 0 >>progress 2>&1
}

module_begin
mkdir -p /hops
ip link set lo up
check "there is libvirt" unpack_libvirt
check "a VM is started" begin_vm
check "it runs" guest_says vm1
check "what this kernel is like" hop_facts 0
check "the other kernel has the VM" run_first
cat progress
check "no VM is here" test -z "$(virsh list --all --name | tr -d '\n')"
check "the second kernel runs" is "$(part state)" runs
echo "# here, at last: $(heartbeat vm1)"
last_words
nestctl refresh resume --commit=auto
