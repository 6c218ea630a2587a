#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Unit tests of scripts/check-mirrored."""

import contextlib
import importlib.machinery
import importlib.util
import io
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

HEADER = '''
static inline void rearm(struct kvm_vcpu *vcpu)
{
	kvm_make_request(KVM_REQ_HV_TLB_FLUSH, vcpu);
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


class Callees(unittest.TestCase):
    """What mirrored functions call, one level down."""

    ENTRIES = [('vmx/nested.c', 'other', '')]

    def found(self, source, header=''):
        """Entries of a source tree with these two files."""
        with tempfile.TemporaryDirectory() as kvm:
            for folder in ('vmx', 'mmu'):
                os.mkdir(os.path.join(kvm, folder))
            for name, text in (('vmx/nested.c', source), ('hyperv.h', header)):
                with open(os.path.join(kvm, name), 'w', encoding='utf-8') as out:
                    out.write(text)
            return MIRRORED.callees(self.ENTRIES, kvm)

    def changed(self, source, header=''):
        """What is said of a source tree after the first one was recorded."""
        err = io.StringIO()
        with contextlib.redirect_stderr(err):
            MIRRORED.compare_callees(self.found(SOURCE), self.found(source, header), '6.1')
        return err.getvalue()

    def test_found(self):
        self.assertEqual([entry[:2] for entry in self.found(SOURCE)],
                         [('vmx/nested.c', 'load')])

    def test_same(self):
        self.assertEqual(self.changed(SOURCE.replace('\t', '    ')), '')

    def test_body_of_callee(self):
        self.assertIn('load() of vmx/nested.c, which a mirrored function calls, has changed',
                      self.changed(SOURCE.replace('a();', 'a(); flush();')))

    def test_new_callee_in_header(self):
        more = SOURCE.replace('\tload(vcpu, vmcs12);', '\tload(vcpu, vmcs12);\n\trearm(vcpu);')
        self.assertIn('rearm() of hyperv.h, which a mirrored function calls, is new',
                      self.changed(more, HEADER))

    def test_longer_of_two(self):
        stub = '\nstatic inline void rearm(struct kvm_vcpu *vcpu)\n{\n}\n'
        more = SOURCE.replace('\tload(', '\trearm(vcpu);\n\tload(', 1)
        self.assertEqual(self.found(more, HEADER + stub), self.found(more, stub + HEADER))

    def test_comment_is_no_call(self):
        self.assertEqual(self.changed(SOURCE.replace('\tload(', '\t/* As rearm(vcpu). */\n\tload(',
                                                     1), HEADER), '')


    def test_another_release(self):
        """What was looked at is known beside what was known, and nothing else is."""
        seen, third = (SOURCE.replace('a();', text) for text in ('b();', 'c();'))
        known = MIRRORED.with_also(self.found(SOURCE), self.found(seen))
        self.assertEqual(len(known[0][2].split(',')), 2)
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual([MIRRORED.compare_callees(known, self.found(text), '6.1')
                              for text in (SOURCE, seen, third)], [False, False, True])
        self.assertEqual(MIRRORED.with_also(known, self.found(seen)), known)
        more = MIRRORED.with_also([], self.found(SOURCE))
        self.assertEqual(more, self.found(SOURCE))

    def test_update_keeps_other_releases(self):
        """What --also has recorded is known as long as the function is as it was."""
        old = [("a.c", "same", "1,2"), ("a.c", "changed", "3,4")]
        self.assertEqual(MIRRORED.with_known(old, [("a.c", "same", "2"), ("a.c", "changed", "5"),
                                                   ("a.c", "new", "6")]),
                         [("a.c", "same", "1,2"), ("a.c", "changed", "5"), ("a.c", "new", "6")])


class Source(unittest.TestCase):
    """Against a source of which the functions are gone."""

    def test_gone(self):
        with tempfile.TemporaryDirectory() as kvm:
            os.mkdir(os.path.join(kvm, 'vmx'))
            os.mkdir(os.path.join(kvm, 'mmu'))
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
