#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Make the mistake that the name of the test says and succeed: the kernel's report is
# what has to make the test fail.

insmod /bin/debug_faults.ko "fault=${TESTNAME#fault-}" || exit 4
rmmod debug_faults
echo "all fine"
