#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The module as an operator has it, without the switches for measuring.

. /lab/lib.sh
. /lab/tap.sh

PARAMS=/sys/module/kvm_intel/parameters
# Of the lab's build only.
MEASURE="nvx_fast_parts
nvx_gpf_bypass
nvx_vept"

[ "$KMOD" != stock ] || { echo "stock has no parameter of ours"; exit 4; }

parameters()
{
	(cd $PARAMS && ls) | grep ^nvx
}

values()
{
	(cd $PARAMS && grep . nvx nvx_*) | grep -v -e ^nvx_fast_parts: -e ^nvx_gpf_bypass: -e ^nvx_vept:
}

# In the place of the lab's kvm-intel.ko, on the same kvm.ko.
exchange()
{
	kvm_unload && insmod_list /lab/kvm/order && insmod /lab/kvm/kvm.ko &&
		insmod /lab/release/kvm-intel.ko nested=1 "$@"
}

# refused WORD: with a line that says why.
refused()
{
	! exchange "$1" && dmesg | tail -n 5 |
		grep -F "$1 refused: it is for measuring, and this module was built without"
}

same()
{
	[ "$1" = "$2" ] || { printf '%s\n-- is not:\n%s\n' "$1" "$2"; return 1; }
}

check "the lab's build loads" kvm_load
lab=$(parameters)
lab_values=$(values)
check "the release's build loads" exchange
check "it has all parameters but the switches" same \
	"$(printf '%s\n' "$(parameters)" "$MEASURE" | sort)" "$(echo "$lab" | sort)"
check "and the same defaults" same "$(values)" "$lab_values"
check "the exits are those of the lab's build" /bin/nvx_exits_test
for word in nvx_vept=0 nvx_gpf_bypass=0 nvx_fast_parts=1; do
	check "$word is refused" refused $word
done
check "nvx=0 loads" exchange nvx=0
check "nvx=0: the exits are stock's" /bin/nvx_exits_test
tap_end
