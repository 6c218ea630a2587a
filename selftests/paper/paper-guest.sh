#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of paper.sh that runs in the guest that is measured, an L1 or an L2.

. /lab/lib.sh
. /paper/runs.sh

run_workloads
