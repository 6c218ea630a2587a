#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""nestctl pool and domain, and moves without a copy: on a made-up machine, with a made-up libvirt."""

import contextlib
import json
import os
import socket
import sys
import threading
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import jsonschema
import nestctl_lib as lib
from nestctl_lib import BROKEN, FAILED, OK, REFUSED, USAGE
from nestctl_move_test import DIRECTORY, URI, build_library

BLOCK = 128 << 20
START = 0x60000000
UUID = "01234567-89ab-4cde-8f01-23456789abcd"
# As libvirt writes one.
DOMAIN = """<domain type='kvm'>
  <name>a</name>
  <uuid>{uuid}</uuid>
  <memory unit='KiB'>{kib}</memory>
  <currentMemory unit='KiB'>{kib}</currentMemory>
  <vcpu placement='static'>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type>
  </os>
  <devices>
    <memballoon model='none'/>
  </devices>
</domain>
"""
WITH_MORE = """<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>a</name>
  <uuid>{uuid}</uuid>
  <metadata>
    <other:thing xmlns:other="urn:other">text</other:thing>
  </metadata>
  <memory unit='KiB'>{kib}</memory>
  <devices>
    <memballoon model='none'/>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-machine'/>
    <qemu:arg value='hpet=off'/>
  </qemu:commandline>
</domain>
"""


class Pool(lib.Test):
    """A machine with eight blocks, of which the last four are movable."""

    def setUp(self):
        super().setUp()
        build_library()
        lib.build_fake()
        self.machine.program = lib.FAKE
        self.machine.write("dev/vmm-refresh", "")
        self.machine.write("fake/log", "")
        self.machine.write("sys/devices/system/memory/block_size_bytes", f"{BLOCK:x}\n")
        for block in range(8):
            where = f"sys/devices/system/memory/memory{block}/"
            self.machine.write(where + "state", "online\n")
            self.machine.write(where + "removable", "1\n")
            self.machine.write(where + "valid_zones", "Movable\n" if block > 3 else "Normal\n")
        self.machine.write("proc/iomem", f"00100000-{8 * BLOCK - 1:x} : System RAM\n")
        self.machine.write("sys/bus/dax/drivers/device_dax/new_id", "")
        self.machine.write("sys/module/dax_hmem/parameters/region_idle", "N\n")

    def env(self, domains="a:98304:off", log=None):
        return {"FAKE_DOMAINS": domains, "FAKE_LOG": log or self.machine.path("fake/log"),
                "FAKE_XML": self.machine.root, "LD_LIBRARY_PATH": DIRECTORY}

    def report(self, status, *words, schema, **env):
        result = self.machine.run(*words, "--json", env=self.env(**env))
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        report = json.loads(result.stdout)
        with open(os.path.join(lib.SCHEMAS, schema + ".json"), encoding="utf-8") as file:
            jsonschema.validate(report, json.load(file))
        return report

    def says(self, status, text, *words, **env):
        result = self.machine.run(*words, env=self.env(**env))
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        self.assertIn(text, result.stderr)

    def log(self):
        """What was changed."""
        with open(self.machine.path("fake/log"), encoding="utf-8") as file:
            return [line for line in file.read().splitlines() if not line.startswith("write")]

    def xml(self):
        with open(self.machine.path("a.xml"), encoding="utf-8") as file:
            return file.read()

    def have_pool(self, size=3 * BLOCK):
        self.machine.write("fake/pool", f"{START:x} {size:x}\n")

    def have_domain(self, text=DOMAIN, kib=98304):
        self.machine.write("a.xml", text.format(uuid=UUID, kib=kib))

    # ---- pool

    def test_the_lowest_piece_is_taken(self):
        report = self.report(OK, "pool", "create", "256M", schema="nestctl-pool-1")
        self.assertEqual(self.log(), [f"pool add {4 * BLOCK:#x} {2 * BLOCK:#x}"])
        self.assertEqual(report["pieces"], [{"start": 4 * BLOCK, "size": 2 * BLOCK,
                                             "state": "here"}])
        # Before: or dax_hmem would have made ordinary memory of it.
        with open(self.machine.path("sys/module/dax_hmem/parameters/region_idle"),
                  encoding="utf-8") as file:
            self.assertEqual(file.read(), "Y\n")

    def test_in_one_piece(self):
        self.machine.write("sys/devices/system/memory/memory5/state", "offline\n")
        report = self.report(OK, "pool", "create", "256M", "--dry-run", schema="nestctl-pool-1")
        self.assertEqual((report["chosen"], self.log()), (6 * BLOCK, []))
        self.says(REFUSED, "no 512 MiB of movable memory", "pool", "create", "512M")

    def test_wrong_usage_of_pool(self):
        for words in (("create",), ("list", "1"), ("delete",), (), ("create", "1x"), ("sell", "1")):
            self.says(USAGE, "say" if len(words) < 2 or words[1] != "1x" else "no size", "pool", *words)
        self.says(REFUSED, "whole memory blocks", "pool", "create", "100M")

    def test_no_pool_where_kmem_would_take_it(self):
        self.machine.write("fake/fail",
                           "13 write /sys/module/dax_hmem/parameters/region_idle Y\n")
        self.says(REFUSED, "region_idle=1", "pool", "create", "256M")
        self.assertEqual(self.log(), [])

    def test_memory_that_comes_back_is_brought_online(self):
        """What has been taken out for a pool that could not be made."""
        self.machine.write("fake/fail", f"12 pool add {4 * BLOCK:#x} {2 * BLOCK:#x}\n")
        self.says(REFUSED, "makes no pool", "pool", "create", "256M")
        with open(self.machine.path("sys/devices/system/memory/memory4/state"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "online\n")

    def test_delete(self):
        self.have_pool(2 * BLOCK)
        where = "sys/devices/platform/hmem.0/dax_region/"
        self.machine.write(where + "size", f"{2 * BLOCK}\n")
        self.machine.write(where + "available_size", f"{BLOCK}\n")
        self.says(REFUSED, "a VM has memory in it", "pool", "delete", hex(START))
        self.machine.write(where + "available_size", f"{2 * BLOCK}\n")
        self.says(REFUSED, "no piece of the pool begins", "pool", "delete", hex(START + BLOCK))
        for block in range(START // BLOCK, START // BLOCK + 2):
            self.machine.write(f"sys/devices/system/memory/memory{block}/state", "offline\n")
        report = self.report(OK, "pool", "delete", hex(START), schema="nestctl-pool-1")
        self.assertEqual(report["pieces"], [])
        self.assertEqual(self.log(), [f"pool remove {START:#x} {2 * BLOCK:#x}"])

    def test_delete_is_killed(self):
        """Another one brings online what the first one would have."""
        remove = f"pool remove {START:#x} {2 * BLOCK:#x}"
        first = START // BLOCK
        for name in ("size", "available_size"):
            self.machine.write("sys/devices/platform/hmem.0/dax_region/" + name, "0\n")
        online = [f"write /sys/devices/system/memory/memory{first + i}/state online_movable"
                  for i in range(2)]
        states = [f"sys/devices/system/memory/memory{first + i}/state" for i in range(2)]
        for how, call in ((1000, remove), (1001, remove), (1000, online[0]), (1001, online[0]),
                          (1000, online[1]), (1001, online[1])):
            with self.subTest(how=how, call=call):
                self.have_pool(2 * BLOCK)
                for state in states:
                    self.machine.write(state, "offline\n")
                self.machine.write("fake/fail", f"{how} {call}\n")
                result = self.machine.run("pool", "delete", hex(START), env=self.env())
                self.assertEqual(result.returncode, -9, result.stderr)
                self.machine.write("fake/fail", "")
                self.report(OK, "pool", "delete", hex(START), schema="nestctl-pool-1")
                for state in states:
                    with open(self.machine.path(state), encoding="utf-8") as file:
                        self.assertEqual(file.read(), "online\n")
                self.says(REFUSED, "no piece of the pool begins", "pool", "delete", hex(START))

    def test_delete_is_refused(self):
        """What another one that was killed has left offline is not forgotten."""
        remove = f"pool remove {START:#x} {2 * BLOCK:#x}"
        state = f"sys/devices/system/memory/memory{START // BLOCK + 4}/state"
        for name in ("size", "available_size"):
            self.machine.write("sys/devices/platform/hmem.0/dax_region/" + name, "0\n")
        self.have_pool(2 * BLOCK)
        self.machine.write("fake/fail", f"1000 {remove}\n")
        self.assertEqual(self.machine.run("pool", "delete", hex(START), env=self.env()).returncode, -9)
        with open(self.machine.path("run/nestctl/pool.json"), encoding="utf-8") as file:
            journal = json.load(file)
        journal["blocks"] = [START // BLOCK + 4]
        self.machine.write("run/nestctl/pool.json", json.dumps(journal))
        self.machine.write(state, "offline\n")
        self.machine.write("fake/fail", f"16 {remove}\n")
        self.says(REFUSED, "the module keeps the pool", "pool", "delete", hex(START))
        with open(self.machine.path(state), encoding="utf-8") as file:
            self.assertEqual(file.read(), "online\n")
        self.assertFalse(os.path.exists(self.machine.path("run/nestctl/pool.json")))

    # ---- the same after a boot

    PLACES = "etc/nestctl/pool"

    def places(self):
        with open(self.machine.path(self.PLACES), encoding="utf-8") as file:
            return [line for line in file.read().splitlines() if not line.startswith("#")]

    def boot(self):
        """The pool is there no more."""
        os.remove(self.machine.path("fake/pool"))
        self.machine.write("fake/log", "")

    def test_save_and_restore(self):
        """At the same place, whatever create would take."""
        self.machine.write("etc/hostname", "")
        # Not the lowest.
        start = 5 * BLOCK
        self.machine.write("fake/pool", f"{start:x} {2 * BLOCK:x}\n")
        self.report(OK, "pool", "save", "-n", schema="nestctl-pool-1")
        self.assertFalse(os.path.exists(self.machine.path(self.PLACES)))
        self.report(OK, "pool", "save", schema="nestctl-pool-1")
        self.assertEqual(self.places(), [f"{start:#x} {2 * BLOCK:#x}"])
        self.assertFalse(os.path.exists(self.machine.path(self.PLACES + ".new")))
        # It is there: nothing is done.
        self.report(OK, "pool", "restore", schema="nestctl-pool-1")
        self.assertEqual(self.log(), [])
        self.boot()
        self.report(OK, "pool", "restore", "-n", schema="nestctl-pool-1")
        self.assertEqual(self.log(), [])
        report = self.report(OK, "pool", "restore", schema="nestctl-pool-1")
        self.assertEqual(self.log(), [f"pool add {start:#x} {2 * BLOCK:#x}"])
        self.assertEqual(report["pieces"], [{"start": start, "size": 2 * BLOCK, "state": "here"}])
        # No pool: nothing to restore.
        self.boot()
        self.report(OK, "pool", "save", schema="nestctl-pool-1")
        self.assertFalse(os.path.exists(self.machine.path(self.PLACES)))
        self.report(OK, "pool", "save", schema="nestctl-pool-1")

    def test_what_cannot_be_restored(self):
        """It is named, and what can be is restored all the same."""
        self.says(REFUSED, "nestctl pool save writes it", "pool", "restore")
        for line in ("x", f"{START:#x}", f"{START:#x} {BLOCK:#x} 1", f"{START:#x} 0x1000", "0x1000 0x8000000",
                     f"{START:#x} 0", "-0x8000000 0x8000000", "0xfffffffff8000000 0x10000000"):
            with self.subTest(line):
                self.machine.write(self.PLACES, f"# text\n{4 * BLOCK:#x} {BLOCK:#x}\n\n{line}\n")
                self.says(REFUSED, f"'{line}', which is no address", "pool", "restore")
        self.machine.write(self.PLACES, f"{BLOCK:#x} {BLOCK:#x}\n{5 * BLOCK:#x} {BLOCK:#x}\n")
        self.says(REFUSED, f"the memory at {BLOCK:#x} cannot be taken out", "pool", "restore")
        self.assertEqual(self.log(), [f"pool add {5 * BLOCK:#x} {BLOCK:#x}"])
        self.boot()
        self.machine.write("fake/fail", f"16 pool add {5 * BLOCK:#x} {BLOCK:#x}\n")
        self.says(REFUSED, "no second kernel may be there", "pool", "restore")

    def test_save_leaves_what_was(self):
        self.have_pool()
        self.machine.write(self.PLACES, "0x0 0x0\n")
        os.makedirs(self.machine.path(self.PLACES + ".new"))
        self.says(REFUSED, "what it was before is still there", "pool", "save")
        self.assertEqual(self.places(), ["0x0 0x0"])

    # ---- domain

    def test_release(self):
        report = self.report(OK, "domain", "release", schema="nestctl-domain-release-1",
                             domains="a:1:moves b:1:came c:1:off d:1:came")
        self.assertEqual(report["released"], 2)
        self.assertEqual(self.log(), ["autostart b", "unmark b", "autostart d", "unmark d"])
        for words in (("release", "a"), ("release", "-n"), ("release", "--undo"), ("convert",)):
            self.says(USAGE, "release", "domain", *words)

    def test_convert_and_back(self):
        self.have_pool()
        for text in (DOMAIN, WITH_MORE):
            self.have_domain(text)
            before = self.xml()
            report = self.report(OK, "domain", "convert", "a", schema="nestctl-domain-1")
            self.assertEqual((report["start"], report["size"]), (START, 96 << 20))
            for words in (f"start='{START:#x}' size='{96 << 20:#x}'",
                          f"mem-path=/run/nestctl/pool/{UUID},size={96 << 20},share=on,align=2M",
                          "memory-backend=pool.ram", "xmlns:qemu="):
                self.assertEqual(self.xml().count(words), 1, words)
            self.says(REFUSED, "in the pool already", "domain", "convert", "a")
            self.report(OK, "domain", "convert", "--undo", "a", schema="nestctl-domain-1")
            after = self.xml().replace(
                " xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'", "")
            self.assertEqual("".join(after.split()), "".join(before.replace(
                " xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'", "").split()))
            self.says(REFUSED, "is not in the pool", "domain", "convert", "--undo", "a")

    def test_dry_run_defines_nothing(self):
        self.have_pool()
        self.have_domain()
        before = self.xml()
        report = self.report(OK, "domain", "convert", "-n", "a", schema="nestctl-domain-1")
        self.assertIn("pool.ram", report["xml"])
        self.assertEqual((self.xml(), self.log()), (before, []))

    def test_each_has_a_place_of_its_own(self):
        self.have_pool(256 << 20)
        self.have_domain()
        taken = (f"<domain type='kvm'><metadata><nestctl:zerocopy xmlns:nestctl=\"urn:x\" "
                 f"start=\"{START:#x}\" size=\"{64 << 20:#x}\"/></metadata></domain>")
        self.machine.write("b.xml", taken)
        domains = "a:98304:off b:65536:moves"
        report = self.report(OK, "domain", "convert", "-n", "a", schema="nestctl-domain-1",
                             domains=domains)
        self.assertEqual(report["start"], START + (64 << 20))
        self.have_domain(kib=200 << 10)
        self.says(REFUSED, "no piece of the pool has 200 MiB", "domain", "convert", "a",
                  domains=domains)

    def test_what_cannot_be_converted(self):
        self.have_pool()
        for new, text in (("<memoryBacking>", "memoryBacking"), ("<numa>", "NUMA"),
                          ("<maxMemory slots='1'>", "maxMemory"), ("<hostdev mode='x'/>", "device of the host"),
                          ("<memballoon model='virtio'/>", "balloon")):
            self.have_domain(DOMAIN.replace("<vcpu", new + "<vcpu"))
            self.says(REFUSED, text, "domain", "convert", "a")
        self.have_domain(kib=98305)
        self.says(REFUSED, "whole pieces of 2 MiB", "domain", "convert", "a")
        self.says(REFUSED, "there is no domain 'x'", "domain", "convert", "x")
        self.assertEqual(self.log(), [])

    # ---- moves

    def move(self, fate, status):
        self.have_pool()
        self.have_domain()
        self.report(OK, "domain", "convert", "a", schema="nestctl-domain-1", domains="a:98304:moves")
        self.machine.write("fake/log", "")
        report = self.report(status, "move", URI, schema="nestctl-move-1",
                             domains=f"a:98304:{fate}")
        return report["domains"][0], [line for line in self.log() if line.split()[0] in
                                      ("pool", "ignore-shared", "send-all", "migrate")]

    def test_moves_without_a_copy(self):
        """The memory is lent before, given away afterwards, and never both kernels' for longer."""
        place = f"{START:#x} {96 << 20:#x}"
        # No AUTO_CONVERGE.
        migrate = f"migrate {URI} 0x101b 1 a"
        for fate, status, end in (
                ("moves", OK, ["send-all there", f"pool give {place}"]),
                ("arrived", OK, [f"pool give {place}"]),
                ("refused", FAILED, ["send-all here", f"pool keep {place}"]),
                ("paused", FAILED, ["send-all here", f"pool keep {place}"]),
                ("left", FAILED, ["send-all here", f"pool keep {place}"]),
                ("gone", OK, [f"pool give {place}"]),
                # Nobody knows: both keep it.
                ("lost", BROKEN, []),
                ("away", BROKEN, [])):
            with self.subTest(fate):
                self.machine.write("fake/state", b"")
                os.remove(self.machine.path("fake/state"))
                domain, log = self.move(fate, status)
                self.assertEqual(domain["how"], "zero-copy")
                self.assertEqual(log, [f"pool lend {place}", "ignore-shared here", migrate, *end])

    # ---- libvirt's hook

    @contextlib.contextmanager
    def qemu(self, status):
        """One that answers the hook; what it was asked for."""
        asked = []
        path = self.machine.path(f"run/nestctl/qmp/{UUID}")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()

            def answer():
                with contextlib.suppress(OSError), listener.accept()[0] as peer, \
                        peer.makefile("rw", encoding="utf-8") as stream:
                    print('{"QMP": {}}', file=stream, flush=True)
                    for line in stream:
                        asked.append(json.loads(line)["execute"])
                        print('{"event": "RESUME"}', file=stream)
                        print(json.dumps({"return": {"status": status}}), file=stream, flush=True)

            thread = threading.Thread(target=answer)
            thread.start()
            yield asked
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()
        os.remove(path)

    def started(self, status, said, qemu):
        """What the hook has QEMU do, when libvirt has started it."""
        with self.qemu(qemu) as asked:
            result = self.machine.run("hook", "a", "started", "begin", "-", input=self.xml(),
                                      env=self.env())
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertIn(said, result.stderr)
        return asked

    def test_started(self):
        """Memory that is lent is left as it is; what brings its memory along may load it."""
        asks = ["qmp_capabilities", "query-status"]
        self.have_pool()
        self.have_domain()
        self.report(OK, "domain", "convert", "a", schema="nestctl-domain-1", domains="a:98304:moves")
        self.assertEqual(self.started(OK, "", "prelaunch"), asks)
        # virsh restore: no capability, so all of the file is loaded.
        self.assertEqual(self.started(OK, "", "inmigrate"), asks)
        # Lent: nobody knows where the move has ended.
        self.move("lost", BROKEN)
        self.assertEqual(self.started(OK, "", "inmigrate"), [*asks, "migrate-set-capabilities"])
        self.assertEqual(self.started(REFUSED, "before nestctl move has ended", "prelaunch"), asks)
        self.machine.write("fake/state", b"")
        os.remove(self.machine.path("fake/state"))
        self.move("moves", OK)
        for qemu in ("prelaunch", "inmigrate"):
            self.assertEqual(self.started(REFUSED, "is not this kernel's", qemu), asks)

    def test_larger_than_the_kernel(self):
        """Linux would refuse what libvirt reserves besides: said before QEMU is started."""
        self.have_pool()
        self.have_domain()
        self.report(OK, "domain", "convert", "a", schema="nestctl-domain-1", domains="a:98304:moves")
        # Then the made-up machine has no device to make.
        for mode, total, swap, refused in ((0, 65536, 0, True), (1, 65536, 0, False),
                                           (0, 98304, 0, False), (0, 65536, 32768, False)):
            self.machine.write("proc/sys/vm/overcommit_memory", f"{mode}\n")
            self.machine.write("proc/meminfo", f"MemTotal:  {total} kB\nSwapTotal:  {swap} kB\n")
            result = self.machine.run("hook", "a", "prepare", "begin", "-", input=self.xml(),
                                      env=self.env())
            self.assertEqual(result.returncode, REFUSED, result.stderr)
            self.assertIn("'a' has 96 MiB, and this kernel, with 64 MiB" if refused else
                          "hmem.0 makes no device", result.stderr)

    def test_memory_that_another_domain_has(self):
        """A copy of a definition: its VM is not started, and the other's memory is not touched."""
        self.have_pool()
        self.have_domain()
        self.report(OK, "domain", "convert", "a", schema="nestctl-domain-1")
        device = "sys/bus/dax/devices/dax0.1/"
        self.machine.write(device + "mapping0/start", f"{START:#x}\n")
        self.machine.write(device + "mapping0/end", f"{START + (96 << 20) - 1:#x}\n")
        self.machine.write(device + "size", f"{96 << 20}\n")
        self.machine.write(device + "driver/unbind", "")
        self.machine.write("sys/bus/dax/drivers/device_dax/unbind", "")
        other = UUID[:-1] + "0"
        for owner, said, size in ((other, f"is that of the domain {other}, which runs", f"{96 << 20}\n"),
                                  # The test's root has no device to clear.
                                  (UUID, "/dev/dax0.1", "0\n")):
            self.machine.link(f"run/nestctl/pool/{owner}", "/dev/dax0.1")
            for stage, status in (("prepare begin", REFUSED), ("release end", OK)):
                result = self.machine.run("hook", "a", *stage.split(), "-", input=self.xml(),
                                          env=self.env())
                self.assertEqual(result.returncode, status, result.stderr)
                self.assertIn(said if status else "", result.stderr)
            with open(self.machine.path(device + "size"), encoding="utf-8") as file:
                self.assertEqual(file.read(), size)
            with contextlib.suppress(FileNotFoundError):
                os.remove(self.machine.path(f"run/nestctl/pool/{owner}"))

    def test_not_moved_when_it_cannot_be_lent(self):
        self.machine.write("fake/fail", f"6 pool lend {START:#x} {96 << 20:#x}\n")
        domain, log = self.move("moves", FAILED)
        self.assertEqual(domain["state"], "stays")
        self.assertIn("cannot be lent", domain["why"])
        self.assertEqual(log, [f"pool lend {START:#x} {96 << 20:#x}"])

    def test_not_moved_when_qemu_would_send_it(self):
        domain, log = self.move("deaf", FAILED)
        self.assertIn("does not leave its memory out", domain["why"])
        self.assertEqual([line.split()[0] for line in log], ["pool", "ignore-shared", "pool"])
        self.assertEqual(log[-1], f"pool keep {START:#x} {96 << 20:#x}")


if __name__ == "__main__":
    unittest.main()
