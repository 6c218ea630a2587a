#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Which messages of compiler and sparse are about files of ours, wherever the checkout is."""
import os
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(TOP, "scripts/kbuild-messages")
OURS = ("arch/x86/kvm/vmx/nvx/main.c", "arch/x86/kvm/vmx/nvx/fast/exit.c",
        "arch/x86/kvm/mmu/nvx/range.c", "virt/refresh/main.c", "arch/x86/refresh/launch.c")
STOCK = ("arch/x86/kvm/vmx/vmx.c", "arch/x86/kvm/x86.c", "virt/kvm/kvm_main.c")


class Messages(unittest.TestCase):
    """Checkouts whose folders have the names of ours."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.top = os.path.join(directory.name, "virt/nvx/refresh/nvx/kvm/work")
        self.bin = os.path.join(directory.name, "bin")
        os.makedirs(self.bin)
        for name in ("compiler", "sparse"):
            path = os.path.join(self.bin, name)
            with open(path, "w", encoding="ascii") as script:
                script.write(f"#!/bin/sh\necho '{name}: warning:' \"$*\" >&2\n")
            os.chmod(path, 0o755)

    def run_on(self, name, *words):
        """What is shown of one file, and what is kept beside it, or None."""
        source = os.path.join(self.top, name)
        os.makedirs(os.path.dirname(source), exist_ok=True)
        env = dict(os.environ, PATH=self.bin + ":" + os.environ["PATH"])
        done = subprocess.run([PROGRAM, *words, source], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, env=env, check=True)
        folder, file = os.path.split(source)
        log = os.path.join(folder, f".{file[:-2]}.{words[0]}")
        if not os.path.exists(log):
            return done.stderr, None
        with open(log, encoding="ascii") as kept:
            return done.stderr, kept.read()

    def compile(self, name):
        return self.run_on(name, "cc", "compiler", "-c", "-o", os.path.join(self.top, name[:-2] + ".o"))

    def test_compiler(self):
        for name in OURS:
            shown, kept = self.compile(name)
            self.assertIn("warning", shown, name)
            self.assertIn("-Wno-error", kept, name)

    def test_source_of_another(self):
        """6.12 has a file of the headers compiled for each module: as it is, nothing beside it."""
        shown, kept = self.run_on("headers/scripts/module-common.c", "cc", "compiler", "-c", "-o",
                                  os.path.join(self.top, "work/.module-common.o"))
        self.assertIn("compiler: warning: -c -o", shown)
        self.assertNotIn("-Wno-error", shown)
        self.assertIsNone(kept)

    def test_compiler_of_stock(self):
        for name in STOCK:
            shown, kept = self.compile(name)
            self.assertEqual(shown, "", name)
            self.assertIn("warning", kept, name)
            self.assertNotIn("-Wno-error", kept, name)

    def test_sparse(self):
        for name in OURS:
            self.assertIn("warning", self.run_on(name, "sparse", "-Wall")[1], name)

    def test_sparse_of_stock(self):
        for name in STOCK:
            self.assertEqual(self.run_on(name, "sparse", "-Wall"), ("", None), name)


if __name__ == "__main__":
    sys.exit(unittest.main())
