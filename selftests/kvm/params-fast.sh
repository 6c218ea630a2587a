#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# nvx_fast and nvx_pv by parts: the selftests find what each setting promises.

. /lab/lib.sh
. /lab/tap.sh

PARAMS=/sys/module/kvm_intel/parameters

is()
{
	[ "$(cat "$PARAMS/$1")" = "$2" ] || { cat "$PARAMS/$1"; return 1; }
}

[ "$KMOD" != stock ] || { echo "stock has no parameter of ours"; exit 4; }

# What the programs do with arguments only.
check "nvx_fast_fail_test pv" /bin/nvx_fast_fail_test pv
check "nvx_fast_cpuid_test pv" /bin/nvx_fast_cpuid_test pv
check "nvx_fast_plain_test pv" /bin/nvx_fast_plain_test pv
check "nvx_idle_test pv" /bin/nvx_idle_test pv
check "nvx_fast_test mwait: no timer of the CPU" /bin/nvx_fast_test mwait

# Each set of parameters is loaded once.
load_off()
{
	check "load with $1=0" kvm_load "$1=0"
	check "$1=0 is in effect" is "$1" N
	check "$1=0: exits" /bin/nvx_exits_test
}

for off in nvx_debugctl nvx_shadow_host nvx_prefault; do
	load_off $off
done

# Everything but one part, and every change is noticed all the same.
for parts in 0 254 253 251 247 239 223 191 127; do
	check "load with nvx_fast_parts=$parts" kvm_load nvx_fast_parts=$parts
	check "nvx_fast_parts=$parts: nvx_fast_test" /bin/nvx_fast_test
done

# The VMCS in memory without the short form, without VMCS shadowing, and off.
load_off nvx_fast
check "nvx_fast=0: nvx_fast_test finds stock" /bin/nvx_fast_test
check "nvx_fast=0: nvx_pf_test" /bin/nvx_pf_test
check "nvx_fast=0: nvx_pv_test" /bin/nvx_pv_test
check "nvx_fast=0: nvx_fast_test pv" /bin/nvx_fast_test pv
check "nvx_fast=0 turns nvx_deleg off" is nvx_deleg N
check "nvx_fast=0: nvx_pv_xstate_test" /bin/nvx_pv_xstate_test
check "nvx_fast=0: nvx_pv_uret_test" /bin/nvx_pv_uret_test
check "load with enable_shadow_vmcs=0" kvm_load enable_shadow_vmcs=0
check "enable_shadow_vmcs=0: nvx_pv_test" /bin/nvx_pv_test
check "enable_shadow_vmcs=0: nvx_fast_test pv" /bin/nvx_fast_test pv
check "enable_shadow_vmcs=0: nvx_fast_fail_test pv" /bin/nvx_fast_fail_test pv
load_off nvx_pv
check "nvx_pv=0: nested state is stock's" /bin/nvx_pv_state_test
check "nvx_pv=0: the interface is not offered" /bin/nvx_pv_test off
check "nvx_pv=0 turns nvx_deleg off" is nvx_deleg N
check "nvx_pv=0 turns nvx_pv_range off" is nvx_pv_range N
check "nvx_pv=0 turns nvx_pv_xstate off" is nvx_pv_xstate N
check "nvx_pv=0 turns nvx_pv_uret off" is nvx_pv_uret N
check "load with nvx_pv_range=0" kvm_load nvx_pv_range=0
check "nvx_pv_range=0: the feature is refused" /bin/nvx_pv_range_test
check "nvx_pv_range=0: nvx_pv_test" /bin/nvx_pv_test
check "load with nvx_pv_xstate=0" kvm_load nvx_pv_xstate=0
check "nvx_pv_xstate=0: the feature is refused" fails /bin/nvx_pv_xstate_test force
check "nvx_pv_xstate=0: nvx_pv_test" /bin/nvx_pv_test
check "load with nvx_pv_uret=0" kvm_load nvx_pv_uret=0
check "nvx_pv_uret=0: the feature is refused" fails /bin/nvx_pv_uret_test force
check "nvx_pv_uret=0: nvx_pv_xstate_test" /bin/nvx_pv_xstate_test
check "load with nvx_deleg=0" kvm_load nvx_deleg=0
check "nvx_deleg=0: the feature is refused" fails /bin/nvx_pv_deleg_test force
check "nvx_deleg=0: nvx_pv_test" /bin/nvx_pv_test

check "load with nvx_no_umip_emul=1" kvm_load nvx_no_umip_emul=1
check "nvx_no_umip_emul=1: UMIP is hidden" /bin/nvx_umip_test
tap_end
