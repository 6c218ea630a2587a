#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Unit tests of scripts/check-floors."""

import importlib.machinery
import importlib.util
import os
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_LOADER = importlib.machinery.SourceFileLoader('check_floors',
                                               os.path.join(TOP, 'scripts', 'check-floors'))
_SPEC = importlib.util.spec_from_loader('check_floors', _LOADER)
FLOORS = importlib.util.module_from_spec(_SPEC)
_LOADER.exec_module(FLOORS)

# Each on its floor, all arrows down.
TREE = {
    'mmu/nvx/nvx_mmu.h': 'u64 nvx_mmu_zap(void);\n',
    'vmx/nvx/nvx.h': '#include "mmu/nvx/nvx_mmu.h"\nvoid nvx_pv_setup(void);\n',
    'vmx/nvx/pins.h': '',
    'vmx/nvx/pv/pv.h': '#include "vmx/nvx/pins.h"\n',
    'vmx/nvx/pv/pv.c': '#include "vmx/nvx/nvx.h"\n#include "vmx/nvx/pv/pv.h"\n'
                       'void nvx_pv_setup(void)\n{\n\tnvx_fast_forget(vcpu);\n}\n',
    'vmx/nvx/fast/record.h': '#include "vmx/nvx/pins.h"\n',
    'vmx/nvx/fast/record.c': '#include "vmx/nvx/fast/record.h"\n#include "vmx/vmx.h"\n'
                             'void nvx_fast_forget(struct kvm_vcpu *vcpu)\n{\n}\n',
    'vmx/nvx/fast/fast.h': '#include "vmx/nvx/fast/record.h"\n',
    'vmx/nvx/fast/entry.c': '#include "vmx/nvx/fast/fast.h"\n#include "vmx/nvx/pv/pv.h"\n'
                            'enum reason nvx_fast_enter(struct kvm_vcpu *vcpu,\n'
                            '\t\t\t   struct nvx_fast *f)\n{\n}\n',
    'vmx/nvx/main.c': '#include "nvx.h"\nvoid nvx_setup(void)\n{\n\tnvx_pv_setup();\n}\n',
}


def complain(**changes):
    """What is said of TREE with texts added to files; NAME is vmx__nvx__pv__pv_c."""
    tree = dict(TREE)
    for name, text in changes.items():
        path = name.replace('__', '/')
        path = path[:-2] + '.' + path[-1]
        tree[path] = tree.get(path, '') + text
    return FLOORS.complaints(tree)


class FloorsTest(unittest.TestCase):
    """Trees of which one arrow goes up."""

    def test_down(self):
        """Nothing to be said, with a call that may go up."""
        self.assertEqual(complain(), [])

    def test_include_up(self):
        """A piece that includes the short forms."""
        self.assertEqual(
            complain(vmx__nvx__fast__pages_c='#include "vmx/nvx/fast/fast.h"\n'),
            ['vmx/nvx/fast/pages.c (pieces) includes vmx/nvx/fast/fast.h (short forms), '
             'which is above it'])

    def test_include_beside(self):
        """A header of the same directory is found by its name alone."""
        self.assertEqual(
            complain(vmx__nvx__fast__record_h='#include "fast.h"\n'),
            ['vmx/nvx/fast/record.h (types of the record) includes vmx/nvx/fast/fast.h '
             '(short forms), which is above it'])

    def test_call_up(self):
        """The record calls a VM-entry, whose definition takes two lines."""
        self.assertEqual(
            complain(vmx__nvx__fast__record_c='static void a(void)\n{\n\tnvx_fast_enter(v, f);\n}\n'),
            ['vmx/nvx/fast/record.c (record) calls nvx_fast_enter() of '
             'vmx/nvx/fast/entry.c (short forms), which is above it'])

    def test_comment(self):
        """What a comment names is not called, nor included."""
        self.assertEqual(
            complain(vmx__nvx__fast__record_c='/* nvx_fast_enter() comes next. */\n',
                     vmx__nvx__pv__pv_h='/*\n#include "vmx/nvx/fast/fast.h"\n*/\n'), [])

    def test_counters(self):
        """The MMU counts by a header of its own, not by that of the floor above."""
        self.assertEqual(complain(mmu__nvx__count_h='', vmx__nvx__nvx_h='#include "mmu/nvx/count.h"\n',
                                  mmu__nvx__range_c='#include "mmu/nvx/count.h"\n'), [])
        self.assertIn('mmu/nvx/range.c (kvm.ko) includes vmx/nvx/nvx.h (frame), which is above it',
                      complain(mmu__nvx__range_c='#include "vmx/nvx/nvx.h"\n'))

    def test_circle(self):
        """Two directories that include each other; the floors see one way only."""
        found = complain(mmu__nvx__range_c='#include "vmx/nvx/pins.h"\n')
        self.assertEqual(found, [
            'mmu/nvx/range.c (kvm.ko) includes vmx/nvx/pins.h (frame), which is above it',
            'mmu/nvx and vmx/nvx include each other: mmu/nvx/range.c includes vmx/nvx/pins.h; '
            'vmx/nvx/nvx.h includes mmu/nvx/nvx_mmu.h'])

    def test_long_circle(self):
        """Three directories, each of which includes the next."""
        found = complain(vmx__nvx__nvx_h='#include "vmx/nvx/fast/record.h"\n')
        self.assertIn(
            'vmx/nvx and vmx/nvx/fast include each other: vmx/nvx/nvx.h includes '
            'vmx/nvx/fast/record.h; vmx/nvx/fast/record.h includes vmx/nvx/pins.h', found)
        found = complain(vmx__nvx__nvx_h='#include "vmx/nvx/fast/fast.h"\n')
        self.assertTrue(any(line.startswith('vmx/nvx and vmx/nvx/fast and vmx/nvx/pv include')
                            for line in found), found)

    def test_lost(self):
        """A file in a directory that no floor names."""
        self.assertEqual(
            complain(vmx__nvx__new__new_c=''),
            ['vmx/nvx/new/new.c is on no floor: name it in FLOORS of scripts/check-floors'])


if __name__ == '__main__':
    unittest.main()
