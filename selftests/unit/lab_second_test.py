#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A machine for two kernels: its second serial line, its cores, what the second kernel boots."""
import os
import sys
import tempfile
import time
import types
import unittest
from unittest import mock

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from lablib import images, kernels, runner
from lablib.common import LabError
from lablib.config import Test
from lablib.console import Console
from lablib.cpio import Archive
from lablib.emulator import Emulator
from lablib.machine import Bochs, Qemu


def read(path):
    """Text of a file."""
    with open(path, encoding="utf-8") as stream:
        return stream.read()


class InDirectory(unittest.TestCase):
    """With a place for files."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.where = directory.name

    def path(self, name):
        """Where a file is."""
        return os.path.join(self.where, name)


class Lines(InDirectory):
    """Two serial lines, two raw logs, one with stamps."""

    def setUp(self):
        super().setUp()
        self.console = Console(self.where, time.monotonic())
        self.first, self.say = self.pipe()
        self.second, self.say2 = self.pipe()

    def pipe(self):
        """What reads and what writes."""
        ours, theirs = os.pipe()
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, theirs)
        return ours, lambda text: os.write(theirs, text)

    def stamped(self):
        """The log of both, without its stamps."""
        return [line[9:] for line in read(self.path("console.stamped.log")).splitlines()]

    def test_each_has_its_log(self):
        self.say(b"a\r\nb")
        self.say2(b"c\r\nd\xff")
        self.assertEqual(self.console.lines(self.first, 0), ["a"])
        self.assertEqual(self.console.second_lines(self.second), ["c"])
        self.console.note("boot 1")
        self.say2(b"e\n")
        self.say(b"b\nf\n")
        self.assertEqual(self.console.second_lines(self.second), ["d\N{REPLACEMENT CHARACTER}e"])
        self.assertEqual(self.console.second_lines(self.second), [])
        self.assertEqual(self.console.lines(self.first, 0), ["bb", "f"])
        self.say2(b"g")
        self.say(b"h")
        self.assertEqual(self.console.second_lines(self.second), [])
        self.assertEqual(self.console.lines(self.first, 0), [])
        self.console.close()
        self.assertEqual(self.stamped(), ["a", "serial2: c", "== boot 1",
                                          "serial2: d\N{REPLACEMENT CHARACTER}e", "bb", "f", "h",
                                          "serial2: g"])
        self.assertEqual(read(self.path("console.log")), "a\nbb\nf\nh")
        with open(self.path("serial2.log"), "rb") as stream:
            self.assertEqual(stream.read(), b"c\r\nd\xffe\ng")

    def test_no_second_line_no_log(self):
        self.say(b"a\n")
        self.console.lines(self.first, 0)
        self.console.close()
        self.assertEqual(sorted(os.listdir(self.where)), ["console.log", "console.stamped.log"])


class Machines(InDirectory):
    """What the emulators are told."""

    def machine(self, kind, cpus=2, **values):
        """A machine that is not started."""
        machine = kind(self.where, self.path("boot.iso"), [], 512, cpus)
        self.addCleanup(machine.kill)
        machine.emulator = Emulator("/bin/bochs", False)
        for name, value in values.items():
            setattr(machine, name, value)
        return machine

    def bochsrc(self, machine):
        """The configuration that Bochs gets."""
        with mock.patch("lablib.machine.need_file"):
            machine.command()
        return read(self.path("bochsrc"))

    def test_none_unless_asked_for(self):
        machine = self.machine(Bochs)
        self.assertNotIn("com2", self.bochsrc(machine))
        self.assertIn("count=2,", self.bochsrc(machine))
        self.assertEqual(self.machine(Qemu).command().count("-serial"), 1)
        self.assertIn("2", self.machine(Qemu).command())

    def test_x2apic(self):
        machine = self.machine(Bochs)
        self.assertEqual(machine.environment(), {})
        machine.emulator.x2apic = True
        self.assertEqual(machine.environment(), {"BX_KVM": "1"})
        machine.traces = 1
        self.assertEqual(set(machine.environment()), {"BX_KVM", "BX_TRACE"})

    def test_port_of_coverage(self):
        self.assertIn("port_e9_hack: enabled=0\n", self.bochsrc(self.machine(Bochs)))
        self.assertIn("port_e9_hack: enabled=1\n", self.bochsrc(self.machine(Bochs, e9=True)))

    def test_second_line(self):
        machine = self.machine(Bochs)
        machine.add_serial2()
        self.assertIn(f"com2: enabled=1, mode=term, dev={machine.tty2_name}\n",
                      self.bochsrc(machine))
        self.assertNotEqual(machine.tty2_name, machine.tty_name)
        with open(machine.tty2_name, "wb", buffering=0) as line:
            line.write(b"x\n")
        self.assertEqual(os.read(machine.serial2, 9), b"x\n")
        machine.kill()
        self.assertIsNone(machine.serial2)
        self.assertEqual(machine.tty2_name, "")

    def test_second_line_of_qemu(self):
        machine = self.machine(Qemu)
        machine.add_serial2()
        words = machine.command()
        self.assertEqual(words.count("-serial"), 2)
        self.assertIn(f"serial,id=serial2,path={machine.tty2_name}", words)

    def test_cores(self):
        self.assertIn("count=1:2:1,", self.bochsrc(self.machine(Bochs, cores=True)))
        self.assertIn("count=1:3:1,", self.bochsrc(self.machine(Bochs, 3, cores=True)))
        self.assertIn("2,sockets=1,cores=2", self.machine(Qemu, cores=True).command())

    def test_card(self):
        self.assertNotIn("e1000", self.bochsrc(self.machine(Bochs)))
        self.assertNotIn("e1000", " ".join(self.machine(Qemu).command()))
        text = self.bochsrc(self.machine(Bochs, e1000=True))
        self.assertIn("slot3=e1000\ne1000: enabled=1, mac=52:54:00:12:34:56, ethmod=slirp,", text)
        self.assertIn("e1000,addr=4,mac=52:54:00:12:34:56,romfile=,netdev=station",
                      self.machine(Qemu, e1000=True).command())


class Second(InDirectory):
    """What L0 finds in /second."""

    def add(self, second, *tests):
        """The archive of L0, which kernel was taken, and what its initramfs was made of."""
        with open(self.path("vmlinuz"), "w", encoding="ascii") as stream:
            stream.write("image")
        kernel = types.SimpleNamespace(base="6.12", release="6.12.9", vmlinuz=self.path("vmlinuz"))

        def write(kernel, files, values, target, modules):
            with open(target, "w", encoding="ascii") as stream:
                stream.write(f"{kernel.release} {' '.join(files)} {values['KMOD']} "
                             f"modules:{' '.join(modules)}.")

        archive = Archive()
        options = types.SimpleNamespace(second=second, second_modules="nvx", coverage=False,
                                        variables={"A": "1"})
        with mock.patch.object(runner, "find_kernel", return_value=kernel) as find, \
                mock.patch.object(images, "second_initrd", side_effect=write):
            runner.add_second(archive, options, tests, self.where)
        target = self.path("l0.cpio")
        archive.write(target)
        return find.call_args[0][0], read(target)

    def test_its_files(self):
        files = [["a/@release@:/a", "6.1?b"], ["a/@release@:/a", "6.12?c"]]
        modules = (["m"], ["l", "m"])
        name, text = self.add("", *[Test(name="t", script="", second="6.12", secondfiles=some,
                                         modules=more)
                                    for some, more in zip(files, modules)])
        self.assertEqual(name, "6.12")
        self.assertIn("6.12.9 a/6.12.9:/a c nvx modules:l m.", text)
        for path in ("second/bzImage", "second/initrd", "second/release"):
            self.assertIn(path, text)

    def test_another_kernel(self):
        self.assertEqual(self.add("6.1-cloud", Test(name="t", script="", second="6.12"))[0],
                         "6.1-cloud")


class FilesDisk(InDirectory):
    """A disk that is an archive."""

    def test_all_of_it_is_within_whole_cylinders(self):
        with open(self.path("a"), "wb") as stream:
            stream.write(b"x" * 1000001)
        images.files_disk([self.path("a") + ":/usr/a"], self.path("disk"))
        with open(self.path("disk"), "rb") as stream:
            disk = stream.read()
        self.assertEqual(disk[:6], b"070701")
        self.assertIn(b"usr/a\0", disk)
        end = disk.index(b"TRAILER!!!")
        self.assertEqual(len(disk) % 512, 0)
        self.assertLess(end + 512, len(disk) // (16 * 63 * 512) * (16 * 63 * 512))

    def test_tests_with_other_disks_have_other_machines(self):
        tests = [Test("t", "s"), Test("u", "s", diskfiles=["a"]), Test("v", "s", diskfiles=["b"]),
                 Test("w", "s", disk="a")]
        self.assertEqual(len({runner.machine_of(test) for test in tests}), 4)

    def test_a_copy_is_written_to(self):
        """Its holes stay holes."""
        with open(self.path("a"), "wb") as stream:
            stream.write(b"x")
            stream.truncate(64 << 20)
        images.sparse_copy(self.path("a"), self.path("copy"))
        self.assertEqual(os.path.getsize(self.path("copy")), 64 << 20)
        self.assertLess(os.stat(self.path("copy")).st_blocks, 4096)
        with self.assertRaisesRegex(LabError, "selftests/deb/boot makes"):
            images.sparse_copy("nosuch", self.path("copy"))

    def test_kernel_of_debian_13(self):
        """The newest of the packages that there are; else it is said who fetches one."""
        with mock.patch.object(kernels, "TRIXIE_DEBS", self.path("linux-image-*.deb")):
            with self.assertRaisesRegex(LabError, "boot --debian trixie"):
                kernels.find_kernel("6.12-trixie")
            for number in (1, 2):
                path = self.path(f"linux-image-6.12.{number}+deb13-cloud-amd64_6.12.{number}-1_amd64.deb")
                with open(path, "wb"):
                    os.utime(path, (number, number))
            with mock.patch.object(kernels.Kernel, "unpack"):
                kernel = kernels.find_kernel("6.12-trixie")
        self.assertEqual((kernel.release, kernel.base), ("6.12.2+deb13-cloud-amd64", "6.12"))


if __name__ == "__main__":
    unittest.main()
