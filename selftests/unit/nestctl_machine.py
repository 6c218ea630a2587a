# SPDX-License-Identifier: GPL-2.0-only
"""A made-up machine for the tests of nestctl refresh: what boot and undo do on it."""

import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import jsonschema
import nestctl_lib as lib
from nestctl_lib import OK, REFUSED

MIB = 1 << 20
BLOCK = 128 * MIB
RECORD = "run/nestctl/partition.json"
BLOCKS = "sys/devices/system/memory/memory"
CPUS = "sys/devices/system/cpu/cpu"
BELOW, ADOPTABLE = 3, 4  # of vmm_refresh_status
KILL_BEFORE, KILL_AFTER, INTERRUPT, LOSE = 1000, 1001, 1002, 1003

# What boot with WORDS calls, and what undo calls then.
WORDS = ("--cpus=1-2", "--memory=300M", "--serial=0x2f8,3", "--kernel=/kernel", "--initrd=/initrd")
CALLS = ["virtualize 0x8",
         "write /sys/devices/system/memory/memory14/state offline",
         "write /sys/devices/system/memory/memory13/state offline",
         "write /sys/devices/system/memory/memory11/state offline",
         "create 0x2f8,3 link", "memory 0x58000000 0x8000000", "memory 0x68000000 0x10000000",
         "cpu 2", "cpu 1", "load 7", "start 1"]
UNDO = ["destroy", "write /sys/devices/system/memory/memory11/state online_movable",
        "write /sys/devices/system/memory/memory13/state online_movable",
        "write /sys/devices/system/memory/memory14/state online_movable", "devirtualize"]
# What give calls where boot has left a block of those and a CPU.
GIVE = ["write /sys/devices/system/memory/memory11/state offline", "memory 0x58000000 0x8000000"]
# How many of UNDO's calls undo the first N of CALLS.
UNDONE = [0, 1, 2, 3, 4, 5, 5, 5, 5, 5, 5]


class Bootable(lib.Test):
    """2 GiB, three cores; blocks 11, 13 and 14 can go, the last has a hole."""

    def setUp(self):
        super().setUp()
        machine = self.machine
        machine.program = lib.FAKE
        write = machine.write
        write("dev/vmm-refresh", "")
        write("fake/log", "")
        write("proc/cpuinfo", "flags\t: fpu arat\n")
        write("proc/meminfo", "MemTotal: 2000000 kB\nMemAvailable: 1800000 kB\n")
        write("proc/iomem", "00000000-00000fff : Reserved\n00001000-0009fbff : System RAM\n"
              "00100000-7ffeffff : System RAM\n  01000000-01ffffff : Kernel code\n"
              "7fff0000-7fffffff : ACPI Tables\n")
        write("proc/consoles", "ttyS0                -W- (EC p a)    4:64\n")
        for i in range(4):
            write(f"sys/class/tty/ttyS{i}/port", ("0x3F8", "0x2F8", "0x3E8", "0x2E8")[i] + "\n")
        for i, (start, end, name) in enumerate(((0, 0x9fbff, "System RAM"),
                                                (0x9fc00, 0x9ffff, "Reserved"),
                                                (0x100000, 0x7ffeffff, "System RAM"),
                                                (0x7fff0000, 0x7fffffff, "ACPI Tables"))):
            for key, value in (("start", hex(start)), ("end", hex(end)), ("type", name)):
                write(f"sys/firmware/memmap/{i}/{key}", value + "\n")
        for i in range(3):
            write(f"{CPUS}{i}/topology/core_cpus_list", f"{i}\n")
            write(f"{CPUS}{i}/topology/physical_package_id", "0\n")
            if i:
                write(f"{CPUS}{i}/online", "1\n")
        write("sys/devices/system/memory/block_size_bytes", "8000000\n")
        for i in range(16):
            write(f"{BLOCKS}{i}/state", "online\n")
            write(f"{BLOCKS}{i}/removable", "1\n")
            write(f"{BLOCKS}{i}/valid_zones", "Movable\n" if i in (11, 13, 14, 15) else "Normal\n")
        write("kernel", lib.bzimage())
        write("initrd", b"x" * 5000)
        self.before = self.machine_state()

    def machine_state(self):
        """All of /sys, and the shim and the partition."""
        state = {}
        for directory, _, names in os.walk(self.machine.path("sys")):
            for name in names:
                with open(os.path.join(directory, name), encoding="utf-8") as file:
                    state[os.path.join(directory, name)] = file.read()
        path = self.machine.path("fake/state")
        if os.path.exists(path):
            with open(path, "rb") as file:
                state["fake"] = file.read()
            # Bare, nothing made: as if it had never been.
            if not any(state["fake"][:12]):
                del state["fake"]
        return state

    def record(self):
        path = self.machine.path(RECORD)
        if not os.path.exists(path):
            return None
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        with open(os.path.join(lib.SCHEMAS, "nestctl-partition-1.json"), encoding="utf-8") as file:
            jsonschema.validate(record, json.load(file))
        return record

    def log(self):
        """What was called since this was asked last."""
        with open(self.machine.path("fake/log"), encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.machine.write("fake/log", "")
        return lines

    def trouble(self, *lines):
        self.machine.write("fake/fail", "".join(f"{how} {call}\n" for how, call in lines))

    def boot(self, status, *words):
        return self.ask_json(status, "refresh", "boot", *(words or WORDS))

    def status(self):
        return self.ask_json(OK, "refresh", "status")

    def undo(self, status=OK):
        return self.ask_json(status, "refresh", "undo")

    def states(self, report):
        return [step["state"] for step in report["steps"]]

    def untouched(self):
        """All is as it was before."""
        self.assertEqual(self.machine_state(), self.before)
        self.assertIsNone(self.record())

    def refusal(self, name, text, *words):
        """Refused for this reason alone; text and JSON say the same; nothing has happened."""
        before = self.machine_state(), self.record()
        report = self.boot(REFUSED, *words)
        self.assertEqual({item["id"] for item in report["refusals"]}, {name}, report["refusals"])
        self.assertIn(text, report["refusals"][0]["text"])
        self.assertEqual((report["steps"], report["result"]), ([], "refused"))
        printed = self.ask(REFUSED, "refresh", "boot", *(words or WORDS))
        for item in report["refusals"]:
            self.assertIn(f"{item['text']}\n         -> {item['cure']}", printed)
        self.assertEqual(self.log(), [])
        self.assertEqual((self.machine_state(), self.record()), before)

    def refusal_of_half(self):
        """Another boot goes no further."""
        self.log()
        report = self.boot(REFUSED)
        self.assertEqual([item["id"] for item in report["refusals"]], ["half-made"])
        self.assertEqual(self.log(), [])

    # ---- boot and undo
