#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A test that fails; the lab must say so.

echo "this test fails on purpose"
exit 3
