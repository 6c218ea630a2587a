# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Completion for nestctl, which knows its words itself.

_nestctl()
{
	local word=${COMP_WORDS[COMP_CWORD]} command=''

	[ "$COMP_CWORD" -lt 2 ] || command=${COMP_WORDS[1]}
	# shellcheck disable=SC2086 # no word without a command
	mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" complete $command)" -- "$word")
}
complete -o default -F _nestctl nestctl
