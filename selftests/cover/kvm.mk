# SPDX-License-Identifier: GPL-2.0-only
#
# What scripts/build-modules adds to KVM's Makefile for modules that say what of them has run.

# The first ones: they know by their own addresses where the others are.
kvm-y := cover-kvm.o $(kvm-y)
kvm-intel-y := cover-intel.o $(kvm-intel-y)
ccflags-y += -g -fsanitize-coverage=trace-pc -fno-optimize-sibling-calls -DCOVER_ROOM=0x100000
CFLAGS_cover-kvm.o := -DCOVER_NAME=\"$(COVERAGE)-kvm\"
CFLAGS_cover-intel.o := -DCOVER_NAME=\"$(COVERAGE)-intel\"
CFLAGS_REMOVE_cover-kvm.o := -fsanitize-coverage=trace-pc
CFLAGS_REMOVE_cover-intel.o := -fsanitize-coverage=trace-pc
