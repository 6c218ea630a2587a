#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""nestctl bench where there is no KVM; with it: selftests/kvm/bench-exits.sh in the lab."""

import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import nestctl_lib as lib
from nestctl_lib import REFUSED, USAGE


class Bench(lib.Test):
    """Nothing is measured."""

    def test_no_kvm(self):
        self.refused(REFUSED, "cannot open it (No such file or directory): load KVM", "bench")

    def test_not_kvm(self):
        self.machine.write("dev/kvm", "")
        self.refused(REFUSED, "cannot use it: it is not KVM's", "bench", "--json")

    def test_count(self):
        for count in ("0", "-1", "x", "1x", "", "10000001", "99999999999999999999"):
            result = self.machine.run("bench", "--count=" + count)
            self.assertEqual(result.returncode, USAGE, count)
            self.assertIn(f"--count={count}: a number from 1 to 10000000", result.stderr)


if __name__ == "__main__":
    unittest.main()
