#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""How L1 writes a field of its PV VMCS: include/nvx/pv_store.h on the build machine."""

import os
import re
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


class Store(unittest.TestCase):
    """L1 may be saved between any two instructions of an accessor."""

    def test_moves(self):
        """The value is L1's at VM-entry, wherever in the store L1 was moved."""
        with tempfile.TemporaryDirectory() as scratch:
            program = os.path.join(scratch, "unit")
            subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-std=gnu11", "-D_GNU_SOURCE",
                            "-mno-red-zone", "-o", program, os.path.join(HERE, "pv_store_unit.c")], check=True)
            done = subprocess.run([program], check=False, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            places = [int(n) for n in re.findall(r"^ok .* in (\d+) places", done.stdout, re.M)]
            self.assertGreater(len(places), 20)
            # Or nothing was moved: an accessor has some instructions.
            self.assertGreater(min(places), 3)

    def test_one_place(self):
        """Nobody but nvx_pv_store() sets a dirty bit, at either level."""
        found = []
        for where in ("arch/x86/kvm/vmx/nvx", "include/nvx"):
            for folder, _, names in os.walk(os.path.join(TOP, where)):
                for name in names:
                    with open(os.path.join(folder, name), encoding="utf-8") as source:
                        text = source.read()
                    found += [name] * len(re.findall(r"dirty\)? *\|=|\[dirty\] \"\+m\"", text))
        self.assertEqual(found, ["pv_store.h"])


if __name__ == "__main__":
    unittest.main()
