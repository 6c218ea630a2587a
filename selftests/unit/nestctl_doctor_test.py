#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""nestctl doctor on made-up machines."""

import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import nestctl_lib as lib
from nestctl_lib import NVX, OK, REFUSED, UNKNOWN

ID = "22" * 20
FLAGS = "fpu vmx sse"
VMX_FLAGS = "vnmi invvpid ept_x_only ept_ad ept_1gb ept vpid"
CLOCK = "sys/devices/system/clocksource/clocksource0/current_clocksource"
SECURE_BOOT = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


def cpuinfo(flags=FLAGS, vmx_flags=VMX_FLAGS, vendor="GenuineIntel"):
    """The lines of one CPU that matter."""
    text = f"processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: {flags}\n"
    if vmx_flags is not None:
        text += f"vmx flags\t: {vmx_flags}\n"
    return text + "bugs\t\t: vmx\n"


class Doctor(lib.Test):
    """A machine on which all is well, with one thing changed."""

    def setUp(self):
        super().setUp()
        write = self.machine.write
        write("proc/cpuinfo", cpuinfo())
        write("proc/cmdline", "quiet\n")
        write(CLOCK, "tsc\n")
        write("sys/kernel/security/lockdown", "[none] integrity confidentiality\n")
        write("sys/module/module/parameters/sig_enforce", "N\n")
        self.machine.load("kvm_intel", nested="Y")
        for name in ("kvm", "kvm-intel"):
            self.machine.install(NVX, name, ID)
        write("sys/class/iommu/dmar0/x", "")
        write("sys/devices/system/memory/block_size_bytes", "8000000\n")
        for block in range(10):
            self.block(block, "Movable" if block == 9 else "Normal")
        write("sys/devices/system/cpu/cpu0/topology/core_cpus_list", "0\n")
        write("sys/devices/system/cpu/cpu1/online", "1\n")
        for name in ("usr/bin/virsh", "usr/bin/qemu-system-x86_64", "dev/kvm",
                     "run/libvirt/libvirt-sock"):
            write(name, "")

    def block(self, block, zones, state="online", removable="1"):
        path = f"sys/devices/system/memory/memory{block}/"
        for name, text in (("valid_zones", zones), ("state", state), ("removable", removable)):
            self.machine.write(path + name, text + "\n")

    def check(self, status, name, state, text, purpose=()):
        """One check says so, all others are well, and text and status agree."""
        report = self.ask_json(status, "doctor", *purpose)
        states = {check["id"]: check["state"] for check in report["checks"]}
        found = next(check for check in report["checks"] if check["id"] == name)
        self.assertEqual(found["state"], state)
        self.assertIn(text, found["text"])
        self.assertEqual(found["cure"] is None, state == "ok", found)
        self.assertEqual({other for other, value in states.items() if value != "ok"},
                         set() if state == "ok" else {name})
        printed = self.ask(status, "doctor", *purpose)
        self.assertIn(found["text"], printed)
        if found["cure"]:
            self.assertIn("-> " + found["cure"], printed)
        return found

    def missing(self, name, text):
        return self.check(REFUSED, name, "missing", text)

    def unknown(self, name, text):
        return self.check(UNKNOWN, name, "unknown", text)

    def fine(self, name, text):
        return self.check(OK, name, "ok", text)

    def msr(self, value):
        self.machine.write("dev/cpu/0/msr", bytes(0x3a) + value.to_bytes(8, "little"))

    def test_all_fine(self):
        self.machine.leaks = True
        report = self.ask_json(OK, "doctor")
        self.assertEqual(report["state"], "ok")
        self.assertEqual([check["id"] for check in report["checks"]],
                         ["vmx", "ept", "nested", "clock", "lockdown", "signatures", "kernel", "modules",
                          "iommu", "memory", "cpus", "page", "libvirt"])

    def test_empty_machine(self):
        self.machine.remove("")
        report = self.ask_json(REFUSED, "doctor")
        self.assertEqual(report["state"], "missing")
        states = {check["id"]: check["state"] for check in report["checks"]}
        self.assertEqual(states["vmx"], "unknown")
        self.assertEqual(states["ept"], "unknown")
        self.assertEqual(states["memory"], "unknown")
        self.assertEqual(states["cpus"], "unknown")

    def test_purposes(self):
        self.machine.remove("sys/class/iommu")
        self.assertEqual({check["id"] for check in
                          self.ask_json(OK, "doctor", "libvirt", "nvx")["checks"]},
                         {"vmx", "ept", "nested", "clock", "signatures", "kernel", "modules", "libvirt"})
        self.ask(REFUSED, "doctor", "refresh")
        self.ask(lib.USAGE, "doctor", "xen")

    def test_unknown_is_not_missing(self):
        self.machine.remove("sys/devices/system/memory")
        self.unknown("memory", "cannot be read")
        self.machine.remove("sys/class/iommu")
        self.assertEqual(self.ask_json(REFUSED, "doctor")["state"], "missing")

    def test_vendor(self):
        self.machine.write("proc/cpuinfo", cpuinfo(vendor="AuthenticAMD"))
        self.missing("vmx", "not Intel's")

    def test_firmware_lock(self):
        self.machine.write("proc/cpuinfo", cpuinfo("fpu vmx_not sse"))
        self.unknown("vmx", "/dev/cpu/0/msr")
        self.msr(1)
        self.assertIn("firmware's setup", self.missing("vmx", "locked VMX off (IA32")["cure"])
        self.msr(5)
        self.missing("vmx", "has no VMX")
        self.machine.write("dev/cpu/0/msr", b"short")
        self.unknown("vmx", "/dev/cpu/0/msr")

    def test_guest_without_vmx(self):
        self.machine.write("proc/cpuinfo", cpuinfo("fpu hypervisor"))
        self.assertIn("host-passthrough", self.missing("vmx", "this is a VM")["cure"])

    def test_vmx_flags(self):
        self.machine.write("proc/cpuinfo", cpuinfo(vmx_flags="ept_1gb invvpid ept_ad vpid_x"))
        self.missing("ept", "lacks: ept vpid")
        self.machine.write("proc/cpuinfo", cpuinfo(vmx_flags=None))
        self.unknown("ept", "vmx flags")

    def test_nested(self):
        self.machine.load("kvm_intel", nested="N")
        self.missing("nested", "nested=N")
        self.machine.remove("sys/module/kvm_intel")
        self.fine("nested", "is not loaded")
        self.machine.write("etc/modprobe.d/kvm.conf", "# nested=0\noptions kvm_intel nested=0\n")
        self.missing("nested", "would not")
        self.machine.write("etc/modprobe.d/kvm.conf", "# options kvm_intel nested=0\n")
        self.fine("nested", "is not loaded")
        self.machine.write("proc/cmdline", "quiet kvm-intel.nested=0\n")
        self.missing("nested", "would not")

    def test_clock(self):
        """What VMs of a guest read by system calls; it prevents nothing."""
        for name, text in (("tsc", "is the TSC"), ("hyperv_clocksource_tsc_page", "is the TSC"),
                           ("kvm-clock", "invtsc"), ("hpet", "is hpet, not the TSC")):
            self.machine.write(CLOCK, name + "\n")
            self.fine("clock", text)
        self.machine.remove(CLOCK)
        self.unknown("clock", "cannot be read")

    def test_secure_boot(self):
        self.machine.write(SECURE_BOOT, b"\6\0\0\0\1")
        self.fine("lockdown", "Secure Boot is on")
        self.machine.write(SECURE_BOOT, b"\6\0\0\0\0")
        self.fine("lockdown", "Secure Boot is off")
        self.machine.remove("sys/kernel/security/lockdown")
        self.fine("lockdown", "no lockdown")
        self.machine.write(SECURE_BOOT, b"\6")
        self.unknown("lockdown", "Secure Boot is not known")
        self.machine.write(SECURE_BOOT, b"\6\0\0\0\1")
        self.unknown("lockdown", "could not be read")

    def test_lockdown(self):
        self.machine.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
        report = self.ask_json(REFUSED, "doctor")
        found = {check["id"]: check for check in report["checks"]}
        self.assertEqual(found["lockdown"]["state"], "missing")
        self.assertIn("(integrity)", found["lockdown"]["text"])
        self.assertEqual(found["signatures"]["state"], "missing")

    def test_signatures(self):
        self.machine.write("sys/module/module/parameters/sig_enforce", "Y\n")
        self.assertIn("sign", self.missing("signatures", "has no signature")["cure"])
        with open(self.machine.path(NVX + "/kvm-intel.ko"), "ab") as file:
            file.write(b"signature" + b"~Module signature appended~\n")
        self.unknown("signatures", "is signed")
        self.machine.load("kvm_intel", nvx="Y")
        self.fine("signatures", "has taken nvx")

    def test_kernel(self):
        for release, known in (("6.1.0-56-amd64", True), ("6.12.117+deb12-cloud-amd64", True),
                               ("6.11.4", False), ("6.18.44", False), ("5.10.0-1", False)):
            self.machine.write("proc/sys/kernel/osrelease", release + "\n")
            found = [check for check in self.ask_json(REFUSED, "doctor", "nvx")["checks"]
                     if check["id"] == "kernel"][0]
            self.assertEqual(found["state"], "ok" if known else "missing", release)

    def test_modules(self):
        self.machine.install(NVX, "kvm", ID, release="6.1.0-5")
        self.missing("modules", "built for another kernel (6.1.0-5 SMP")
        self.machine.write(NVX + "/kvm.ko", "no module")
        self.missing("modules", "is no module")
        self.machine.remove(NVX + "/kvm.ko")
        self.missing("modules", "kvm.ko of nvx is not installed")
        self.machine.load("kvm_intel", nvx="Y")
        self.missing("modules", "until the next boot")

    def test_iommu(self):
        self.machine.remove("sys/class/iommu")
        self.assertIn("VT-d", self.missing("iommu", "no IOMMU")["cure"])
        self.machine.write("sys/firmware/acpi/tables/DMAR", "")
        self.assertEqual(self.missing("iommu", "does not use it")["cure"],
                         "boot with intel_iommu=on intremap=off")
        self.machine.write("proc/interrupts", "  9:  0  IR-IO-APIC  9-fasteoi  acpi\n")
        self.assertEqual(self.missing("iommu", "remaps interrupts")["cure"],
                         "boot with intremap=off")

    def test_memory(self):
        self.fine("memory", "1 of 10 memory blocks of 128 MiB")
        self.block(9, "Movable", removable="0")
        self.missing("memory", "0 of 10")
        self.block(9, "Normal Movable")
        self.missing("memory", "0 of 10")
        self.block(9, "Movable", state="offline")
        self.missing("memory", "0 of 9")
        self.block(8, "Movable")
        self.fine("memory", "1 of 9")

    def test_cpus(self):
        self.machine.write("sys/devices/system/cpu/cpu1/online", "0\n")
        self.missing("cpus", "of 2 CPU(s) none")
        self.machine.remove("sys/devices/system/cpu/cpu1")
        self.assertIn("two CPUs", self.missing("cpus", "of 1 CPU(s) none")["cure"])

    def test_page(self):
        """What is missing there costs, but prevents nothing."""
        self.fine("page", "is not nvx")
        for features, text in (("fast,pv,shim_page", "in memory"), ("shim_page", "in memory"),
                               ("fast,pv", "load it without nvx_off=shim_page"),
                               ("", "load it without nvx_off=shim_page"), ("shim_pages", "without")):
            self.machine.load("kvm_intel", nested="Y", nvx="Y", nvx_features=features)
            self.fine("page", text)

    def test_libvirt(self):
        for name, text in (("dev/kvm", "/dev/kvm"), ("run/libvirt", "daemon"),
                           ("usr/bin/virsh", "virsh"), ("usr/bin/qemu-system-x86_64", "QEMU")):
            self.machine.remove(name)
            self.missing("libvirt", text)


if __name__ == "__main__":
    unittest.main()
