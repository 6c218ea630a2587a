#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""scripts/rebase-hooks on a made-up kernel with made-up hooks."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(TOP, "scripts"))

from lablib import rebase  # noqa: E402, pylint: disable=wrong-import-position
from lablib.common import LabError  # noqa: E402, pylint: disable=wrong-import-position

COPIED = ("scripts/rebase-hooks", "scripts/check-mirrored", "scripts/bases", "scripts/lablib")
MAKEFILE = "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 300\n"
KVM = "arch/x86/kvm"
FILE = KVM + "/vmx/nested.c"
LINES = [f"line {i}\n" for i in range(40)]


def hook(first, *body, name=FILE):
    """A hook of one hunk with two lines of context."""
    old = sum(line[0] != "+" for line in body)
    new = sum(line[0] != "-" for line in body)
    return (f"Subject: [PATCH] a hook\n\nWhy.\n---\n--- a/{name}\n+++ b/{name}\n"
            f"@@ -{first},{old} +{first},{new} @@\n" + "".join(f"{line}\n" for line in body))


AT_10 = hook(10, " line 9", " line 10", "+ours", " line 11", " line 12")
AT_30 = hook(31, " line 29", " line 30", "+more", " line 31", " line 32")


class Tree(unittest.TestCase):
    """A kernel, and hooks."""

    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.root)
        self.tree = os.path.join(self.root, "kernel")
        self.write("kernel/Makefile", MAKEFILE)
        self.write("kernel/virt/kvm/kvm_main.c", "")
        self.source(LINES)

    def write(self, name, text):
        """A file below the root."""
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)

    def read(self, name):
        """One that is there."""
        return rebase.read(os.path.join(self.root, name))

    def source(self, lines):
        """The file that hooks are about."""
        self.write("kernel/" + FILE, "".join(lines))

    def hooks(self, *texts, where="hooks"):
        """A series."""
        names = [f"000{i + 1}-hook.patch" for i in range(len(texts))]
        for name, text in zip(names, texts):
            self.write(f"{where}/{name}", text)
        self.write(where + "/series", "# comment\n" + "".join(name + "\n" for name in names))
        return os.path.join(self.root, where)


class Hooks(Tree):
    """What becomes of them."""

    def verdicts(self, *texts, out=None):
        """[(verdict, offset, places, behind)] of a series."""
        found = rebase.try_hooks(self.hooks(*texts), self.tree, out)
        return [(one.verdict, one.offset, one.places, one.behind) for one in found]

    def test_applies(self):
        """As it is, and elsewhere."""
        self.assertEqual(self.verdicts(AT_10), [(rebase.APPLIES, 0, [], "")])
        self.source(["new\n"] * 3 + LINES)
        self.assertEqual(self.verdicts(AT_10), [(rebase.MOVED, 3, [], "")])
        self.assertIn("line 10\nours\nline 11\n", self.read("kernel/" + FILE))

    def test_fuzz(self):
        """A line of context has changed: it applies, and the place is named."""
        self.source(LINES[:9] + ["changed\n"] + LINES[10:])
        self.assertEqual(self.verdicts(AT_10), [(rebase.FUZZ, 0, [(FILE, 1, 10)], "")])
        self.assertIn("ours\n", self.read("kernel/" + FILE))

    def test_hand(self):
        """No place: named, with what it may be the reason of; all others are tried."""
        self.source(LINES[:9] + LINES[15:29] + ["changed\n"] + LINES[30:])
        wanted = [(rebase.HAND, 0, [(FILE, 1, 10)], ""), (rebase.FUZZ, 7, [(FILE, 1, 24)], "0001")]
        self.assertEqual(self.verdicts(AT_10, AT_30), wanted)

    def test_gone(self):
        """A file that is not there any more."""
        os.remove(os.path.join(self.tree, FILE))
        (verdict, _, places, _), = self.verdicts(AT_10)
        self.assertEqual(verdict, rebase.HAND)
        self.assertTrue(places)

    def test_no_patch(self):
        """A file that is none is an error, not a hook that applies."""
        self.assertRaisesRegex(LabError, "no patch", self.verdicts, "text\n")

    def test_out(self):
        """The series as it is then applies as it is, without fuzz; what needs a hand stays."""
        out = os.path.join(self.root, "out")
        os.mkdir(out)
        self.source(["new\n"] * 3 + LINES[:29] + ["changed\n"] + LINES[30:])
        gone = AT_10.replace("line", "gone")
        self.verdicts(AT_10, AT_30, gone, out=out)
        self.assertEqual(self.read("out/0003-hook.patch"), gone)
        self.assertTrue(self.read("out/0001-hook.patch").startswith("Subject: [PATCH] a hook\n\nWhy.\n---\n--- a/"))
        self.source(["new\n"] * 3 + LINES[:29] + ["changed\n"] + LINES[30:])
        texts = [self.read(f"out/000{i}-hook.patch") for i in (1, 2)]
        self.assertEqual(self.verdicts(*texts), [(rebase.APPLIES, 0, [], "")] * 2)

    def test_release(self):
        """Of a Makefile."""
        self.assertEqual(rebase.release_of(MAKEFILE), "6.12.300")
        self.assertRaises(LabError, rebase.release_of, "VERSION = 6\n")


class Command(Tree):
    """The program."""

    def setUp(self):
        super().setUp()
        for name in COPIED:
            copy = shutil.copytree if os.path.isdir(os.path.join(TOP, name)) else shutil.copy
            os.makedirs(os.path.dirname(os.path.join(self.root, name)), exist_ok=True)
            copy(os.path.join(TOP, name), os.path.join(self.root, name))
        self.source(["static void run(void)\n", "{\n", "}\n"] + LINES)
        for name in ("mmu/mmu.c", "x86.c"):
            self.write(f"kernel/{KVM}/{name}", "")
        self.where = KVM + "/hooks/6.12"
        self.hooks(AT_10, where=self.where)
        self.write(self.where + "/mirrored", "vmx/nested.c run 0\n")
        self.write(self.where + "/mirrored-callees", "")
        self.tool("check-mirrored", "6.12", os.path.join(self.tree, KVM), "--update")

    def tool(self, name, *words):
        """(status, what it says)"""
        done = subprocess.run([os.path.join(self.root, "scripts", name), *words], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout

    def run_it(self, *words):
        """On the made-up kernel."""
        return self.tool("rebase-hooks", "--source", self.tree, *words, "6.12")

    def test_good(self):
        """Nothing to do: 0, and the tree that was given is as before."""
        status, said = self.run_it()
        self.assertIn("(6.12.300)\n  1 hooks: 0 applies, 1 moved, 0 fuzz, 0 by hand; 0 functions", said)
        self.assertEqual(status, 0)
        self.assertNotIn("ours", self.read("kernel/" + FILE))

    def test_needs_a_hand(self):
        """A hook, a function: 1, each named."""
        self.source(["static void run(void)\n", "{\n", "	more();\n", "}\n"] + LINES[:9])
        status, said = self.run_it()
        self.assertEqual(status, 1)
        self.assertIn(f"  by hand  0001-hook.patch\n           {FILE}: hunk 1, line 10\n", said)
        self.assertIn("  mirrored run() of vmx/nested.c has changed\n", said)

    def test_function_alone(self):
        """All hooks apply, but a function has changed: still 1."""
        self.source(["static void run(void)\n", "{\n", "	more();\n", "}\n"] + LINES)
        self.assertEqual(self.run_it()[0], 1)

    def test_callee(self):
        """What the function calls, in virt/kvm: changed, or gone."""
        more = "void more(void)\n{\n\tas_before();\n}\n"
        run = ["static void run(void)\n", "{\n", "\tmore();\n", "}\n"]
        self.write("kernel/virt/kvm/kvm_main.c", more)
        self.source(run + LINES)
        self.tool("check-mirrored", "6.12", os.path.join(self.tree, KVM), "--update")
        self.assertEqual(self.run_it()[0], 0)
        self.write("kernel/virt/kvm/kvm_main.c", more.replace("as_before", "another"))
        status, said = self.run_it()
        self.assertEqual(status, 1)
        self.assertIn("  mirrored more() of virt/kvm/kvm_main.c, which a mirrored function calls, has changed\n", said)
        self.source(run[:2] + run[3:] + LINES)
        self.assertIn("  mirrored more(), which a mirrored function called, is gone\n", self.run_it()[1])

    def test_file_gone(self):
        """The file of a function is not there any more: so is the function, and hooks are tried."""
        os.remove(os.path.join(self.tree, FILE))
        status, said = self.run_it()
        self.assertEqual(status, 1)
        self.assertIn("  mirrored run() of vmx/nested.c is gone\n", said)
        self.assertIn("1 by hand; 1 functions", said)

    def test_tarball(self):
        """A tarball, as kernel.org and Debian's packages have it."""
        tar = os.path.join(self.root, "linux.tar.xz")
        subprocess.run(["tar", "-C", self.root, "-cJf", tar, "kernel"], check=True)
        status, said = self.tool("rebase-hooks", "--source", tar, "6.12")
        self.assertEqual((status, "(6.12.300)" in said), (0, True), said)

    def test_refused(self):
        """Wrong words, wrong sources: one line, 2."""
        self.write("full/6.12/file", "")
        for words, text in (((), "for one BASE"), (("5.10",), "unknown kernel base"),
                            (("--suite", "sid", "6.12"), "without --suite"),
                            (("--out", os.path.join(self.root, "full"), "6.12"), "not empty")):
            status, said = self.tool("rebase-hooks", "--source", self.tree, *words)
            self.assertEqual((status, said.count("\n")), (2, 1), said)
            self.assertIn(text, said)
        status, said = self.tool("rebase-hooks", "--source", os.path.join(self.root, "full"), "6.12")
        self.assertEqual(status, 2)
        self.assertIn("has no arch/x86/kvm", said)


if __name__ == "__main__":
    unittest.main()
