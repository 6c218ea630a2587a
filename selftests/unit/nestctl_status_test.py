#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""nestctl status on made-up machines."""

import os
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import nestctl_lib as lib
from nestctl_lib import NVX, OK, STOCK, UNKNOWN

ID_STOCK, ID_NVX, ID_OTHER = "11" * 20, "22" * 20, "33" * 20
PARM = "parm=nvx_fault_around:pages at once, 1 to 64 (default: 16)"


class Status(lib.Test):
    """What is loaded, and who uses it."""

    def installed(self):
        for name in ("kvm", "kvm-intel"):
            self.machine.install(STOCK, name, ID_STOCK)
            self.machine.install(NVX, name, ID_NVX, PARM)

    def intel(self):
        return self.ask_json(OK, "status")["modules"][1]

    def test_nothing(self):
        report = self.ask_json(OK, "status")
        self.assertEqual((report["kvm"], report["kernel"]), ("none", lib.RELEASE))
        self.assertEqual(report["refresh"], {"loaded": False, "state": None})
        self.assertIn("KVM: none", self.ask(OK, "status"))

    def test_where_from(self):
        self.machine.leaks = True
        self.installed()
        for build_id, file in ((ID_STOCK, STOCK), (ID_NVX, NVX), (ID_OTHER, None)):
            self.machine.load("kvm_intel", build_id)
            self.assertEqual(self.intel()["file"], file and f"/{file}/kvm-intel.ko")
            self.assertEqual(self.intel()["build_id"], build_id)
        self.assertIn("no file that is installed", self.ask(OK, "status"))

    def test_where_from_compressed(self):
        self.machine.install(STOCK, "kvm-intel", ID_STOCK)
        subprocess.run(["xz", self.machine.path(STOCK + "/kvm-intel.ko")], check=True)
        self.machine.load("kvm_intel", ID_STOCK)
        self.assertEqual(self.intel()["file"], f"/{STOCK}/kvm-intel.ko.xz")

    def test_broken_files(self):
        self.machine.load("kvm_intel", ID_STOCK)
        whole = lib.elf(["vermagic=x"], ID_STOCK)
        for size in range(0, len(whole), len(whole) // 8):
            self.machine.write(STOCK + "/kvm-intel.ko", whole[:size])
            self.assertIsNone(self.intel()["file"])
        for at in range(0, len(whole), len(whole) // 12):
            self.machine.write(STOCK + "/kvm-intel.ko",
                               whole[:at] + b"\xff\xff\xff\x7f" + whole[at + 4:])
            self.assertIn(self.intel()["file"], (None, f"/{STOCK}/kvm-intel.ko"))
        for note in (b"", b"\4\0\0\0", lib.note_of(ID_STOCK)[:20],
                     b"\xff\xff\xff\xff" * 3, b"\xff\xff\xff\xff\4\0\0\0\3\0\0\0GNU\0", b"\4\0\0\0\xf0\xff\xff\xff\3\0\0\0GNU\0"):
            self.machine.write("sys/module/kvm_intel/notes/.note.gnu.build-id", note)
            self.assertIsNone(self.intel()["build_id"])

    def test_stock_or_nvx(self):
        self.machine.load("kvm_intel")
        self.assertEqual(self.ask_json(OK, "status")["kvm"], "stock")
        self.machine.load("kvm_intel", nvx="Y")
        self.assertEqual(self.ask_json(OK, "status")["kvm"], "nvx")
        self.machine.remove("sys/module/kvm_intel")
        self.machine.load("kvm")
        self.assertEqual(self.ask_json(OK, "status")["kvm"], "other")

    def test_parameters(self):
        self.installed()
        self.machine.load("kvm_intel", ID_NVX, nested="N", ept="Y", pt_mode="0",
                          vmentry_l1d_flush="not required", nvx_fault_around="4")
        changed = [tuple(param.values()) for param in self.intel()["parameters"]]
        self.assertEqual(changed, [("nested", "N", "Y"), ("nvx_fault_around", "4", "16")])
        self.assertIn("nested=N (default: Y)", self.ask(OK, "status"))
        self.machine.load("kvm_intel", nested="1", nvx_fault_around="16")
        self.assertEqual(self.intel()["parameters"], [])

    def test_versions(self):
        self.machine.load("kvm_intel")
        self.machine.write("sys/module/kvm_intel/srcversion", "ABCDEF\n")
        self.machine.write("sys/module/kvm_intel/version", "3\n")
        self.assertEqual((self.intel()["srcversion"], self.intel()["version"]), ("ABCDEF", "3"))

    def test_vms(self):
        self.machine.process(7, "bash", "/dev/null")
        self.machine.process(70, "qemu\033[1m", "/dev/kvm", "anon_inode:kvm-vm",
                             "anon_inode:kvm-vcpu:0", "anon_inode:kvm-vcpu:1",
                             cmdline=("qemu", "-name", "guest=web,debug-threads=on"))
        self.machine.process(8, "idle", "/dev/kvm", cmdline=("idle", "-name"))
        report = self.ask_json(OK, "status")
        self.assertEqual([tuple(vm.values()) for vm in report["vms"]],
                         [(8, "idle", None, 0, 0), (70, "qemu?[1m", "web", 1, 2)])
        self.assertIn("70 qemu?[1m web: 1 VM(s), 2 vCPU(s)", self.ask(OK, "status"))

    def test_processes_that_cannot_be_looked_into(self):
        self.machine.process(7, "secret")
        # A file in its place cannot be listed either, not even by root.
        self.machine.remove("proc/7/fd")
        self.machine.write("proc/7/fd", "")
        self.assertEqual(self.ask_json(UNKNOWN, "status")["unreadable"], 1)
        self.assertIn("as root", self.ask(UNKNOWN, "status"))

    def test_refresh(self):
        self.machine.load("vmm_refresh")
        self.assertIn("state unknown", self.ask(OK, "status"))
        self.machine.write("sys/class/misc/vmm-refresh/state", "virtualized\n")
        self.assertEqual(self.ask_json(OK, "status")["refresh"],
                         {"loaded": True, "state": "virtualized"})


if __name__ == "__main__":
    unittest.main()
