#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The machine goes off in the middle of a test.

poweroff -f
