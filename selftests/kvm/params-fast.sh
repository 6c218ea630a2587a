#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# fast and pv by parts: the selftests find what each setting promises.

. /lab/lib.sh
. /lab/tap.sh

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
	check "load with nvx_off=$1" kvm_load "nvx_off=$1"
	check "nvx_off=$1 is in effect" fails feature "$1"
	check "nvx_off=$1: exits" /bin/nvx_exits_test
}

for off in debugctl shadow_host prefault; do
	load_off $off
done
check "nvx_off=prefault: nvx_map_random_test" /bin/nvx_map_random_test -n 1000 -t 5

# Everything but one part, and every change is noticed all the same.
for parts in 0 254 253 251 247 239 223 191 127; do
	check "load with nvx_fast_parts=$parts" kvm_load nvx_fast_parts=$parts
	check "nvx_fast_parts=$parts: nvx_fast_test" /bin/nvx_fast_test
done

# The VMCS in memory without the short form, without VMCS shadowing, and off.
load_off fast
check "nvx_off=fast: nvx_fast_test finds stock" /bin/nvx_fast_test
check "nvx_off=fast: nvx_pf_test" /bin/nvx_pf_test
check "nvx_off=fast: nvx_pv_test" /bin/nvx_pv_test
check "nvx_off=fast: nvx_fast_test pv" /bin/nvx_fast_test pv
check "nvx_off=fast turns deleg off" fails feature deleg
check "nvx_off=fast: nvx_pv_xstate_test" /bin/nvx_pv_xstate_test
check "nvx_off=fast: nvx_pv_uret_test" /bin/nvx_pv_uret_test
check "nvx_off=fast: nvx_idle_test" /bin/nvx_idle_test
check "nvx_off=fast: nvx_idle_test pv" /bin/nvx_idle_test pv
check "load with enable_shadow_vmcs=0" kvm_load enable_shadow_vmcs=0
check "enable_shadow_vmcs=0: nvx_pv_test" /bin/nvx_pv_test
check "enable_shadow_vmcs=0: nvx_fast_test pv" /bin/nvx_fast_test pv
check "enable_shadow_vmcs=0: nvx_fast_fail_test pv" /bin/nvx_fast_fail_test pv
load_off pv
check "nvx_off=pv: nested state is stock's" /bin/nvx_pv_state_test
check "nvx_off=pv: the interface is not offered" /bin/nvx_pv_test off
check "nvx_off=pv turns deleg off" fails feature deleg
check "nvx_off=pv turns pv_range off" fails feature pv_range
check "nvx_off=pv turns pv_xstate off" fails feature pv_xstate
check "nvx_off=pv turns pv_uret off" fails feature pv_uret
check "load with nvx_off=pv_range" kvm_load nvx_off=pv_range
check "nvx_off=pv_range: the feature is refused" /bin/nvx_pv_range_test
check "nvx_off=pv_range: nvx_pv_test" /bin/nvx_pv_test
check "load with nvx_off=pv_xstate" kvm_load nvx_off=pv_xstate
check "nvx_off=pv_xstate: the feature is refused" fails /bin/nvx_pv_xstate_test force
check "nvx_off=pv_xstate: nvx_pv_test" /bin/nvx_pv_test
check "load with nvx_off=pv_uret" kvm_load nvx_off=pv_uret
check "nvx_off=pv_uret: the feature is refused" fails /bin/nvx_pv_uret_test force
check "nvx_off=pv_uret: nvx_pv_xstate_test" /bin/nvx_pv_xstate_test
check "load with nvx_off=deleg" kvm_load nvx_off=deleg
check "nvx_off=deleg: the feature is refused" fails /bin/nvx_pv_deleg_test force
check "nvx_off=deleg: nvx_pv_test" /bin/nvx_pv_test

check "load with nvx_no_umip_emul=1" kvm_load nvx_no_umip_emul=1
check "nvx_no_umip_emul=1: UMIP is hidden" /bin/nvx_umip_test
tap_end
