#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of pv-l1.sh that runs in L1, with nvx.

. /lab/lib.sh
. /lab/tap.sh

PARAMS=/sys/module/kvm_intel/parameters
CAPABILITIES="ept eptad vpid unrestricted_guest pml preemption_timer enable_shadow_vmcs
	enable_apicv flexpriority vnmi"

capabilities()
{
	for capability in $CAPABILITIES; do
		echo "$capability $(cat "$PARAMS/$capability" 2>/dev/null)"
	done
}

measure()
{
	nvx-vmm --ops=cpuid,pio_user,touch_present,pio_msr4,cpuid_xcr0 -n 100 -o "$1"
}

# What the operator does with one VM: see pv-l1-step.sh.
steps()
{
	nvx-vmm --ops=cpuid,vmcall,rdmsr -n 100 --before "sh /lab/step.sh $1" \
		-o steps.json
}

all()
{
	kvm_load nvx_off=pv_l1 || return 1
	capabilities >without
	check "nvx_off=pv_l1: L2 works" measure without.json
	check "nvx_off=pv_l1: VMs have no nvx_deleg" steps absent
	kvm_load || return 1
	check "the interface is in use" feature pv_l1
	feature pv_l1 || return 1
	capabilities >with
	check "no capability is lost" cmp with without
	for capability in pml preemption_timer enable_shadow_vmcs; do
		check "L1 has $capability" grep -q "^$capability Y" with
	done
	check "L2 works" measure with.json
	check "one VM is granted delegation, loses it; another is not" steps granted
	check "L0 has noted that" l0_call note end
	check "a VM has it by default" steps default
	check "L0 has noted that, too" l0_call note default
	check "with delegation, L2 works" measure delegated.json
	echo 0 >$PARAMS/nvx_deleg_l1
	check "delegation taken back, L2 works" measure revoked.json
	for round in 1 2 3; do
		check "load and unload, round $round" kvm_load nvx_deleg_l1=1
		check "L2 works, round $round" measure round.json
	done
	cat with
	tap_end
}

all >tap
