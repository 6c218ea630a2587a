#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""nestctl disk: what a move does with the disks of made-up domains."""

import glob
import json
import os
import resource
import shutil
import signal
import stat
import struct
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import jsonschema
import nestctl_lib as lib
import nestctl_move_test as move
from nestctl_lib import OK, REFUSED, USAGE

UUID = "11111111-2222-4333-8444-555555555555"


def disk(source, kind="block", target="vda", more="", driver="type='raw' cache='none'"):
    """One, as libvirt writes it."""
    return (f"    <disk type='{kind}' device='disk'>\n      <driver name='qemu' {driver}/>\n"
            f"      {source}\n{more}      <target dev='{target}' bus='virtio'/>\n    </disk>\n")


MIB = 1 << 20


def header(size=64 * MIB, backing=0, bits=16, crypt=0, snapshots=0, features=0, version=3, magic=b"QFI\xfb"):
    """Of a qcow2 image, and what else its first cluster has."""
    return struct.pack(">4sIQIIQIIQQIIQQ", magic, version, backing, 0, bits, size, crypt, 1, 1 << bits,
                       2 << bits, 1, snapshots, 0, features).ljust(1 << bits, b"x")


def device(path):
    return f"<source dev='{path}' index='1'/>"


def server(name):
    return (f"<source protocol='nbd' name='{name}' index='1'>\n"
            "        <host name='10.0.0.1' port='10810'/>\n      </source>")


class Disks(lib.Test):
    """The machine has a disk that says which it is, /dev/disk/by-id/x, and one that does not, y."""

    def setUp(self):
        super().setUp()
        move.build_library()
        blocks = [path for path in sorted(glob.glob("/dev/*")) if stat.S_ISBLK(os.stat(path).st_mode)]
        self.assertGreater(len(blocks), 1, "no two block devices to give names to")
        for name, block in zip("xy", blocks):
            self.machine.link(f"dev/disk/by-id/{name}", block)
        self.machine.link("dev/sdb", blocks[0])
        number = os.stat(blocks[0]).st_rdev
        self.sysfs = f"sys/dev/block/{os.major(number)}:{os.minor(number)}"
        self.machine.write(self.sysfs + "/size", "2048\n")
        self.machine.write(self.sysfs + "/wwid", "t10.ATA x\n")
        self.machine.write("image.raw", "")

    def run_plan(self, status, *disks, nodes=None):
        self.machine.write("a.xml", f"<domain type='kvm'>\n  <name>a</name>\n  <uuid>{UUID}</uuid>\n"
                           "  <devices>\n" + "".join(disks) + "  </devices>\n</domain>\n")
        if nodes is not None:
            self.machine.write("a.nodes", json.dumps({"return": nodes}))
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C", "FAKE_DOMAINS": "a:1:moves",
               "FAKE_LOG": self.machine.path("log"), "FAKE_XML": self.machine.root,
               "LD_LIBRARY_PATH": move.DIRECTORY, "ASAN_OPTIONS": "detect_leaks=0"}
        result = self.machine.run("disk", "plan", "--json", env=env)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        report = json.loads(result.stdout)
        with open(os.path.join(lib.SCHEMAS, "nestctl-disk-1.json"), encoding="utf-8") as file:
            jsonschema.validate(report, json.load(file))
        return report["disks"]

    def kind(self, *disks, status=OK, **words):
        return self.run_plan(status, *disks, **words)[0]["kind"]

    def why(self, *disks):
        entry, = self.run_plan(REFUSED, *disks)
        self.assertEqual(entry["kind"], "refused")
        return entry["why"]

    def test_what_is_this_kernels(self):
        entry, = self.run_plan(OK, disk(device("/dev/disk/by-id/x")))
        self.assertEqual(entry, {"domain": "a", "target": "vda", "source": "/dev/disk/by-id/x",
                                 "format": "raw", "kind": "local", "why": None})

    def test_what_both_reach(self):
        network = ("<source protocol='rbd' name='pool/image'>\n        <host name='mon' port='6789'/>\n"
                   "      </source>")
        for one in (disk(network, "network"), disk(server("other"), "network"),
                    "    <disk type='file' device='cdrom'>\n      <target dev='sda' bus='sata'/>\n"
                    "      <readonly/>\n    </disk>\n"):
            self.assertEqual(self.kind(one), "shared")
        self.assertEqual(self.run_plan(OK), [])

    def test_each_of_several(self):
        kinds = [(entry["target"], entry["kind"]) for entry in
                 self.run_plan(REFUSED, disk(server("x"), "network"),
                               disk(device("/dev/disk/by-id/x"), target="vdb"),
                               disk(device("/dev/sdb"), target="vdc"))]
        self.assertEqual(kinds, [("vda", "shared"), ("vdb", "local"), ("vdc", "refused")])

    def test_refused(self):
        self.assertIn("/dev/disk/by-id", self.why(disk(device("/dev/sdb"))))
        self.assertIn("convert -O qcow2",
                      self.why(disk(device("/dev/disk/by-id/x"), driver="type='vmdk'")))
        self.assertIn("by-id/x the file",
                      self.why(disk(device("/dev/disk/by-id/x"), driver="type='qcow2'")))
        for inside, text in (("<encryption format='luks'/>", "no key"), ("<slices>\n</slices>", "slices")):
            self.assertIn(text, self.why(disk("<source dev='/dev/disk/by-id/x'>\n        "
                                              f"{inside}\n      </source>")))
        self.assertIn("device='lun'", self.why(disk(device("/dev/disk/by-id/x")).replace("'disk'", "'lun'")))
        self.assertIn("blockpull", self.why(disk(device("/dev/disk/by-id/x"), more="      <backingStore "
                                                 "type='file'>\n        <source file='/b'/>\n"
                                                 "      </backingStore>\n")))
        self.assertIn("does not say which disk", self.why(disk(device("/dev/disk/by-id/y"))))
        self.assertIn("does not say which disk", self.why(disk(device("/dev/disk/by-id/none"))))
        self.assertIn("root file system", self.why(disk("<source file='/image.raw'/>", "file")))
        self.assertIn("type volume", self.why(disk("<source pool='p' volume='v'/>", "volume")))
        # An empty chain is none.
        self.assertEqual(self.kind(disk(device("/dev/disk/by-id/x"), more="      <backingStore/>\n")),
                         "local")

    def test_what_says_which_it_is(self):
        self.machine.remove(self.sysfs + "/wwid")
        self.assertIn("does not say", self.why(disk(device("/dev/disk/by-id/x"))))
        for name in ("dm/uuid", "device/wwid", "serial"):
            self.machine.write(f"{self.sysfs}/{name}", "it\n")
            self.assertEqual(self.kind(disk(device("/dev/disk/by-id/x"))), "local")
            self.machine.remove(f"{self.sysfs}/{name}")

    def image(self, data, name="a.qcow2"):
        """Its path, on a file system of its own that says which it is; and its XML."""
        directory = tempfile.mkdtemp(dir="/dev/shm")
        self.addCleanup(shutil.rmtree, directory)
        self.machine.link("images", directory)
        path = os.path.join(directory, name)
        with open(path, "wb") as file:
            file.write(data)
        number = os.stat(path).st_dev
        self.assertNotEqual(number, os.stat(self.machine.root).st_dev)
        sysfs = f"sys/dev/block/{os.major(number)}:{os.minor(number)}"
        self.machine.write(sysfs + "/size", "2048\n")
        self.machine.write(sysfs + "/wwid", "t10.ATA images\n")
        return path, disk(f"<source file='/images/{name}' index='1'/>", "file",
                          driver="type='qcow2' cache='none'")

    def test_images(self):
        path, xml = self.image(header())
        entry, = self.run_plan(OK, xml)
        self.assertEqual((entry["format"], entry["kind"]), ("qcow2", "local"))
        for good in ({"version": 2, "features": 4}, {"bits": 9}, {"bits": 21}, {"snapshots": 1}):
            with open(path, "wb") as file:
                file.write(header(**good))
            self.assertEqual(self.kind(xml), "local")
        for words, text in (({"backing": 512}, "virsh blockpull"), ({"features": 4}, "in another file"),
                            ({"crypt": 2}, "encrypted"), ({"magic": b"abcd"}, "no qcow2 image"),
                            ({"version": 4}, "no qcow2 image"), ({"bits": 22}, "no qcow2 image"),
                            ({"bits": 8}, "no qcow2 image"), ({"size": 1 << 62}, "no qcow2 image")):
            with open(path, "wb") as file:
                file.write(header(**words))
            self.assertIn(text, self.why(xml))
        with open(path, "wb") as file:
            file.write(header()[:79])
        self.assertIn("no qcow2 image", self.why(xml))

    def room(self, path, xml):
        """The file's length when a server has been there for it."""
        with open(path, "rb") as file:
            before = file.read()
        _, servers = self.move("a:1:refused", xml=xml)
        self.assertIn("driver=raw", servers[0])
        self.machine.remove("servers")
        with open(path, "rb") as file:
            after = file.read()
        self.assertEqual((after[:len(before)], after[len(before):].strip(b"\0")), (before, b""))
        self.assertLess(os.stat(path).st_blocks * 512, len(before) + MIB)
        return len(after)

    def test_an_image_has_room(self):
        for bits in (9, 12, 16, 21):
            path, xml = self.image(header(bits=bits))
            length = self.room(path, xml)
            # All that the VM can write, tables for it, and what is there.
            self.assertGreater(length, 64 * MIB + (64 * MIB >> bits) * 32 + (1 << bits))
            self.assertLess(length, 64 * MIB * 3 // 2 if bits > 9 else 128 * MIB)
            # It is long enough, until it has more.
            self.assertEqual(self.room(path, xml), length)
            with open(path, "r+b") as file:
                file.seek(8 * MIB)
                file.write(b"y" * 4096)
            self.assertGreater(self.room(path, xml), length + 4 * MIB)
            self.machine.remove("images")

    def test_what_a_snapshot_has_is_kept(self):
        path, xml = self.image(header(snapshots=1))
        os.truncate(path, 200 * MIB)
        self.assertGreater(self.room(path, xml), 264 * MIB)

    def test_no_room_where_none_is_needed(self):
        path, xml = self.image(header())
        for other in (xml.replace("<target", "<readonly/>\n      <target"), xml.replace("'qcow2'", "'raw'")):
            self.assertEqual(self.room(path, other), 1 << 16)

    @staticmethod
    def short_files():
        """In a program that is about to be run: as on a file system that has no longer ones."""
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))

    def test_an_image_that_cannot_be_that_long(self):
        path, xml = self.image(header())
        (entry,), servers = self.move("a:1:moves", xml=xml, preexec_fn=self.short_files)
        self.assertEqual((entry["state"], servers), ("stays", []))
        self.assertIn("its disk vda cannot be served", entry["why"])
        self.assertEqual(os.stat(path).st_size, 1 << 16)

    def test_an_image_stays_one(self):
        """The QEMU that has it next opens it as qcow2, at the server, and when that is exchanged."""
        _, xml = self.image(header())
        xml = xml.replace("cache='none'/>", "cache='none'>\n        <metadata_cache>\n          <max_size "
                          "unit='bytes'>65536</max_size>\n        </metadata_cache>\n      </driver>")
        nodes = [{"node-name": f"libvirt-1-{name}", "drv": drv, "ro": False, "file": "nbd://h:1/EXPORT",
                  "cache": {"direct": True, "no-flush": False}}
                 for name, drv in (("format", "qcow2"), ("storage", "nbd"))]
        self.machine.write("nodes", json.dumps({"return": nodes}))
        (entry,), _ = self.move("a:1:moves", 'while [ "$1" != --export-name ]; do shift; done\n'
                                f'cd {self.machine.root} && sed "s/EXPORT/$2/g" nodes >a.nodes', xml=xml)
        self.assertEqual((entry["state"], entry["why"]), ("moved", None))
        with open(self.machine.path("log"), encoding="utf-8") as file:
            log = file.read()
        there = log[log.index("destination_xml"):log.index("</disk>")]
        for text in ("type='network'", "type='qcow2'", "<metadata_cache>", "protocol='nbd'"):
            self.assertIn(text, there)
        self.assertNotIn("a.qcow2", there)
        added, reopened = (json.loads(line.partition(" ")[2])["arguments"] for line in log.splitlines()
                           if "blockdev-add" in line or "blockdev-reopen" in line)
        self.assertEqual((added["driver"], added["discard"]), ("nbd", "unmap"))
        options, = reopened["options"]
        self.assertEqual((options["driver"], options["backing"], options["cache-size"],
                          options["node-name"]), ("qcow2", None, 65536, "libvirt-1-format"))

    def move(self, domains, then="", xml=None, **options):
        """(report, calls of qemu-nbd): all of them at once, each with the disk x, or another one."""
        self.machine.write("servers", "")
        self.machine.write("bin/qemu-nbd",
                           f'#!/bin/sh\necho "$*" >>{self.machine.root}/servers\n{then}\n')
        os.chmod(self.machine.path("bin/qemu-nbd"), 0o755)
        for number, name in enumerate(word.split(":")[0] for word in domains.split()):
            self.machine.write(f"{name}.xml", f"<domain type='kvm'>\n  <name>{name}</name>\n  <uuid>"
                               f"{UUID[:-2]}{number:02d}</uuid>\n  <devices>\n"
                               f"{xml or disk(device('/dev/disk/by-id/x'))}  </devices>\n</domain>\n")
        env = {"PATH": self.machine.path("bin") + ":" + os.environ["PATH"], "LC_ALL": "C",
               "FAKE_DOMAINS": domains, "FAKE_LOG": self.machine.path("log"),
               "FAKE_XML": self.machine.root, "LD_LIBRARY_PATH": move.DIRECTORY,
               "ASAN_OPTIONS": "detect_leaks=0"}
        result = self.machine.run("move", "--json", "--address=tcp://127.0.0.1", "--parallel=16",
                                  move.URI, env=env, **options)
        with open(self.machine.path("servers"), encoding="utf-8") as file:
            return json.loads(result.stdout)["domains"], file.read().splitlines()

    def test_each_server_has_a_port_of_its_own(self):
        for _ in range(3):
            _, servers = self.move(" ".join(f"v{number}:1:refused" for number in range(12)))
            ports = [words.split()[words.split().index("--port") + 1] for words in servers]
            self.assertEqual((len(ports), len(set(ports))), (12, 12), servers)
            self.machine.remove("servers")
            self.machine.remove("run/nestctl")

    def test_no_move_without_the_server_in_its_xml(self):
        """Else both kernels would write to the disk."""
        for then in (f"sed -i /source/d {self.machine.root}/a.xml", f": >{self.machine.root}/a.xml"):
            self.machine.write("log", "")
            (entry,), servers = self.move("a:1:moves", then)
            self.assertEqual((entry["state"], len(servers)), ("stays", 1))
            self.assertIn("its disk vda", entry["why"])
            with open(self.machine.path("log"), encoding="utf-8") as file:
                self.assertNotIn("migrate ", file.read())
            self.machine.remove("servers")

    def test_one_whose_disks_nobody_holds_must_not_stay(self):
        for fate in ("moves", "quiet"):
            (entry,), _ = self.move(f"a:1:{fate}")
            self.assertEqual(entry["state"], "moved")
            self.assertIn("it would see errors of its disk vda", entry["why"])

    def test_usage(self):
        for words in ((), ("eat",), ("plan", "x"), ("attach", "--wait=x")):
            self.assertEqual(self.machine.run("disk", *words).returncode, USAGE)

    def test_nothing_is_served(self):
        for verb in ("serve", "stop", "close"):
            self.assertEqual(self.machine.run("disk", verb).returncode, OK)
            self.assertFalse(os.path.exists(self.machine.path("run/nestctl")))


if __name__ == "__main__":
    unittest.main()
