#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# nestctl is killed at each step of boot and undo, or the step fails (step-breaks.c): nestctl refresh
# undo puts everything back, and after a step of boot that fails there is nothing to put back.

. /lab/lib.sh
. /lab/tap.sh
. /lab/refresh.sh
. /lab/partition.sh
. /lab/one-out.sh

KILLED=137	# of the shell, for SIGKILL
FAILED=3	# of nestctl: all has been undone
BROKEN=4	# something could not be undone

# with_step NUMBER HOW COMMAND...: what it changes is in the file "log".
with_step()
(
	export LD_PRELOAD=/lab/step-breaks.so STEP="$1" STEP_HOW="$2" STEP_LOG=log
	shift 2
	rm -f log
	"$@"
)

boot()
{
	p1_boot nothing
}

undo()
{
	nestctl refresh undo
}

# boot_breaks NUMBER HOW
boot_breaks()
{
	if [ "$2" = fail ]; then
		refused $FAILED with_step "$1" fail boot && is_all_back
	else
		refused $KILLED with_step "$1" "$2" boot && all_is_back
	fi
}

# undo_breaks NUMBER HOW
undo_breaks()
{
	want=$KILLED
	[ "$2" != fail ] || want=$BROKEN
	boot && refused $want with_step "$1" "$2" undo && all_is_back
}

# each_step WHAT HOW...: of the calls in WHAT.steps
each_step()
{
	what=$1
	shift
	n=0
	while read -r step; do
		n=$((n + 1))
		last=$step
		for how in "$@"; do
			check "$what: $how $n, $step" "${what}_breaks" $n "$how"
		done
	done <"$what.steps"
	check "$what: after $n, $last" "${what}_breaks" $n after
}

# The steps of boot and undo, by what they call.
list_steps()
{
	with_step 0 none boot && mv log boot.steps && with_step 0 none undo && mv log undo.steps
}

# With four CPUs three of them go, each a step.
[ ! -d /sys/devices/system/cpu/cpu3 ] || export P1_CPUS=1-3
part_begin
one_out $NOTHING
check "steps are seen" list_steps
sed 's/^/# boot: /' boot.steps
sed 's/^/# undo: /' undo.steps
check "boot: the shim, memory, the partition, its memory and CPU, load, start" \
	[ "$(wc -l <boot.steps)" -ge 8 ]
check "undo: as many as have to be undone" [ "$(wc -l <undo.steps)" -ge 4 ]
each_step boot before during fail
each_step undo before during fail
part_end
tap_end
