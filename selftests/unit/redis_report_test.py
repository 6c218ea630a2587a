#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""nvx-redis-report without a lab."""

import json
import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import jsonschema

import nestctl_lib as lib
from partition_report_test import load

maker = load("nvx-redis-report")
SCHEMA = os.path.join(lib.SCHEMAS, "bench-refresh-1.json")
# A tenth of a second of a machine with 1000 ticks each second.
TICKS = 100
FACTS = """\
vmm0_kernel 6.1
tsc_khz 1
carried lo 5
carried vmlink0 5000
"""
PROGRESS = """\
{
  "schema": "nestctl-move-1",
  "domains": [
    {"name": "redis", "runs": true, "how": "copy", "ram_bytes_sent": 3000, "pause_ms": 66}
  ]
}
"""


def say(stamp, number, ops=30, took=100000, errors=0, longest=9000, buckets="170:29,180:1"):
    """A line of the load."""
    return f"{stamp} YCSB {number} {took} {ops // 2} {ops - ops // 2} {errors} 1 2 3 {longest} {buckets}\n"


def event(stamp, phase, state):
    """A line of nestctl refresh run --json."""
    return f"{stamp} " + json.dumps({"event": "phase", "phase": phase, "state": state}) + "\n"


TIMELINE = ("1000 mark normal does\n1600 mark normal done\n"
            "1700 mark virtualized does\n2100 mark virtualized done\n" +
            event(2150, "plan", "does") + event(2200, "boot", "done") +
            event(3400, "move", "done") + '3500 {"event":"end","result":"waits"}\n')
# The VM moves from 3000 to 3400; it stands still for 70 of these.
FIRST = "".join(say(900 + TICKS * i, i) for i in range(23))
SECOND = """\
P1: 2300 mark partitioned does
P1: 2800 mark partitioned done
P1: 2950 mark moving does
P1: 3500 mark above does
P1: 3900 mark above done
P1: 3900 mark commit does
P1: 4300 mark commit done
P1: 4300 mark final does
P1: 4900 mark final done
P1: after kernel 6.12
"""
SECOND += "".join("P1: line " + say(3270 + TICKS * (i - 23), i) for i in range(23, 41))
BARE = {"facts": "kernel 6.12\n",
        "timeline": "500 mark bare does\n900 mark bare done\n"
                    "1000 mark plain does\n1700 mark plain done\n",
        # It stands still for 30 of the last ones.
        "lines": "".join(say(400 + TICKS * i, i) for i in range(9)) + say(1330, 9) + say(1430, 10),
        "progress": PROGRESS.replace("66", "40")}
# 24 operations in 100 ticks, so 48 while exits are counted.
NESTED = {"timeline": "500 mark nested does\n900 mark nested done\n"
                      "1000 mark counted does\n1200 mark counted done\n",
          "lines": "".join(say(400 + TICKS * i, i, ops=24) for i in range(10)),
          "exits": "exit 12 12\nexit 48 60\nexit 99 6\nexit 98 9\nnested 48 48\ncounter fast_exit 24\n"}
NEAR = {**NESTED, "lines": "".join(say(400 + TICKS * i, i) for i in range(10))}
# Paused at 820, reset at 1200, the VM goes on at 1660.
REBOOT = {"timeline": "500 mark before does\n800 mark before done\n"
                      "820 mark save does\n1000 mark save done\n",
          "lines": "".join(say(400 + TICKS * i, i) for i in range(5)),
          "facts": "kernel 6.12\nsaved_bytes 7777\n",
          "console": "Linux\r\n1200 mark down done\r\n",
          "timeline-restored": "1500 mark boot done\n1510 mark restore does\n1690 mark restore done\n"
                               "1800 mark after does\n2100 mark after done\n",
          "lines-restored": "".join(say(1760 + TICKS * i, i + 5) for i in range(5))}


class Report(unittest.TestCase):
    """From what a run has said to the report."""

    def make(self, zero=None, runs=None, **texts):
        """The report, what is not good in it, time lines; @zero: what differs without a copy, @runs:
        in the other columns."""
        texts = {"timeline": TIMELINE, "progress": PROGRESS, "lines": FIRST, "line": SECOND,
                 "facts": FACTS, **texts}
        zero = {**texts, "progress": texts["progress"].replace("copy", "zero-copy"), **(zero or {})}
        runs = {"copy": texts, "copy-nvx": texts, "zero-copy": zero, "bare": BARE,
                "nesting-stock": NESTED, "nesting-nvx": NESTED, "nesting-nvx-l1": NESTED,
                "nesting-stock-tsc": NESTED, "nesting-nvx-tsc": NEAR,
                "reboot": REBOOT, **(runs or {})}
        modules = {"first": "stock", "second": None, "l1": None}
        report, says = maker.make_report({column: {"modules": modules, **one}
                                          for column, one in runs.items()})
        maker.table(report)
        with open(SCHEMA, encoding="utf-8") as file:
            jsonschema.validate(report, json.load(file))
        return report, maker.problems(report), {
            column: maker.timeline(report, column, says[column]) for column in says}

    def test_good(self):
        """Each figure of a run that is as simple as can be."""
        report, found, csvs = self.make()
        self.assertEqual(found, [])
        self.assertEqual([(row["column"], row["name"]) for row in report["phases"]], [
            *((how, name) for how in ("copy", "copy-nvx", "zero-copy") for name in maker.PHASES),
            ("bare", "bare"), ("nesting-stock", "nested"), ("nesting-nvx", "nested"),
            ("nesting-nvx-l1", "nested"), ("nesting-stock-tsc", "nested"), ("nesting-nvx-tsc", "nested"),
            ("reboot", "before"), ("reboot", "after")])
        rows = {row["name"]: row for row in report["phases"] if row["column"] == "copy"}
        self.assertEqual(rows["normal"], {
            "column": "copy", "name": "normal", "begin": 1000, "end": 1600, "seconds": 0.6, "ops": 180,
            "ops_per_second": 300.0, "p50_us": maker.value_of(170), "p95_us": maker.value_of(170),
            "p99_us": maker.value_of(180), "max_us": 9000, "errors": 0, "of_bare": 1.0,
            "instructions_per_op": 3})
        # From the line before the mark to the first one of the second kernel: 270 of 900..3270.
        self.assertEqual((rows["moving"]["begin"], rows["moving"]["end"]), (2900, 3270))
        self.assertEqual((rows["moving"]["seconds"], rows["moving"]["ops"]), (0.37, 90))
        self.assertEqual(report["pauses"][0], {
            "column": "copy", "pause_ms": 66, "pause_seen_ms": 70.0, "ram_bytes_sent": 3000,
            "link_bytes": 5000, "wire_bytes": 0, "total_seconds": 2.15})
        self.assertEqual(report["pauses"][1:3], [{**report["pauses"][0], "column": column}
                                                 for column in ("copy-nvx", "zero-copy")])
        self.assertEqual(report["pauses"][3], {
            "column": "plain", "pause_ms": 40, "pause_seen_ms": 30.0, "ram_bytes_sent": 3000})
        self.assertEqual(report["pauses"][4], {
            "column": "reboot", "pause_ms": 1690 - 820,
            "pause_seen_ms": 1760 - 800 - 100, "save_ms": 180, "down_ms": 200, "boot_ms": 300,
            "restore_ms": 180, "saved_bytes": 7777})
        self.assertEqual([row["of_bare"] for row in report["phases"][-7:]],
                         [0.8, 0.8, 0.8, 0.8, 1.0, 1.0, 1.0])
        self.assertEqual((report["schema"], report["from"], report["to"], report["tsc_hz"]),
                         (1, "6.1", "6.12", 1000))
        self.assertEqual(csvs["copy"], csvs["zero-copy"])
        csv = csvs["copy"]
        self.assertEqual(len(csv.splitlines()), 1 + 40)
        self.assertEqual(csv.splitlines()[1].split(",")[:3], ["0.000", "", "300.0"])
        self.assertEqual(csv.splitlines()[2].split(",")[:3], ["0.100", "normal", "300.0"])

    def test_exits(self):
        """L2's are taken from all that there were; by the operations of that time."""
        report = self.make()[0]
        self.assertEqual([one["column"] for one in report["exits"]], list(maker.NESTINGS))
        self.assertEqual(report["exits"][0], {
            "column": "nesting-stock", "ops_per_second": 240.0,
            "exits": [{"level": 2, "reason": 48, "name": "EPT violation", "per_1000_ops": 1000.0},
                      {"level": 1, "reason": 12, "name": "HLT", "per_1000_ops": 250.0},
                      {"level": 1, "reason": 48, "name": "EPT violation", "per_1000_ops": 250.0},
                      {"level": 1, "reason": 98, "name": "basic reason 98", "per_1000_ops": 187.5},
                      {"level": 1, "reason": 99, "name": "basic reason 99", "per_1000_ops": 125.0}],
            "counters": [{"name": "fast_exit", "per_1000_ops": 500.0}]})
        self.assertRegex(maker.table(report), "L1 +basic reason 98 +187.50")
        self.assertRegex(maker.table(report), "L1 +basic reason 99 +125.00")
        self.assertRegex(maker.table(report), "L2 +EPT violation +1000.00 +1000.00 +1000.00")

    def test_plot(self):
        """Each phase is marked, of the column's own file."""
        for column, name_of in (("copy", "timeline"), ("copy-nvx", "timeline-copy-nvx"),
                                ("zero-copy", "timeline-zero-copy")):
            text = maker.plot(self.make()[0], column)
            self.assertEqual(text.count(f"'{name_of}.csv'"), 2)
            for name in maker.PHASES:
                self.assertEqual(text.count(f"'{name}'"), 1)
            self.assertNotIn("'bare'", text)

    def test_not_good(self):
        """Each is found."""
        slow = SECOND.replace(" 15 15 0 ", " 14 15 0 ")
        for change, words in (
                ({"lines": FIRST.replace(" 15 15 0 ", " 15 15 2 ")}, "copy, phase normal: 12 wrong answers"),
                ({"line": slow}, "copy: final is 0.9667 of bare"),
                ({"facts": FACTS + "carried eth0 7\n"}, "7 bytes have gone over a wire"),
                ({"facts": FACTS.replace("vmlink0 5000", "vmlink0 0")}, "no pause or no bytes"),
                ({"progress": PROGRESS.replace("66", "null")}, "no pause or no bytes"),
                ({"zero": {"line": slow}}, "zero-copy: final is 0.9667 of bare"),
                ({"zero": {"progress": PROGRESS.replace("copy", "zero-copy").replace(
                    "3000", "1000001")}}, "zero-copy: 1000001 bytes of RAM were sent"),
                ({"runs": {"bare": {**BARE, "progress": PROGRESS.replace("66", "15")}}},
                 "copy: pause_ms is 66, of a move within a kernel 15"),
                ({"runs": {"bare": {**BARE, "lines": BARE["lines"].replace("1330", "1319")}}},
                 "copy: pause_seen_ms is 70.0, of a move within a kernel 19.0"),
                ({"runs": {"nesting-nvx": {**NESTED, "lines": NESTED["lines"].replace(
                    " 12 12 0 ", " 12 12 1 ")}}}, "nesting-nvx, phase nested: 4 wrong answers"),
                ({"runs": {"nesting-nvx-tsc": NESTED}},
                 "nesting-nvx-tsc, phase nested: 0.8 of bare, less than 0.97"),
                ({"line": SECOND.replace("YCSB 28 100000 15", "YCSB 28 100000 1")},
                 "copy-nvx: phase above is 0.8443 of bare, less than 0.9"),
                ({"runs": {"bare": {**BARE, "facts": "kernel 6.13"}}}, "compared with 6.13")):
            found = self.make(**change)[1]
            self.assertTrue(any(words in line for line in found), (words, found))

    def test_lacks(self):
        """A run that has not got so far, or whose VM was in two places, has no report."""
        again = SECOND.replace("YCSB 23 ", "YCSB 22 ")
        for change, words in (
                ({"timeline": TIMELINE.replace("virtualized done", "virtualized no")}, "'virtualized'"),
                ({"line": SECOND.replace("4900 mark final done", "")}, "'final' was done"),
                ({"line": SECOND.replace("4300 mark final does", "4890 mark final does")},
                 "says nothing in phase 'final'"),
                ({"line": again}, "interval 22 after 22"),
                ({"line": SECOND.replace("YCSB 30 ", "YCSX 30 ")}, "interval 31 after 29"),
                ({"line": SECOND.replace("line 32", "line 22")}, "has ended before"),
                ({"line": SECOND.replace("YCSB", "YCSX")}, "says nothing in the second kernel"),
                ({"zero": {"progress": PROGRESS}}, "has moved by copy, not by zero-copy"),
                ({"runs": {"bare": {**BARE, "timeline": BARE["timeline"].replace("plain", "x")}}},
                 "'plain' was done"),
                ({"runs": {"nesting-nvx": {**NESTED, "timeline": ""}}}, "'nested' was done"),
                ({"runs": {"nesting-nvx": {**NESTED, "exits": "exit 1 2\n"}}}, "no exits"),
                ({"runs": {"reboot": {**REBOOT, "console": ""}}}, "the machine was reset"),
                ({"runs": {"reboot": {**REBOOT, "console": "1501 mark down done"}}}, "TSC back"),
                ({"runs": {"reboot": {**REBOOT, "lines-restored": say(560, 6)}}},
                 "interval 6 after 4"),
                ({"runs": {"reboot": {**REBOOT, "timeline": REBOOT["timeline"].replace("save", "x")}}},
                 "'save' was done"),
                ({"line": SECOND.replace("after kernel", "before kernel")}, "not taken the machine"),
                ({"progress": "nothing"}, "which VMs")):
            with self.assertRaises(maker.ReportError) as caught:
                self.make(**change)
            self.assertIn(words, str(caught.exception))

    def test_percentiles(self):
        """Of a histogram as the load prints it; the buckets are those of histogram.c."""
        self.assertEqual([maker.value_of(name) for name in (0, 15, 16, 31, 32, 33, 47, 48)],
                         [0, 15, 16, 31, 32, 34, 62, 64])
        self.assertEqual(maker.percentile({3: 50, 7: 49, 20: 1}, 50), 3)
        self.assertEqual(maker.percentile({3: 50, 7: 49, 20: 1}, 51), 7)
        self.assertEqual(maker.percentile({3: 50, 7: 49, 20: 1}, 99), 7)
        self.assertEqual(maker.percentile({3: 50, 7: 49, 20: 1}, 99.5), 20)
        self.assertEqual(maker.percentile({}, 50), 0)


if __name__ == "__main__":
    unittest.main()
