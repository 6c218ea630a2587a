#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What the second kernel has of the machine when it is booted on it alone, for a comparison.

. /lab/lib.sh
. /lab/facts.sh

echo "P1: bare" >/dev/ttyS1
facts_take . && { facts_short && part-cost; } >short && cat short
