#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Where nestctl refresh boot puts the parts of a second kernel."""

import json
import os
import random
import struct
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import nestctl_lib as lib
from nestctl_lib import OK, REFUSED

PAGE, MIB, GIB = 1 << 12, 1 << 20, 1 << 30
NAMES = {"System RAM": 1, "Reserved": 2, "ACPI Tables": 3, "ACPI Non-volatile Storage": 4,
         "Unusable memory": 5, "Persistent Memory": 7, "Persistent Memory (legacy)": 12,
         "Soft Reserved": 0xefffffff, "Unknown E820 type": 2}


def words_of(data, offset, form):
    return struct.unpack_from("<" + form, data, offset)


def up(value, to):
    return (value + to - 1) // to * to


def below(start, end, holes):
    """What of start..end is in none of the holes, which ascend."""
    left = []
    for low, high in holes:
        if low < end and high > start:
            if start < low:
                left.append((start, low))
            start = max(start, high)
    return left + [(start, end)] * (start < end)


def joined(ranges):
    """Neighbours made one."""
    out = []
    for start, end in sorted(ranges):
        if out and out[-1][1] == start:
            out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
    return out


class Layout(lib.Test):
    """A machine described by its blocks and its memory map; all movable blocks are given."""

    def setUp(self):
        super().setUp()
        self.machine.program = lib.FAKE
        self.machine.write("dev/vmm-refresh", "")
        self.block = 128 * MIB
        # 2 GiB: the last block has a hole in it.
        self.blocks = set(range(8, 15))
        self.e820 = [(0, 0x9fc00, "System RAM"), (0x9fc00, 0x400, "Reserved"),
                     (0xf0000, 0x10000, "Reserved"), (MIB, 0x7fff0000 - MIB, "System RAM"),
                     (0x7fff0000, 0x10000, "ACPI Tables"), (0xfffc0000, 0x40000, "Reserved")]
        self.kernel = {"kernel": bytes(range(256)) * 40}
        self.initrd = b"initrd" * 10000
        self.pool = ()
        self.report, self.segments, self.start = {}, {}, {}

    def prepare(self):
        self.machine.write("kernel", lib.bzimage(**self.kernel))
        self.machine.write("initrd", self.initrd)
        if os.path.exists(self.machine.path("sys")):
            self.machine.remove("sys")
        for i, (start, size, name) in enumerate(self.e820):
            for key, value in (("start", hex(start)), ("end", hex(start + size - 1)),
                               ("type", name)):
                self.machine.write(f"sys/firmware/memmap/{i}/{key}", value + "\n")
        end = max(start + size for start, size, name in self.e820 if name == "System RAM")
        blocks = [{"start": i * self.block, "node": 0, "online": True, "movable": i in self.blocks,
                   "whole": (i + 1) * self.block <= end} for i in range(up(end, self.block) //
                                                                        self.block)]
        snapshot = {"schema": "nestctl-snapshot-1", "devices": [], "vm_bytes": 0, "broadcast": None,
                    "arat": True, "remapping": False,
                    "cpus": [{"number": i, "package": 0, "core": i, "node": 0, "online": True,
                              "removable": i > 0, "tick": "lapic"} for i in range(3)],
                    "memory": {"total": end, "available": end, "end": end,
                               "block_size": self.block, "blocks": blocks}}
        self.machine.write("snapshot.json", json.dumps(snapshot))
        os.makedirs(self.machine.path("dump"), exist_ok=True)
        return ("refresh", "boot", "-n", "--snapshot", self.machine.path("snapshot.json"),
                "--kernel=/kernel", "--initrd=/initrd", "--dump", self.machine.path("dump"),
                f"--memory={len(self.blocks) * self.block // MIB}M")

    def ranges(self):
        return joined((i * self.block, (i + 1) * self.block) for i in self.blocks)

    def refusal(self, name, text, *words):
        report = self.ask_json(REFUSED, *self.prepare(), *words)
        self.assertEqual({item["id"] for item in report["refusals"]}, {name}, report["refusals"])
        self.assertIn(text, report["refusals"][0]["text"])
        self.assertEqual((report["segments"], report["start"], report["steps"]), ([], None, []))

    def no_kernel(self, text):
        """The file is refused before all else."""
        self.refused(REFUSED, text, *self.prepare())

    def layout(self, *words):
        """Lay it out; what must be so in any case is looked at."""
        self.report = self.ask_json(OK, *self.prepare(), *words)
        self.segments = {}
        for segment in self.report["segments"]:
            with open(self.machine.path("dump/" + segment["name"]), "rb") as file:
                data = file.read()
            self.assertEqual(len(data), segment["bytes"])
            self.segments[segment["name"]] = (segment["hpa"], data)
        self.start = self.report["start"]
        self.check_places()
        self.check_contents()
        self.check_zero_page()
        self.check_paging()
        self.check_foreign()
        return self.report

    def check_places(self):
        """Within the partition, off each other; the kernel where it can be."""
        init_size = self.kernel.get("init_size", 64 * MIB)
        alignment = max(self.kernel.get("alignment", 0), 2 * MIB)
        pieces = sorted((hpa, hpa + (init_size if name == "kernel" else len(data)))
                        for name, (hpa, data) in self.segments.items())
        for (_, end), (start, _) in zip(pieces, pieces[1:]):
            self.assertLessEqual(end, start)
        for start, end in pieces:
            self.assertTrue(any(low <= start and end <= high for low, high in self.ranges()),
                            (hex(start), hex(end)))
        load = self.segments["kernel"][0]
        small = sum(up(len(data), PAGE) for name, (_, data) in self.segments.items()
                    if name not in ("kernel", "initrd"))
        fits = [(low, high) for low, high in self.ranges()
                if up(max(low, 16 * MIB), alignment) + up(init_size, PAGE) + small
                <= min(high, 4 * GIB)]
        self.assertEqual(load, up(max(fits[0][0], 16 * MIB), alignment))
        for name, (hpa, _) in self.segments.items():
            if name not in ("kernel", "initrd"):
                self.assertEqual((hpa % PAGE, fits[0][0] <= hpa < fits[0][1]), (0, True))
        if self.initrd:
            hpa = self.segments["initrd"][0]
            # Nothing higher has room for it.
            used = sorted(pieces)
            for low, high in self.ranges():
                for start, end in below(low, high, used):
                    self.assertFalse(start > hpa and end - up(start, PAGE) >= up(
                        len(self.initrd), PAGE) and end <= self.initrd_end(), (start, end))
            self.assertLessEqual(hpa + len(self.initrd), self.initrd_end())

    def initrd_end(self):
        above = self.kernel.get("xloadflags", 0x7f) & 2
        return 1 << 64 if above else self.kernel.get("initrd_max", 0x7fffffff) + 1

    def check_contents(self):
        image = lib.bzimage(**self.kernel)
        sectors = image[0x1f1] or 4
        self.assertEqual(self.segments["kernel"][1], image[(sectors + 1) * 512:])
        self.assertEqual(self.segments.get("initrd", (0, b""))[1], self.initrd)
        self.assertEqual(self.segments["cmdline"][1], self.report["cmdline"].encode() + b"\0")
        self.assertEqual(words_of(self.segments["gdt"][1], 0, "4Q"),
                         (0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff))
        self.assertEqual({name: self.segments[segment][0] for name, segment in (
            ("rsi", "zero-page"), ("cr3", "page-tables"), ("gdt", "gdt"))},
            {name: self.start[name] for name in ("rsi", "cr3", "gdt")})
        self.assertEqual(self.start["rip"], self.segments["kernel"][0] + 0x200)

    def memory_map(self):
        """
        What the kernel sees: before 6.10 RAM behind its own last page is reserved; later the last page
        of RAM is a table if it is not its own and there is none behind it.
        """
        last = self.ranges()[-1][1]
        if not self.start["physical"]:
            seen = sorted(self.e820)
            ends = [(start + size, start, i) for i, (start, size, name) in enumerate(seen)
                    if name == "System RAM"]
            end, start, i = max(ends)
            if last < end and not any(name == "ACPI Tables" and at >= end for at, _, name in seen):
                seen[i:i + 1] = [(start, end - PAGE - start, "System RAM"),
                                 (end - PAGE, PAGE, "ACPI Tables")]
            return self.without_pool(seen)
        seen = []
        for start, size, name in sorted(self.e820):
            end = start + size
            middle = max(start, min(end, last)) if name == "System RAM" else end
            seen += [(start, middle - start, name)] * (start < middle)
            seen += [(middle, end - middle, "Reserved")] * (middle < end)
        return self.without_pool(seen)

    def without_pool(self, pieces):
        """Memory of VMs is no RAM."""
        seen = []
        for start, size, name in pieces:
            if name == "System RAM" and self.pool and start < self.pool[1] and \
               start + size > self.pool[0]:
                low, high = max(start, self.pool[0]), min(start + size, self.pool[1])
                seen += [(start, low - start, name)] * (start < low)
                seen += [(low, high - low, "Reserved")]
                seen += [(high, start + size - high, name)] * (high < start + size)
            else:
                seen.append((start, size, name))
        return seen

    def check_zero_page(self):
        """The image's header, what a loader writes, the memory map, and nothing else."""
        page = self.segments["zero-page"][1]
        self.assertEqual(len(page), PAGE)
        image = lib.bzimage(**self.kernel)
        want = bytearray(PAGE)
        end = 0x202 + image[0x201]
        want[0x1f1:end] = image[0x1f1:end]
        initrd = self.segments.get("initrd", (0,))[0]
        cmdline = self.segments["cmdline"][0]
        setup = self.segments.get("setup-data", (0,))[0]
        want[0x210] = 0xff
        for offset, high, value in ((0x218, 0xc0, initrd), (0x21c, 0xc4, len(self.initrd)),
                                    (0x228, 0xc8, cmdline)):
            struct.pack_into("<I", want, offset, value & 0xffffffff)
            struct.pack_into("<I", want, high, value >> 32)
        struct.pack_into("<Q", want, 0x250, setup)
        want[0x1e8] = len(self.memory_map())
        for i, (start, size, name) in enumerate(self.memory_map()):
            struct.pack_into("<QQI", want, 0x2d0 + 20 * i, start, size, NAMES[name])
        self.assertEqual(page, bytes(want))

    def entry(self, table, index):
        base, data = self.segments["page-tables"]
        self.assertTrue(base <= table < base + len(data) and table % PAGE == 0, hex(table))
        return words_of(data, table - base + 8 * index, "Q")[0]

    def physical(self, address):
        """Walk the tables: the 2 MiB page that an address is mapped to."""
        table = self.start["cr3"]
        for shift in (39, 30):
            entry = self.entry(table, address >> shift & 511)
            self.assertEqual(entry & 0xffe0000000000fff, 3, hex(address))
            table = entry & ~0xfff
        entry = self.entry(table, address >> 21 & 511)
        self.assertEqual(entry & ~0x000fffffffe00000, 0x83, hex(address))
        return entry & 0x000fffffffe00000

    def check_paging(self):
        init_size = self.kernel.get("init_size", 64 * MIB)
        spans = [(hpa, hpa + (init_size if name == "kernel" else len(data)))
                 for name, (hpa, data) in self.segments.items()]
        spans += [(0, 64 * MIB), (GIB - 4 * MIB, GIB + 4 * MIB), (4 * GIB - 64 * MIB, 4 * GIB)]
        # And no more than that.
        gibs = {0, 1, 2, 3}.union(*(range(start // GIB, (end - 1) // GIB + 1)
                                    for start, end in self.ranges()))
        self.assertEqual(len(self.segments["page-tables"][1]),
                         PAGE * (1 + len({gib >> 9 for gib in gibs}) + len(gibs)))
        for start, end in spans:
            for address in range(start // (2 * MIB) * 2 * MIB, end, 2 * MIB):
                self.assertEqual(self.physical(address), address)

    def check_foreign(self):
        """The list names each piece of RAM above 1 MiB that is not the partition's, once."""
        ram = [(start, start + size) for start, size, name in self.memory_map()
               if name == "System RAM"]
        expected = []
        for start, end in ram:
            expected += below(max(start, MIB), end, self.ranges())
        found = []
        base, data = self.segments.get("setup-data", (0, b""))
        at = words_of(self.segments["zero-page"][1], 0x250, "Q")[0]
        while at:
            following, kind, size, kind_there, zero, length, start = words_of(
                data, at - base, "QIIIIQQ")
            self.assertEqual((kind, size, kind_there, zero), (1 << 31, 24, 0, 0))
            found.append((start, start + length))
            at = following
        self.assertEqual(sorted(found), sorted(expected))
        self.assertEqual(len(data), 40 * len(found))

    # ---- the tests

    def test_two_gib(self):
        """The machine of the lab."""
        self.machine.leaks = True
        report = self.layout("--cpus=1", "--serial=0x2f8,3", "--append=quiet debug")
        self.assertEqual(self.segments["kernel"][0], 0x40000000)
        self.assertEqual(report["cmdline"], "maxcpus=1 cpuhp.parallel=0 console=ttyS1,115200 "
                         "quiet debug")
        self.assertEqual((report["memory"], report["lost"], report["kernel"]),
                         (896 * MIB, 0, "6.12.5-cloud-amd64"))
        self.assertEqual((self.start["cpu"], self.start["physical"]), (1, False))
        top = 0x78000000 - self.segments["initrd"][0]
        self.assertLess(top - len(self.initrd), 16 * PAGE)
        self.assertIn("planned  offline 0x70000000-0x77ffffff", self.ask(OK, *self.prepare()))

    def test_command_line(self):
        self.assertEqual(self.layout("--cpus=1-2")["cmdline"], "maxcpus=2 cpuhp.parallel=0")
        for port, name in ((0x3f8, 0), (0x3e8, 2), (0x2e8, 3)):
            report = self.layout(f"--serial={port},4")
            self.assertIn(f" console=ttyS{name},115200", report["cmdline"])
        self.assertNotIn("console", self.layout("--serial=0x1000,17")["cmdline"])
        fixed = len("maxcpus=1 cpuhp.parallel=0 ")
        self.layout("--append=" + "x" * (2047 - fixed))
        self.refusal("command-line", "2048 characters, and the kernel takes 2047",
                     "--append=" + "x" * (2048 - fixed))
        self.kernel["cmdline_size"] = 5000
        self.layout("--append=" + "x" * (5000 - fixed))

    def test_versions(self):
        """Before 6.10 Linux would use logical APIC IDs."""
        for release, physical in ((b"6.1.0-56 x", True), (b"6.9.12", True), (b"6.10.0", False),
                                  (b"5.99", True), (b"7.0", False), (b"x", True), (b"", True),
                                  (b"6.12.1" + b"y" * 200, False), (b"\x1b[31m", True)):
            self.kernel["release"] = release
            report = self.layout()
            self.assertEqual(self.start["physical"], physical, release)
            name = release.split(b" ")[0].partition(b"\x1b")[0][:64].decode()
            self.assertEqual(report["kernel"], name or None)

    def test_no_kernels(self):
        good = dict(self.kernel)
        for change, text in (
                ({"magic": b"none"}, "is no bzImage"), ({"version": 0x20b}, "before 2.12"),
                ({"xloadflags": 0x7e}, "64-bit mode"), ({"relocatable": 0}, "cannot be moved"),
                ({"jump": 0x65}, "no sensible end"), ({"jump": 0x8f}, "no sensible end"),
                ({"sectors": 200}, "cut off"), ({"sectors": 2}, "cut off"),
                ({"init_size": 599}, "less memory (init_size)"),
                ({"alignment": 3 * MIB}, "no power of two")):
            self.kernel = {**good, "kernel": b"x" * 600 if "init_size" in change else b"x" * 500,
                           **change}
            self.no_kernel(text)
        for size in (0, 0x200, 0x28f):
            words = self.prepare()
            self.machine.write("kernel", lib.bzimage()[:size])
            self.refused(REFUSED, "is no bzImage", *words)

    def test_kernels(self):
        for change in ({"sectors": 0}, {"jump": 0x66}, {"jump": 0x8e}, {"alignment": 16 * MIB},
                       {"alignment": 4096}, {"alignment": 0},
                       {"init_size": 600, "kernel": b"x" * 600},
                       {"init_size": 100 * MIB + 1}, {"version": 0x20c}):
            before, self.kernel = self.kernel, {**self.kernel, **change}
            self.layout()
            self.kernel = before

    def test_initrd(self):
        self.initrd = b""
        self.assertNotIn("initrd", {item["name"] for item in self.layout()["segments"]})
        self.initrd = b"i"
        self.layout()
        # Below what it can reach, if it says so.
        self.kernel.update(xloadflags=0x7d, initrd_max=0x5fffffff)
        self.layout()
        self.assertEqual(self.segments["initrd"][0], 0x60000000 - PAGE)
        self.kernel.update(initrd_max=0x40ffffff)
        self.refusal("initrd-room", "0 KiB for the initrd")

    def test_above_4_gib(self):
        self.e820 = [(0, 0xa0000, "System RAM"), (MIB, 3 * GIB - MIB, "System RAM"),
                     (3 * GIB, GIB, "Reserved"), (4 * GIB, 3 * GIB, "System RAM")]

        self.blocks = {22, 23} | set(range(48, 56))
        self.layout()
        self.assertGreater(self.segments["initrd"][0], 6 * GIB)
        self.kernel.update(xloadflags=0x7d, initrd_max=0xbfffffff)
        self.layout()
        self.assertLess(self.segments["initrd"][0], 3 * GIB)
        self.kernel.update(init_size=260 * MIB)
        self.refusal("kernel-room", "for the kernel when it starts")

    def test_far_away(self):
        """More than 512 GiB: another table of the second level."""
        self.block = 2 * GIB
        self.e820 = [(0, 0xa0000, "System RAM"), (MIB, 4 * GIB - MIB, "System RAM"),
                     (4 * GIB, 1496 * GIB, "System RAM")]
        self.blocks = {1} | set(range(745, 750)) | set(range(250, 260)) | set(range(600, 665))
        self.layout()

    def test_kernel_room(self):
        """The first piece that is large enough, not one below 16 MiB."""
        self.block = 16 * MIB
        self.e820 = [(0, 2 * GIB, "System RAM"), (2 * GIB, 0x10000, "ACPI Tables")]
        self.blocks = {0, 3, 4} | set(range(8, 12)) | set(range(50, 60)) | set(range(110, 128))
        self.kernel["init_size"] = 63 * MIB
        self.layout()
        self.assertEqual(self.segments["kernel"][0], 128 * MIB)
        self.kernel["init_size"] = 64 * MIB
        self.layout()
        self.assertEqual(self.segments["kernel"][0], 800 * MIB)
        self.blocks = set(range(0, 5)) | set(range(110, 128))
        self.layout()
        self.assertEqual(self.segments["kernel"][0], 110 * 16 * MIB)
        self.kernel["init_size"] = 63 * MIB
        self.layout()
        self.assertEqual(self.segments["kernel"][0], 16 * MIB)
        self.kernel["init_size"] = 300 * MIB
        self.initrd = bytes(1)
        self.blocks = set(range(60, 75)) | set(range(100, 115)) | set(range(120, 128))
        self.refusal("kernel-room", "has 3072")

    def test_memory_map(self):
        self.e820[3:5] = [(MIB, 0x50000000 - MIB, "System RAM"),
                          (0x50000000, PAGE, "Unusable memory"),
                          (0x50001000, 0x7fff0000 - 0x50001000, "System RAM"),
                          (0x7fff0000, 0x10000, "ACPI Tables")]
        self.refusal("memory-map", "0x40000000-0x77ffffff is not all RAM")
        self.e820[4] = (0x50000000, PAGE, "System RAM")
        self.layout()

    def test_types(self):
        at = 0x90000000
        for name in NAMES:
            if name != "System RAM":
                self.e820.insert(-1, (at, PAGE, name))
                at += PAGE
        self.layout()

    def test_ram_from_0(self):
        """Of a piece that begins below 1 MiB the rest is named."""
        self.e820[:4] = [(0, 0x7fff0000, "System RAM")]
        self.layout()

    def test_pool(self):
        """Memory of VMs is no RAM of the second kernel's, whatever the firmware says."""
        for block in (8, 11, 13):
            self.blocks = set(range(8, 15)) - {block}
            self.pool = (block * self.block, (block + 1) * self.block)
            self.machine.write("fake/pool", f"{self.pool[0]:x} {self.block:x}\n")
            report = self.layout("--append=quiet")
            self.assertEqual(report["cmdline"],
                             "maxcpus=1 cpuhp.parallel=0 dax_hmem.region_idle=1 quiet")
            self.assertIn((self.pool[0], self.block, "Reserved"), self.memory_map())
        self.kernel["release"] = b"6.1.0-56 x"
        self.layout()

    def test_many_pieces(self):
        rest = [(0x90000000 + i * PAGE, PAGE, "ACPI Tables") for i in range(128 - len(self.e820))]
        self.e820[-1:-1] = rest
        self.layout()
        self.e820.insert(-1, (0xa0000000, PAGE, "Reserved"))
        self.refusal("memory-map", "128 pieces of a zero page (the firmware's has 129)")

    def test_old_kernel(self):
        """6.1 does not see RAM behind its own last page: whole pieces, and one cut in two."""
        self.kernel["release"] = b"6.1.0-56 x"
        self.layout()
        self.assertEqual([piece for piece in self.memory_map() if piece[0] == 0x78000000],
                         [(0x78000000, 0x7fff0000 - 0x78000000, "Reserved")])
        self.e820[3:4] = [(MIB, 0x78000000 - MIB, "System RAM"),
                          (0x78000000, 0x7ff0000, "System RAM")]
        self.layout()
        rest = [(0x90000000 + i * PAGE, PAGE, "ACPI Tables") for i in range(128 - len(self.e820))]
        self.e820[-1:-1] = rest
        self.layout()
        self.e820[3:5] = [(MIB, 0x7fff0000 - MIB, "System RAM")]
        self.e820.append((0xa0000000, PAGE, "Reserved"))
        self.refusal("memory-map", "128 pieces of a zero page (the firmware's has 128)")

    def test_last_page(self):
        """Of a later kernel, which has none of the last memory; the firmware's tables are elsewhere."""
        self.blocks = set(range(1, 8))
        self.layout()
        self.assertNotIn((0x7ffef000, PAGE, "ACPI Tables"), self.memory_map())
        self.e820[4] = (0xe0000, 0x1000, "ACPI Tables")
        self.layout()
        self.assertIn((0x7ffef000, PAGE, "ACPI Tables"), self.memory_map())
        self.e820 = [(0, 0xa0000, "System RAM"), (MIB, 3 * GIB - MIB, "System RAM"),
                     (3 * GIB, PAGE, "ACPI Tables"), (4 * GIB, 3 * GIB, "System RAM")]
        self.blocks = {22, 23} | set(range(40, 48))
        self.layout()
        self.assertIn((7 * GIB - PAGE, PAGE, "ACPI Tables"), self.memory_map())
        self.blocks = {23} | set(range(48, 56))
        self.layout()
        self.assertEqual(self.memory_map()[-1], (4 * GIB, 3 * GIB, "System RAM"))

    def test_foreign_pieces(self):
        self.block = 4 * MIB
        # One before, one between two each, one behind.
        self.blocks = set(range(256, 376)) | {378 + 2 * i for i in range(62)} | {511}
        self.e820[3] = (MIB, 2 * GIB - MIB, "System RAM")
        self.e820[4] = (2 * GIB, 0x10000, "ACPI Tables")
        self.layout()
        self.blocks |= {379 + 2 * 62}
        self.refusal("pieces", "more than 64")

    def test_no_memory_map(self):
        words = self.prepare()
        self.machine.remove("sys/firmware/memmap/3/type")
        for _ in range(2):
            report = self.ask_json(REFUSED, *words)
            self.assertEqual([item["id"] for item in report["refusals"]], ["memory-map"])
            self.assertIn("cannot be read", report["refusals"][0]["text"])
            if os.path.exists(self.machine.path("sys/firmware/memmap")):
                self.machine.remove("sys/firmware/memmap")

    def test_random(self):
        """Machines and partitions of many kinds."""
        laid_out = 0
        for seed in range(40):
            dice = random.Random(seed)
            self.block = dice.choice((4, 16, 64, 128)) * MIB
            low = dice.randrange(1 * GIB, 3 * GIB) // self.block
            high = dice.choice((0, dice.randrange(GIB) // self.block))
            self.e820 = [(0, 0x9f000, "System RAM"), (MIB, low * self.block - MIB, "System RAM"),
                         (low * self.block, PAGE, "ACPI Tables")]
            if high:
                self.e820.append((4 * GIB, high * self.block, "System RAM"))
            base = 4 * GIB // self.block
            every = list(range(2, low)) + list(range(base, base + high))
            self.blocks = {every[-1], low - 1}
            for _ in range(dice.randrange(1, 12)):
                first = dice.randrange(len(every))
                self.blocks |= set(every[first:first + dice.randrange(1, 200)])
            if len(self.blocks) * 10 * self.block < (low + high) * self.block:
                continue
            if self.block > 4 * MIB and len(self.blocks) * self.block < 400 * MIB:
                continue
            self.kernel.update(init_size=dice.randrange(20000, 100 * MIB),
                               alignment=dice.choice((2, 2, 16)) * MIB,
                               xloadflags=dice.choice((0x7f, 0x7d)))
            self.initrd = bytes(dice.randrange(3 * MIB))
            result = self.machine.run(*self.prepare(), "--json")
            if result.returncode == REFUSED:
                ids = {item["id"] for item in json.loads(result.stdout)["refusals"]}
                self.assertLessEqual(ids, {"memory", "room", "kernel-room", "initrd-room"}, seed)
                continue
            self.layout()
            laid_out += 1
        self.assertGreater(laid_out, 20)


if __name__ == "__main__":
    unittest.main()
