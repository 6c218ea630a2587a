#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of l2linux.sh that runs in L1, with L1's stock KVM.

. /lab/lib.sh

kvm_load || exit 1
l2_boot linux -m 128 /bench/l2linux-l2.sh
