#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# This kernel switches off while the other one runs: that one gets the machine.  It says so on
# its own line, and the end of the test on this kernel's (tests.cfg, init).

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/restart.sh

part_begin
pci_functions
check "the second kernel is started" p1_boot "heir:$TESTNAME" "functions=$(pci_sum)"
check "it waits for this one's end" p1_word "$(word 1 $WORD_BEGINS)"
check "the VM of this kernel runs" vm_runs
check "the VM noticed nothing" vm_end
last_words
poweroff -f
