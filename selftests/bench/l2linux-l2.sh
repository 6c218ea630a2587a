#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of l2linux.sh that runs in L2.

. /lab/lib.sh

. /bench/checksum.sh

cat /proc/cpuinfo >cpuinfo
cat /proc/uptime >uptime
checksum >checksum
