#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The test ends and leaves a process that computes on.

sh -c 'while :; do :; done' left &
