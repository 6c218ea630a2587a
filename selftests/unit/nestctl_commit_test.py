#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""nestctl refresh commit, and PCI functions for a second kernel, on a made-up machine."""

import json
import os
import signal
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import jsonschema
import nestctl_lib as lib
from nestctl_lib import BROKEN, FAILED, OK, REFUSED, UNKNOWN
from nestctl_machine import (ADOPTABLE, BELOW, BLOCK, BLOCKS, CALLS, CPUS, KILL_AFTER, KILL_BEFORE, MIB,
                             UNDO, WORDS, Bootable)

JOURNAL = "run/nestctl/commit.json"


class Commit(Bootable):
    """In the second kernel, when the first one has ended."""

    # Blocks 2 and 3 were the first kernel's, and a part of 4; none is movable.  From above, a block at a time.
    ONLINE = "write /sys/devices/system/cpu/cpu1/online 1"
    REST = ["grow 268435456", "leave"]

    @staticmethod
    def block(number, *writes):
        return [f"grow 0 {number << 27:#x}-{number + 1 << 27:#x}"] + \
               [f"write /sys/devices/system/memory/memory{number}/state {text}" for text in writes]

    def second(self, state, memory=300 * MIB):
        self.machine.write("fake/second", f"{state}\n")
        self.machine.write("fake/foreign", f"{2 * 128 * MIB}\n")
        self.machine.write("fake/memory", f"{memory}\n")
        for i in range(16):
            self.machine.write(f"{BLOCKS}{i}/state", "online\n")
            self.machine.write(f"{BLOCKS}{i}/valid_zones", "Normal\n")
        self.machine.write("proc/meminfo", "MemTotal: 100000 kB\n")
        self.machine.write(f"{CPUS}1/online", "0\n")
        self.before = self.machine_state()

    def commit(self, status, *words):
        return self.ask_json(status, "refresh", "commit", *words)

    def test_commit(self):
        self.second(ADOPTABLE)
        self.assertEqual(self.status()["shim"], "adoptable")
        report = self.commit(OK, "-n")
        self.assertEqual((report["result"], set(self.states(report)), self.log()),
                         ("planned", {"planned"}, []))
        report = self.commit(OK)
        self.assertEqual((report["result"], report["cpus"], report["memory"], report["released"],
                          report["movable"]), ("done", 1, 300 * MIB, 0, 256 * MIB))
        self.assertEqual([(step["unit"], step["state"]) for step in report["steps"]],
                         [("functions", "done"), ("online", "done"), ("grow", "done"), ("leave", "done")])
        # 10 % of RAM: two blocks.  Block 0 and the last one have holes.
        self.assertEqual(self.log(), [
            "functions", self.ONLINE, *sum((self.block(i) for i in range(14, 3, -1)), []),
            *self.block(3, "offline", "online_movable"), *self.block(2, "offline", "online_movable"),
            *self.REST])
        self.assertEqual(self.status()["shim"], "bare")
        report = self.commit(REFUSED)
        self.assertEqual([item["id"] for item in report["refusals"]], ["no-shim"])

    def test_commit_movable(self):
        """As much as is asked for; what is busy, or has the shim in it, when that has left."""
        self.second(ADOPTABLE)
        self.assertEqual(self.commit(OK, "--movable=0")["movable"], 0)
        self.assertEqual(self.log(), ["functions", self.ONLINE, "grow 268435456", *self.REST[:1], *self.REST])
        self.machine.remove("fake/state")
        self.second(ADOPTABLE)
        # A busy block is tried once, and again in the end.
        self.trouble((16, self.block(3, "offline")[1]))
        run = self.machine.run("refresh", "commit", "--movable=384M")
        self.assertEqual(run.returncode, OK)
        self.assertIn("256 MiB of 384 MiB are movable memory", run.stderr)
        log = self.log()
        self.assertEqual(log[-4:], ["leave", *self.block(4, "offline", "online_movable")[1:],
                                    self.block(3, "offline")[1]])

    def test_commit_refused(self):
        self.second(BELOW)
        for words in ((), ("--wait=1",)):
            report = self.commit(REFUSED, *words)
            self.assertEqual((report["result"], [item["id"] for item in report["refusals"]]),
                             ("refused", ["first-runs"]))
            calls = self.log()
            self.assertEqual({call.split()[0] for call in calls}, {"grow"} if words else set())
            self.assertEqual(calls[-1:], ["grow 0"] if words else [])
        self.assertEqual(self.machine_state(), self.before)
        self.machine.write("fake/second", "1\n")
        report = self.commit(REFUSED)
        self.assertEqual([item["id"] for item in report["refusals"]], ["own-shim"])
        self.machine.remove("dev/vmm-refresh")
        report = self.commit(REFUSED)
        self.assertEqual([item["id"] for item in report["refusals"]], ["no-device"])
        for words in (("plan", "-n"), ("boot", "--wait=1"), ("commit", "--wait=x"),
                      ("commit", "--cpus=1")):
            self.assertEqual(self.machine.run("refresh", *words).returncode, 64, words)

    def test_commit_fails(self):
        """What has been done is undone, but for memory that has been taken."""
        for call in ("functions", self.ONLINE, self.block(7)[0], *self.REST):
            with self.subTest(call):
                self.second(ADOPTABLE)
                self.trouble((5, call))
                report = self.commit(FAILED)
                self.assertEqual(report["result"], "failed")
                self.assertIn("failed", self.states(report))
                with open(self.machine.path(f"{CPUS}1/online"), encoding="utf-8") as file:
                    self.assertEqual(file.read(), "0\n")
                self.trouble()
                self.log()
        self.trouble((5, self.REST[0]), (5, self.ONLINE[:-1] + "0"))
        self.assertEqual(self.commit(BROKEN)["result"], "broken")

    # ---- nestctl is killed

    def journal(self):
        path = self.machine.path(JOURNAL)
        if not os.path.exists(path):
            return None
        with open(path, encoding="utf-8") as file:
            journal = json.load(file)
        with open(os.path.join(lib.SCHEMAS, "nestctl-offline-1.json"), encoding="utf-8") as file:
            jsonschema.validate(journal, json.load(file))
        return journal

    def commit_anew(self, how, call, *words):
        """On a machine as at first."""
        for path in ("fake/state", "run"):
            if os.path.exists(self.machine.path(path)):
                self.machine.remove(path)
        self.second(ADOPTABLE)
        self.trouble(*([(how, call)] if call else []))
        result = self.machine.run("refresh", "commit", *words)
        self.trouble()
        return result

    def all_is_done(self, movable):
        """As if nobody had been killed."""
        state = self.machine_state()
        offline = [path for path, text in state.items()
                   if (os.path.basename(path), text) in (("state", "offline\n"), ("online", "0\n"))]
        self.assertEqual(offline, [])
        zones = [path for path, text in state.items()
                 if path.endswith("valid_zones") and text == "Movable\n"]
        self.assertEqual(len(zones), movable)
        self.assertEqual(self.status()["shim"], "bare")
        self.assertIsNone(self.journal())
        self.assertEqual([item["id"] for item in self.commit(REFUSED)["refusals"]], ["no-shim"])

    def test_killed_at_each_call(self):
        """The next one does the rest, and wants as much as the first one did."""
        for words, movable in ((), 2), (("--movable=384M",), 3):
            self.log()
            self.commit_anew(0, None, *words)
            calls = self.log()
            for call in dict.fromkeys(calls):
                for how in (KILL_BEFORE, KILL_AFTER):
                    with self.subTest(words=words, call=call, how=how):
                        result = self.commit_anew(how, call, *words)
                        self.assertEqual(result.returncode, -signal.SIGKILL)
                        self.assertIsNotNone(self.journal())
                        # There is more memory now.
                        self.machine.write("proc/meminfo", "MemTotal: 1500000 kB\n")
                        self.assertEqual(self.commit(OK)["movable"], movable * BLOCK)
                        self.all_is_done(movable)

    def test_killed_again_and_again(self):
        """Each one is killed a call later, until there is nothing left to kill."""
        self.second(ADOPTABLE)
        calls, kills = [], 0
        while True:
            self.machine.write("fake/kill-after", f"{kills + 1}\n")
            self.log()
            result = self.machine.run("refresh", "commit")
            if result.returncode != -signal.SIGKILL:
                break
            calls += self.log()
            kills += 1
        self.machine.remove("fake/kill-after")
        self.assertEqual(result.returncode, OK, result.stderr)
        self.assertGreater(kills, 4)
        self.all_is_done(2)

    def test_block_stays_offline(self):
        """It is tried again, and commit is not done before."""
        offline, online = self.block(3, "offline", "online_movable")[1:]
        plain = self.block(3, "online")[1]
        result = self.commit_anew(KILL_AFTER, offline)
        self.assertEqual(result.returncode, -signal.SIGKILL)
        self.trouble((5, online), (5, plain))
        self.assertEqual(self.commit(BROKEN)["result"], "broken")
        self.assertEqual(self.status()["shim"], "bare")
        self.assertIn(3, self.journal()["blocks"])
        self.assertEqual(self.commit(BROKEN)["steps"], [])
        # In another zone, if that is all that goes.
        self.trouble((5, online))
        self.assertEqual(self.commit(OK, "-n")["result"], "planned")
        self.commit(OK)
        self.trouble()
        self.all_is_done(2)

    def test_killed_while_it_waits(self):
        """What the first one has given while it runs, too; a refusal keeps what is wanted."""
        self.commit_anew(0, None)
        self.log()
        self.commit_anew(KILL_AFTER, self.block(3, "offline")[1])
        self.machine.write("fake/second", f"{BELOW}\n")
        self.commit(REFUSED)
        self.assertEqual(self.log()[-1], self.block(3, "online_movable")[1])
        self.machine.write("proc/meminfo", "MemTotal: 1500000 kB\n")
        self.machine.write("fake/second", f"{ADOPTABLE}\n")
        self.commit(OK)
        self.all_is_done(2)

    def test_journal(self):
        """Nothing is begun without one, and nothing is made of one that cannot be read."""
        self.second(ADOPTABLE)
        os.makedirs(self.machine.path(JOURNAL + ".new"))
        result = self.machine.run("refresh", "commit")
        self.assertEqual(result.returncode, FAILED)
        self.assertIn("make room in /run", result.stderr)
        self.assertEqual(self.log(), [])
        os.rmdir(self.machine.path(JOURNAL + ".new"))
        for text in ("", "{", '{"schema": "nestctl-offline-1", "movable": 1, "blocks": [-1]}'):
            self.machine.write(JOURNAL, text)
            self.refused(UNKNOWN, "cannot be read", "refresh", "commit")
        self.assertEqual(self.log(), [])
        self.machine.remove(JOURNAL)
        self.commit(OK)
        self.all_is_done(2)


class Functions(Bootable):
    """PCI functions of the second kernel's own: 4 has a driver, 5 has none."""

    WORDS = (*WORDS, "--device=0000:00:04.0", "--device=0000:00:05.0")
    UNBIND = "write /sys/bus/pci/drivers/nic/unbind 0000:00:04.0"
    BIND = "write /sys/bus/pci/drivers/nic/bind 0000:00:04.0"
    CALLS = [CALLS[0], UNBIND, *CALLS[1:5], "device 0:20", "device 0:28", *CALLS[5:]]
    UNDO = [*UNDO[:-1], BIND, UNDO[-1]]

    def setUp(self):
        super().setUp()
        os.makedirs(self.machine.path("sys/bus/pci/drivers/nic"))
        os.makedirs(self.machine.path("sys/bus/pci/drivers/other"))
        os.makedirs(self.machine.path("sys/bus/pci/devices/0000:00:05.0"))
        self.machine.link("sys/bus/pci/devices/0000:00:04.0/driver", "../../drivers/nic")
        self.before = self.machine_state()

    def driver(self, address="0000:00:04.0"):
        path = self.machine.path(f"sys/bus/pci/devices/{address}/driver")
        return os.path.basename(os.readlink(path)) if os.path.islink(path) else None

    def untouched(self):
        super().untouched()
        self.assertEqual((self.driver(), self.driver("0000:00:05.0")), ("nic", None))

    def test_boot_and_undo(self):
        self.machine.leaks = True
        report = self.boot(OK, *self.WORDS)
        self.assertEqual(self.log(), self.CALLS)
        self.assertIsNone(self.driver())
        self.assertEqual([step["text"] for step in report["steps"] if step["unit"] == "unbind"],
                         ["unbind 0000:00:04.0 from nic",
                          "take 0000:00:05.0, which has no driver"])
        self.assertEqual(self.record()["devices"],
                         [{"address": "0000:00:04.0", "driver": "nic"},
                          {"address": "0000:00:05.0", "driver": None}])
        self.assertEqual(report["cmdline"], "maxcpus=2 cpuhp.parallel=0 acpi_irq_nobalance "
                                            "console=ttyS1,115200")
        self.undo()
        self.assertEqual(self.log(), ["kill"] + self.UNDO)
        self.untouched()

    def test_dry_run(self):
        printed = self.ask(OK, "refresh", "boot", *self.WORDS, "-n")
        self.assertIn("planned  unbind 0000:00:04.0 from nic\n", printed)
        self.assertIn("planned  give PCI function 0000:00:05.0\n", printed)
        self.untouched()

    def test_again(self):
        self.boot(OK, *self.WORDS)
        self.ask_json(OK, "refresh", "kill")
        self.log()
        self.refusal("partition", "with other CPUs, memory, PCI functions", *self.WORDS[:-1])
        for words in self.WORDS, WORDS:
            self.assertIn("acpi_irq_nobalance", self.boot(OK, *words)["cmdline"])
            self.ask_json(OK, "refresh", "kill")
        self.undo()
        self.untouched()

    def test_drivers_that_come_by_themselves(self):
        """The kernel finds them when the functions are back."""
        self.boot(OK, *self.WORDS)
        self.log()
        for address in "0000:00:04.0", "0000:00:05.0":
            self.machine.link(f"sys/bus/pci/devices/{address}/driver", "../../drivers/other")
        self.undo()
        self.assertEqual([line for line in self.log() if "drivers" in line],
                         ["write /sys/bus/pci/drivers/other/unbind 0000:00:05.0",
                          "write /sys/bus/pci/drivers/other/unbind 0000:00:04.0", self.BIND])
        self.untouched()

    def test_each_step_fails_or_is_killed(self):
        for call in self.CALLS:
            for how in (5, KILL_BEFORE, KILL_AFTER):
                self.trouble((how, call))
                result = self.machine.run("refresh", "boot", *self.WORDS)
                self.assertEqual(result.returncode, FAILED if how == 5 else -signal.SIGKILL)
                self.trouble()
                self.undo()
                self.untouched()

    def test_it_does_not_come_back(self):
        """All else does."""
        self.boot(OK, *self.WORDS)
        self.machine.remove("sys/bus/pci/devices/0000:00:04.0")
        self.undo(BROKEN)
        self.assertEqual(self.record()["devices"], [{"address": "0000:00:04.0", "driver": "nic"}])
        self.assertEqual(self.status()["state"], "none")
        os.makedirs(self.machine.path("sys/bus/pci/devices/0000:00:04.0"))
        self.trouble((16, self.BIND))
        self.undo(BROKEN)
        self.trouble()
        self.undo()
        self.untouched()


if __name__ == "__main__":
    unittest.main()
