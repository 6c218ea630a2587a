#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""nvx-bench-report and the counts that lab profile hands it, without a lab."""

import importlib.machinery
import importlib.util
import json
import os
import sys
import tempfile
import unittest

SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts")
sys.path.insert(0, SCRIPTS)

from lablib import limits, profile


def load(name):
    """A script without the suffix of a module."""
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"),
                                                  os.path.join(SCRIPTS, name))
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


report = load("nvx-bench-report")
SEGMENTS = [{"level": "L2", "last": "out 0xb4, eax"}, {"level": "L0", "last": "vmresume"},
            {"level": "L1", "last": "invept rax, dqword ptr ds:[rbx]"},
            {"level": "L0", "last": "vmresume"}, {"level": "L1", "last": "vmresume"},
            {"level": "L0", "last": "vmresume"}, {"level": "L2", "last": "xchg bx, bx"}]


class Rows(unittest.TestCase):
    """From profiles to rows."""

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        for op in ("pio_flush", "pio_switch"):
            with open(os.path.join(self.directory.name, f"profile-{op}.json"), "w",
                      encoding="utf-8") as stream:
                json.dump({"exits": 3, "instructions": 1001, "vmread": 2, "vmwrite": 4,
                           "bytes": 6, "segments": SEGMENTS,
                           "alike": 3}, stream)

    def tearDown(self):
        self.directory.cleanup()

    def test_only_exits_of_the_instruction(self):
        row = report.row_of(self.directory.name, *report.ROWS["invept"])
        self.assertEqual((row["exits"], row["all_exits"], row["instructions"]), (1, 3, 1001))

    def test_half_of_two_switches(self):
        row = report.row_of(self.directory.name, *report.ROWS["vmptrld"])
        self.assertEqual((row["exits"], row["instructions"], row["vmwrite"]), (0, 500.5, 2))

    def test_how_many_samples_confirm(self):
        self.assertEqual(report.row_of(self.directory.name, *report.ROWS["invept"])["alike"], 3)

    def test_missing_profile(self):
        with self.assertRaises(report.ReportError):
            report.row_of(self.directory.name, *report.ROWS["cpuid"])


class Operations(unittest.TestCase):
    """OP[:N],... of lab profile."""

    def test_numbers(self):
        self.assertEqual(profile.operations("cpuid,hlt_timer:8", 4),
                         [("cpuid", 4), ("hlt_timer", 8)])

    def test_nonsense(self):
        for text in ("cpuid,", "cpuid:", "cpuid:0", "cpuid:x", "a b"):
            with self.assertRaises(profile.UsageError):
                profile.operations(text, 4)

    def test_files(self):
        self.assertEqual(profile.files("d", "a:3,b"), ["d/profile-a.json", "d/profile-b.json"])
        self.assertEqual(profile.files("d", "a:3"), ["d/profile.json"])


class Typical(unittest.TestCase):
    """Which of the samples counts."""

    def check(self, lengths, length, alike):
        samples = [[0] * number for number in lengths]
        sample = profile.typical(samples)
        self.assertEqual((len(sample), profile.alike(samples, sample)), (length, alike))

    def test_what_most_have_done(self):
        self.check([3871, 3398, 5827, 3431], 3398, 2)
        self.check([2601, 3739, 2982, 2969, 2982, 2969], 2969, 4)
        # Two that are short together are fewer than the rest.
        self.check([26003, 29646, 25892, 33354, 29818, 29692, 29692, 29832], 29646, 5)

    def test_none_confirmed(self):
        self.check([9277, 11992, 14390], 9277, 1)
        self.check([500], 500, 1)


class VmcsWork(unittest.TestCase):
    """What counts as work on a VMCS."""

    symbols = {"L0": profile.Symbols("ffffffff81000000 T copy_shadow_to_vmcs12\n"
                                     "ffffffff81000100 T other\n"
                                     "ffffffff81000200 T nvx_pv_pull\n")}

    def count(self, *lines):
        sample = [(0, 0x10, address, text) for _, address, text in lines]
        return profile.count_vmcs_work(sample, [level for level, _, _ in lines], self.symbols)

    def test_counts(self):
        work = self.count(("L0", 0xffffffff81000000, "vmread rax, rbx"),
                          ("L0", 0xffffffff81000100, "vmread rax, rbx"),
                          ("L1", 0xffffffff81000100, "vmread rax, rbx"),
                          ("L0", 0xffffffff81000100, "vmwrite rax, rbx"),
                          ("L0", 0xffffffff81000200, "mov dword ptr ds:[rax+4], ecx"),
                          ("L0", 0xffffffff81000200, "mov qword ptr ss:[rsp+8], rcx"),
                          ("L0", 0xffffffff81000100, "mov qword ptr ds:[rax], rcx"))
        self.assertEqual(work, {"vmread": 2, "vmwrite": 1, "bytes": 12})

    def test_gaps(self):
        sample = [(1, 0, 0, "nop"), (2, 0, 0, "hlt"), (900, 0, 0, "nop"), (902, 0, 0, "push rax")]
        profile.check_samples([sample], 1)
        with self.assertRaises(profile.LabError):
            profile.check_samples([[(1, 0, 0, "nop"), (4, 0, 0, "nop")]], 1)

    def test_entry_that_injects_and_exits(self):
        profile.check_samples([[(1, 0, 0, "vmresume"), (4, 0, 0, "push rax")]], 1)
        with self.assertRaises(profile.LabError):
            profile.check_samples([[(1, 0, 0, "vmresume"), (5, 0, 0, "push rax")]], 1)


class Limits(unittest.TestCase):
    """The language of limits files."""

    data = {"configs": {"a": {"x": {"n": 4}}, "b": {"x": {"n": 4}}}}

    def good(self, *limit):
        return [good for good, _ in limits.check_limits(self.data, [limit], ["x", "y"])]

    def test_comparisons(self):
        self.assertEqual(self.good("a", "x", "n", "<=", "b.x.n"), [True])
        self.assertEqual(self.good("a", "x", "n", "<", "b.x.n"), [False])
        self.assertEqual(self.good("a", "*", "n", "<", "b.*.n+50%"), [True])
        self.assertEqual(self.good("a", "x", "n", ">=", "4"), [True])
        self.assertEqual(self.good("a", "x", "n", ">=", "5"), [False])

    def test_nothing_measured_is_a_failure(self):
        self.assertEqual(self.good("c", "*", "n", "<=", "9"), [False])
        self.assertEqual(self.good("a", "y", "n", "<=", "9"), [False])


if __name__ == "__main__":
    unittest.main()
