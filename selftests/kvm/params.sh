#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Every parameter of nvx does what the documentation says, alone and together,
# and the selftests find what each setting promises.  On stock: no parameter.
# The parts of fast and pv: params-fast.sh.  The lab's build has the switches for
# measuring; what an operator's has: params-release.sh.

. /lab/lib.sh
. /lab/tap.sh

PARAMS=/sys/module/kvm_intel/parameters
COUNTERS=/sys/kernel/debug/kvm/nvx
ON="debugctl shadow_host prefault keep_roots keep_tables pfec fast pv pv_range pv_xstate pv_uret deleg shim_page"

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
	for parameter in nvx nvx_pv nvx_no_umip_emul nvx_bypass_pf; do
		is $parameter N || return 1
	done
	is nvx_features ""
}

# said TEXT: in the kernel's log since the last kvm_load?
said()
{
	dmesg | sed -n '/nvx-params: load/h; /nvx-params: load/!H; ${x;p;}' | grep -qF -- "$1"
}

# load WORD...: and what is said about it.
load()
{
	echo "nvx-params: load $*" >/dev/kmsg
	kvm_load "$@"
}

# refused WORD TEXT: the module is not loaded with it, and says why.
refused()
{
	! load "$1" && said "$2" && [ ! -e "$PARAMS" ]
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

check "nvx is on by default" is nvx Y
check "the features in effect by default" is nvx_features "$(echo "$ON" | tr ' ' ,)"
check "none is left out by default" is nvx_off ""
check "nvx_pv is on by default" is nvx_pv Y
for parameter in nvx_no_umip_emul nvx_bypass_pf nvx_deleg_l1; do
	check "$parameter is off by default" is $parameter N
done
check "pv_l1 is off: there is no such host below" fails feature pv_l1
check "counters exist" test -f "$COUNTERS/prefault_mapped"
check "counters are read-only" test "$(stat -c %a "$COUNTERS/prefault_mapped")" = 444
for parameter in nvx nvx_off nvx_features nvx_pv nvx_no_umip_emul nvx_bypass_pf \
	nvx_vept nvx_gpf_bypass nvx_fast_parts; do
	check "$parameter is read-only" mode $parameter 444
done
for parameter in nvx_vept nvx_gpf_bypass; do
	check "$parameter is on by default" is $parameter Y
done
check "nvx_deleg_l1 is writable" mode nvx_deleg_l1 644
check "what nvx_off= has replaced is not shown" fails ls "$PARAMS/nvx_fast"

# Each feature can be left out, and what needs it goes with it.
for off in $ON; do
	check "load with nvx_off=$off" load "nvx_off=$off"
	check "nvx_off=$off: so it is" fails feature $off
	check "nvx_off=$off: and is shown" is nvx_off $off
done
check "load with a list" load nvx_off=pv,prefault,,keep_roots
check "a list: nvx_off" is nvx_off prefault,keep_roots,pv
check "a list: what is left" is nvx_features debugctl,shadow_host,keep_tables,pfec,fast,shim_page
check "a list: nvx_pv" is nvx_pv N
check "the last list holds" load nvx_off=pv nvx_off=fast
check "the last list: nvx_off" is nvx_off fast
check "the last list: deleg needs fast" is nvx_features \
	debugctl,shadow_host,prefault,keep_roots,keep_tables,pfec,pv,pv_range,pv_xstate,pv_uret,shim_page
check "load with an empty list" load nvx_off=
check "an empty list: all are on" is nvx_features "$(echo "$ON" | tr ' ' ,)"
check "an unknown feature is refused with the known ones" refused nvx_off=fast,fats \
	"nvx_off=fast,fats refused: there is no feature 'fats'; give some of debugctl,shadow_host,no_umip_emul,prefault,"
check "nvx_features= is refused" refused nvx_features=fast "leave features out with nvx_off="

# The names from before nvx_off=.
check "load with nvx_fast=0" load nvx_fast=0 nvx_pv_range=0
check "nvx_fast=0: a line says what to write" said "nvx_fast=0 is obsolete: write nvx_off=fast"
check "nvx_fast=0: it is off" fails feature fast
check "nvx_fast=0: shown as what to write" is nvx_off fast,pv_range
check "load with nvx_fast=1" load nvx_fast=1 nvx_off=prefault
check "nvx_fast=1: a line says that it does nothing" said "nvx_fast=1 is obsolete: leave it out"
check "nvx_fast=1: beside nvx_off" is nvx_off prefault
check "nvx_fast=perhaps is refused" refused nvx_fast=perhaps "invalid for parameter"

check "load with nvx_off=prefault" load nvx_off=prefault
check "nvx_off=prefault: the test finds stock's exits" /bin/nvx_prefault_test
check "load again" load
check "prefault: the test finds fewer exits" /bin/nvx_prefault_test

for size in nvx_fault_around nvx_tdp_fault_around nvx_populate; do
	check "$size is writable" mode $size 644
	check "$size refuses 0" fails write $size 0
	check "$size refuses 65" fails write $size 65
	check "$size rounds down" write_and_is $size 24 16
done
# What is free becomes huge pages, but for less than populate leaves alone.
short_of_memory()
{
	free=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)
	echo $(((free - 128 * 1024) / 2048)) >/proc/sys/vm/nr_hugepages
	/bin/nvx_around_test
	result=$?
	echo 0 >/proc/sys/vm/nr_hugepages
	return $result
}

counter()
{
	cat "$COUNTERS/$1"
}

check "nvx_populate=16: goes" write nvx_populate 16
check "nvx_populate=16: nvx_around_test" /bin/nvx_around_test
check "nvx_populate=16: pages are allocated" test "$(counter populate_pages)" -gt 0
check "nvx_populate=16: none is refused" test "$(counter populate_refused)" = 0
check "nvx_populate=16: nvx_around_test, short of memory" short_of_memory
check "nvx_populate=16: some are refused" test "$(counter populate_refused)" -gt 0
check "load with pml=0" kvm_load pml=0
check "nvx_fault_around is 16 by default" is nvx_fault_around 16
check "nvx_tdp_fault_around is 16 by default" is nvx_tdp_fault_around 16
check "nvx_populate is off by default" is nvx_populate 1
for size in 1 4 16 64; do
	check "nvx_fault_around=$size: goes" write nvx_fault_around $size
	check "nvx_fault_around=$size: nvx_around_test" /bin/nvx_around_test
done

for words in nvx_off=keep_roots nvx_off=keep_tables; do
	check "load with $words" kvm_load $words
	check "$words: nvx_tables_test" /bin/nvx_tables_test
done
for words in allow_smaller_maxphyaddr=1 "allow_smaller_maxphyaddr=1 nvx_off=pfec" \
	nvx_gpf_bypass=0 "nvx_gpf_bypass=0 allow_smaller_maxphyaddr=1"; do
	# shellcheck disable=SC2086 # one word per parameter
	check "load with $words" kvm_load $words
	check "$words: nvx_pf_test" /bin/nvx_pf_test
done
check "load with nvx_vept=0" kvm_load nvx_vept=0
check "nvx_vept=0: no EPT for guests" /bin/nvx_vept_test

# Without EPT: KVM's shadow paging, and ours.
check "load with nvx_bypass_pf=1" load nvx_bypass_pf=1
check "nvx_bypass_pf is cleared with EPT" is nvx_bypass_pf N
check "nvx_bypass_pf: a line says why" said "nvx_bypass_pf=1 has no effect: it needs ept=0"
check "load with ept=0 nvx_bypass_pf=1" kvm_load ept=0 nvx_bypass_pf=1
check "nvx_bypass_pf is in effect without EPT" is nvx_bypass_pf Y
check "ept=0 nvx_bypass_pf=1: nvx_bypass_test" /bin/nvx_bypass_test
check "ept=0 nvx_bypass_pf=1: another seed" /bin/nvx_bypass_test 3000 12345

check "load with nvx=0 and features" kvm_load pml=0 nvx_fault_around=64 nvx_vept=0 nvx_gpf_bypass=0 nvx_fast=1 nvx_no_umip_emul=1 nvx=0
check "nvx=0 has turned all of them off" all_off
for size in nvx_fault_around nvx_tdp_fault_around nvx_populate; do
	check "nvx=0: $size is 1" is $size 1
	check "nvx=0: $size stays so" fails write $size 2
done
check "nvx=0: the reason is in dmesg" sh -c 'dmesg | grep -q "nvx_populate=2 refused"'
for program in nvx_exits_test nvx_shadow_host_test nvx_prefault_test \
	nvx_debugctl_test nvx_umip_test nvx_fast_test nvx_around_test \
	nvx_tables_test nvx_pf_test nvx_vept_test; do
	check "nvx=0: $program finds stock" /bin/$program
done
check "nvx=0: the VMCS in memory is not offered" /bin/nvx_pv_test off
check "nvx=0: no counter moved" counters_are_zero

check "load with ept=0" kvm_load ept=0
check "ept=0: what is left" is nvx_features debugctl,shadow_host,shim_page
check "load with nested=0" kvm_load nested=0
check "nested=0: what is left" is nvx_features debugctl,shim_page
check "nested=0 turns nvx_fault_around off" is nvx_fault_around 1
check "nested=0 leaves nvx_tdp_fault_around" is nvx_tdp_fault_around 16
tap_end
