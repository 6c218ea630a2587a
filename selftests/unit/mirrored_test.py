#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Unit tests of scripts/check-mirrored."""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import re
import shutil
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


TABLE = '''
static int (*handlers[])(struct kvm_vcpu *vcpu);

static int (*handlers[])(struct kvm_vcpu *vcpu) = {
	[EXIT_REASON_HLT] = handle_hlt,
};
'''


def make_kvm(top, files):
    """arch/x86/kvm of a source with these files."""
    kvm = os.path.join(top, 'arch/x86/kvm')
    for name in ('vmx', 'mmu', '../../../virt/kvm'):
        os.makedirs(os.path.join(kvm, name), exist_ok=True)
    for name, text in files.items():
        path = os.path.join(top if name.startswith('virt/') else kvm, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as out:
            out.write(text)
    return kvm


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

    def test_table(self):
        """What is not a function: a table of handlers."""
        text = MIRRORED.function_text(TABLE, 'handlers[]')
        self.assertTrue(text.endswith('handle_hlt,\n}'))
        self.assertIsNone(MIRRORED.function_text(TABLE, 'others[]'))

    def test_white_space_does_not_count(self):
        text = MIRRORED.function_text(SOURCE, 'load')
        self.assertEqual(MIRRORED.digest(text), MIRRORED.digest(text.replace('\t', '    ')))
        self.assertNotEqual(MIRRORED.digest(text), MIRRORED.digest(text.replace('a()', 'b()')))


class Callees(unittest.TestCase):
    """What mirrored functions call, one level down."""

    ENTRIES = [('vmx/nested.c', 'other', '')]

    def found(self, source, header='', entries=None, generic=''):
        """Entries of a source tree with these files."""
        with tempfile.TemporaryDirectory() as top:
            kvm = make_kvm(top, {'vmx/nested.c': source, 'hyperv.h': header,
                                 'virt/kvm/kvm_main.c': generic})
            return MIRRORED.callees(entries or self.ENTRIES, kvm)

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

    def test_gone(self):
        """One that is called no more is named, but not for a release that was seen without it."""
        less = SOURCE.replace('\tload(vcpu, vmcs12);\n', '')
        self.assertIn('load(), which a mirrored function called, is gone', self.changed(less))
        known = MIRRORED.with_also(self.found(SOURCE), self.found(less))
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual([MIRRORED.compare_callees(known, self.found(text), '6.1') for text in
                              (SOURCE, less, SOURCE.replace('a();', 'b();'))], [False, False, True])
        self.assertEqual(MIRRORED.with_also(known, self.found(less)), known)
        self.assertEqual(MIRRORED.with_known(known, self.found(less)), known)

    def test_moved(self):
        """It is the same one in another file, in both releases."""
        moved = [('vmx/other.c', *rest) for _, *rest in self.found(SOURCE)]
        known = MIRRORED.with_also(self.found(SOURCE), moved)
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual([MIRRORED.compare_callees(known, found, '6.1')
                              for found in (self.found(SOURCE), moved)], [False, False])

    def test_without_callees(self):
        """A mark: the function, not what it calls."""
        self.assertEqual(self.found(SOURCE, entries=[('vmx/nested.c', '-other', '')]), [])

    def test_generic(self):
        """virt/kvm is of KVM, too."""
        more = SOURCE.replace('\tload(vcpu, vmcs12);', '\tload(vcpu, vmcs12);\n\trearm(vcpu);')
        self.assertIn(('virt/kvm/kvm_main.c', 'rearm'),
                      [entry[:2] for entry in self.found(more, generic=HEADER)])

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
        (entry,), (only,) = self.found(SOURCE), MIRRORED.with_also([], self.found(SOURCE))
        self.assertEqual(only, (*entry[:2], f'-,{entry[2]}'))

    def test_update_keeps_other_releases(self):
        """What --also has recorded is known as long as the function is as it was."""
        old = [("a.c", "same", "1,2"), ("a.c", "changed", "3,4")]
        self.assertEqual(MIRRORED.with_known(old, [("a.c", "same", "2"), ("a.c", "changed", "5"),
                                                   ("a.c", "new", "6")]),
                         [("a.c", "same", "1,2"), ("a.c", "changed", "5"), ("a.c", "new", "6")])


class Harmless(unittest.TestCase):
    """What vmx/nvx/fast/harmless.c vouches for."""

    NVX = os.path.join(TOP, 'arch/x86/kvm/vmx/nvx')
    BASES = sorted(os.path.basename(name.rstrip('/')) for name in
                   os.listdir(os.path.join(TOP, 'arch/x86/kvm/hooks')))

    @staticmethod
    def listed(base):
        """Entries of a base by the function's name."""
        path = os.path.join(TOP, 'arch/x86/kvm/hooks', base, 'mirrored')
        return {function.lstrip('-'): (name, function, found)
                for name, function, found in MIRRORED.read_list(path)}

    def test_named_are_listed(self):
        """Each function of KVM that a comment names is hashed in each base."""
        source = MIRRORED.read(os.path.join(self.NVX, 'fast/harmless.c'))
        comments = ' '.join(re.findall(r'/\*.*?\*/', source, flags=re.S))
        named = set(re.findall(r'\b([a-z_]\w*)\(\)', comments))
        ours = {name for name in named
                if name.startswith('nvx_') or MIRRORED.function_text(source, name)}
        self.assertIn('handle_pause', named - ours)
        for base in self.BASES:
            self.assertEqual(named - ours - set(self.listed(base)), set(), base)

    def test_doctored_handler(self):
        """A handler that does more than it did stops the build, by name."""
        for base in self.BASES:
            name, function, _ = self.listed(base)['handle_pause']
            text = ('static int handle_pause(struct kvm_vcpu *vcpu)\n{\n\tkvm_mmu_unload(vcpu);\n'
                    '\treturn kvm_skip_emulated_instruction(vcpu);\n}\n')
            with tempfile.TemporaryDirectory() as top:
                kvm = make_kvm(top, {name: text})
                scripts = os.path.join(top, 'scripts')
                hooks = os.path.join(top, 'arch/x86/kvm/hooks', base)
                os.makedirs(scripts)
                os.makedirs(hooks)
                script = shutil.copy(SCRIPT, scripts)
                for each in ('mirrored', 'mirrored-callees'):
                    with open(os.path.join(hooks, each), 'w', encoding='utf-8') as out:
                        out.write(f'{name} {function} 0\n' if each == 'mirrored' else '')
                subprocess.run([script, base, kvm, '--update'], check=True)
                self.assertEqual(subprocess.run([script, base, kvm], check=False).returncode, 0)
                make_kvm(top, {name: text.replace('unload', 'reload')})
                done = subprocess.run([script, base, kvm], check=False, capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f'handle_pause() of {name} has changed', done.stderr)


class Source(unittest.TestCase):
    """Against a source of which the functions are gone."""

    @staticmethod
    def run_script(kvm):
        """The program on a source."""
        return subprocess.run([SCRIPT, '6.1', kvm], check=False, capture_output=True, text=True)

    def test_gone(self):
        """The function is, or the file."""
        with tempfile.TemporaryDirectory() as top:
            done = self.run_script(make_kvm(top, {'vmx/nested.c': SOURCE}))
        self.assertEqual(done.returncode, 1)
        self.assertIn('nested_vmx_run() of vmx/nested.c is gone', done.stderr)
        self.assertIn('vcpu_enter_guest() of x86.c is gone', done.stderr)

    def test_no_source(self):
        """What is no kernel's source is an error, not a change."""
        with tempfile.TemporaryDirectory() as top:
            kvm = make_kvm(top, {})
            os.rmdir(os.path.join(top, 'virt/kvm'))
            done = self.run_script(kvm)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr.count('\n'), 1)
        self.assertIn('check-mirrored: 6.1: ', done.stderr)


if __name__ == '__main__':
    unittest.main()
