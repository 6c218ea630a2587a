#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# All is well, but the console does not say what tests.cfg asks for.

exit 0
