#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel panics.

echo c >/proc/sysrq-trigger
