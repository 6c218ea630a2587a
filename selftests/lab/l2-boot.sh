#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A full Linux L2 boots under QEMU within L1, and its files and its exit status
# come back through L1.

. /lab/lib.sh

cat >l1-script <<'X'
. /lab/lib.sh
kvm_load || exit 1
cat >/tmp/l2-script <<'Y'
. /lab/lib.sh
echo "$LEVEL" >level
cat /proc/uptime >uptime
exit 9
Y
l2_boot inner /tmp/l2-script
X

l1_boot outer -m 512 -disk l1-script
rc=$?
[ $rc -eq 9 ] || { echo "L2's status 9 came back as $rc"; exit 1; }
inner=l1/outer/l2/inner
[ "$(cat $inner/level)" = 2 ] || { echo "L2's file did not come back"; exit 1; }
echo "L2 was up for $(cut -d ' ' -f 1 $inner/uptime) s"
