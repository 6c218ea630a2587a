#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""nvx-refresh-report without a lab."""

import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from partition_report_test import load

maker = load("nvx-refresh-report")


def event(clock, writes, phase, state):
    """One line of the first kernel's time line; two VMs."""
    return (f'{clock} {writes} {writes} {{"event":"phase","phase":"{phase}","state":"{state}",'
            '"milliseconds":null}\n')


TIMELINE = "".join(event(10 + 2 * i + (state == "done"), 100 * i + (state == "done"), phase, state)
                   for i, phase in enumerate(list(maker.PHASES)[:-2]) for state in ("does", "done")) + \
    '30.0 9 9 {"schema":"nestctl-refresh-run-1","event":"end","result":"waits"}\n'
PROGRESS = """\
something else
{"not": "closed"
{
  "schema": "nestctl-move-1",
  "domains": [
    {"name": "vm2", "runs": true, "how": "copy", "ram_bytes_sent": 32872075, "pause_ms": 66},
    {"name": "vm1", "runs": true, "how": "zero-copy", "ram_bytes_sent": 201000, "pause_ms": 65},
    {"name": "vm3", "runs": false, "ram_bytes_sent": 0, "pause_ms": null}
  ]
}
and more
"""
LINE = """\
P1: vm2: first HB 4b tsc=1 ticks=2 maxgap=3 writes=258 scans=c bad=0
P1: vm1: first HB 62 tsc=1 ticks=2 maxgap=3 writes=258 scans=21 bad=0
P1: mark 5.00 700 700 commit does
P1: mark 7.50 800 800 commit done
P1: mark 7.60 800 800 final does
P1: mark 8.60 900 900 final done
P1: vm2: bare HB 56 tsc=1 ticks=3 maxgap=3 writes=6c6 scans=e bad=0
P1: vm1: bare HB 68 tsc=1 ticks=4 maxgap=3 writes=82e scans=23 bad=0
P1: after kernel 6.12
P1: after cpus 2
P1: after memory_kib 2010
P1: fact cpuinfo apic 0 processor : 1
P1: fact cpuinfo apic 1 processor : 0
P1: fact apic 0 shim 40000300 = 0
P1: fact apic 1 shim 40000300 = 0
"""
BARE = {"kernel": "6.12", "cpus": "2", "memory_kib": "2000",
        "facts": ["cpuinfo apic 0 processor : 0", "cpuinfo apic 1 processor : 1",
                  "apic 0 shim 40000300 = 0", "apic 1 shim 40000300 = 0"],
        "reasons": maker.partition.read_reasons("^[-+] cpuinfo .* processor : .$\tboot CPU\n")}


class Report(unittest.TestCase):
    """From what a run has said to the report."""

    def make(self, timeline=TIMELINE, progress=PROGRESS, line=LINE, bare=None):
        """The report, and what is not good in it."""
        said, bare = maker.partition.second_says(line), bare or BARE
        report, unknown = maker.make_report({"vmm0_kernel": "6.1"}, said,
                                            (timeline, progress, line), bare)
        maker.table(report)
        return report, maker.problems(report, said, bare) + unknown

    def test_good(self):
        """The keys that others read, and no more."""
        report, found = self.make()
        self.assertEqual(found, [])
        self.assertEqual(list(report), ["schema", "from", "to", "vms", "phases", "after"])
        self.assertEqual((report["schema"], report["from"], report["to"]), (1, "6.1", "6.12"))
        self.assertEqual(report["vms"], [
            {"name": "vm2", "how": "copy", "pause_ms": 66, "ram_bytes_sent": 32872075, "bad": 0},
            {"name": "vm1", "how": "zero-copy", "pause_ms": 65, "ram_bytes_sent": 201000, "bad": 0}])
        self.assertEqual([phase["name"] for phase in report["phases"]], list(maker.PHASES))
        self.assertEqual(report["phases"][0], {"name": "normal", "what": maker.PHASES["normal"], "seconds": 1.0, "ops": 2})
        # 600 of each VM when they come, 500 of each when the move begins.
        self.assertEqual(report["phases"][5], {"name": "move", "what": maker.PHASES["move"], "seconds": 1.0, "ops": 200})
        self.assertEqual(report["phases"][6], {"name": "commit", "what": maker.PHASES["commit"], "seconds": 2.5, "ops": 200})
        self.assertEqual(report["after"]["shim"], False)
        self.assertEqual(len(report["after"]["differences"]), 4)

    def test_text(self):
        """Facts that differ by their reasons, each phase with its meaning, and the end in a sentence."""
        report, _ = self.make()
        text = maker.table(report)
        self.assertIn("\n4 facts differ ", text)
        self.assertTrue(text.endswith("\n    4  boot CPU"), text)
        for words in maker.PHASES.values():
            self.assertIn("  " + words + "\n", text)
        self.assertRegex(maker.verdict(report), "^good: 2 VMs .* 6.1 to 6.12 .* 66 ms at most")

    def test_not_good(self):
        """Each is found."""
        for change, words in (
                ({"line": LINE.replace("scans=e bad=0", "scans=e bad=2")}, "vm2: 2 pages"),
                ({"progress": PROGRESS.replace("66", "0")}, "vm2: no pause"),
                ({"progress": PROGRESS.replace("201000", "0")}, "vm1: no pause or no bytes"),
                ({"line": LINE.replace("8.60 900 900", "8.60 800 800")}, "phase final: the VMs"),
                ({"line": LINE.replace("40000300 = 0", "40000300 = 9", 1)}, "shim is still"),
                ({"line": LINE.replace("cpus 2", "cpus 1")}, "after: cpus 1 of 2"),
                ({"line": LINE.replace("memory_kib 2010", "memory_kib 900")}, "memory_kib 900"),
                ({"bare": {**BARE, "kernel": "6.13"}}, "compared with 6.13"),
                ({"bare": {**BARE, "reasons": []}}, "- cpuinfo apic 0 processor : 0")):
            found = self.make(**change)[1]
            self.assertTrue(any(words in line for line in found), (words, found))

    def test_lacks(self):
        """A run that has not got so far has no report."""
        for change, words in (
                ({"timeline": TIMELINE.replace('"boot","state":"done"', '"boot","state":"failed"')},
                 "phase 'boot'"),
                ({"line": LINE.replace("mark 8.60", "no")}, "phase 'final'"),
                ({"progress": "nothing"}, "which VMs"),
                ({"line": LINE.replace("vm1: bare", "vm1: no")}, "VM vm1 says nothing"),
                ({"line": LINE.replace("P1: after", "P1: before")}, "taken the machine over")):
            with self.assertRaises(maker.ReportError) as caught:
                self.make(**change)
            self.assertIn(words, str(caught.exception))


if __name__ == "__main__":
    unittest.main()
