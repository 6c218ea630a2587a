#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Twenty times all that a second kernel needs is taken and given back, ten times one is ended while
# it boots, each time a little later: the machine is as before, each time.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh

EXITS=4600		# of a boot, until its init runs
KILLS=10

# The shortest kernel (one-out.sh), so that taking and giving is all that is to be done.
prepare_and_undo()
(
	. /lab/one-out.sh
	one_out $NOTHING
	p1_boot nothing && is "$(part state)" runs && all_is_back
)

# ended_after EXITS: of its boot.
ended_after()
{
	p1_boot stay || return 1
	while [ "$(p1_exits)" -lt "$1" ] && [ "$(part word)" -lt $WORD_INIT ]; do
		sleep 0.05
	done
	nestctl refresh kill && is "$(part state)" ended && is "$(part why)" killed && vm_runs
}

part_begin
machine_files >files.before
for n in $(seq 20); do
	check "taken and given back, $n" prepare_and_undo
done
for n in $(seq $KILLS); do
	check "ended $n tenths into its boot" ended_after $((EXITS * n / KILLS))
done
check "as many starts" is "$(part starts)" $KILLS
check "all of that comes back" all_is_back
machine_files >files.after
check "/proc and /sys are as before" diff files.before files.after
check "it is started once more" p1_boot stay
check "it reaches its init" p1_word $WORD_INIT
part_end
tap_end
