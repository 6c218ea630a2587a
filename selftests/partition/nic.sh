# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash disable=SC2034
#
# The lab's network card, for both kernels (e1000 = yes; poke/nic.c).

NIC=0000:00:04.0
NIC_ROUNDS=20
PCI=/sys/bus/pci/devices
FOUND=/sys/module/part_nic/parameters

# The driver comes, reads the card's address by its registers, and each interrupt that it asks for comes.
nic_works()
{
	[ -d "$PCI/$NIC" ] && insmod /lab/part-nic.ko && [ -e "$PCI/$NIC/driver" ] || return 1
	dmesg | sed -n 's/.*\(part-nic: \)/\1/p' | tail -1
	[ "$(cat $FOUND/interrupts) $(cat $FOUND/others) $(cat $FOUND/mac)" = \
		"$NIC_ROUNDS 0 52:54:00:12:34:56" ]
}
