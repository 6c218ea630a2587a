#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs behind the test that leaves a process, and passes if that has gone.

if ps | grep '[d]one left'; then
	echo "not ok 1 what the last test started has ended"
else
	echo "ok 1 what the last test started has ended"
fi
