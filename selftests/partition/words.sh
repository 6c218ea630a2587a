# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=ash disable=SC2034
#
# What the second kernel says to the first one, a number: it has no other way.  Stage N of
# its scenario (scen=A,B,C on its command line) is 100 * N and something.

WORD_INIT=1		# it has reached its init
WORD_BEGINS=1		# a stage does
WORD_GOOD=98		# its end
WORD_BAD=99		# the same, and nothing comes after it

# word STAGE WHAT
word()
{
	echo $((100 * $1 + $2))
}
