#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of invept.sh that runs in L1, with nvx.

. /lab/lib.sh

kvm_load || exit 1
for fill in 16 64 256; do
	nvx-vmm --ops=unmap --fill=$fill -n 4 -o $fill.json || exit 1
done
