#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""nestctl refresh plan: from snapshots in files, and the snapshot of a made-up machine."""

import copy
import json
import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import jsonschema
import nestctl_lib as lib
from nestctl_lib import OK, REFUSED, UNKNOWN, USAGE

MIB, GIB = 1 << 20, 1 << 30
BLOCK = 128 * MIB


def cpu(number, core=None, package=0, node=0, **changed):
    """One that is online."""
    return {"number": number, "package": package, "core": number if core is None else core,
            "node": node, "online": True, "removable": number != 0, "tick": "lapic-deadline",
            **changed}


def block(number, movable=False, node=0, **changed):
    return {"start": number * BLOCK, "node": node, "online": True, "movable": movable, **changed}


def machine():
    """Four CPUs; 3 GiB below 4 GiB, 1 GiB above it: six blocks above and one below can go."""
    blocks = [block(i, i == 23) for i in range(24)] + [block(i, i > 33) for i in range(32, 40)]
    return {"schema": "nestctl-snapshot-1", "cpus": [cpu(i) for i in range(4)],
            "memory": {"total": 4 * GIB, "available": 3 * GIB, "end": 40 * BLOCK,
                       "block_size": BLOCK, "blocks": blocks},
            "devices": [{"address": "0000:00:04.0", "driver": "virtio-pci", "use": None},
                        {"address": "0000:00:05.0", "driver": "e1000",
                         "use": "interface eth0 is up"},
                        {"address": "0000:00:06.0", "driver": None, "use": None}],
            "vm_bytes": 256 * MIB, "broadcast": "hpet", "arat": True,
            "remapping": False}


class Plan(lib.Test):
    """A machine that can be parted, with one thing changed."""

    def setUp(self):
        super().setUp()
        self.snapshot = machine()
        self.machine.write(f"boot/vmlinuz-{lib.RELEASE}", lib.bzimage(64 * MIB))
        self.machine.write(f"boot/initrd.img-{lib.RELEASE}", bytes(2 * MIB))

    def words(self, words):
        path = self.machine.path("snapshot.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.snapshot, file)
        return ("refresh", "plan", "--snapshot", path, *words)

    def plan(self, *words):
        """(unit, name) of its steps."""
        with open(os.path.join(lib.SCHEMAS, "nestctl-snapshot-1.json"), encoding="utf-8") as file:
            jsonschema.validate(self.snapshot, json.load(file))
        before = copy.deepcopy(self.snapshot)
        report = self.ask_json(OK, *self.words(words))
        self.assertEqual(self.snapshot, before)
        self.assertEqual(report["refusals"], [])
        steps = [(step["unit"], step["name"]) for step in report["steps"]]
        units = [unit for unit, _ in steps]
        self.assertEqual(units, sorted(units, key=["shim", "device", "memory", "cpu"].index))
        self.assertEqual(report["memory"], units.count("memory") * BLOCK)
        self.assertEqual(report["cpus"], units.count("cpu"))
        return steps

    def refusal(self, name, text, *words):
        """Refused for this reason alone; text and JSON say the same."""
        report = self.ask_json(REFUSED, *self.words(words))
        self.assertEqual({item["id"] for item in report["refusals"]}, {name}, report["refusals"])
        self.assertEqual(report["steps"], [])
        texts = [item["text"] for item in report["refusals"]]
        self.assertTrue(any(text in line for line in texts), texts)
        printed = self.ask(REFUSED, *self.words(words))
        for item in report["refusals"]:
            self.assertIn(f"{item['text']}\n         -> {item['cure']}", printed)

    def memory(self, *words):
        return [int(name[6:]) for unit, name in self.plan(*words) if unit == "memory"]

    def test_default(self):
        self.machine.leaks = True
        # 10 % of RAM: the last block, one below 4 GiB, and what is missing from the end.
        self.assertEqual(self.plan(), [
            ("shim", "shim"), ("memory", "memory39"), ("memory", "memory38"),
            ("memory", "memory37"), ("memory", "memory23"), ("cpu", "cpu3")])
        text = self.ask(OK, *self.words(()))
        self.assertIn("  1 shim    put the shim under all CPUs (undo: take the shim away)", text)
        self.assertIn("1 CPU(s) and 512 MiB for the second kernel", text)

    def test_wishes(self):
        self.assertEqual(self.plan("--cpus=1,2-3", "--memory=896M", "--device=0000:00:06.0",
                                   "--device=0000:00:04.0"),
                         [("shim", "shim"), ("device", "0000:00:06.0"),
                          ("device", "0000:00:04.0")] +
                         [("memory", f"memory{i}") for i in (39, 38, 37, 36, 35, 34, 23)] +
                         [("cpu", f"cpu{i}") for i in (3, 2, 1)])

    def test_usage(self):
        for words in (("--cpus=",), ("--cpus=1-",), ("--cpus=2-1",), ("--cpus=1,,2",),
                      ("--cpus=0-9999",), ("--cpus=x",), ("--memory=1",), ("--memory=-1G",),
                      ("--memory=0G",), ("--memory=99999999999G",), ("--memory=1GB",), ("plan",)):
            self.ask(USAGE, *self.words(words))
        self.ask(USAGE, "refresh")
        for words in (("fly",), ("plan", "boot"), ("plan", "-n"), ("plan", "--serial=0x2f8,3"),
                      ("plan", "--append=x"), ("boot", "--serial=0x2f8"),
                      ("boot", "--serial=0x2f9,3"), ("boot", "--serial=0x2f8,999"),
                      ("boot", "--serial=-8,3"), ("boot", "--serial=0x10000,3"),
                      ("boot", "--serial=0x2f8,3x"), ("boot", "--snapshot=x"),
                      ("boot", "--take-snapshot"), ("boot", "--dump=/"), ("status", "--cpus=1"),
                      ("kill", "--dry-run"), ("undo", "--kernel=x")):
            self.ask(USAGE, "refresh", *words)

    def test_cpus(self):
        self.refusal("cpus", "CPU 0 cannot go offline", "--cpus=0")
        self.refusal("cpus", "no CPU 9", "--cpus=9")
        self.refusal("cpus", "no CPU would stay", "--cpus=0-3")
        self.snapshot["cpus"][2]["online"] = False
        self.refusal("cpus", "CPU 2 is offline", "--cpus=2")
        self.snapshot["cpus"][3]["removable"] = False
        self.refusal("cpus", "CPU 3 cannot go offline", "--cpus=3")
        self.snapshot["cpus"] = [cpu(0)]
        self.refusal("cpus", "no core but the boot CPU's")

    def test_siblings(self):
        self.snapshot["cpus"] = [cpu(0, 0), cpu(1, 1), cpu(2, 0), cpu(3, 1)]
        self.assertEqual(self.plan()[-2:], [("cpu", "cpu3"), ("cpu", "cpu1")])
        self.refusal("siblings", "CPU 1 and CPU 3 are one core", "--cpus=1")
        # The same number of another package is another core, and an offline sibling is none.
        self.snapshot["cpus"] = [cpu(0, 0), cpu(1, 1), cpu(2, 1, package=1)]
        self.assertEqual(self.plan("--cpus=2")[-1], ("cpu", "cpu2"))
        self.snapshot["cpus"] = [cpu(0, 0), cpu(1, 1), cpu(2, 0), cpu(3, 1, online=False)]
        self.assertEqual(self.plan()[-1], ("cpu", "cpu1"))

    def old_kernel(self):
        self.machine.write(f"boot/vmlinuz-{lib.RELEASE}",
                           lib.bzimage(64 * MIB, release=b"6.1.0-56 x"))

    def test_last_page(self):
        """A kernel from before 6.10 needs it."""
        self.snapshot["memory"]["blocks"][-1]["movable"] = False
        self.assertEqual(self.memory(), [38, 37, 36, 23])
        self.old_kernel()
        self.refusal("last-page", "before 0x140000000")
        self.snapshot["memory"]["blocks"][-1]["movable"] = True
        self.snapshot["memory"]["end"] += 2 * BLOCK
        self.refusal("last-page", "before 0x150000000")
        # RAM that ends within a block, which the kernel never lets go.
        self.snapshot["memory"]["end"] -= 2 * BLOCK + MIB
        self.snapshot["memory"]["blocks"][-1]["whole"] = False
        self.assertEqual(self.memory()[0], 38)
        self.assertEqual(self.ask_json(OK, *self.words(()))["lost"], 127 * MIB)
        self.assertIn("130048 KiB at the end of RAM", self.ask(OK, *self.words(())))
        self.snapshot["memory"]["blocks"][-2]["movable"] = False
        self.refusal("last-page", "before 0x138000000")
        self.snapshot["memory"]["blocks"][-2].update(movable=True, whole=False)
        self.refusal("last-page", "before 0x138000000")

    def test_low_memory(self):
        self.snapshot["memory"]["blocks"][23]["movable"] = False
        self.refusal("low-memory", "no memory below 4 GiB")
        # All of RAM below 4 GiB: the last block is such memory.
        memory = self.snapshot["memory"]
        memory["blocks"] = [block(i, i > 15) for i in range(24)]
        memory.update(total=3 * GIB, available=2 * GIB, end=24 * BLOCK)
        self.assertEqual(self.memory(), [23, 22, 21])

    def test_least_memory(self):
        self.refusal("memory", "256 MiB are less than 10 % of RAM, 409 MiB", "--memory=256M")
        self.refusal("memory", "896 MiB of 1024 MiB", "--memory=1G")
        for i in (38, 37, 36, 35, 34):
            self.snapshot["memory"]["blocks"][24 + i - 32]["movable"] = False
        report = self.ask_json(REFUSED, *self.words(()))
        self.assertIn("256 MiB of 409 MiB that are needed", report["refusals"][0]["text"])

    def test_pinned(self):
        """In ZONE_MOVABLE, and something of the boot is there."""
        for i in (39, 38, 36):
            self.snapshot["memory"]["blocks"][24 + i - 32].update(movable=False, pinned=True)
        self.assertEqual(self.memory(), [37, 35, 34, 23])
        report = self.ask_json(REFUSED, *self.words(("--memory=640M",)))
        self.assertIn("512 MiB of 640 MiB that are needed can be taken out (384 MiB of ZONE_MOVABLE",
                      report["refusals"][0]["text"])

    def test_offline_blocks_are_not_given(self):
        self.snapshot["memory"]["blocks"][-2]["online"] = False
        self.assertEqual(self.memory(), [39, 37, 36, 23])

    def test_room_to_start(self):
        self.machine.write("boot/big", lib.bzimage(400 * MIB))
        self.refusal("room", "needs 596 MiB to start", "--kernel=/boot/big")
        self.assertEqual(len(self.memory("--kernel=/boot/big", "--memory=600M")), 5)
        self.machine.write("boot/big", bytes(200 * MIB))
        self.refusal("room", "to start", "--initrd=/boot/big")

    def test_room_that_stays(self):
        self.snapshot["memory"]["available"] = 600 * MIB
        self.refusal("room", "600 MiB are available")
        self.snapshot["memory"]["available"] = 3 * GIB
        self.snapshot["vm_bytes"] = 3900 * MIB
        self.refusal("room", "the VMs occupy 3900 MiB, and 3584 would stay")

    def test_numa(self):
        self.snapshot["cpus"] = [cpu(0), cpu(1), cpu(2, node=1, package=1),
                                 cpu(3, node=1, package=1)]
        for i, entry in enumerate(self.snapshot["memory"]["blocks"]):
            entry["node"] = int(i >= 24)
        self.refusal("numa", "more than one NUMA node", "--cpus=1-2")
        self.assertEqual(self.memory(), [39, 38, 37, 23])
        # Node 0 has one block that can go, and it is given in any case.
        self.refusal("numa", "node 0 of the CPUs has too little memory", "--cpus=1")

    def test_tick(self):
        self.snapshot["cpus"][1]["tick"] = "hpet"
        self.refusal("tick", "CPU 1 ticks by hpet")
        self.snapshot["cpus"][1].update(online=False)
        self.plan()
        self.snapshot["arat"] = False
        self.refusal("tick", "hpet wakes the CPUs")
        self.snapshot["broadcast"] = None
        self.plan()

    def test_interrupts(self):
        self.snapshot["remapping"] = True
        self.refusal("interrupts", "an IOMMU remaps interrupts")

    def test_devices(self):
        self.refusal("device", "no PCI function 00:04.0", "--device=00:04.0")
        self.refusal("device", "interface eth0 is up", "--device=0000:00:05.0")

    def test_all_reasons_at_once(self):
        self.old_kernel()
        self.snapshot["cpus"][0]["tick"] = "pit"
        self.snapshot["memory"]["blocks"][-1]["movable"] = False
        report = self.ask_json(REFUSED, *self.words(("--cpus=0", "--device=x")))
        self.assertEqual([item["id"] for item in report["refusals"]],
                         ["cpus", "last-page", "tick", "device"])

    def test_files_of_the_second_kernel(self):
        for name, data, status, text in (
                ("a", lib.bzimage(1, magic=b"none"), REFUSED, "no bzImage"),
                ("b", lib.bzimage(1, version=0x20b), REFUSED, "before 2.12"),
                ("c", b"short", REFUSED, "no bzImage")):
            self.machine.write(name, data)
            self.refused(status, text, *self.words((f"--kernel=/{name}",)))
        self.refused(UNKNOWN, "kernel /none cannot be read", *self.words(("--kernel=/none",)))
        self.refused(UNKNOWN, "initrd /none cannot be read", *self.words(("--initrd=/none",)))

    def test_bad_snapshots(self):
        good = self.snapshot
        for path, values in ((("schema",), (1, "nestctl-snapshot-2")),
                             (("cpus",), (None, {}, [], [1], [{"number": "x"}])),
                             (("memory",), (None, [], {}, {"total": 1})),
                             (("memory", "total"), (0, -1, "1", 1.5)),
                             (("memory", "block_size"), (0, None)),
                             (("memory", "blocks", 0, "whole"), (1, "no")),
                             (("memory", "blocks", 0, "pinned"), (1, "no")),
                             (("memory", "blocks"), (None, [None], [block(0, start=-1)],
                                                       [block(0, start="0")])),
                             (("devices",), (None, [[]], [{"address": 1}])),
                             (("vm_bytes",), (-1, "x")), (("broadcast",), (1,)),
                             (("arat",), (None, 1)), (("remapping",), (None, "")), (("cpus", 0, "tick"), (7, []))):
            for value in values:
                self.snapshot = copy.deepcopy(good)
                target = self.snapshot
                for key in path[:-1]:
                    target = target[key]
                target[path[-1]] = value
                self.refused(UNKNOWN, "no usable", *self.words(()))
        self.snapshot = [good]
        self.refused(UNKNOWN, "no usable 'schema'", *self.words(()))
        self.machine.write("snapshot.json", "{")
        self.refused(UNKNOWN, "no JSON", "refresh", "plan", "--snapshot",
                     self.machine.path("snapshot.json"))


class Snapshot(lib.Test):
    """The reader."""

    def write_devices(self):
        """PCI functions in the files of the machine, some of which are in use."""
        write = self.machine.write
        for i, name in enumerate(("lo", "vda", "vdb", "eth0", "eth1", "dm", "swap")):
            address = f"0000:00:0{i}.0"
            self.machine.link(f"sys/bus/pci/devices/{address}/driver", "../../drivers/virtio-pci")
            kind = "net" if name.startswith("eth") else "block"
            if name != "lo":
                self.machine.link(f"sys/class/{kind}/{name}",
                                  f"../../devices/pci0000:00/{address}/virtio/{kind}/{name}")
        self.machine.remove("sys/bus/pci/devices/0000:00:00.0/driver")
        os.makedirs(self.machine.path("sys/bus/pci/devices/0000:00:00.0"), exist_ok=True)
        sys_of = "sys/devices/pci0000:00/0000:00:0{}.0/virtio/{}/{}/"
        # As the links say, from sys/class/KIND.
        write("sys/class/devices/x", "")
        for i, kind, name, flags in ((3, "net", "eth0", "0x1003"), (4, "net", "eth1", "0x1002")):
            write(sys_of.format(i, kind, name) + "flags", flags + "\n")
        write(sys_of.format(5, "block", "dm") + "holders/dm-0", "")
        write("proc/mounts", "/dev/vda / ext4 rw 0 0\nnone /dev/vdb2 x\n")
        write("proc/swaps", "Filename\n/dev/swap partition\n")

    def test_machine(self):
        write = self.machine.write
        cpus, blocks = "sys/devices/system/cpu/", "sys/devices/system/memory/"
        for i, (core, online) in enumerate((("0-1", None), ("0-1", "1"), ("2", "0"))):
            write(f"{cpus}cpu{i}/topology/core_cpus_list", f"{core}\n")
            write(f"{cpus}cpu{i}/topology/physical_package_id", "2\n")
            write(f"{cpus}cpu{i}/node1/x", "")
            if online:
                write(f"{cpus}cpu{i}/online", online + "\n")
            write(f"sys/devices/system/clockevents/clockevent{i}/current_device",
                  ("hpet" if i else "lapic-deadline") + "\n")
        write(cpus + "cpufreq/x", "")
        write("sys/devices/system/clockevents/broadcast/current_device", "hpet\n")
        write("proc/cpuinfo", "flags\t: fpu arat\n")
        write("proc/meminfo", "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:   500 kB\n")
        write("proc/iomem", "00001000-0009ffff : System RAM\n  00002000-00003000 : Kernel code\n"
              "00100000-177fffff : System RAM\n18000000-27ffffff : System RAM\n"
              "fec00000-fec003ff : IOAPIC 0\n")
        write(blocks + "block_size_bytes", "8000000\n")
        for i, (state, zones) in enumerate((("online", "Normal"), ("online", "Movable"),
                                            ("online", "Movable"), ("offline", "Movable"),
                                            ("online", "Movable"))):
            write(f"{blocks}memory{i}/state", state + "\n")
            write(f"{blocks}memory{i}/valid_zones", zones + "\n")
            write(f"{blocks}memory{i}/removable", "1\n")
        # Only the last page but one of block 4 is in use since the boot, and there is no file behind.
        with open(self.machine.path("proc/kpageflags"), "wb") as file:
            file.seek((5 * BLOCK // 4096 - 2) * 8)
            file.write((1 << 32).to_bytes(8, "little"))
        self.machine.process(70, "qemu", "anon_inode:kvm-vm")
        write("proc/70/status", "Name: qemu\nVmRSS:\t   64 kB\n")
        self.write_devices()

        report = self.ask_json(OK, "refresh", "plan", "--take-snapshot")
        self.assertEqual(report["cpus"], [
            cpu(0, 0, 2, 1), cpu(1, 0, 2, 1, tick="hpet"),
            cpu(2, 2, 2, 1, tick="hpet", online=False)])
        self.assertEqual(report["memory"], {
            "total": 1000 << 10, "available": 500 << 10, "end": 0x28000000, "block_size": BLOCK,
            "blocks": [block(0, whole=False, pinned=False), block(1, True, whole=True, pinned=False),
                       block(2, whole=False, pinned=False),
                       block(3, True, whole=True, online=False, pinned=False),
                       block(4, whole=True, pinned=True)]})
        self.assertEqual((report["vm_bytes"], report["broadcast"], report["arat"],
                          report["remapping"]), (64 << 10, "hpet", True, False))
        write("proc/interrupts", "   4:  100   IR-IO-APIC   4-edge   ttyS0\n")
        report = self.ask_json(OK, "refresh", "plan", "--take-snapshot")
        self.assertIs(report["remapping"], True)
        self.assertEqual([(item["driver"], item["use"]) for item in report["devices"]], [
            (None, None), ("virtio-pci", "vda is mounted, or swap"), ("virtio-pci", None),
            ("virtio-pci", "interface eth0 is up"), ("virtio-pci", None),
            ("virtio-pci", "dm is part of another device"),
            ("virtio-pci", "swap is mounted, or swap")])

    def test_crash_kernel(self):
        """Memory for a crash kernel cannot go, though its zone says so."""
        blocks = "sys/devices/system/memory/"
        write = self.machine.write
        write("sys/devices/system/cpu/cpu0/topology/core_cpus_list", "0\n")
        write("proc/meminfo", "MemTotal:  1000 kB\nMemAvailable:   500 kB\n")
        write("proc/iomem", "00000000-1fffffff : System RAM\n  00002000-00003000 : Kernel code\n"
              "  0f000000-17ffffff : Crash kernel\n")
        write(blocks + "block_size_bytes", "8000000\n")
        for i in range(4):
            write(f"{blocks}memory{i}/state", "online\n")
            write(f"{blocks}memory{i}/valid_zones", "Movable\n")
            write(f"{blocks}memory{i}/removable", "1\n")
        report = self.ask_json(OK, "refresh", "plan", "--take-snapshot")
        self.assertEqual([item["movable"] for item in report["memory"]["blocks"]],
                         [True, False, False, True])

    def test_not_root(self):
        """The kernel tells others that all addresses are 0."""
        self.machine.write("sys/devices/system/cpu/cpu0/topology/core_cpus_list", "0\n")
        self.machine.write("proc/meminfo", "MemTotal:  1000 kB\nMemAvailable: 500 kB\n")
        self.machine.write("proc/iomem", "00000000-00000000 : System RAM\n")
        self.refused(UNKNOWN, "no usable 'end': ask as root", "refresh", "plan")


if __name__ == "__main__":
    unittest.main()
