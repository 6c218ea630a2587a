#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Unit tests of scripts/check-map."""

import importlib.machinery
import importlib.util
import os
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_LOADER = importlib.machinery.SourceFileLoader('check_map',
                                               os.path.join(TOP, 'scripts', 'check-map'))
_SPEC = importlib.util.spec_from_loader('check_map', _LOADER)
MAP = importlib.util.module_from_spec(_SPEC)
_LOADER.exec_module(MAP)

TREE = {
    'arch/x86/kvm/vmx/nvx/fast/exit.c': 'enum why nvx_exit(struct kvm_vcpu *vcpu,\n\t\tu32 a)\n{\n}\n',
    'arch/x86/kvm/vmx/nvx/nvx.h': '',
    'arch/x86/kvm/hooks/6.1/nvx_compat.h': '',
    'arch/x86/kvm/hooks/6.12/nvx_compat.h': '',
    'arch/x86/shim/exit.c': 'u64 shim_exit(void)\n{\n\treturn nvx_exit(0);\n}\n',
    'arch/x86/shim/start.S': '',
    'scripts/check-map': '',
    'selftests/unit/shim_unit.c': '',
}
PAGE = '''
An exit arrives in ``start.S``; ``nvx_exit()`` (``fast/exit.c``) and ``shim_exit()``
(``arch/x86/shim/exit.c``) take it.  ``nvx_compat.h`` is of the base; ``scripts/check-map``.

====================================  ======
``arch/x86/kvm/vmx/nvx/nvx.h``        the frame
``arch/x86/kvm/vmx/nvx/fast/exit.c``  exits; see ``nvx.h``
``arch/x86/shim/exit.c``              exits
``arch/x86/shim/start.S``             entry
====================================  ======
'''


def complain(page=PAGE, **changes):
    """What is said of a page and the tree, with texts of files changed, or files gone (None)."""
    tree = dict(TREE)
    for name, text in changes.items():
        path = name.replace('__', '/')
        tree[path[:-2] + '.' + path[-1]] = text
    tree = {name: text for name, text in tree.items() if text is not None}
    return list(MAP.complaints(page, set(tree), tree.__getitem__))


class MapTest(unittest.TestCase):
    """Pages that say one thing too many, too few, or not clearly."""

    def test_agree(self):
        """Nothing to be said."""
        self.assertEqual(complain(), [])

    def test_lists(self):
        """A file that is new, one that has gone, one that stands there twice."""
        self.assertEqual(complain(virt__refresh__new_c=''),
                         ['virt/refresh/new.c is in none of the lists'])
        self.assertEqual(complain(arch__x86__shim__start_S=None),
                         ['arch/x86/shim/start.S is in a list, and not in the tree'])
        row = '``arch/x86/shim/start.S``             entry\n'
        self.assertEqual(complain(PAGE.replace(row, 2 * row)),
                         ['arch/x86/shim/start.S is in the lists 2 times'])

    def test_ambiguous(self):
        """Two files have the name, in a sentence or in the right column of a list."""
        text = ('exit.c may be arch/x86/kvm/vmx/nvx/fast/exit.c or arch/x86/shim/exit.c: '
                'name its folder')
        self.assertEqual(complain(PAGE.replace('``fast/exit.c``', '``exit.c``')), [text])
        self.assertEqual(complain(PAGE.replace('see ``nvx.h``', 'see ``exit.c``')), [text])

    def test_missing(self):
        """No file of the lists has the name, though a test or another folder does."""
        for name in ('gone.c', 'shim_unit.c', 'kvm/exit.c', 't.S'):
            self.assertEqual(complain(PAGE.replace('``start.S``;', f'``{name}``;')),
                             [f'there is no {name}'])
        self.assertEqual(complain(PAGE.replace('``scripts/check-map', '``scripts/check-mop')),
                         ['there is no scripts/check-mop'])

    def test_function(self):
        """The function has moved: a call is no definition, and the line may be broken."""
        self.assertEqual(complain(PAGE.replace('``nvx_exit()`` (``fast', '``nvx_entry()`` (``fast')),
                         ['nvx_entry() is not in arch/x86/kvm/vmx/nvx/fast/exit.c'])
        self.assertEqual(complain(PAGE.replace('``shim_exit()``', '``nvx_exit()``')),
                         ['nvx_exit() is not in arch/x86/shim/exit.c'])


if __name__ == '__main__':
    unittest.main()
