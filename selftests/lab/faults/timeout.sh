#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A test that never ends, on a machine that is alive.

echo "here before the end" >partial
while :; do
	:
done
