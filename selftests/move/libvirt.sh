#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Debian's libvirt runs VMs on KVM in the lab: what the tests of moving build upon.

. /lab/lib.sh
. /lab/tap.sh
. /lab/move.sh

ip link set lo up
tick "the test begins"
check "the daemon starts" libvirt_start 11111111-1111-4111-8111-111111111111
check "it answers" virsh version
tick "it has answered"
domain vm1 16 rate=2 >vm1.xml
check "a domain is defined" virsh define vm1.xml
check "the domain starts" virsh start vm1
check "the guest runs, its memory is right" guest_says vm1
tick "the guest runs"
domain vm2 16 rate=2 spoil=1 >vm2.xml
check "another one" virsh create vm2.xml
check "one whose memory is wrong says so" fails guest_says vm2
check "the other one's is right" guest_says vm1
check "the domain is ended" virsh destroy vm1
virsh domstats vm2
cp /run/*.serial /var/log/libvirt/libvirtd.log /var/log/libvirt/qemu/vm1.log .
tap_end
