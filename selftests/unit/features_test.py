#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Which features are in effect: nvx_off=, what replaced names do, what a machine lacks."""

import os
import shutil
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
NVX = os.path.join(TOP, "arch/x86/kvm/vmx/nvx")
ON = ("debugctl shadow_host prefault keep_roots keep_tables pfec fast pv pv_range pv_xstate "
      "pv_uret deleg shim_page").split()
OF_PV = ("pv", "pv_range", "pv_xstate", "pv_uret", "deleg")


class Features(unittest.TestCase):
    """features.c, compiled for user space."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.mkdtemp()
        # By its place scripts/coverage knows whose copy it is.
        cls.work = os.path.join(cls.scratch, os.path.relpath(NVX, TOP))
        for name in ("kernel/linux/kvm_host.h", "kernel/linux/module.h", "vmx/vmx.h", "nvx.h"):
            os.makedirs(os.path.join(cls.work, os.path.dirname(name)), exist_ok=True)
            with open(os.path.join(cls.work, name), "w", encoding="utf-8"):
                pass
        # Beside the empty nvx.h, not beside its own; and the C library has a features.h, too.
        for name in ("features.c", "features.h"):
            shutil.copy(os.path.join(NVX, name), cls.work)
        cls.program = os.path.join(cls.work, "features")
        subprocess.run(["gcc", "-D_GNU_SOURCE", "-Wall", "-Wno-unused", "-fsanitize=address,undefined",
                        "-I", os.path.join(cls.work, "kernel"), "-iquote", cls.work, "-o", cls.program,
                        os.path.join(HERE, "features_unit.c")], check=True)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.scratch)

    def load(self, *words, status=0):
        """(parameters, log) of a module that is loaded with words."""
        done = subprocess.run([self.program, *words], text=True, capture_output=True, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        lines = done.stdout.splitlines()
        log = [line for line in lines if line.startswith("kvm_intel: ")]
        return dict(line.split("=", 1) for line in lines if line not in log and "=" in line), log

    def expect(self, features, *words, log=()):
        """These are in effect then, and the log has these texts, a line each."""
        params, said = self.load(*words)
        self.assertEqual(params["nvx_features"].split(","), list(features) or [""])
        self.assertEqual(len(said), len(log), said)
        for line, text in zip(said, log):
            self.assertIn(text, line)
        return params

    def without(self, *names):
        """What is on by default, but these."""
        return [name for name in ON if name not in names]

    def test_default(self):
        params = self.expect(ON)
        self.assertEqual(params["nvx_off"], "")
        self.assertEqual(params["nvx_pv"], "Y")
        # No name that nvx_off= has replaced.
        self.assertEqual(sorted(params), ["nvx_bypass_pf", "nvx_deleg_l1", "nvx_features",
                                          "nvx_no_umip_emul", "nvx_off", "nvx_pv"])

    def test_off(self):
        for name in ON:
            lost = {"pv": OF_PV, "fast": ("fast", "deleg")}.get(name, (name,))
            params = self.expect(self.without(*lost), "nvx_off=" + name)
            self.assertEqual(params["nvx_off"], name)
        params = self.expect(self.without("prefault", *OF_PV), "nvx_off=" + "pv,,prefault,")
        self.assertEqual(params["nvx_off"], "prefault,pv")
        self.assertEqual(params["nvx_pv"], "N")
        # The last one holds.
        self.expect(self.without("pfec"), "nvx_off=pv", "nvx_off=pfec")
        self.expect(ON, "nvx_off=pv", "nvx_off=")

    def test_refused(self):
        for words, text in ((["nvx_off=" + "fast,fats"], "there is no feature 'fats'; give some of "
                             "debugctl,shadow_host,no_umip_emul,"),
                            (["nvx_features=fast"], "leave features out with nvx_off=")):
            self.assertIn(text, self.load(*words, status=1)[1][0])
        self.load("nvx_fast=perhaps", status=1)
        self.load("nvx_fats=1", status=1)

    def test_replaced(self):
        params = self.expect(self.without("fast", "deleg"), "nvx_fast=0",
                             log=["nvx_fast=0 is obsolete: write nvx_off=fast"])
        self.assertEqual(params["nvx_off"], "fast")
        self.expect(self.without("pfec"), "nvx_off=pfec", "nvx_fast=1",
                    log=["nvx_fast=1 is obsolete: leave it out"])
        self.expect(self.without("pfec", "pv_range"), "nvx_pv_range=0", "nvx_off=pfec",
                    log=["write nvx_off=pv_range"])
        # nvx_off= holds, whichever comes first, and the line does not say otherwise.
        for words in (["nvx_off=fast", "nvx_fast=1"], ["nvx_fast=1", "nvx_off=fast"]):
            self.expect(self.without("fast", "deleg"), *words,
                        log=["nvx_fast=1 is obsolete: leave it out, fast is on unless nvx_off= names it"])

    def test_renamed(self):
        """A parameter that had another name than the feature has now."""
        params = self.expect(self.without("shim_page"), "nvx_pv_shim=0",
                             log=["nvx_pv_shim=0 is obsolete: write nvx_off=shim_page"])
        self.assertEqual(params["nvx_off"], "shim_page")
        self.expect(ON, "nvx_pv_shim=1", log=["nvx_pv_shim=1 is obsolete: leave it out, shim_page is"])

    def test_list_size(self):
        """A list that has no room for all names is not compiled, one that just has is."""
        names = len(self.load("nvx_off=" + "x", status=1)[1][0].split("give some of ")[1])
        for size, status in ((names + 1, 0), (names, 1)):
            done = subprocess.run(["gcc", "-D_GNU_SOURCE", f"-DNVX_LIST_SIZE={size}", "-fsyntax-only",
                                   "-I", os.path.join(self.work, "kernel"), "-iquote", self.work,
                                   os.path.join(HERE, "features_unit.c")], text=True,
                                  capture_output=True, check=False)
            self.assertEqual(done.returncode, status, done.stderr)

    def test_machine(self):
        self.expect([], "@nvx=0", "nvx_no_umip_emul=1")
        self.expect(["debugctl", "shim_page"], "@nested=0")
        self.expect(["debugctl", "shadow_host", "shim_page"], "@ept=0")
        self.expect(self.without("fast", "deleg"), "@short_forms=0")
        self.expect(self.without("deleg"), "@direct_forms=0")
        self.expect(self.without("debugctl"), "@msr_bitmap=0")

    def test_off_by_default(self):
        self.assertEqual(self.expect(["debugctl", "shadow_host", "no_umip_emul", *ON[2:]],
                                     "nvx_no_umip_emul=1")["nvx_no_umip_emul"], "Y")
        self.expect(ON, "nvx_bypass_pf=1", log=["nvx_bypass_pf=1 has no effect: it needs ept=0"])
        self.expect(["debugctl", "shadow_host", "shim_page", "bypass_pf"], "@ept=0",
                    "nvx_bypass_pf=1")
        self.expect(ON, "nvx_deleg_l1=1", log=["nvx_deleg_l1=1 has no effect: it needs pv_l1"])
        both = [*ON[:-1], "pv_l1", "deleg_l1", "shim_page"]
        self.expect(both, "nvx_deleg_l1=1", "@pv_host=1")

    def test_host_is_asked_in_time(self):
        asked = "asked the host below: "
        for words, times in (((), 1), (("@nvx=0",), 0), (("nvx_off=pv_l1",), 0)):
            done = subprocess.run([self.program, *words], text=True, capture_output=True,
                                  check=True)
            self.assertIn(f"{asked}{times}\n", done.stdout)


if __name__ == "__main__":
    unittest.main()
