#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Run the KVM selftest program that has the name of the test.

exec "/lab/kvm-tests/$TESTNAME"
