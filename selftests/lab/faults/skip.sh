#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A test that cannot run here; its last line is the reason.

echo "nothing to do"
exit 4
