#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Unit tests of scripts/check-mirrored."""

import importlib.machinery
import importlib.util
import os
import subprocess
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(TOP, 'scripts', 'check-mirrored')
_LOADER = importlib.machinery.SourceFileLoader('check_mirrored', SCRIPT)
_SPEC = importlib.util.spec_from_loader('check_mirrored', _LOADER)
MIRRORED = importlib.util.module_from_spec(_SPEC)
_LOADER.exec_module(MIRRORED)

SOURCE = '''
static void load(struct kvm_vcpu *vcpu,
		 struct vmcs12 *vmcs12);

static void other(void)
{
	load(vcpu, vmcs12);
}

static void load(struct kvm_vcpu *vcpu,
		 struct vmcs12 *vmcs12)
{
	if (vcpu) {
		a();
	}
}
'''


class FunctionText(unittest.TestCase):
    """Finding a definition."""

    def test_definition_not_declaration(self):
        text = MIRRORED.function_text(SOURCE, 'load')
        self.assertTrue(text.startswith('static void load('))
        self.assertTrue(text.endswith('\n}'))
        self.assertIn('a();', text)
        self.assertNotIn('other', text)

    def test_missing(self):
        self.assertIsNone(MIRRORED.function_text(SOURCE, 'store'))

    def test_white_space_does_not_count(self):
        text = MIRRORED.function_text(SOURCE, 'load')
        self.assertEqual(MIRRORED.digest(text), MIRRORED.digest(text.replace('\t', '    ')))
        self.assertNotEqual(MIRRORED.digest(text), MIRRORED.digest(text.replace('a()', 'b()')))


class Source(unittest.TestCase):
    """Against a source of which the functions are gone."""

    def test_gone(self):
        with tempfile.TemporaryDirectory() as kvm:
            for name, _, _ in MIRRORED.read_list(
                    os.path.join(TOP, 'arch/x86/kvm/hooks/6.1/mirrored')):
                path = os.path.join(kvm, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, 'w', encoding='utf-8') as out:
                    out.write(SOURCE)
            done = subprocess.run([SCRIPT, '6.1', kvm], check=False,
                                  capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn('nested_vmx_run() of vmx/nested.c is gone', done.stderr)


if __name__ == '__main__':
    unittest.main()
