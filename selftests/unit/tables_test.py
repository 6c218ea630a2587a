#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""scripts/nvx-tables --check on a copy of the tree, right and wrong."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NVX = "arch/x86/kvm/vmx/nvx"
COUNTERS = "arch/x86/kvm/mmu/nvx/counters.h"
RST = "Documentation/nvx.rst"
TESTS = "selftests/tests-kvm.cfg"
COPIED = ("scripts/nvx-tables", NVX, COUNTERS, RST, "Documentation/nvx-features.txt",
          "Documentation/nvx-counters.txt", TESTS, "selftests/tests.cfg",
          "scripts/lablib/__init__.py",
          "scripts/lablib/dashboard.py", "tools/nestctl/grafana.json")


class Tables(unittest.TestCase):
    """What is wrong is named."""

    def setUp(self):
        self.tree = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.tree)
        for name in COPIED:
            path = os.path.join(self.tree, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            copy = shutil.copytree if os.path.isdir(os.path.join(TOP, name)) else shutil.copy
            copy(os.path.join(TOP, name), path)
        subprocess.run(["git", "init", "-q", self.tree], check=True)

    def run_tool(self, *words):
        """(status, output)"""
        done = subprocess.run([os.path.join(self.tree, "scripts/nvx-tables"), *words],
                              text=True, capture_output=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def change(self, name, old, new):
        """In one place."""
        path = os.path.join(self.tree, name)
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
        self.assertIn(old, text)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text.replace(old, new, 1))

    def write(self, name, text):
        """A new file."""
        path = os.path.join(self.tree, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)

    def wrong(self, *texts):
        """It says this, a line each, and nothing else."""
        status, output = self.run_tool("--check")
        self.assertEqual(status, 1, output)
        self.assertEqual(len(output.splitlines()), len(texts), output)
        for text in texts:
            self.assertIn(text, output)

    def test_right(self):
        status, output = self.run_tool("--check")
        self.assertEqual(status, 0, output)

    def test_stale(self):
        self.change(NVX + "/features.h", "without an exit", "with no exit")
        self.change(COUNTERS, "installed before", "made before")
        self.wrong("nvx-features.txt: is not", "nvx-counters.txt: is not", "grafana.json: is not")
        self.assertEqual(self.run_tool()[0], 0)
        self.assertEqual(self.run_tool("--check")[0], 0)

    def test_dashboard(self):
        """Each counter is on the dashboard once, and one that has no place there is named."""
        with open(os.path.join(self.tree, "tools/nestctl/grafana.json"), encoding="utf-8") as file:
            text = file.read()
        with open(os.path.join(self.tree, COUNTERS), encoding="utf-8") as file:
            names = re.findall(r"\bC\((\w+), ", file.read().replace("\\\n", ""))
        shown = re.findall(r"nvx_(\w+)_total", "".join(
            target["expr"] for panel in json.loads(text)["panels"] if panel["id"] > 3
            for target in panel["targets"]))
        self.assertEqual(sorted(shown), sorted(set(names) - {"name"}))
        self.change(COUNTERS, "C(fast_exit,", "C(slow_exit,")
        status, output = self.run_tool("--check")
        self.assertEqual(status, 1, output)
        self.assertEqual(output, "nvx-tables: lablib/dashboard.py has no panel for the counters "
                         "slow_exit\n")

    def test_undocumented(self):
        self.change(RST, "``fast`` (feature)", "``slow`` (feature)")
        self.change(RST, "``nvx_pv`` (default", "``nvx_vp`` (default")
        self.wrong("no paragraph about the feature fast", "there is no feature slow",
                   "no paragraph about the parameter nvx_pv", "there is no parameter nvx_vp")

    def test_new_parameter(self):
        self.write(NVX + "/new.c", "module_param(nvx_new, bool, 0444);\n")
        self.wrong("no paragraph about the parameter nvx_new")

    def test_counters(self):
        self.change(TESTS, "fast_why_cpu", "fast_why_cup")
        self.change(TESTS, "fast_why_event", "debugctl_intercepted")
        self.wrong("no test moves the counter fast_why_cpu", "there is no counter fast_why_cup",
                   "no test moves the counter fast_why_event", "a test moves debugctl_intercepted")

    def test_names(self):
        # In pieces, or this file would be found, too.
        self.write("selftests/kvm/a_test.c", "return nvx_feature" + '("fsat");\n')
        self.write("selftests/kvm/a.sh", 'check "off" fails feature pv_rnage\n')
        self.write("scripts/a", "kvm_load nvx_off" + "=fast,prefualt\n")
        self.wrong("a_test.c: there is no feature 'fsat'", "a.sh: there is no feature 'pv_rnage'",
                   "scripts/a: there is no feature 'prefualt'")


if __name__ == "__main__":
    unittest.main()
