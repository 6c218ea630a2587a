#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Redis in an L2: its VMM is in an L1 of this kernel, for good, which is what a refresh spares.

. /lab/lib.sh
. /lab/tap.sh

check "Redis runs in an L2" l1_boot host -m 512 -smp 2 -cpu host,-umip -disk /lab/redis-l1.sh
cp l1/host/lines l1/host/timeline l1/host/redis.serial .
tail -n 5 l1/host.console
tap_end
