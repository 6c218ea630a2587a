#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Which runs of the lab are spared: what their key depends on, what is kept."""
import copy
import json
import os
import sys
import tempfile
import types
import unittest
from unittest import mock

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from lablib import reuse
from lablib.common import TOP as LAB_TOP, UsageError
from lablib.config import Test
from lablib.emulator import Emulator
from lablib.runner import Options

PASS, FAIL, SKIP = ({"name": "a", "verdict": verdict} for verdict in ("pass", "fail", "skip"))


def options(**values):
    kernel = types.SimpleNamespace(name="6.1-cloud", release="6.1.0-1", version="6.1.1-1")
    return Options(**{"kernel": kernel, "backend": "bochs",
                      "emulator": Emulator("/bin/bochs", False), **values})


def tests(**values):
    return [Test(**{"name": "a", "script": "selftests/a.sh", **values})]


class Key(unittest.TestCase):
    """What is another run."""

    def test_every_setting_counts(self):
        base = reuse.text_of(options(), tests())
        self.assertEqual(base, reuse.text_of(copy.deepcopy(options()), tests()))
        for changed in ({"cpus": 2}, {"mem": 512}, {"ips": 4}, {"params": ["ept=0"]},
                        {"variables": {"A": "1"}}, {"append": "x"}, {"defaults": True},
                        {"traces": 4}, {"coverage": True}, {"second": "6.1"}, {"backend": "qemu", "emulator": None},
                        {"emulator": Emulator("/bin/bochs", False, "other")},
                        {"emulator": Emulator("/bin/bochs", False, x2apic=True)}):
            self.assertNotEqual(base, reuse.text_of(options(**changed), tests()), changed)
        for changed in ({"timeout": 7}, {"args": "x"}, {"needs": ["vmx"]}, {"console": "x"}):
            self.assertNotEqual(base, reuse.text_of(options(), tests(**changed)), changed)

    def test_no_setting_is_forgotten(self):
        # Neither of these decides what the machine does.
        free = {"timeout", "time_factor", "shell", "shim", "product"}
        known = set(json.loads(reuse.text_of(options(), tests()))["machine"]) | free
        self.assertEqual({"cpu", *vars(options())} - {"emulator"}, known - {"emulator"})

    def test_the_checkout_does_not_count(self):
        here = reuse.text_of(options(), tests(files=[os.path.join(LAB_TOP, "build/x") + ":/x"]))
        self.assertNotIn(LAB_TOP, here)

    def test_parts_do_not_run_together(self):
        self.assertNotEqual(reuse.key_of([("a", "bc"), ("d", "")]),
                            reuse.key_of([("a", "b"), ("cd", "")]))
        self.assertEqual(reuse.key_of([("a", "b")]), reuse.key_of([("a", "b")]))

    def test_code_of_the_lab_counts(self):
        names = [name for name, _ in reuse.code_digests()]
        for name in ("runner.py", "images.py", "machine.py", "reuse.py"):
            self.assertIn(name, names)
        self.assertNotIn("suites.py", names)

    def test_only_stock(self):
        reuse.check_stock(options(), tests())
        for changed in ({"modules": "nvx"}, {"l1_modules": "nvx"}, {"second_modules": "nvx"},
                        {"shim": True}):
            with self.assertRaises(UsageError):
                reuse.check_stock(options(**changed), tests())
        for key in ("files", "l1files", "l2files", "secondfiles"):
            with self.assertRaises(UsageError):
                reuse.check_stock(options(), tests(**{key: ["build/modules/6/vmm-refresh.ko"]}))


class Store(unittest.TestCase):
    """What is kept, and what comes back."""

    def setUp(self):
        self.top = tempfile.TemporaryDirectory()
        self.addCleanup(self.top.cleanup)
        self.environ = mock.patch.dict(os.environ, {"XDG_CACHE_HOME": self.top.name})
        self.environ.start()
        self.addCleanup(self.environ.stop)
        os.environ.pop(reuse.FRESH, None)
        self.lab_run = os.path.join(self.top.name, "run")
        os.makedirs(os.path.join(self.lab_run, "a"))
        for name, text in (("report.json", json.dumps({"tests": [PASS]})), ("trace.txt", "x"),
                           ("a/output.txt", "ok 1 - a\n")):
            with open(os.path.join(self.lab_run, name), "w", encoding="utf-8") as stream:
                stream.write(text)

    def test_pass_is_kept_and_comes_back(self):
        target = os.path.join(self.top.name, "later")
        self.assertIsNone(reuse.take("key", target, "abc"))
        self.assertTrue(reuse.keep("key", self.lab_run, [PASS, SKIP]))
        report = reuse.take("key", target, "abc")
        self.assertEqual(report["tests"], [PASS])
        self.assertIn("cached", report)
        self.assertEqual(report["product"], "abc")
        self.assertTrue(os.path.exists(os.path.join(target, "a", "output.txt")))
        self.assertFalse(os.path.exists(os.path.join(target, "trace.txt")))
        self.assertIsNone(reuse.take("other", target, "abc"))

    def test_failure_is_not_kept(self):
        for results in ([PASS, FAIL], [], [{"name": "a", "verdict": "lost"}]):
            self.assertFalse(reuse.keep("key", self.lab_run, results))
            self.assertIsNone(reuse.take("key", os.path.join(self.top.name, "later"), "abc"))

    def test_fresh(self):
        reuse.keep("key", self.lab_run, [PASS])
        os.environ[reuse.FRESH] = "1"
        self.assertIsNone(reuse.take("key", os.path.join(self.top.name, "later"), "abc"))

    def test_old_ones_go(self):
        reuse.keep("key", self.lab_run, [PASS])
        kept = os.path.join(reuse.directory(), "key")
        reuse.forget_old(os.path.getmtime(kept) + 86400)
        self.assertTrue(os.path.exists(kept))
        reuse.forget_old(os.path.getmtime(kept) + 40 * 86400)
        self.assertFalse(os.path.exists(kept))


if __name__ == "__main__":
    unittest.main()
