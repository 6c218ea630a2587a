#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Every parameter of nvx does what the documentation says, alone and together,
# and the selftests find what each setting promises.  On stock: no parameter.
# Those of nvx_fast and nvx_pv: params-fast.sh.

. /lab/lib.sh
. /lab/tap.sh

PARAMS=/sys/module/kvm_intel/parameters
COUNTERS=/sys/kernel/debug/kvm/nvx
FEATURES="nvx_debugctl nvx_shadow_host nvx_prefault nvx_fast nvx_pv nvx_pv_range nvx_pv_xstate nvx_pv_uret nvx_pv_l1 nvx_deleg nvx_no_umip_emul
	nvx_keep_roots nvx_keep_tables nvx_pfec nvx_bypass_pf"

is()
{
	[ "$(cat "$PARAMS/$1")" = "$2" ] || { cat "$PARAMS/$1"; return 1; }
}

write()
{
	echo "$2" >"$PARAMS/$1"
}

write_and_is()
{
	write "$1" "$2" && is "$1" "$3"
}

mode()
{
	[ "$(stat -c %a "$PARAMS/$1")" = "$2" ]
}

all_off()
{
	for feature in nvx $FEATURES; do
		is "$feature" N || return 1
	done
}

counters_are_zero()
{
	for counter in "$COUNTERS"/*; do
		[ "$(cat "$counter")" = 0 ] || { echo "$counter"; return 1; }
	done
}

if [ "$KMOD" = stock ]; then
	check "stock has no parameter of ours" fails ls "$PARAMS/nvx"
	check "stock has no counters of ours" fails ls "$COUNTERS"
	tap_end
	exit
fi

for feature in nvx nvx_debugctl nvx_shadow_host nvx_prefault nvx_fast nvx_pv nvx_pv_range nvx_pv_xstate \
	nvx_pv_uret nvx_pv_shim nvx_deleg nvx_keep_roots nvx_keep_tables nvx_pfec nvx_vept nvx_gpf_bypass; do
	check "$feature is on by default" is $feature Y
done
check "nvx_no_umip_emul is off by default" is nvx_no_umip_emul N
check "nvx_bypass_pf is off by default" is nvx_bypass_pf N
check "nvx_deleg_l1 is off by default" is nvx_deleg_l1 N
check "nvx_deleg_l1 is writable" mode nvx_deleg_l1 644
check "nvx_pv_l1 is off: there is no such host below" is nvx_pv_l1 N
check "counters exist" test -f "$COUNTERS/prefault_mapped"
check "counters are read-only" test "$(stat -c %a "$COUNTERS/prefault_mapped")" = 444
for feature in nvx nvx_debugctl nvx_shadow_host nvx_fast nvx_fast_parts \
	nvx_pv nvx_pv_range nvx_pv_xstate nvx_pv_uret nvx_pv_l1 nvx_pv_shim nvx_deleg \
	nvx_no_umip_emul nvx_keep_roots nvx_keep_tables nvx_pfec nvx_vept nvx_gpf_bypass \
	nvx_bypass_pf; do
	check "$feature is read-only" mode $feature 444
done
check "nvx_prefault is writable" mode nvx_prefault 644
check "nvx_prefault goes off" write nvx_prefault 0
check "nvx_prefault off: the test finds stock's exits" /bin/nvx_prefault_test
check "nvx_prefault goes on" write nvx_prefault 1
check "nvx_prefault refuses nonsense" fails write nvx_prefault perhaps
check "nvx_prefault on: the test finds fewer exits" /bin/nvx_prefault_test

for size in nvx_fault_around nvx_tdp_fault_around nvx_populate; do
	check "$size is writable" mode $size 644
	check "$size refuses 0" fails write $size 0
	check "$size refuses 65" fails write $size 65
	check "$size rounds down" write_and_is $size 24 16
done
check "load with pml=0" kvm_load pml=0
check "nvx_fault_around is 16 by default" is nvx_fault_around 16
check "nvx_tdp_fault_around is 16 by default" is nvx_tdp_fault_around 16
check "nvx_populate is off by default" is nvx_populate 1
for size in 1 4 16 64; do
	check "nvx_fault_around=$size: goes" write nvx_fault_around $size
	check "nvx_fault_around=$size: nvx_around_test" /bin/nvx_around_test
done

for words in nvx_keep_roots=0 nvx_keep_tables=0; do
	check "load with $words" kvm_load $words
	check "$words: nvx_tables_test" /bin/nvx_tables_test
done
for words in allow_smaller_maxphyaddr=1 "allow_smaller_maxphyaddr=1 nvx_pfec=0" \
	nvx_gpf_bypass=0 "nvx_gpf_bypass=0 allow_smaller_maxphyaddr=1"; do
	# shellcheck disable=SC2086 # one word per parameter
	check "load with $words" kvm_load $words
	check "$words: nvx_pf_test" /bin/nvx_pf_test
done
check "load with nvx_vept=0" kvm_load nvx_vept=0
check "nvx_vept=0: no EPT for guests" /bin/nvx_vept_test

# Without EPT: KVM's shadow paging, and ours.
check "load with nvx_bypass_pf=1" kvm_load nvx_bypass_pf=1
check "nvx_bypass_pf is cleared with EPT" is nvx_bypass_pf N
check "load with ept=0 nvx_bypass_pf=1" kvm_load ept=0 nvx_bypass_pf=1
check "nvx_bypass_pf is in effect without EPT" is nvx_bypass_pf Y
check "ept=0 nvx_bypass_pf=1: nvx_bypass_test" /bin/nvx_bypass_test
check "ept=0 nvx_bypass_pf=1: another seed" /bin/nvx_bypass_test 3000 12345

check "load with nvx=0 and features" kvm_load pml=0 nvx_fault_around=64 nvx_vept=0 nvx_gpf_bypass=0 nvx_prefault=1 nvx_no_umip_emul=1 nvx=0
check "nvx=0 has turned all of them off" all_off
check "nvx=0: nvx_prefault cannot be turned on" fails write nvx_prefault 1
for size in nvx_fault_around nvx_tdp_fault_around nvx_populate; do
	check "nvx=0: $size is 1" is $size 1
	check "nvx=0: $size stays so" fails write $size 2
done
check "nvx=0: the reason is in dmesg" sh -c 'dmesg | grep -q "nvx_prefault=1 refused"'
for program in nvx_exits_test nvx_shadow_host_test nvx_prefault_test \
	nvx_debugctl_test nvx_umip_test nvx_fast_test nvx_around_test \
	nvx_tables_test nvx_pf_test nvx_vept_test; do
	check "nvx=0: $program finds stock" /bin/$program
done
check "nvx=0: the VMCS in memory is not offered" /bin/nvx_pv_test off
check "nvx=0: no counter moved" counters_are_zero

check "load with ept=0" kvm_load ept=0
check "ept=0 turns nvx_prefault off" is nvx_prefault N
check "ept=0 turns nvx_fast off" is nvx_fast N
check "ept=0 turns nvx_pv off" is nvx_pv N
check "load with nested=0" kvm_load nested=0
check "nested=0 turns nvx_prefault off" is nvx_prefault N
check "nested=0 turns nvx_fault_around off" is nvx_fault_around 1
check "nested=0 leaves nvx_tdp_fault_around" is nvx_tdp_fault_around 16
check "nested=0 turns nvx_shadow_host off" is nvx_shadow_host N
tap_end
