#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""nestctl load and unload on made-up machines, with tools that change only these."""

import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import nestctl_lib as lib
from nestctl_lib import BROKEN, FAILED, NVX, OK, REFUSED, STOCK, USAGE

ID_STOCK, ID_NVX = "11" * 20, "22" * 20
PARMS = ("parmtype=nested:bool", "parmtype=ept:bool")
CPUINFO = "vendor_id\t: GenuineIntel\nflags\t\t: fpu vmx\n"

# They fail if a line of the file "fail" is in the command.
TOOL = """#!/bin/bash
root=${0%/tools/*}
echo "${0##*/} $*" >>"$root/log"
! echo "${0##*/} $*" | grep -qFf "$root/fail" || exit 1
"""
INSMOD = TOOL + """name=$(basename "$1" .ko); name=${name//-/_}; module=$root/sys/module/$name
mkdir -p "$module/parameters" "$module/notes"
echo 0 >"$module/refcnt"; echo live >"$module/initstate"
cp "$1.note" "$module/notes/.note.gnu.build-id"
[[ $1 != */kvm-intel.ko || $1 = */kernel/* || $1 = */original_module/* ]] || echo Y >"$module/parameters/nvx"
[[ $1 != */kvm-intel.ko ]] || echo Y >"$module/parameters/nested"
shift
for word in "$@"; do echo "${word#*=}" >"$module/parameters/${word%%=*}"; done
"""
# One name begins with the other.
RMMOD = TOOL.replace("-qFf", "-qxFf") + 'rm -r "$root/sys/module/$1"\n'


class Exchange(lib.Test):
    """Stock is loaded, nvx is installed."""

    def setUp(self):
        super().setUp()
        self.machine.write("proc/cpuinfo", CPUINFO)
        self.machine.write("fail", "")
        for name, text in (("insmod", INSMOD), ("rmmod", RMMOD), ("modprobe", TOOL)):
            self.machine.write("tools/" + name, text)
            os.chmod(self.machine.path("tools/" + name), 0o755)
        for place, build_id in ((STOCK, ID_STOCK), (NVX, ID_NVX), ("build", ID_NVX)):
            self.files(place, build_id)
        self.machine.load("kvm", ID_STOCK, eager_page_split="Y")
        self.machine.load("kvm_intel", ID_STOCK, nested="N", ept="Y")
        self.machine.link("sys/module/kvm/holders/kvm_intel", "../../kvm_intel")

    def files(self, place, build_id, *modinfo, **words):
        self.machine.install(place, "kvm", build_id, "depends=irqbypass",
                             "parmtype=eager_page_split:bool", *modinfo, **words)
        own = PARMS if place == STOCK else (*PARMS, "parmtype=nvx_off:charp", "nvx_feature=fast: no work twice",
                                                   "nvx_feature=pv: a VMCS in memory")
        self.machine.install(place, "kvm-intel", build_id, "depends=kvm,irqbypass", *own,
                             *modinfo, **words)
        for name in ("kvm", "kvm-intel"):
            self.machine.write(f"{place}/{name}.ko.note", lib.note_of(build_id))

    def words(self, words):
        return (words[0], "--tools", self.machine.path("tools"), *words[1:])

    def exchange(self, status, *words):
        """Its report; the steps as (command without the root, state)."""
        report = self.ask_json(status, *self.words(words))
        for step in report["steps"]:
            step["command"] = step["command"].replace(self.machine.root, "")
        return report

    def steps(self, report):
        return [(step["command"].replace(f"/lib/modules/{lib.RELEASE}/", ""), step["state"])
                for step in report["steps"]]

    def log(self):
        path = self.machine.path("log")
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return [line.replace(self.machine.root, "").replace(
                f"/lib/modules/{lib.RELEASE}/", "") for line in file.read().splitlines()]

    def kvm(self):
        report = self.ask_json(OK, "status")
        return (report["kvm"], [(module.get("file"), module.get("parameters"))
                                for module in report["modules"]])

    def refusal(self, name, *texts, words=("load",)):
        """It is refused for this reason alone, and nothing has happened."""
        before = self.kvm() if name not in ("vm", "users") else None
        for extra in ((), ("-n",)):
            report = self.exchange(REFUSED, *words, *extra)
            self.assertEqual({item["id"] for item in report["refusals"]}, {name})
            for text in texts:
                self.assertTrue(any(text in item["text"] for item in report["refusals"]),
                                report["refusals"])
            self.assertEqual((report["steps"], report["result"]), ([], "refused"))
        self.assertIn("-> ", self.ask(REFUSED, *self.words(words)))
        self.assertEqual(self.log(), [])
        if before:
            self.assertEqual(self.kvm(), before)

    def test_dry_run(self):
        report = self.exchange(OK, "load", "-n")
        self.assertEqual(self.steps(report), [
            ("rmmod kvm_intel", "planned"), ("rmmod kvm", "planned"),
            ("modprobe -q irqbypass", "planned"),
            ("insmod updates/nvx/kvm.ko", "planned"),
            ("modprobe -q irqbypass", "planned"),
            ("insmod updates/nvx/kvm-intel.ko", "planned")])
        self.assertEqual((report["result"], report["kvm"]), ("planned", "stock"))
        self.assertEqual(self.log(), [])
        self.assertIn("planned  rmmod kvm_intel", self.ask(OK, *self.words(("load", "-n"))))

    def test_load_and_unload(self):
        self.machine.leaks = True
        self.machine.write("sys/module/irqbypass/refcnt", "0\n")
        report = self.exchange(OK, "load", "nvx_off=fast", "kvm.eager_page_split=0",
                               "kvm_intel.ept=1")
        self.assertEqual((report["result"], report["kvm"]), ("done", "nvx"))
        self.assertEqual(self.log(), [
            "rmmod kvm_intel", "rmmod kvm", "insmod updates/nvx/kvm.ko eager_page_split=0",
            "insmod updates/nvx/kvm-intel.ko nvx_off=fast ept=1"])
        self.assertEqual(self.exchange(OK, "load")["kvm"], "nvx")
        self.assertEqual(self.exchange(OK, "unload", "nested=1")["kvm"], "stock")
        self.assertEqual(self.log()[-1], "insmod kernel/arch/x86/kvm/kvm-intel.ko nested=1")
        self.assertEqual(self.exchange(OK, "unload", "--none")["kvm"], "none")
        self.assertEqual(self.exchange(OK, "unload", "--none")["steps"], [])
        self.assertEqual(self.exchange(OK, "load", "--from", "/build")["kvm"], "nvx")
        self.assertEqual(self.log()[-1], "insmod /build/kvm-intel.ko")

    def test_each_step_fails(self):
        before = self.kvm()
        self.assertEqual(before[1][1][1], [{"name": "nested", "value": "N", "default": "Y"}])
        undo = ["rmmod kvm_intel", "rmmod kvm", "insmod updates/nvx/kvm.ko",
                "insmod updates/nvx/kvm-intel.ko"]
        back = {"rmmod kvm_intel": "insmod kernel/arch/x86/kvm/kvm-intel.ko nested=N",
                "rmmod kvm": "insmod kernel/arch/x86/kvm/kvm.ko",
                "insmod updates/nvx/kvm.ko": "rmmod kvm"}
        self.machine.write("sys/module/irqbypass/refcnt", "0\n")
        for n, command in enumerate(undo):
            self.machine.write("log", "")
            self.machine.write("fail", command.removeprefix("insmod ") + "\n")
            report = self.exchange(FAILED, "load")
            self.assertEqual([state for _, state in self.steps(report)],
                             ["undone"] * n + ["failed"] + ["planned"] * (3 - n))
            self.assertEqual(self.log(), undo[:n + 1] + [back[done] for done in
                                                         reversed(undo[:n])])
            self.assertEqual((report["result"], report["kvm"]), ("failed", "stock"))
            self.assertEqual(self.kvm(), before)

    def test_undoing_fails(self):
        self.machine.write("fail", "kvm-intel.ko\n")
        report = self.exchange(BROKEN, "load")
        self.assertEqual((report["result"], report["kvm"]), ("broken", "other"))
        self.assertEqual(self.steps(report)[0], ("rmmod kvm_intel", "stuck"))

    def test_one_of_them_came_from_elsewhere(self):
        self.exchange(OK, "load", "nested=0")
        self.machine.write("sys/module/kvm/notes/.note.gnu.build-id", lib.note_of("33" * 20))
        self.machine.write("fail", "build/kvm.ko\n")
        self.exchange(FAILED, "load", "--from", "/build")
        # Both are the distribution's then.
        self.assertEqual(self.log()[-2:], ["insmod kernel/arch/x86/kvm/kvm.ko",
                                           "insmod kernel/arch/x86/kvm/kvm-intel.ko"])

    def test_dkms_has_moved_the_distributions(self):
        away = f"var/lib/dkms/nestcloud/original_module/{lib.RELEASE}/x86_64"
        self.exchange(OK, "load")
        os.makedirs(self.machine.path(os.path.dirname(away)))
        os.rename(self.machine.path(STOCK), self.machine.path(away))
        report = self.exchange(OK, "unload")
        self.assertEqual((report["result"], report["kvm"]), ("done", "stock"))
        self.assertIn(f"{away}/kvm-intel.ko", self.log()[-1])

    def test_no_file_is_installed(self):
        self.machine.remove(STOCK)
        self.machine.remove(NVX)
        self.assertEqual(self.exchange(OK, "unload", "--none")["kvm"], "none")
        self.assertEqual(self.exchange(OK, "load", "--from", "/build")["kvm"], "nvx")
        self.assertEqual(self.exchange(OK, "unload", "--none")["kvm"], "none")

    def test_nothing_to_go_back_to(self):
        self.machine.remove(STOCK)
        self.machine.write("fail", "nvx/kvm.ko\n")
        result = self.machine.run(*self.words(("load",)))
        self.assertEqual(result.returncode, BROKEN)
        self.assertIn("is not installed as a file", result.stderr)

    def test_what_is_loaded_is_looked_at(self):
        self.machine.write(NVX + "/kvm-intel.ko.note", lib.note_of("33" * 20))
        before = self.kvm()
        report = self.exchange(FAILED, "load")
        self.assertEqual(report["kvm"], "stock")
        self.assertEqual(self.kvm(), before)

    def test_vms(self):
        self.machine.process(70, "qemu", "/dev/kvm", "anon_inode:kvm-vm",
                             cmdline=("qemu", "-name", "guest=web"))
        self.machine.process(71, "idle", "/dev/kvm")
        for words in (("load",), ("unload",), ("unload", "--none")):
            self.refusal("vm", "process 70 (qemu web) has a VM", "process 71 (idle) has /dev/kvm",
                         words=words)

    def test_unknown_users(self):
        self.machine.write("sys/module/kvm_intel/refcnt", "2\n")
        self.refusal("users", "2 user(s)")

    def test_holder(self):
        self.machine.link("sys/module/kvm/holders/vfio_mdev", "../../vfio_mdev")
        self.refusal("holder", "module vfio_mdev")

    def test_machine(self):
        self.machine.write("proc/cpuinfo", CPUINFO.replace("GenuineIntel", "AuthenticAMD"))
        self.refusal("vmx", "not Intel's")
        self.machine.write("proc/cpuinfo", CPUINFO.replace("fpu vmx", "hypervisor"))
        self.refusal("vmx", "offers no VMX")
        # What is loaded can go nevertheless.
        self.assertEqual(self.exchange(OK, "unload", "--none")["kvm"], "none")

    def test_files(self):
        self.files(NVX, ID_NVX, release="6.1.0-5-amd64")
        self.refusal("file", "was built for kernel 6.1.0-5-amd64")
        self.machine.write(NVX + "/kvm.ko", "no module")
        self.refusal("file", "kvm.ko is no module")
        self.machine.remove(NVX)
        self.refusal("file", "no kvm.ko of nvx", "no kvm-intel.ko of nvx")
        self.refusal("file", "there is no kvm.ko", words=("load", "--from", "/nowhere"))
        self.machine.remove(STOCK)
        self.refusal("file", "no kvm.ko of the distribution", words=("unload",))

    def test_signature(self):
        self.machine.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
        self.refusal("signature", "has no signature")
        # The distribution's are signed by the key that the kernel has.
        self.assertEqual(self.exchange(OK, "unload")["kvm"], "stock")
        for name in ("kvm", "kvm-intel"):
            with open(self.machine.path(f"{NVX}/{name}.ko"), "ab") as file:
                file.write(b"~Module signature appended~\n")
        self.assertEqual(self.exchange(OK, "load")["kvm"], "nvx")

    def test_parameters(self):
        self.refusal("parameter", "kvm_intel has no parameter 'nvx_fats'",
                     words=("load", "nvx_fats=1"))
        self.refusal("parameter", "kvm has no parameter 'ept'", words=("load", "kvm.ept=1"))
        self.refusal("parameter", "no parameter 'nvx_off'", words=("unload", "nvx_off=fast"))
        self.refusal("parameter", "no parameter 'nvx_fast'", words=("load", "nvx_fast=0"))
        self.assertIn("write nvx_off=fast",
                      self.ask(REFUSED, *self.words(("load", "nvx_fast=0"))))
        self.refusal("parameter", "nvx has no feature 'fats'", words=("load", "nvx_off=fast,fats"))
        self.exchange(OK, "load", "nvx_off=fast,pv")
        for words in (("load", "word"), ("load", "ept=1 nested=1"),
                      ("unload", "--none", "ept=1")):
            self.ask(USAGE, *self.words(words))

    def test_interrupted(self):
        """At each step: what was loaded is loaded again."""
        before = self.kvm()
        commands = self.steps(self.exchange(OK, "load", "-n"))
        for number, name in ((2, "INT"), (15, "TERM"), (1, "HUP")):
            for command, _ in commands:
                program = self.machine.path("tools/" + command.split()[0])
                with open(program, encoding="utf-8") as file:
                    text = file.read()
                # A terminal's signal gets to both: the command ends, too, or has ended.
                for end in ("exit 0", "kill -9 $$"):
                    self.machine.write("tools/" + os.path.basename(program), text +
                                       f'[ -e "$root/interrupted" ] || {{ : >"$root/interrupted"; '
                                       f'kill -{name} $PPID; {end}; }}\n')
                    result = self.machine.run(*self.words(("load",)))
                    self.assertEqual(result.returncode, FAILED, result.stdout + result.stderr)
                    if end == "exit 0":
                        self.assertIn(f"interrupted by signal {number}", result.stderr)
                    self.machine.write("tools/" + os.path.basename(program), text)
                    self.machine.remove("interrupted")
                    self.assertEqual(self.kvm(), before)

    def test_another_root_is_not_acted_on(self):
        # Should it act nevertheless, it finds nothing to do it with.
        self.ask(USAGE, "load", env={"PATH": "/nowhere"})
        self.ask(OK, "load", "-n")
        self.assertEqual(self.log(), [])


if __name__ == "__main__":
    unittest.main()
