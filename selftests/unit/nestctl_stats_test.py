#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""nestctl features and stats on made-up machines."""

import json
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import jsonschema
import nestctl_lib as lib
from nestctl_lib import NVX, OK, REFUSED, UNKNOWN, USAGE

ID = "22" * 20
PARMS = ("nvx_feature=fast: do not repeat work (default: 1)",
         "nvx_feature=pv: a VMCS in memory (default: 1)",
         "parm=nvx_off:features to leave out (default: none)",
         "parm=nvx_features:to be read", "parmtype=nvx_off:charp",
         "parm=nvx_fault_around:pages at once, 1 to 64 (default: 16)",
         "parm=nested:nested virtualization", "parm=nvx:master switch: 0 is stock (default: 1)")
DEBUG = "sys/kernel/debug/"


class Features(lib.Test):
    """From the file, and from what is loaded."""

    def values(self, status=OK):
        report = self.ask_json(status, "features")
        return {item["name"]: (item["value"], item["default"]) for item in report["features"]}

    def test_nowhere(self):
        self.refused(REFUSED, "neither loaded nor installed", "features")

    def test_installed(self):
        self.machine.install(NVX, "kvm-intel", ID, *PARMS)
        self.machine.load("kvm_intel", nested="Y")
        self.assertEqual(self.values(), {"nvx": (None, "1"), "fast": (None, "1"),
                                         "pv": (None, "1"), "nvx_off": (None, "none"),
                                         "nvx_fault_around": (None, "16")})
        self.assertIn("nvx is not loaded", self.ask(OK, "features"))
        self.machine.write(NVX + "/kvm-intel.ko", "no module")
        self.refused(UNKNOWN, "no module", "features")

    def test_loaded(self):
        self.machine.leaks = True
        self.machine.install(NVX, "kvm-intel", ID, *PARMS)
        self.machine.load("kvm_intel", ID, nvx="Y", nvx_off="fast", nvx_features="pv",
                          nvx_fault_around="4", ept="Y")
        self.assertEqual(self.values(), {"nvx": ("Y", "1"), "fast": ("0", "1"), "pv": ("1", "1"),
                                         "nvx_off": ("fast", "none"),
                                         "nvx_fault_around": ("4", "16")})
        text = self.ask(OK, "features")
        self.assertIn("do not repeat work (default: 1)", text)
        self.assertLess(text.index("pv "), text.index("nvx "))
        self.assertLess(text.index("nvx "), text.index("nvx_fault_around"))
        self.assertNotIn("nvx_features", text)

    def test_nothing_left_out(self):
        self.machine.install(NVX, "kvm-intel", ID, *PARMS)
        self.machine.load("kvm_intel", ID, nvx="Y", nvx_off="", nvx_features="fast,pv")
        self.assertRegex(self.ask(OK, "features"), r"nvx_off +none")
        self.assertEqual(self.ask_json(OK, "status")["modules"][1]["parameters"], [])

    def test_loaded_from_elsewhere(self):
        self.machine.load("kvm_intel", ID, nvx="Y", nvx_off="pv", nvx_features="fast", ept="Y")
        self.assertEqual(self.values(), {"nvx": ("Y", None), "fast": ("1", None),
                                         "nvx_off": ("pv", None)})
        self.assertIn("no file", self.ask(OK, "features"))


class Stats(lib.Test):
    """Counters, once and as they move."""

    def setUp(self):
        super().setUp()
        self.machine.load("kvm_intel", nvx="Y")
        for name, value in (("fast_exit", 5), ("fast_entry", 7), ("pv_load", 0)):
            self.count(name, value)

    def count(self, name, value):
        self.machine.write(DEBUG + "kvm/nvx/" + name, f"{value}\n")

    def test_once(self):
        self.machine.leaks = True
        self.machine.load("vmm_refresh")
        self.machine.write(DEBUG + "vmm-refresh/exits", "10 3 0\n18 1 4\n")
        report = self.ask_json(OK, "stats")
        self.assertEqual({item["name"]: item["value"] for item in report["counters"]},
                         {"fast_exit": 5, "fast_entry": 7, "pv_load": 0,
                          "shim_host_exits_10": 3, "shim_guest_exits_10": 0,
                          "shim_host_exits_18": 1, "shim_guest_exits_18": 4})
        text = self.ask(OK, "stats")
        self.assertRegex(text, r"fast_exit +5\n")
        self.assertNotIn("pv_load", text)

    def test_all_zero(self):
        for name in ("fast_exit", "fast_entry"):
            self.count(name, 0)
        self.assertIn("all counters are 0", self.ask(OK, "stats"))

    def test_reasons(self):
        self.machine.remove(DEBUG + "kvm/nvx")
        self.refused(UNKNOWN, "restricted", "stats")
        self.machine.remove(DEBUG + "kvm")
        self.refused(UNKNOWN, "mount -t debugfs", "stats")
        self.machine.write(DEBUG + "x", "")
        self.machine.remove("sys/module/kvm_intel")
        self.refused(REFUSED, "nothing counts", "stats")

    def test_not_root(self):
        lib.build()
        # Where another user may run it, wherever the tree is.
        program = shutil.copy(lib.PROGRAM, self.machine.root)
        os.chmod(self.machine.root, 0o755)
        os.chmod(self.machine.path(DEBUG), 0)
        other = {} if os.geteuid() else {"user": 65534, "group": 65534, "extra_groups": []}
        result = subprocess.run([program, "stats", "--root", self.machine.root], text=True,
                                capture_output=True, check=False, **other)
        os.chmod(self.machine.path(DEBUG), 0o700)
        self.assertEqual(result.returncode, UNKNOWN, result.stderr)
        self.assertIn("as root", result.stderr)

    def test_usage(self):
        for words in (("--watch=x",), ("--watch=0",), ("--watch=nan",), ("5",),
                      ("--watch", "--count=0"), ("--watch", "--count=1x")):
            self.ask(USAGE, "stats", *words)

    def watch(self, *words):
        """Let a counter move while it waits; its lines."""
        lib.build()
        with subprocess.Popen([lib.PROGRAM, "stats", "--root", self.machine.root, *words],
                              stdout=subprocess.PIPE, text=True) as process:
            lines = [process.stdout.readline()]
            self.count("fast_exit", 15)
            self.count("fast_entry", 2)
            lines += process.stdout.readlines()
        self.assertEqual(process.returncode, OK)
        return lines

    def test_watch(self):
        with open(os.path.join(lib.SCHEMAS, "nestctl-stats-1.json"), encoding="utf-8") as file:
            schema = json.load(file)
        reports = [json.loads(line) for line in
                   self.watch("--json", "--watch", "0.5", "--count=2")]
        for report in reports:
            jsonschema.validate(report, schema)
        moved = [{item["name"]: item["difference"] for item in report["counters"]}
                 for report in reports]
        self.assertEqual(moved, [
            {"fast_entry": None, "fast_exit": None, "pv_load": None},
            # Less than before: the module was loaded anew.
            {"fast_entry": 2, "fast_exit": 10, "pv_load": 0},
            {"fast_entry": 0, "fast_exit": 0, "pv_load": 0}])
        self.assertIsNone(reports[0]["seconds"])
        self.assertGreaterEqual(reports[1]["seconds"], 0.5)

    def test_watch_text(self):
        text = "".join(self.watch("--watch=0.5", "--count=2"))
        self.assertRegex(text, r"fast_exit +15 +\+10\n")
        self.assertIn("nothing has moved", text)

    def metrics(self, *words):
        """{name: type}, {sample: value}, each as Prometheus' conventions want it."""
        text = self.ask(OK, "stats", "--prometheus", *words)
        types, samples = {}, {}
        for line in text.splitlines():
            about = re.fullmatch(r"# (HELP|TYPE) (\w+) (.+)", line)
            if about and about[1] == "HELP":
                self.assertNotIn(about[2], types)
                types[about[2]] = None
            elif about:
                self.assertIsNone(types[about[2]])
                types[about[2]] = about[3]
                self.assertEqual(about[3], "counter" if about[2].endswith("_total") else "gauge")
            else:
                name, value = re.fullmatch(
                    r'([a-z][a-z0-9_]*(?:\{(?:[a-z]+="\w+",?)+\})?) (\d+)', line).groups()
                # Lines of one metric belong together.
                self.assertEqual(name.partition("{")[0], list(types)[-1])
                self.assertNotIn(name, samples)
                samples[name] = int(value)
        self.assertTrue(text.endswith("\n"))
        return types, samples

    def test_prometheus(self):
        self.machine.leaks = True
        self.machine.load("vmm_refresh")
        self.machine.load("kvm_intel", nvx="Y", nvx_features="fast,pv")
        self.machine.write(DEBUG + "vmm-refresh/exits", "10 3 0\n18 1 4\n")
        self.count("of_tomorrow", 1)
        types, samples = self.metrics()
        self.assertEqual(samples, {
            "nvx_loaded": 1, "vmm_refresh_loaded": 1, 'nvx_feature_info{feature="fast"}': 1,
            'nvx_feature_info{feature="pv"}': 1, "nvx_fast_exit_total": 5,
            "nvx_fast_entry_total": 7, "nvx_pv_load_total": 0, "nvx_of_tomorrow_total": 1,
            'vmm_refresh_exits_total{of="host",reason="10"}': 3,
            'vmm_refresh_exits_total{of="guest",reason="10"}': 0,
            'vmm_refresh_exits_total{of="host",reason="18"}': 1,
            'vmm_refresh_exits_total{of="guest",reason="18"}': 4})
        self.assertEqual(types["vmm_refresh_exits_total"], "counter")
        self.assertIn("# HELP nvx_fast_exit_total exits from L2 to L1 in the short form\n",
                      self.ask(OK, "stats", "--prometheus"))

    def test_prometheus_nothing_loaded(self):
        self.machine.remove("sys/module/kvm_intel")
        self.machine.remove(DEBUG + "kvm")
        self.machine.write(DEBUG + "x", "")
        self.assertEqual(self.metrics()[1], {"nvx_loaded": 0, "vmm_refresh_loaded": 0})

    def test_prometheus_file(self):
        """It is replaced, or stays as it is."""
        path = os.path.join(self.machine.root, "nestcloud.prom")
        self.machine.write("nestcloud.prom", "old")
        self.assertEqual(self.ask(OK, "stats", "--prometheus=" + path), "")
        with open(path, encoding="utf-8") as file:
            self.assertEqual(file.read(), self.ask(OK, "stats", "--prometheus"))
        self.assertFalse(os.path.exists(path + ".new"))
        self.refused(UNKNOWN, "is its directory there", "stats", "--prometheus=/nowhere/x.prom")
        os.makedirs(path + ".d/x")
        self.refused(UNKNOWN, "cannot write", "stats", f"--prometheus={path}.d")
        self.assertFalse(os.path.exists(path + ".d.new"))
        for words in (("--prometheus", "--json"), ("--watch", "--prometheus")):
            self.ask(USAGE, "stats", *words)


if __name__ == "__main__":
    unittest.main()
