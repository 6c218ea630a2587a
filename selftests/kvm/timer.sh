#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# KVM of L0 uses the VMX-preemption timer for its own guests, which it does not at
# the lab's usual rate of the TSC: the timer would count 32 bits too fast.

. /lab/lib.sh
. /lab/tap.sh

check "KVM uses the VMX-preemption timer" \
	grep -q Y /sys/module/kvm_intel/parameters/preemption_timer
tap_end
