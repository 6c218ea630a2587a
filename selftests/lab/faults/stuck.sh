#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The test passes, and then the machine gets no further: what the first process reads
# between two tests does not come.

mkfifo /tmp/fifo
mount --bind /tmp/fifo /proc/sys/kernel/tainted
