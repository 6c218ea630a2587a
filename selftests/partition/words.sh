# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash disable=SC2034
#
# What the second kernel says to the first one, a number: it has no other way.  Stage N of
# its scenario (scen=A,B,C on its command line) is 100 * N and something.

WORD_INIT=1		# it has reached its init
WORD_BEGINS=1		# a stage does
WORD_GOOD=98		# its end
WORD_BAD=99		# the same, and nothing comes after it

# word STAGE WHAT
word()
{
	echo $((100 * $1 + $2))
}

# How many NMIs the CPUs of this kernel have had.
nmis()
{
	awk '$1 == "NMI:" { for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }' /proc/interrupts
}

# 1: this kernel is to have its local APICs in x2APIC mode (lab run --x2apic).
x2apic_wanted()
{
	if grep -q '^flags.* hypervisor' /proc/cpuinfo && ! grep -qw nox2apic /proc/cmdline; then
		echo 1
	else
		echo 0
	fi
}

# The PCI functions that this kernel sees, each with its six addresses.
pci_functions()
{
	for device in /sys/bus/pci/devices/*; do
		echo "${device##*/}" "$(head -n 6 "$device/resource" | cut -d ' ' -f 1,2 | tr '\n' ' ')"
	done
}

# The same as a number, for a command line.
pci_sum()
{
	pci_functions | sha256sum | cut -d ' ' -f 1
}
