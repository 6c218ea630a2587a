#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""scripts/nvx-report: from trace lines to a price, and the judgement."""
import importlib.machinery
import importlib.util
import os
import sys
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

sys.path.insert(0, os.path.join(TOP, "scripts"))


def load():
    path = os.path.join(TOP, "scripts", "nvx-report")
    loader = importlib.machinery.SourceFileLoader("nvx_report", path)
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("nvx_report", loader))
    loader.exec_module(module)
    return module


report = load()


def mark(number, count):
    return (" qemu-1 [000] .....  8.1: kvm_pio: pio_write at 0xe9 size 4 count 1 "
            f"val 0x4e{number:02x}{count:04x} \n")


def exits(*reasons):
    return [f" qemu-1 [000] d..1.  8.2: kvm_exit: vcpu 0 reason {reason} rip 0x1 "
            "info1 0x0\n" for reason in reasons]


def batch(number, count, *reasons):
    """A batch costs one IO_INSTRUCTION for its closing mark."""
    return [mark(number, count), *exits(*reasons, "IO_INSTRUCTION"),
            mark(number | 0x80, count)]


class Trace(unittest.TestCase):
    def test_price_without_marks(self):
        batches = report.parse_trace(batch(1, 0) + batch(1, 2, *["CPUID",
                                     "MSR_READ", "VMRESUME"] * 2))
        self.assertEqual(report.exits_of(batches, 1)[0], 3.0)

    def test_reasons_without_marks(self):
        batches = report.parse_trace(batch(1, 0) + batch(1, 2, *["CPUID",
                                     "VMRESUME"] * 2))
        self.assertEqual(report.exits_of(batches, 1)[1],
                         [["CPUID", 1.0], ["VMRESUME", 1.0]])

    def test_interrupts_are_not_counted(self):
        batches = report.parse_trace(
            batch(1, 0) + batch(1, 1, "CPUID", "EXTERNAL_INTERRUPT"))
        self.assertEqual(report.exits_of(batches, 1)[0], 1.0)

    def test_a_spoilt_batch_does_not_count(self):
        lines = batch(1, 0) * 3 + batch(1, 1, "CPUID") * 3 + \
            batch(1, 1, "CPUID", "MSR_WRITE", "MSR_WRITE")
        self.assertEqual(report.exits_of(report.parse_trace(lines), 1)[0], 1.0)

    def test_most_batches_are_spoilt(self):
        lines = batch(1, 0) * 3 + batch(1, 1, "CPUID") * 3 + \
            batch(1, 1, "CPUID", "MSR_WRITE") * 5
        self.assertEqual(report.exits_of(report.parse_trace(lines), 1)[0], 1.0)

    def test_batches_that_lack_an_exit(self):
        # Half of them, and more than half.
        for lacking in (5, 9):
            lines = batch(1, 0) * 3 + batch(1, 2, *["VMWRITE", "CPUID"] * 2) * 5 + \
                batch(1, 2, "CPUID", "VMWRITE", "CPUID") * lacking
            self.assertEqual(report.exits_of(report.parse_trace(lines), 1),
                             (2.0, [["VMWRITE", 1.0], ["CPUID", 1.0]]))

    def test_a_batch_with_an_exit_too_many(self):
        lines = batch(1, 0) * 3 + batch(1, 1, "CPUID") * 7 + batch(1, 1, "CPUID", "HLT") * 2
        self.assertEqual(report.exits_of(report.parse_trace(lines), 1)[0], 1.0)

    def test_an_operation_that_is_like_a_timer(self):
        lines = batch(1, 0) * 3 + batch(1, 1, "MSR_WRITE") * 3 + \
            batch(1, 1, "MSR_WRITE", "INTERRUPT_WINDOW") * 5
        self.assertEqual(report.exits_of(report.parse_trace(lines), 1),
                         (1.0, [["MSR_WRITE", 1.0]]))

    def test_exits_outside_of_batches(self):
        lines = exits("HLT") + batch(1, 0) + exits("HLT") + batch(1, 1, "CPUID")
        self.assertEqual(report.exits_of(report.parse_trace(lines), 1)[0], 1.0)

    def test_marks_by_trace_marker(self):
        lines = [" nvx-vmm-1 [000] .....  2.1: tracing_mark_write: nvx-vmm mark "
                 "0x4e010000\n", *exits("CPUID"),
                 " nvx-vmm-1 [000] .....  2.1: tracing_mark_write: nvx-vmm mark "
                 "0x4e810000\n"]
        self.assertEqual(report.parse_trace(lines), {(1, 0): [("CPUID",)]})

    def test_an_operation_that_is_missing(self):
        with self.assertRaises(report.ReportError):
            report.exits_of(report.parse_trace(batch(1, 0)), 1)


class Judgement(unittest.TestCase):
    def setUp(self):
        self.report = {"configs": {"stock": {"cpuid": {"exits": 3.0}},
                                   "nvx": {"cpuid": {"exits": 2.0}}},
                       "l2_linux": {"stock": True}}

    def failures(self, *limit):
        return report.judge(self.report, [limit])

    def test_limits(self):
        self.assertEqual(self.failures("nvx", "cpuid", "exits", "==", "2"), 0)
        self.assertEqual(self.failures("nvx", "cpuid", "exits", "==", "3"), 1)
        self.assertEqual(self.failures("nvx", "cpuid", "exits", "<=", "1.9"), 1)

    def test_limit_of_the_other_configuration(self):
        limit = "nvx", "cpuid", "exits", "<=", "stock.cpuid.exits"
        self.assertEqual(self.failures(*limit), 0)
        self.report["configs"]["nvx"]["cpuid"]["exits"] = 4.0
        self.assertEqual(self.failures(*limit), 1)

    def test_limit_with_slack(self):
        limit = "stock", "cpuid", "exits", "<="
        self.assertEqual(self.failures(*limit, "nvx.cpuid.exits+40%"), 1)
        self.assertEqual(self.failures(*limit, "nvx.cpuid.exits+60%"), 0)

    def test_a_figure_that_is_missing_fails(self):
        self.assertEqual(self.failures("nvx", "vmcall", "exits", "==", "2"), 1)

    def test_every_operation_of_nothing_fails(self):
        self.assertEqual(self.failures("none", "*", "exits", "<=", "3"), 1)
        self.assertEqual(self.failures("nvx", "*", "exits", "<=", "3"), 0)

    def test_no_linux_no_success(self):
        self.report["l2_linux"]["stock"] = False
        self.assertEqual(self.failures("nvx", "cpuid", "exits", "==", "2"), 1)

    def test_the_limits_file_parses(self):
        path = os.path.join(TOP, "selftests", "bench", "limits.cfg")
        self.assertGreater(len(report.read_limits(path)), 10)


if __name__ == "__main__":
    unittest.main(buffer=True)
