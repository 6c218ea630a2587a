#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""scripts/switch-modules refuses what it must, on made-up machines."""
import os
import subprocess
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(TOP, "scripts", "switch-modules")
RELEASE = os.uname().release
INTEL = "vendor_id\t: GenuineIntel\nflags\t\t: fpu vmx ept\n"


class Machine:
    """A root directory with just the files that the script looks at."""

    def __init__(self, root, cpuinfo=INTEL):
        self.root = root
        self.write("proc/cpuinfo", cpuinfo)
        self.write("sys/kernel/security/lockdown",
                   "[none] integrity confidentiality\n")
        self.write(f"lib/modules/{RELEASE}/kernel/arch/x86/kvm/kvm-intel.ko", "")

    def write(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def load(self, users=0, nvx=False):
        self.write("sys/module/kvm_intel/refcnt", f"{users}\n")
        self.write("sys/module/kvm/refcnt", "1\n")
        if nvx:
            self.write("sys/module/kvm_intel/parameters/nvx", "Y\n")

    def run(self, *words):
        env = dict(os.environ, SWITCH_ROOT=self.root)
        return subprocess.run([SCRIPT, *words], env=env, text=True,
                              capture_output=True, check=False)


class SwitchModules(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def machine(self, **words):
        return Machine(self.directory.name, **words)

    def refused(self, result, text):
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn(text, result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1)
        self.assertNotIn("would run", result.stdout)

    def test_unloads_before_it_loads(self):
        machine = self.machine()
        machine.load()
        result = machine.run("-n", "nvx", "nvx_prefault=0")
        self.assertEqual(result.returncode, 0, result.stderr)
        words = [line.split()[2:4] for line in result.stdout.splitlines()]
        self.assertEqual([word[0] for word in words],
                         ["modprobe", "rmmod", "modprobe", "insmod", "insmod"])
        self.assertIn("kvm-intel.ko nvx_prefault=0", result.stdout)

    def test_back_to_stock(self):
        machine = self.machine()
        machine.load(nvx=True)
        result = machine.run("-n", "stock")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f"insmod /lib/modules/{RELEASE}/kernel/arch/x86/kvm/"
                      "kvm-intel.ko", result.stdout)

    def test_other_vendor(self):
        machine = self.machine(cpuinfo="vendor_id : AuthenticAMD\nflags : svm\n")
        self.refused(machine.run("-n", "nvx"), "not Intel's")

    def test_no_vmx(self):
        machine = self.machine(cpuinfo="vendor_id : GenuineIntel\nflags : fpu\n")
        self.refused(machine.run("-n", "nvx"), "no VMX")

    def test_vm_running(self):
        machine = self.machine()
        machine.load(users=2)
        self.refused(machine.run("-n", "nvx"), "2 user(s)")
        self.refused(machine.run("-n", "stock"), "2 user(s)")

    def test_other_holder(self):
        machine = self.machine()
        machine.load()
        machine.write("sys/module/kvm/holders/vfio_mdev", "")
        self.refused(machine.run("-n", "nvx"), "vfio_mdev")

    def test_lockdown(self):
        machine = self.machine()
        machine.write("sys/kernel/security/lockdown",
                      "none [integrity] confidentiality\n")
        self.refused(machine.run("-n", "nvx"), "locked down")
        # Stock modules are signed.
        self.assertEqual(machine.run("-n", "stock").returncode, 0)

    def test_status(self):
        machine = self.machine()
        self.assertIn("no KVM", machine.run("status").stdout)
        machine.load()
        self.assertEqual(machine.run("status").stdout, "stock\n")
        machine.load(nvx=True)
        self.assertEqual(machine.run("status").stdout, "nvx\n  nvx:Y\n")

    def test_wrong_usage(self):
        self.assertEqual(self.machine().run().returncode, 2)
        self.assertEqual(self.machine().run("xen").returncode, 2)


if __name__ == "__main__":
    unittest.main()
