#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of paper.sh that runs in the L1 that has the L2.

. /lab/lib.sh
. /paper/runs.sh

# Requests of L2 are for L0.
l1_cmd()
{
	shift
	l0_call snap2 "$@"
}

# Words of L1_PARAMS; "?NAME=VALUE" only if the module has the parameter.
l1_params()
{
	for word in $L1_PARAMS; do
		case $word in
		\?*)	word=${word#\?}
			! grep -q "parmtype=${word%%=*}:" /lab/kvm/kvm-intel.ko || echo "$word" ;;
		*)	echo "$word" ;;
		esac
	done
}

# shellcheck disable=SC2046 # one word a parameter
kvm_load kvm.halt_poll_ns=0 $(l1_params) || exit 1
l2_boot guest -m "$GUEST_MEM" /paper/paper-guest.sh
rc=$?
for file in /sys/module/kvm_intel/parameters/nvx*; do
	[ ! -f "$file" ] || echo "${file##*/} $(cat "$file")"
done >parameters.txt
exit $rc
