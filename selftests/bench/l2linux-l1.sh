#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of l2linux.sh that runs in L1, with the KVM that it is given; its parameters
# are L1_PARAMS.

. /lab/lib.sh

# shellcheck disable=SC2086 # one word per parameter
kvm_load ${L1_PARAMS:-} || exit 1
l2_boot linux -m 128 /bench/l2linux-l2.sh
