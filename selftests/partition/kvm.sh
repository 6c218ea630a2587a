#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# VMs in both kernels, each with its own stock KVM; the second kernel ends while its VM runs, and
# starts again.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh

part_begin
check "the second kernel is started" p1_boot kvm,vm
check "it reaches its init" p1_word $WORD_INIT
check "its KVM loads, runs a VM, unloads" p1_word "$(word 1 $WORD_GOOD)" 120
check "the VM of this kernel runs" vm_runs
check "VMs run in both kernels" p1_word "$(word 2 $WORD_BEGINS)"
guests=$(part guest_exits)
sleep 0.5
check "its VM has left to the shim meanwhile" [ "$(part guest_exits)" -gt "$guests" ]
nestctl refresh status
check "it is killed while its VM runs" nestctl refresh kill
check "that was its end" p1_ends killed
check "the VM of this kernel runs on" vm_runs
check "it is started again" p1_boot kvm,poweroff
check "it reaches its init again" p1_word $WORD_INIT
check "its KVM loads, runs a VM, unloads" p1_word "$(word 1 $WORD_GOOD)" 120
check "power-off is its end" p1_ends power-off
check "two starts" is "$(part starts)" 2
check "nothing was denied to it" nothing_denied second
check "nor to this kernel" nothing_denied first
part_end
tap_end
