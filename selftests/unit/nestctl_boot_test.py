#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""nestctl refresh boot, status, kill, undo and give on a made-up machine."""

import json
import os
import shutil
import signal
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import nestctl_lib as lib
from nestctl_lib import BROKEN, FAILED, OK, REFUSED, UNKNOWN
from nestctl_machine import (BLOCK, CALLS, CPUS, GIVE, INTERRUPT, KILL_AFTER, KILL_BEFORE, LOSE,
                             MIB, RECORD, UNDO, UNDONE, WORDS, Bootable)


class Boot(Bootable):
    """What boot does, and what undo does then."""

    def test_boot_and_undo(self):
        self.machine.leaks = True
        report = self.boot(OK)
        self.assertEqual(self.log(), CALLS)
        self.assertEqual(self.states(report), ["done"] * 11)
        self.assertEqual((report["result"], report["cpus"], report["memory"], report["again"]),
                         ("started", 2, 3 * BLOCK, False))
        self.assertEqual(report["cmdline"], "maxcpus=2 cpuhp.parallel=0 console=ttyS1,115200")
        self.assertEqual(self.record(), {
            "schema": "nestctl-partition-1", "virtualized": True, "given": True,
            "serial": 0x2f8, "serial_pin": 3, "blocks": [14, 13, 11], "cpus": [2, 1], "devices": [],
            "ranges": [{"start": 0x58000000, "end": 0x60000000},
                       {"start": 0x68000000, "end": 0x78000000}]})
        report = self.undo()
        self.assertEqual(self.log(), ["kill"] + UNDO)
        self.assertEqual([step["unit"] for step in report["steps"]],
                         ["shim", "memory", "memory", "memory", "partition", "start"])
        self.assertEqual((set(self.states(report)), report["result"]), ({"undone"}, "done"))
        self.untouched()
        # And nothing more.
        self.assertEqual(self.undo()["steps"], [])
        self.assertIn("done: there was nothing to do", self.ask(OK, "refresh", "undo"))
        self.assertEqual(self.log(), [])

    def test_text(self):
        """A line for each step when it is done."""
        text = self.ask(OK, "refresh", "boot", *WORDS)
        self.assertIn("done     put the shim under all CPUs\n"
                      "done     offline 0x70000000-0x77ffffff\n", text)
        self.assertIn("done     give CPU 2 (package 0, core 2)\n", text)
        self.assertIn("done     load kernel 6.12.5-cloud-amd64, initrd of 4 KiB\n"
                      "done     start it on CPU 1\nstarted: 2 CPU(s) and 384 MiB", text)
        text = self.ask(OK, "refresh", "undo")
        self.assertIn("undone   start the second kernel\nundone   make a partition\n", text)
        self.assertIn("undone   put the shim under all CPUs\ndone\n", text)
        self.trouble((5, "load 7"))
        result = self.machine.run("refresh", "boot", *WORDS)
        self.assertEqual(result.returncode, FAILED)
        self.assertIn("failed   load kernel", result.stdout)
        self.assertIn("undone   give CPU 1", result.stdout)
        self.assertEqual(result.stderr.count("\n"), 1)

    def test_dry_run(self):
        report = self.boot(OK, *WORDS, "-n")
        self.assertEqual((self.states(report), report["result"]), (["planned"] * 11, "planned"))
        self.assertIn("planned  give CPU 1 (package 0, core 1)\n",
                      self.ask(OK, "refresh", "boot", *WORDS, "-n"))
        self.assertEqual(self.log(), [])
        self.untouched()
        self.assertFalse(os.path.exists(self.machine.path("run")))

    def test_defaults(self):
        """The last core, as little memory as may be, the kernel that runs; no serial port."""
        self.machine.write(f"boot/vmlinuz-{lib.RELEASE}",
                           lib.bzimage(release=lib.RELEASE.encode()))
        self.machine.write(f"boot/initrd.img-{lib.RELEASE}", b"i")
        report = self.boot(OK, "--append=quiet")
        self.assertEqual(report["cmdline"], "maxcpus=1 cpuhp.parallel=0 quiet")
        log = self.log()
        self.assertIn("create 0,0 link", log)
        # It is a 6.1.
        self.assertEqual(log[-1], "start 2 physical")
        self.assertEqual((report["start"]["physical"], report["kernel"]), (True, lib.RELEASE))

    def test_no_link(self):
        self.boot(OK, *WORDS, "--no-link")
        self.assertIn("create 0x2f8,3", self.log())

    def test_shim_is_there(self):
        """With room for a partition it is used, and stays; without room it is in the way."""
        self.boot(OK)
        self.trouble((5, "devirtualize"))
        self.undo(BROKEN)
        self.machine.remove(RECORD)
        self.trouble()
        self.log()
        before = self.machine_state()
        report = self.boot(OK)
        self.assertEqual(self.log(), CALLS[1:])
        self.assertEqual(report["steps"][0]["unit"], "memory")
        self.assertIs(self.record()["virtualized"], False)
        self.undo()
        self.assertEqual(self.log(), ["kill"] + UNDO[:-1])
        self.assertEqual((self.machine_state(), self.record()), (before, None))
        for _ in range(2):
            report = self.status()
            self.assertEqual((report["shim"], report["state"]), ("virtualized", "none"))
            self.boot(OK, *WORDS, "-n")
            self.machine.write("fake/enxio", "")
        with open(self.machine.path("fake/state"), "r+b") as file:
            file.seek(4)
            file.write(bytes(4))
        self.refusal("shim", "has no room for a second one")
        self.assertEqual(self.status()["shim"], "virtualized")

    # ---- what goes wrong

    def test_each_step_fails(self):
        for n, call in enumerate(CALLS):
            self.trouble((5, call))
            result = self.machine.run("refresh", "boot", *WORDS, "--json")
            report = json.loads(result.stdout)
            self.assertEqual(self.states(report),
                             ["undone"] * n + ["failed"] + ["planned"] * (10 - n), call)
            self.assertEqual(self.log(), CALLS[:n + 1] + UNDO[len(UNDO) - UNDONE[n]:])
            self.assertEqual((result.returncode, report["result"]), (FAILED, "failed"))
            self.untouched()
            # One message.
            self.assertIn("Input/output error", result.stderr)
            self.assertEqual(result.stderr.count("\n"), 1)

    def test_memory_is_tried_again(self):
        self.trouble((16, CALLS[2]))
        self.boot(FAILED)
        self.assertEqual(self.log(), CALLS[:2] + 5 * [CALLS[2]] + UNDO[3:])
        self.untouched()

    def test_undoing_fails(self):
        """What depends on it is left alone, and a later undo does the rest."""
        for n, undo in enumerate(UNDO):
            self.trouble((5, CALLS[-1]), (5, undo))
            report = self.boot(BROKEN)
            self.assertEqual(report["result"], "broken")
            self.assertEqual(self.states(report).count("stuck"), 1)
            self.assertEqual(self.log(), CALLS + (UNDO if n else UNDO[:1]))
            record = self.record()
            self.assertEqual(len(record["blocks"]), (3, 1, 1, 1, 0)[n])
            self.refusal("half-made" if n else "partition", "", "--cpus=1", *WORDS[1:])
            report = self.undo(BROKEN)
            self.assertEqual(self.states(report).count("stuck"), 1)
            self.trouble()
            self.log()
            self.undo()
            self.assertEqual(self.log(), {0: UNDO, 4: UNDO[4:]}.get(n, [undo]))
            self.untouched()

    def test_a_cpu_stays_offline(self):
        """The partition is gone nevertheless: the memory comes back."""
        self.boot(OK)
        self.log()
        self.trouble((LOSE, "destroy"))
        result = self.machine.run("refresh", "undo")
        self.assertEqual(result.returncode, BROKEN)
        self.assertIn("cannot be taken back as a whole", result.stderr)
        self.assertEqual(self.log(), ["kill"] + UNDO)
        self.assertIsNone(self.record())

    def test_no_room_for_the_record(self):
        """Nothing is taken that is not on record; but all is given back."""
        os.makedirs(self.machine.path(RECORD + ".new"))
        self.boot(FAILED)
        self.untouched()
        os.rmdir(self.machine.path(RECORD + ".new"))
        self.boot(OK)
        os.makedirs(self.machine.path(RECORD + ".new"))
        self.undo()
        self.untouched()

    def test_killed_at_each_call(self):
        """Another nestctl gives back what was taken."""
        for call in CALLS:
            for how in (KILL_BEFORE, KILL_AFTER):
                self.trouble((how, call))
                result = self.machine.run("refresh", "boot", *WORDS)
                self.assertEqual(result.returncode, -signal.SIGKILL)
                self.trouble()
                self.assertIsNotNone(self.record())
                if how == KILL_AFTER and call not in ("load 7", "start 1"):
                    self.assertTrue(self.status()["taken"])
                    self.refusal_of_half()
                self.undo()
                self.untouched()

    def test_module_is_gone(self):
        """What was about to happen has not."""
        self.trouble((KILL_BEFORE, CALLS[0]))
        self.machine.run("refresh", "boot", *WORDS)
        self.machine.remove("dev/vmm-refresh")
        self.assertEqual(self.undo()["steps"], [])
        self.untouched()

    def test_undo_is_killed_at_each_call(self):
        for call in ["kill"] + UNDO:
            for how in (KILL_BEFORE, KILL_AFTER):
                self.boot(OK)
                self.trouble((how, call))
                self.assertEqual(self.machine.run("refresh", "undo").returncode, -signal.SIGKILL)
                self.trouble()
                self.undo()
                self.untouched()

    def test_interrupted(self):
        for n, call in enumerate(CALLS[:-1]):
            self.trouble((INTERRUPT, call))
            result = self.machine.run("refresh", "boot", *WORDS)
            self.assertEqual(result.returncode, FAILED)
            self.assertEqual(result.stderr, "nestctl: interrupted by signal 2\n")
            self.assertEqual(self.log(), CALLS[:n + 1] + UNDO[len(UNDO) - UNDONE[n + 1]:])
            self.untouched()
        self.trouble((INTERRUPT, CALLS[-1]))
        self.boot(OK)

    def test_record_cannot_be_written(self):
        self.machine.write(RECORD + ".new/x", "")
        result = self.machine.run("refresh", "boot", *WORDS)
        self.assertEqual(result.returncode, FAILED)
        self.assertIn("make room in /run", result.stderr)
        self.assertEqual(self.log(), [])
        self.machine.remove("run")
        self.machine.write("run", "")
        self.refused(REFUSED, "use sudo", "refresh", "boot", *WORDS)
        self.assertEqual(self.log(), [])

    # ---- it ends, and starts again

    def test_again(self):
        self.boot(OK)
        self.log()
        for i, why in enumerate(("power-off", "reset", "triple-fault", "killed", "surprise")):
            self.refusal("runs", "it runs")
            self.machine.write("fake/end", f"{i + 1}\n")
            self.assertEqual((self.status()["state"], self.status()["why"]), ("ended", why))
            # With the same words, or without any that it knows.
            words = WORDS if i % 2 else WORDS[3:]
            report = self.boot(OK, *words)
            self.assertEqual(self.log(), CALLS[-2:])
            self.machine.remove("fake/end")
            self.assertEqual((report["again"], report["cpus"], report["memory"]),
                             (True, 2, 3 * BLOCK))
            self.assertEqual(report["cmdline"],
                             "maxcpus=2 cpuhp.parallel=0 console=ttyS1,115200")
            self.assertEqual(self.status()["starts"], i + 2)
            self.log()
        self.undo()
        self.untouched()

    def test_again_fails(self):
        """It keeps what it has."""
        self.boot(OK)
        self.assertEqual(self.ask_json(OK, "refresh", "kill")["result"], "done")
        for call in CALLS[-2:]:
            self.trouble((5, call))
            self.log()
            report = self.boot(FAILED)
            self.assertEqual(self.log(), CALLS[9:CALLS.index(call) + 1])
            self.assertEqual(report["result"], "failed")
            self.assertIsNotNone(self.record())
        self.trouble()
        self.boot(OK)
        self.undo()
        self.untouched()

    def test_again_with_other_wishes(self):
        self.boot(OK)
        self.ask_json(OK, "refresh", "kill")
        self.log()
        for words in (("--cpus=1",), ("--cpus=1,2,0",), ("--memory=512M",), ("--memory=200M",),
                      ("--serial=0x3f8,4",), ("--serial=0x2f8,4",), ("--device=0000:00:04.0",)):
            self.refusal("partition", "with other CPUs, memory, PCI functions, or serial port",
                         *words, *WORDS[3:])
        self.machine.remove(RECORD)
        self.refusal("half-made", "not made to its end")
        # The CPUs come back nevertheless; which memory it was nobody knows.
        self.undo()
        self.assertEqual(self.log(), ["destroy"])

    # ---- refusals

    def test_device(self):
        self.machine.remove("dev/vmm-refresh")
        self.refusal("module", "No such file")
        self.assertEqual((self.status()["shim"], self.status()["state"]), (None, "none"))
        self.refused(REFUSED, "no second kernel runs", "refresh", "kill")
        self.assertEqual(self.undo()["steps"], [])
        self.machine.write("dev/vmm-refresh/x", "")
        self.refusal("module", "Is a directory")
        self.refused(UNKNOWN, "Is a directory", "refresh", "status")

    def test_shim(self):
        self.machine.write("fake/panicked", "")
        self.refusal("shim", "has given up on a CPU")

    def test_plan_refuses(self):
        self.refusal("cpus", "CPU 0 cannot go offline", "--cpus=0", *WORDS[1:])
        self.refusal("memory", "100 MiB are less than 10 %", "--memory=100M", *WORDS[3:])
        self.machine.write(f"{CPUS}2/topology/core_cpus_list", "1-2\n")
        self.refusal("siblings", "CPU 1 and CPU 2 are one core", "--cpus=1", *WORDS[1:])

    def test_machine(self):
        self.refusal("device", "there is no PCI function", *WORDS, "--device=0000:00:04.0")
        os.makedirs(self.machine.path("sys/bus/pci/devices/0001:00:04.0"))
        self.refusal("device", "of another domain than 0000", *WORDS, "--device=0001:00:04.0")
        self.refusal("serial", "0x3f8 is ttyS0, and this kernel's console is there",
                     *WORDS[:2], "--serial=0x3f8,4", *WORDS[3:])
        self.machine.write("sys/firmware/efi/x", "")
        self.before = self.machine_state()
        self.refusal("firmware", "UEFI")

    def test_layout_refuses(self):
        self.refusal("command-line", "2047", *WORDS, "--append=" + "x" * 2048)

    def test_files(self):
        self.refused(REFUSED, "is no bzImage", "refresh", "boot", "--kernel=/initrd")
        self.refused(UNKNOWN, "cannot be read", "refresh", "boot", "--kernel=/none")

    def test_broken_records(self):
        self.boot(OK)
        self.ask_json(OK, "refresh", "kill")
        good = self.record()
        for change in ({"schema": "x"}, {"virtualized": 1}, {"given": None}, {"serial": "x"},
                       {"blocks": 1}, {"blocks": [-1]}, {"blocks": ["x"]}, {"cpus": None},
                       {"ranges": {}}, {"ranges": [1]}, {"ranges": [{"start": 2, "end": 2}]},
                       {"ranges": [{"start": "0", "end": 2}]}):
            self.machine.write(RECORD, json.dumps({**good, **change}))
            report = self.boot(REFUSED)
            self.assertEqual([item["id"] for item in report["refusals"]], ["record"], change)
        for text in ("", "{", "[]"):
            self.machine.write(RECORD, text)
            self.refused(UNKNOWN, "partition.json cannot be read", "refresh", "undo")
        self.machine.write(RECORD, json.dumps(good))
        self.undo()
        self.untouched()

    # ---- status and kill

    def test_status(self):
        self.machine.leaks = True
        self.assertEqual(self.status(), {
            "schema": "nestctl-refresh-status-1", "shim": "bare", "state": "none", "why": None,
            "cpus": 0, "running": 0, "memory": 0, "word": 0, "starts": 0, "exits": [],
            "guest_exits": 0, "denied": [], "taken": False, "refresh": None})
        self.boot(OK)
        self.machine.write("sys/kernel/debug/vmm-refresh/denied",
                           "memory-read 0 0\nio-\x1bport: 7 0\n")
        self.assertEqual(self.status(), {
            "schema": "nestctl-refresh-status-1", "shim": "virtualized", "state": "runs",
            "why": None, "cpus": 2, "running": 2, "memory": 3 * BLOCK, "word": 0x1234, "starts": 1,
            "exits": [{"reason": 10, "name": "CPUID", "count": 1738},
                      {"reason": 48, "name": "EPT violation", "count": 2615},
                      {"reason": 79, "name": None, "count": 1}],
            "guest_exits": 99, "taken": True, "refresh": None,
            "denied": [{"kind": "memory-read", "second": 0, "first": 0},
                       {"kind": "io-?port", "second": 7, "first": 0},
                       {"kind": "2", "second": 0, "first": 8}]})
        text = self.ask(OK, "refresh", "status")
        for line in ("second kernel: runs", "CPUs: 2, 2 of them run", "memory: 384 MiB",
                     "started: 1 times; its word is 0x1234", "        1738  10 CPUID",
                     "           7          0  io-?port", "           0          8  2"):
            self.assertIn(line + "\n", text)
        self.assertNotIn("memory-read", text)
        self.ask_json(OK, "refresh", "kill")
        self.assertIn("second kernel: ended (killed)\n", self.ask(OK, "refresh", "status"))

    def test_denials_for_prometheus(self):
        """Of both kernels by kind, while there are two; a kind without a name has its number."""
        self.machine.load("vmm_refresh")
        self.machine.write("sys/kernel/debug/vmm-refresh/exits", "")
        self.assertNotIn("denied", self.ask(OK, "stats", "--prometheus"))
        self.boot(OK)
        self.machine.write("sys/kernel/debug/vmm-refresh/denied", "memory-read\nport\n")
        text = self.ask(OK, "stats", "--prometheus")
        self.assertEqual([line for line in text.splitlines() if line.startswith("vmm_refresh_denied")],
                         [f'vmm_refresh_denied_total{{kernel="{kernel}",kind="{kind}"}} {count}'
                          for kernel, kind, count in (
                              ("first", "memory-read", 0), ("second", "memory-read", 0),
                              ("first", "port", 0), ("second", "port", 7),
                              ("first", "2", 8), ("second", "2", 0))])
        self.assertEqual(text.count("# TYPE vmm_refresh_denied_total counter\n"), 1)
        # It has ended, and still says what it did.
        self.ask_json(OK, "refresh", "kill")
        self.assertIn('{kernel="second",kind="port"} 7\n', self.ask(OK, "stats", "--prometheus"))

    @unittest.skipUnless(shutil.which("promtool"), "promtool (Debian package prometheus) is not there")
    def test_promtool(self):
        """Prometheus' own judge finds nothing: in all metrics, and without nvx and shim."""
        self.machine.write("sys/kernel/debug/x", "")
        texts = [self.ask(OK, "stats", "--prometheus")]
        self.boot(OK)
        for name in ("vmm_refresh", "kvm_intel"):
            self.machine.load(name, nvx="Y", nvx_features="fast,pv")
        for name, text in (("kvm/nvx/fast_exit", "5\n"), ("kvm/nvx/of_tomorrow", "7\n"),
                           ("vmm-refresh/exits", "10 3 0\n18 1 4\n"),
                           ("vmm-refresh/denied", "memory-read\nport\nmsr\n")):
            self.machine.write("sys/kernel/debug/" + name, text)
        texts.append(self.ask(OK, "stats", "--prometheus"))
        self.assertIn("vmm_refresh_denied_total", texts[1])
        for text in texts:
            done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                                  capture_output=True, check=False)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""), text)

    def test_kill(self):
        self.refused(REFUSED, "no second kernel runs", "refresh", "kill")
        self.boot(OK)
        self.trouble((5, "kill"))
        report = self.ask_json(BROKEN, "refresh", "kill")
        self.assertEqual((self.states(report), report["result"]), (["stuck"], "broken"))
        # It has ended by itself in the meantime.
        self.trouble((16, "kill"))
        self.assertEqual(self.ask_json(OK, "refresh", "kill")["result"], "done")
        self.trouble()
        self.log()
        report = self.ask_json(OK, "refresh", "kill")
        self.assertEqual((self.states(report), report["command"]), (["undone"], "kill"))
        self.assertEqual(self.log(), ["kill"])
        self.assertIsNotNone(self.record())
        self.refused(REFUSED, "no second kernel runs", "refresh", "kill")

    # ---- more for a second kernel that runs

    def give_begins(self):
        self.refused(REFUSED, "no second kernel runs", "refresh", "give")
        self.ask(OK, "refresh", "boot", "--cpus=2", "--memory=256M", "--kernel=/kernel",
                 "--initrd=/initrd")
        self.log()

    def test_give(self):
        self.give_begins()
        report = self.ask_json(OK, "refresh", "give", "--rate=1G")
        self.assertEqual((report["memory"], report["cpus"]), (128 * MIB, 1))
        self.assertEqual(self.log(), [*GIVE, "cpu 1"])
        record = self.record()
        self.assertEqual((record["blocks"], record["cpus"]), ([14, 13, 11], [2, 1]))
        self.assertEqual(record["ranges"][-1], {"start": 0x58000000, "end": 0x60000000})
        self.assertIn("0 CPU(s), 0 MiB", self.ask(OK, "refresh", "give"))
        self.ask(OK, "refresh", "undo")
        self.assertEqual((self.machine_state(), self.record()), (self.before, None))

    def test_give_in_another_order(self):
        """What cannot be given comes back, and stays."""
        self.give_begins()
        self.trouble((5, GIVE[1]))
        report = self.ask_json(OK, "refresh", "give", "--order=cpus,memory")
        self.assertEqual((report["memory"], report["cpus"]), (0, 1))
        self.assertEqual(self.log(), ["cpu 1", *GIVE,
                                      GIVE[0].replace("offline", "online_movable")])
        self.assertEqual(self.record()["blocks"], [14, 13])
        self.ask(OK, "refresh", "undo")
        self.assertEqual((self.machine_state(), self.record()), (self.before, None))
        # A kernel that is started again is told of no CPU that it has not got.
        self.give_begins()
        self.trouble((5, "cpu 1"))
        self.assertEqual(self.ask_json(OK, "refresh", "give", "--order=cpus,memory")["cpus"], 0)
        self.assertEqual(self.record()["cpus"], [2])
        self.ask(OK, "refresh", "undo")
        for words in (("--rate=1",), ("--order=cpus",), ("--cpus=1",)):
            self.ask(64, "refresh", "give", *words)
        self.ask(64, "refresh", "boot", "--rate=1G")


if __name__ == "__main__":
    unittest.main()
