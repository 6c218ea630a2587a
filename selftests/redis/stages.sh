# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# Stages of the second kernel to which the VM with Redis moves.

. /lab/move-stages.sh
. /lab/redis.sh

tell()
{
	"$@" | sed 's/^/P1: /'
}

# Nothing but this kernel beside the first one.
stage_look()
{
	tell look partitioned "$1"
}

redis_and_look()
{
	redis_comes /tmp/lines 300 || return 1
	tell look above
	tell mark commit does
	nestctl refresh commit --wait 300 || { nestctl refresh status; return 1; }
	tell mark commit "done"
	shim_is bare || return 1
	# The first kernel's line is this one's, and nobody listens to its words.
	# shellcheck disable=SC2034 # for say_word
	MUTE=1
	tell look final
	redis_unfollow
	sed 's/^/P1: line /' /tmp/lines
	facts_short | sed 's/^/P1: after /'
	[ "$(virsh list --name | tr -d '\n')" = redis ] || return 1
	! dmesg | grep -E "BUG:|WARNING:" || return 1
	p1 "redis good"
}

# redis:TEST: the VM comes, the first kernel ends, all it had is this one's, and the shim leaves.
stage_redis()
{
	redis_follow /tmp/lines
	tell mark moving does
	redis_and_look
	say_end "$1" $? && end_by poweroff -f
}

