#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""scripts/nvx-paper-report: from the files of a run to overheads and the judgement."""

import contextlib
import gzip
import importlib.machinery
import importlib.util
import io
import json
import os
import sys
import tempfile
import types
import unittest

SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts")
sys.path.insert(0, SCRIPTS)

from lablib import papersource, papertext


def load(name):
    """A script without the suffix of a module."""
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"),
                                                  os.path.join(SCRIPTS, name))
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


paper_report = load("nvx-paper-report")

# Workload -> (instructions, exits, idle ns) of the three runs at L1 and at L2.
L1 = {"null": [(10, 5, 100), (10, 4, 120), (10, 6, 90)],
      "sieve": [(1000, 14, 100), (1000, 14, 100), (1000, 14, 100)],
      "sleep": [(5000, 24, 4090), (5000, 24, 4090), (5000, 24, 4090)]}
L2 = {"null": [(20, 50, 100), (20, 40, 120), (20, 60, 90)],
      "sieve": [(1500, 140, 100), (1004, 60, 100), (1008, 80, 100)],
      "sleep": [(9000, 90, 4090), (9000, 90, 4090), (9000, 90, 4090)]}


class Fixture(unittest.TestCase):
    """A run of the lab test, as files."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.prefix = os.path.join(directory.name, "paper-")
        self.write_config("all", L1, L2)
        self.options = types.SimpleNamespace(prefix=self.prefix, configs="all", exit_price=100,
                                             versions=None, vept=None)

    def write_config(self, config, lower, upper, ips=500000000):
        where = os.path.join(self.prefix + config, "paper")
        os.makedirs(os.path.join(where, "l1/plain"))
        os.makedirs(os.path.join(where, "l1/host/l2/guest"))
        snapshots = []
        for level, path, table in ((1, "l1/plain", lower), (2, "l1/host/l2/guest", upper)):
            lines = []
            for name, runs in table.items():
                for number, (ticks, exits, idle) in enumerate(runs, 1):
                    lines.append(f"{name}/{number} {ticks} 0")
                    snapshots += [f"{level} {name}/{number} begin 1000 10 1 500",
                                  f"{level} {name}/{number} end {1000 + exits} 12 1 {500 + idle}"]
            self.write(os.path.join(where, path, "runs.txt"), lines)
        self.write(os.path.join(where, "snapshots.txt"), snapshots)
        self.write(os.path.join(where, "l1/host/parameters.txt"), ["nvx_pv_l1 Y"])
        with open(os.path.join(where, "../report.json"), "w", encoding="utf-8") as stream:
            json.dump({"kernel": {"release": "6.1", "version": "1"}, "ips": ips, "backend": "bochs",
                       "emulator": "built", "cpu": "x"}, stream)

    @staticmethod
    def write(path, lines):
        with open(path, "w", encoding="utf-8") as stream:
            stream.write("".join(line + "\n" for line in lines))

    def build(self):
        return papersource.build_report(self.options)

    def judged(self, report):
        """(failures, text)"""
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            failed = paper_report.judge(report)
        return failed, output.getvalue()


class Figures(Fixture):
    """Overheads and exits."""

    def test_cold_is_the_first_and_warm_the_others(self):
        row = self.build()["ablation"]["all"]["sieve"]
        self.assertEqual(row["cold"]["overhead_percent"], 50)
        self.assertEqual(row["warm"]["l2_instructions"], 1006)
        self.assertEqual(row["warm"]["overhead_percent"], 0.6)

    def test_cost_of_the_snapshots_is_taken_off(self):
        row = self.build()["ablation"]["all"]["sieve"]["warm"]
        self.assertEqual((row["exits"], row["l1_exits"]), (70 - 40, 14 - 4))

    def test_idle_time_is_taken_off_where_work_waits(self):
        row = self.build()["ablation"]["all"]["sleep"]["warm"]
        self.assertEqual((row["l1_instructions"], row["l2_instructions"]), (3000, 7000))
        self.assertTrue(row["idle_excluded"])
        self.assertEqual(row["l2_ticks"], 9000)

    def test_model_prices_the_exits_of_both_levels(self):
        row = self.build()["ablation"]["all"]["sieve"]["warm"]
        self.assertEqual(row["modelled_overhead_percent"],
                         round(100 * ((1006 + 3000) / (1000 + 1000) - 1), 3))

    def test_idle_time_counts_by_the_rate_of_the_run(self):
        self.write_config("stock", L1, L2, ips=1000000000)
        self.options.configs = "stock"
        row = self.build()["ablation"]["stock"]["sleep"]["warm"]
        self.assertEqual((row["l1_instructions"], row["l2_instructions"]), (1000, 5000))

    def test_runs_of_different_rates_are_not_compared(self):
        self.write_config("stock", L1, L2, ips=1000000000)
        self.options.configs = "stock,all"
        with self.assertRaises(papersource.ReportError):
            self.build()

    def test_a_failed_run_is_refused(self):
        path = self.prefix + "all/paper/l1/plain/runs.txt"
        self.write(path, ["null/1 1 0", "sieve/1 1 256"])
        with self.assertRaises(papersource.ReportError):
            self.build()

    def test_a_missing_run_is_refused(self):
        path = self.prefix + "all/paper/l1/plain/runs.txt"
        self.write(path, ["null/1 1 0", "sieve/1 1 0"])
        with self.assertRaises(papersource.ReportError):
            self.build()


class Judgement(Fixture):
    """Limits hold for each class, and for what was not measured."""

    def test_within(self):
        self.assertEqual(self.judged(self.build())[0], 0)

    def test_beyond(self):
        report = self.build()
        report["ablation"]["all"]["sieve"]["warm"]["overhead_percent"] = 1.001
        failed, text = self.judged(report)
        self.assertEqual(failed, 1)
        self.assertIn("not ok 1 - all sieve: 1.00 %", text)

    def test_nothing_measured_is_a_failure(self):
        report = self.build()
        report["ablation"] = {}
        self.assertEqual(self.judged(report)[0], 1)
        report["workloads"] = {}
        self.assertEqual(self.judged(report)[0], 1)


class Text(Fixture):
    """Tables and plots name what they show."""

    def test_tables(self):
        output = io.StringIO()
        papertext.write_markdown(self.build(), output)
        self.assertIn("| sieve (cpu)      |   0.60 |  5.22 |", output.getvalue())
        self.assertIn("in `gpf`: that was not run", output.getvalue())

    def test_bypass_of_l1(self):
        report = self.build()
        for value, text in ((None, "the module has none, so not used"), ("Y", "`gpf`: used")):
            report["ablation"]["gpf"], report["bypass_pf"] = report["ablation"]["all"], value
            output = io.StringIO()
            papertext.write_markdown(report, output)
            self.assertIn(text, output.getvalue())

    def test_plots(self):
        report = self.build()
        self.assertEqual(papertext.plot_data(report, "exits", 1).splitlines(),
                         ["# workload all", "sieve 30", "sleep 50"])
        script = papertext.plot_script(report, "overhead", "svg")
        self.assertIn("5.69 with lines", script)
        self.assertIn("'overhead.svg'", script)


class Vept(unittest.TestCase):
    """Figures of the tests "touch" and "invept"."""

    def test_invept(self):
        with tempfile.TemporaryDirectory() as directory:
            os.makedirs(os.path.join(directory, "invept"))
            path = os.path.join(directory, "invept", "output.txt")
            Fixture.write(path, ["ok 1 - range: load", "# range: 16 MiB: 23 instructions",
                                 "# full: 16 MiB: 2960 instructions"])
            costs = papersource.read_invept(directory)
            self.assertEqual(costs, {"range": {"16": 23}, "full": {"16": 2960}})
            output = io.StringIO()
            row = {"exits_per_page": 0.13, "instructions_per_page": 2200}
            papertext.print_vept({"invept": costs, "touch": {
                "both": {"touch_present": row, "touch_absent": row}}}, output)
            self.assertIn("INVEPT", output.getvalue())
            self.assertIn("0.13", output.getvalue())
            Fixture.write(path, ["# range: 16 MiB: 23 instructions"])
            with self.assertRaises(papersource.ReportError):
                papersource.read_invept(directory)

    def test_marks_cost_nothing(self):
        mark = "kvm_pio: pio_write at 0xe9 size 4 count 1 val 0x4e{:02x}{:04x}\n"
        leave = " kvm_exit: vcpu 0 reason {} rip 0x1\n"
        lines = [mark.format(5, 0), leave.format("IO_INSTRUCTION"), mark.format(0x85, 0),
                 leave.format("HLT"), mark.format(5, 4), leave.format("EPT_VIOLATION"),
                 leave.format("EXTERNAL_INTERRUPT"), leave.format("EPT_VIOLATION"),
                 leave.format("IO_INSTRUCTION"), mark.format(0x85, 4)]
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "trace.gz")
            with gzip.open(path, "wt") as stream:
                stream.writelines(lines)
            self.assertEqual(papersource.exits_per_operation(path, 5), 0.5)
            with self.assertRaises(papersource.ReportError):
                papersource.exits_per_operation(path, 6)


if __name__ == "__main__":
    unittest.main()
