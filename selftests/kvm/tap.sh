# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash
#
# TAP for test scripts: check NAME COMMAND..., then tap_end.

tap_count=0
tap_failed=0

# check NAME COMMAND...: one line; the command's output only if it fails.
check()
{
	tap_name=$1
	shift
	tap_count=$((tap_count + 1))
	if "$@" >/tmp/tap.out 2>&1; then
		echo "ok $tap_count - $tap_name"
	else
		echo "not ok $tap_count - $tap_name"
		sed 's/^\(not \)\{0,1\}ok/&/; s/^/#   /' /tmp/tap.out
		tap_failed=$((tap_failed + 1))
	fi
}

# The opposite of a command.
fails()
{
	! "$@"
}

tap_end()
{
	echo "1..$tap_count"
	[ "$tap_failed" = 0 ]
}
