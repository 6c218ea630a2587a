#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What scripts/run-suites makes of the output, the times and the order of suites."""
import os
import subprocess
import sys
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from lablib import suites
from lablib.suites import Scheduler, Suite


def suite(name, *after, cores=1, **values):
    made = Suite(name, "text", ["true"], after=after, cores=cores)
    for key, value in values.items():
        setattr(made, key, value)
    return made


def names(chosen):
    return [one.name for one in chosen]


class Counts(unittest.TestCase):
    """What a suite counts as."""

    def test_last_line_counts(self):
        self.assertEqual(suites.read_counts(["1 passed, 2 failed", "3 passed, 0 failed, 1 skipped"]),
                         (3, 0, 1))
        self.assertIsNone(suites.read_counts(["[stock] 3 passed, 0 failed, 1 skipped"]))

    def test_without_a_line(self):
        self.assertEqual(suites.verdict(None, 0), (1, 0, 0))
        self.assertEqual(suites.verdict(None, 2), (0, 1, 0))

    def test_broke_after_counting(self):
        self.assertEqual(suites.verdict((5, 0, 1), 1), (5, 1, 1))
        self.assertEqual(suites.verdict((5, 2, 1), 2), (5, 2, 1))


class Skipped(unittest.TestCase):
    """A test that is skipped where it should run has failed."""

    LINES = ["pass         a    1.0 s  2 subtests passed, 1 skipped", "skip         b    0.1 s  needs x",
             "skip nobody", "skip         c   0.2 s  1..0 # SKIP"]

    def test_names(self):
        self.assertEqual(suites.wrongly_skipped(self.LINES, ()), ["b", "c"])
        self.assertEqual(suites.wrongly_skipped(self.LINES, ("c",)), ["b"])
        self.assertEqual(suites.wrongly_skipped(self.LINES, ("c", "b", "x")), [])
        self.assertEqual(suites.wrongly_skipped(self.LINES, None), [])

    def test_counts(self):
        one = Suite("skipped-test", "text", ["printf", "%s\n", *self.LINES, "1 passed, 0 failed, 2 skipped"],
                    skips=("c",))
        os.makedirs(suites.LOGS, exist_ok=True)
        self.addCleanup(os.unlink, one.log)
        suites.run_suite(one)
        self.assertEqual((one.counts, one.ok), ((1, 1, 1), False))
        with open(one.log, encoding="utf-8") as log:
            self.assertIn("not ok - b was skipped", log.read())


class Failed(unittest.TestCase):
    """What is shown of a failed log."""

    def test_failures_above_the_tail_come_first(self):
        lines = ["ok 1 - a", "not ok 2 - b", "not okay", "  not ok 3 - c"] + ["x"] * 30 + \
            ["not ok 4 - d", "1 passed, 2 failed"]
        shown = suites.failures(lines)
        self.assertEqual(shown[:3], ["not ok 2 - b", "...", "x"])
        self.assertEqual(shown[-2:], lines[-2:])
        self.assertEqual(len(shown), suites.TAIL + 2)
        self.assertEqual(shown.count("not ok 4 - d"), 1)

    def test_short_log(self):
        self.assertEqual(suites.failures(["not ok 1 - a", "b"]), ["not ok 1 - a", "b"])

    def test_many(self):
        shown = suites.failures([f"not ok {number} - a" for number in range(200)])
        self.assertEqual(len(shown), suites.FAILED + 2 + suites.TAIL)
        self.assertEqual(shown[suites.FAILED], f"({200 - suites.TAIL - suites.FAILED} more)")


class Times(unittest.TestCase):
    """Where the time went."""

    def test_timed_lines(self):
        lines = ["ok 1 - spdx # 1.0 s, 2.5 s CPU", "not ok 2 - a b # 3.25 s, 1 s CPU",
                 "ok 3 - emulator # SKIP no source (0.5 s, 0.25 s CPU)", "ok 4 - no time",
                 "ok 5 - x # SKIP 3 s"]
        self.assertEqual(suites.timed_lines(lines),
                         [("spdx", 1.0, 2.5), ("a b", 3.25, 1.0), ("emulator", 0.5, 0.25)])

    def test_report_of_the_lab(self):
        report = {"seconds": 30.0, "boots": [{"cpu": 12.0}, {"cpu": 9.0}],
                  "tests": [{"name": "a", "seconds": 10.0, "cpu": 8.0},
                            {"name": "b", "seconds": 5.0, "cpu": 4.0}]}
        self.assertEqual(suites.report_times(report),
                         [("a", 10.0, 8.0), ("b", 5.0, 4.0), ("booting", 15.0, 9.0)])

    def test_longest(self):
        done = [suite("one", wall=20.0, cpu=18.0, tests=[("a", 9, 8), ("b", 2, 1)]),
                suite("two", wall=9.0, cpu=8.5)]
        self.assertEqual(suites.longest(done, 3),
                         [("one", "", 9, 9), ("two", "", 9, 8.5), ("one", "a", 9, 8)])
        self.assertIn("     8.0     9.0  one: a", suites.longest_text(suites.longest(done)))

    def test_report(self):
        done = [suite("one", wall=20.0, cpu=18.0, tests=[("a", 9, 8)])]
        report = suites.times_report(done, 25.0)
        self.assertEqual((report["wall"], report["cpu"]), (25.0, 18.0))
        self.assertEqual(report["suites"][0]["tests"], [{"test": "a", "wall": 9, "cpu": 8}])

    def test_cpu_of_children_counts(self):
        spin = "import time\nwhile time.process_time() < 0.05: pass"
        process = subprocess.Popen([sys.executable, "-c", "import subprocess, sys\n"
                                    f"subprocess.run([sys.executable, '-c', {spin!r}])"])
        status, cpu = suites.wait(process, 10)
        self.assertEqual(status, 0)
        self.assertGreaterEqual(cpu, 0.05)


class Order(unittest.TestCase):
    """Who may start when."""

    def test_needs(self):
        scheduler = Scheduler([suite("b", "a"), suite("a"), suite("c")], 1)
        first = scheduler.choose()
        self.assertEqual(names(first), ["a"])
        self.assertEqual(scheduler.choose(), [])
        scheduler.ended(first[0])
        self.assertEqual(names(scheduler.choose()), ["b"])

    def test_needs_that_do_not_run_do_not_count(self):
        self.assertEqual(names(Scheduler([suite("b", "a")], 1).choose()), ["b"])

    def test_cores(self):
        scheduler = Scheduler([suite("a"), suite("two", cores=2), suite("b"), suite("c")], 2)
        first = scheduler.choose()
        self.assertEqual(names(first), ["a", "b"])
        for one in first:
            scheduler.ended(one)
        self.assertEqual(names(scheduler.choose()), ["two"])
        self.assertEqual(scheduler.choose(), [])

    def test_more_cores_than_there_are(self):
        self.assertEqual(names(Scheduler([suite("two", cores=2)], 1).choose()), ["two"])

    def test_closure(self):
        all_of_them = [suite("a"), suite("b", "a"), suite("c"), suite("d", "b")]
        self.assertEqual(names(suites.closure(["d"], all_of_them)), ["a", "b", "d"])
        with self.assertRaises(KeyError):
            suites.closure(["x"], all_of_them)


if __name__ == "__main__":
    unittest.main()
