#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""nvx-partition-report without a lab."""

import copy
import importlib.machinery
import importlib.util
import os
import sys
import unittest

SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts")
sys.path.insert(0, SCRIPTS)


def load(name):
    """A script without the suffix of a module."""
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"),
                                                  os.path.join(SCRIPTS, name))
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


maker = load("nvx-partition-report")
FACTS = """\
vmm0_kernel 6.1
vmm0_cpus 1
vmm0_memory_kib 1000
boot_exits.10 7
boot_exits.48 5
idle_from 10.50
idle_exits_from.10 8
idle_to 12.50
idle_exits_to.10 8
idle_exits_to.48 10
busy_from 20.00
busy_exits_from.48 10
busy_to 21.00
busy_exits_to.48 260
denied.second.port-smi 4
denied.first.port-smi 3
denied.first.msr 0
asked.second.port-smi 4
asked.first.port-smi 3
"""
LINE = """\
P1: vmm1 kernel 6.12\r
P1: vmm1 cpus 1\r
P1: vmm1 memory_kib 800\r
p1: reports 200 bad 0 cpuid 3\r
P1: after kernel 6.12\r
P1: after cpus 2\r
P1: after memory_kib 2010\r
P1: fact cpuinfo apic 0 processor : 1\r
P1: fact cpuinfo apic 1 processor : 0\r
P1: fact apic 0 shim 40000300 = 0\r
P1: fact apic 1 shim 40000300 = 0\r
P1: fact pin 1 = 10000\r
P1: fact pin 1 = 10000\r
h0: reports 50 bad 0 cpuid 3\r
"""
FIRST = "p0: reports 90 bad 0 cpuid 3\n"
BARE = {"kernel": "6.12", "cpus": "2", "memory_kib": "2000",
        "facts": ["cpuinfo apic 0 processor : 0", "cpuinfo apic 1 processor : 1",
                  "apic 0 shim 40000300 = 0", "apic 1 shim 40000300 = 0", "pin 1 = 10000",
                  "pin 1 = 0"],
        "reasons": maker.read_reasons("# none\n^[-+] cpuinfo .* processor : .$\tboot CPU\n"
                                      "^[-+] pin 1 = 1?0*$\tlikewise\n")}


class Report(unittest.TestCase):
    """From what a run has said to the report."""

    def make(self, facts=FACTS, line=LINE, first=FIRST, bare=None):
        """The report, and what is not good in it."""
        facts, bare = maker.read_facts(facts), bare or BARE
        report, unknown = maker.make_report(facts, maker.second_says(line), (first, line), bare)
        return report, maker.problems(report, facts, bare) + unknown

    def test_all(self):
        """Each field, and nothing else."""
        report, found = self.make()
        self.assertEqual(found, [])
        self.assertEqual(report, {
            "schema": 1,
            "vmm0": {"kernel": "6.1", "cpus": 1, "memory_kib": 1000, "vm_reports": 90,
                     "vm_bad": 0},
            "vmm1": {"kernel": "6.12", "cpus": 1, "memory_kib": 800, "vm_reports": 250,
                     "vm_bad": 0, "boot_exits": 12, "idle_exits_per_s": 5.0,
                     "busy_exits_per_s": 250.0},
            "denied": {"port-smi": 7},
            "after": {"cpus": 2, "memory_kib": 2010, "shim": False, "differences": [
                "- cpuinfo apic 0 processor : 0 (boot CPU)",
                "+ cpuinfo apic 0 processor : 1 (boot CPU)",
                "+ cpuinfo apic 1 processor : 0 (boot CPU)",
                "- cpuinfo apic 1 processor : 1 (boot CPU)",
                "- pin 1 = 0 (boot CPU)",
                "+ pin 1 = 10000 (boot CPU)"]}})

    def test_table(self):
        """The text has the figures."""
        report, _ = self.make()
        said = maker.second_says(LINE + "P1: vmm1 cost_cpuid 901\r\nP1: after cost_cpuid 32\r\n")
        bare = {**BARE, "cost_cpuid": "31"}
        text = maker.table(report, maker.read_facts(FACTS), said, bare)
        for figure in ("6.12", "2010", "250.0", "port-smi", "EPT violation", "901", "32", "31"):
            self.assertIn(figure, text)
        self.assertTrue(text.endswith("\n    6  boot CPU"), text)

    def test_reasons(self):
        """A reason, and a fact, may have parentheses."""
        self.assertEqual(list(maker.what_differs(["+ a (b (c))", "- d (e)", "- f (e)"]))[1:],
                         ["    2  e", "    1  b (c)"])

    def test_costs(self):
        """A shim that is still there is seen by what it costs."""
        for alone, bare, bad in ((0, 0, 0), (128, 0, 1), (3269, 3267, 0), (3320, 3267, 1),
                                 (3000, 3267, 0)):
            said = {"after": {"cost_cpuid": str(alone)}}
            found = list(maker.dearer(said, {"cost_cpuid": str(bare)}))
            self.assertEqual(len(found), bad, found)
        with self.assertRaisesRegex(maker.ReportError, "does not say"):
            list(maker.dearer({"after": {}}, {"cost_cpuid": "1"}))
        with self.assertRaisesRegex(maker.ReportError, "bare run"):
            list(maker.dearer({"after": {}}, BARE))

    def assert_bad(self, word, **changes):
        """One problem is found, and it says @word."""
        found = self.make(**changes)[1]
        self.assertEqual(len(found), 1, found)
        self.assertIn(word, found[0])

    def test_bad(self):
        """What is not good is said."""
        self.assert_bad("the shim is still", line=LINE.replace("1 shim 40000300 = 0",
                                                               "1 shim 40000300 = 1"),
                        bare={**BARE, "facts": [
                            line.replace("1 shim 40000300 = 0", "1 shim 40000300 = 1")
                            for line in BARE["facts"]]})
        self.assert_bad("wrong sums", line=LINE.replace("200 bad 0", "200 bad 1"))
        self.assert_bad("vmm0: its VM", first="")
        self.assert_bad("vmm0: 2 wrong", first=FIRST.replace("bad 0", "bad 2"))
        self.assert_bad("1 CPUs of 2", line=LINE.replace("after cpus 2", "after cpus 1"))
        self.assert_bad("1999 KiB of 2000", line=LINE.replace("2010", "1999"))
        self.assert_bad("pin 2", line=LINE + "P1: fact pin 2 = 0\r\n")
        self.assert_bad("another kernel", bare={**BARE, "kernel": "6.1"})
        self.assert_bad("3 denied", facts=FACTS.replace("denied.second.port-smi 4",
                                                        "denied.second.port-smi 3"))
        self.assert_bad("both kernels", facts=FACTS.replace("kernel 6.1\n", "kernel 6.12\n"))
        self.assert_bad("is busy: I/O", facts=FACTS + "busy_exits_to.30 1\n")
        self.assert_bad("while it booted", facts=FACTS.replace("boot_exits", "other"))

    def test_incomplete(self):
        """A figure that was not measured is none."""
        lines = FACTS.splitlines()
        for gone in ("vmm0_cpus", "vmm0_kernel", "idle_to", "busy_from", "busy_exits_to.48"):
            facts = "\n".join(line for line in lines if not line.startswith(gone + " "))
            with self.assertRaises(maker.ReportError, msg=gone):
                self.make(facts=facts)
        with self.assertRaises(maker.ReportError):
            self.make(facts=FACTS.replace("asked.", "x."))
        with self.assertRaises(maker.ReportError):
            self.make(facts=FACTS.replace("idle_to 12.50", "idle_to 10.50"))
        with self.assertRaisesRegex(maker.ReportError, "taken the machine over"):
            self.make(line=LINE[:LINE.index("P1: after")])
        for gone in ("P1: fact apic 1 shim", "P1: after cpus", "P1: vmm1 memory_kib"):
            with self.assertRaises(maker.ReportError, msg=gone):
                self.make(line=LINE.replace(gone, ""))

    def test_not_compared(self):
        """No input is changed."""
        bare = copy.deepcopy(BARE)
        self.make()
        self.assertEqual(BARE, bare)


if __name__ == "__main__":
    unittest.main()
