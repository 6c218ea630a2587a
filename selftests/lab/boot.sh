#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The lab boots, KVM is there with nested VMX, and results come back.

. /lab/lib.sh

cat /proc/uptime >uptime
[ -c /dev/kvm ] || { echo "no /dev/kvm"; exit 1; }
grep -q '[Y1]' /sys/module/kvm_intel/parameters/nested || { echo "nested is off"; exit 1; }
echo "KVM is up"
