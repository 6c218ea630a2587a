#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the lab says of a test that came to its end."""
import os
import sys
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from lablib import results  # pylint: disable=wrong-import-position


def verdict(rc, output, dmesg=""):
    """As the lab judges."""
    return results.verdict_of(rc, results.tap_counts(output), output, dmesg)


class Verdict(unittest.TestCase):
    """Verdict and reason."""

    def test_pass(self):
        self.assertEqual(verdict(0, "ok 1 - a\n1..1\n"), ("pass", ""))

    def test_failed_subtest_is_named(self):
        output = "ok 1 - a\nnot ok 2 - b: 3, at most 2\n#   3\nok 3 - c\n1..3\n"
        self.assertEqual(verdict(1, output), ("fail", "not ok 2 - b: 3, at most 2"))

    def test_several_failed_subtests(self):
        output = "not ok 1 - a\nnot ok 2 - b\nnot ok 3 - c\n1..3\n"
        self.assertEqual(verdict(1, output), ("fail", "not ok 1 - a (and 2 more)"))

    def test_no_tap(self):
        self.assertEqual(verdict(3, "tried\nno memory\n\n"), ("fail", "no memory"))
        self.assertEqual(verdict(3, ""), ("fail", "exit status 3"))

    def test_not_ok_with_status_zero(self):
        self.assertEqual(verdict(0, "not ok 1 - a\n1..1\n"),
                         ("fail", "exit status 0, but 1 TAP lines say 'not ok'"))

    def test_skip(self):
        self.assertEqual(verdict(4, "no VMX\n"), ("skip", "no VMX"))


if __name__ == "__main__":
    unittest.main()
