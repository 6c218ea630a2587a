#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Guest side of `lab profile`: let nvx-vmm run each operation between magic
# breaks, in L0 (PROFILE_NATIVE=1) or in an L1, and save the symbols.

. /lab/lib.sh

cat /proc/kallsyms >kallsyms
if [ "$PROFILE_NATIVE" = 1 ]; then
	for op in $PROFILE_OPS; do
		nvx-vmm --profile="${op%:*}" --samples="${op#*:}" || exit 1
	done
	exit 0
fi

cat >l1-script <<'X'
. /lab/lib.sh
kvm_load $L1_PARAMS || exit 1
cat /proc/kallsyms >kallsyms
for op in $PROFILE_OPS; do
	nvx-vmm --profile="${op%:*}" --samples="${op#*:}" || exit 1
done
X
l1_boot profile -cpu "$PROFILE_CPU" l1-script
