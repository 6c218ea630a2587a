# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash disable=SC2034
#
# A second kernel that is one instruction long (one-out.S).

OUT=0			# PORT WIDTH VALUE
TRIPLE_FAULT=1
SEND_IPI=2		# 0 0 VALUE
NOTHING=3

# What p1_boot boots then: little memory, as each boot clears it; it says nothing.
KERNEL=/tmp/one-out INITRD=/lab/words.sh P1_MEMORY=256M SERIAL=''

byte()
{
	printf "\\$(printf %03o $(($1 & 255)))"
}

# one_out OPERATION [PORT WIDTH VALUE]
one_out()
{
	{
		head -c $(($(wc -c </lab/one-out) - 10)) /lab/one-out
		byte "$1" && byte 0
		byte "${2:-0}" && byte $((${2:-0} >> 8)) && byte "${3:-0}" && byte 0
		byte "${4:-0}" && byte $((${4:-0} >> 8)) && byte $((${4:-0} >> 16)) && byte $((${4:-0} >> 24))
	} >/tmp/one-out
}
