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

    def test_variable_up(self):
        """The PV VMCS reads a variable of a piece; features are everybody's."""
        mask = 'unsigned int __read_mostly nvx_mask;\nstatic bool nvx_own = true;\n'
        use = 'static bool a(void)\n{\n\treturn nvx_mask && nvx_pv && nvx_own;\n}\n'
        table = '#define X(name, on, ...)\tbool __read_mostly nvx_##name = on;\nF(X)\n'
        self.assertEqual(
            complain(vmx__nvx__fast__parts_c=mask, vmx__nvx__features_c=table,
                     vmx__nvx__pv__pv_c=use),
            ['vmx/nvx/pv/pv.c (PV VMCS) uses nvx_mask of vmx/nvx/fast/parts.c (pieces), '
             'which is above it'])
        self.assertEqual(complain(vmx__nvx__fast__parts_c=mask, vmx__nvx__fast__entry_c=use), [])

    def test_variables(self):
        """What is defined, and what is only declared or local."""
        self.assertEqual(
            FLOORS.variables('u32 nvx_a = 1;\nextern u32 nvx_b;\nu64 nvx_c[N];\n'
                             'struct nvx_s nvx_d __read_mostly;\nu32 nvx_f(void);\n'
                             'struct nvx_e {\n\tint nvx_g;\n};\n'),
            {'nvx_a', 'nvx_c', 'nvx_d'})

    def test_circle(self):
        """Two directories that include each other, in the kernel's way or the compiler's."""
        tree = {'arch/x86/shim/a.c': '#include <refresh/shim.h>\n',
                'arch/x86/kvm/vmx/nvx/b.c': '#include "mmu/nvx/c.h"\n',
                'arch/x86/kvm/mmu/nvx/c.h': '', 'arch/x86/kvm/vmx/nvx/d.h': '',
                'include/refresh/shim.h': '/*\n#include "../../arch/x86/shim/types.h"\n*/\n',
                'arch/x86/shim/types.h': ''}
        self.assertEqual(FLOORS.whole_tree(tree), [])
        tree['arch/x86/kvm/mmu/nvx/c.h'] = '#include "vmx/nvx/d.h"\n'
        self.assertEqual(FLOORS.whole_tree(tree), [
            'arch/x86/kvm/mmu/nvx and arch/x86/kvm/vmx/nvx include each other: '
            'arch/x86/kvm/mmu/nvx/c.h includes arch/x86/kvm/vmx/nvx/d.h; '
            'arch/x86/kvm/vmx/nvx/b.c includes arch/x86/kvm/mmu/nvx/c.h'])

    def test_long_circle(self):
        """Three directories, each of which includes the next."""
        tree = {'virt/refresh/a.h': '#include "../../arch/x86/shim/b.h"\n',
                'arch/x86/shim/b.h': '# include <refresh/c.h>\n',
                'include/refresh/c.h': '#include "../../virt/refresh/d.h"\n',
                'virt/refresh/d.h': ''}
        found = FLOORS.whole_tree(tree)
        self.assertEqual(len(found), 1)
        self.assertTrue(found[0].startswith(
            'arch/x86/shim and include/refresh and virt/refresh include each other: '), found)

    def test_lost(self):
        """A file in a directory that no floor names."""
        self.assertEqual(
            complain(vmx__nvx__new__new_c=''),
            ['vmx/nvx/new/new.c is on no floor: name it in FLOORS of scripts/check-floors'])


if __name__ == '__main__':
    unittest.main()
