#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The CPU shuts down: no IDT, then an exception.

echo triple >/sys/kernel/reboot/type
echo 1 >/sys/kernel/reboot/force
reboot -f
