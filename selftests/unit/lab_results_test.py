#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the lab says of a test that came to its end."""
import os
import re
import sys
import tempfile
import types
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from lablib import common, config, results


def verdict(rc, output, dmesg=""):
    """As the lab judges."""
    return results.verdict_of(rc, results.tap_counts(output), output, dmesg)


# Of tests that nvx is the subject of.
NVX_GROUPS = {"bench", "kvm", "kvm-fast", "reload", "pv", "vept", "pressure", "bypass",
              "refresh-page"}


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

    def test_kernel_trouble(self):
        for line in ("BUG: KASAN: slab-out-of-bounds in f+0x1/0x2 [kvm]",
                     "UBSAN: shift-out-of-bounds in a.c:1:2",
                     "WARNING: possible circular locking dependency detected",
                     "WARNING: suspicious RCU usage",
                     "INFO: trying to register non-static key.",
                     "BUG: sleeping function called from invalid context at a.c:1",
                     "BUG kmalloc-64 (Tainted: G    B  ): Poison overwritten"):
            self.assertEqual(verdict(0, "", f"kvm: loaded\n[   1.0] {line}\n"),
                             ("fail", f"the kernel complained: [   1.0] {line}"))
        self.assertEqual(verdict(0, "", "kvm: loaded\nDEBUG mode\n"), ("pass", ""))

    def test_known_reports(self):
        known = results.read_known(self.known_file("# A reason.\nWARNING: at a.c:1 f [kvm]\n"))
        report = ("[    1.0] WARNING: CPU: 0 PID: 7 at a.c:1 f+0x1/0x2 [kvm]\n"
                  "[    1.0] Call Trace:\n[    1.0]  </TASK>\n")
        self.assertEqual(results.verdict_of(0, {"fail": 0}, "", report, known), ("pass", ""))
        self.assertEqual(verdict(0, "", report)[0], "fail")
        # Not what is only like it, nor another one behind or inside of it.
        for dmesg in (report.replace("a.c:1", "a.c:2"), report.replace("f+", "g+"),
                      report + "[    1.0] Call Trace:\n",
                      report.replace("Call Trace:", "BUG: x")):
            self.assertEqual(results.verdict_of(0, {"fail": 0}, "", dmesg, known)[0], "fail",
                             dmesg)

    def test_known_report_needs_a_reason(self):
        for text in ("BUG: a\n", "# Why.\n\nBUG: a\n", "# Why.\nBUG: a\nBUG: b\n"):
            with self.assertRaises(common.UsageError):
                results.read_known(self.known_file(text))

    def known_file(self, text):
        """A list of known reports."""
        with tempfile.NamedTemporaryFile("w", delete=False) as stream:
            stream.write(text)
        self.addCleanup(os.unlink, stream.name)
        return stream.name

    def test_skip(self):
        self.assertEqual(verdict(4, "no VMX\n"), ("skip", "no VMX"))


def run_options(modules="nvx", l1_modules="stock", params=(), l1_params=""):
    """What a run was started with."""
    return types.SimpleNamespace(modules=modules, l1_modules=l1_modules, params=list(params),
                                 variables={"L1_PARAMS": l1_params})


class Counters(unittest.TestCase):
    """A test has to move the counters that its section names."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.where = directory.name
        self.note(".counters", "/sys/x/fast_entry:0\n/sys/x/fast_exit:2\n"
                               "/sys/x/fast_entry:7\n/sys/x/fast_exit:0\n/sys/x/pv_load:0\n")

    def note(self, name, text):
        """What a level has left."""
        path = os.path.join(self.where, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)

    def still(self, counters, options, l1counters=()):
        """As the lab judges."""
        test = config.Test(name="t", script="", counters=list(counters),
                           l1counters=list(l1counters))
        return results.still_counters(test, results.read_left(self.where).counters, options)

    def test_added_up_over_loads(self):
        self.assertEqual(self.still(["fast_entry", "fast_exit"], run_options()), "")

    def test_one_that_has_not_moved(self):
        self.assertEqual(self.still(["fast_entry", "pv_load"], run_options()),
                         "counter pv_load of L0 has not moved")

    def test_one_that_does_not_exist(self):
        self.assertEqual(self.still(["fast_entri"], run_options()),
                         "L0 has no counter fast_entri")

    def test_only_where_nvx_is_on(self):
        for options in (run_options(modules="stock"), run_options(params=["nvx=0"])):
            self.assertEqual(self.still(["pv_load", "none"], options), "")
        self.assertNotEqual(self.still(["pv_load"], run_options(params=["nvx_pv=0"])), "")

    def test_all_boots_of_l1(self):
        self.note("l1/a/.counters", "/sys/x/l1_range:0\n")
        options = run_options(l1_modules="nvx")
        self.assertEqual(self.still([], options, ["l1_range"]),
                         "counter l1_range of L1 has not moved")
        self.note("l1/b/.counters", "/sys/x/l1_range:1\n")
        self.assertEqual(self.still([], options, ["l1_range"]), "")
        self.assertEqual(self.still([], run_options(l1_modules="nvx", l1_params="ept=0 nvx=0"),
                                    ["none"]), "")

    def test_names_of_the_table(self):
        """No section of tests.cfg names a counter that nvx does not have."""
        path = os.path.join(TOP, "arch", "x86", "kvm", "mmu", "nvx", "counters.h")
        with open(path, encoding="utf-8") as stream:
            known = set(re.findall(r"^\tC\((\w+),", stream.read(), re.MULTILINE))
        self.assertGreater(len(known), 10)
        for name, section in config.read_config(config.CONFIG).items():
            if name != "fault-no-counter":
                words = (section.get("counters", "") + " " + section.get("l1counters", "")).split()
                self.assertEqual(set(words) - known, set(), name)

    def test_table_is_complete(self):
        """Each test of nvx says which counters it moves, or that there is none."""
        sections = config.read_config(config.CONFIG)
        where = os.path.join(TOP, "selftests", "kvm")
        names = [f"{config.KVM_PREFIX}{name[:-2]}" for name in os.listdir(where)
                 if re.fullmatch(r"nvx_\w+_test\.c", name)]
        names += [name for name, section in sections.items()
                  if NVX_GROUPS & set(section.get("group", "").split())]
        self.assertGreater(len(names), 30)
        missing = [name for name in names if "counters" not in sections.get(name, {})]
        self.assertEqual(missing, [])


if __name__ == "__main__":
    unittest.main()
