#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Which CPU models the lab takes the emulator to have."""
import os
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from lablib.common import LabError, UsageError
from lablib.emulator import Emulator


class Models(unittest.TestCase):
    """What it prints, as Bochs does: the title on one stream, the list on the other."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.program = os.path.join(directory.name, "bochs")

    def emulator(self, stream, cpu):
        with open(self.program, "w", encoding="ascii") as script:
            script.write("#!/bin/sh\necho 'Bochs x86 Emulator'\n"
                         f"printf 'Supported CPU models:\\n\\ni386\\ncore_a\\n' {stream}\n")
        os.chmod(self.program, 0o755)
        return Emulator(self.program, False, cpu)

    def test_known(self):
        for stream in (">&2", ""):
            self.emulator(stream, "core_a").check_cpu()

    def test_unknown(self):
        with self.assertRaisesRegex(UsageError, "no such model; it has i386 core_a"):
            self.emulator(">&2", "core_b").check_cpu()

    def test_no_program(self):
        with self.assertRaisesRegex(LabError, "cannot run .*/bochs: No such file"):
            Emulator(self.program, False, "core_a").check_cpu()


if __name__ == "__main__":
    unittest.main()
