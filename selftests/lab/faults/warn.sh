#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A test that exits with 0 while the kernel complained: that is a failure.

echo "<4>WARNING: CPU: 0 PID: 1 at lab/faults/warn.sh:1" >/dev/kmsg
echo "all fine"
