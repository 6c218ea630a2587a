#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""nestctl move with a libvirt that makes up two daemons and what moves come to."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import jsonschema
import nestctl_lib as lib
from nestctl_lib import BROKEN, FAILED, OK, REFUSED, USAGE

DIRECTORY = os.path.join(lib.OUT, "libvirt-fake")
SOURCE = os.path.join(lib.TOP, "selftests", "unit", "nestctl_libvirt_fake.c")
URI = "qemu+tcp://other/system"
# PEER2PEER with LIVE, PERSIST_DEST, UNDEFINE_SOURCE, ABORT_ON_ERROR, AUTO_CONVERGE; or OFFLINE.
LIVE, OFFLINE = "0x301b", "0x41a"


@functools.lru_cache(None)
def build_library():
    """Once for this program."""
    lib.build()
    os.makedirs(DIRECTORY, exist_ok=True)
    lib.compile_if_old(os.path.join(DIRECTORY, "libvirt.so.0"), [SOURCE], "-g", "-fPIC", "-shared",
                       "-Wl,-soname,libvirt.so.0")
    link = os.path.join(DIRECTORY, "libvirt-qemu.so.0")
    if not os.path.islink(link):
        os.symlink("libvirt.so.0", link)


class Move(lib.Test):
    """Domains are NAME:KIB:FATE, see nestctl_libvirt_fake.c."""

    def setUp(self):
        super().setUp()
        self.log = self.machine.path("log")
        self.machine.write("log", "")

    def start(self, domains, *words, uri=URI, library=True):
        build_library()
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C", "FAKE_DOMAINS": domains,
               "FAKE_LOG": self.log, "ASAN_OPTIONS": "detect_leaks=0"}
        if library:
            env["LD_LIBRARY_PATH"] = DIRECTORY
        return subprocess.Popen([lib.PROGRAM, "move", "--root", self.machine.root, *words,
                                 *([uri] if uri else [])], env=env,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self, process, status):
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, status, out + err)
        return out, err

    def move(self, domains, status, *words):
        """(report, calls) of a move with --json."""
        out, _ = self.end(self.start(domains, "--json", *words), status)
        report = json.loads(out)
        with open(os.path.join(lib.SCHEMAS, "nestctl-move-1.json"), encoding="utf-8") as file:
            jsonschema.validate(report, json.load(file))
        return report, self.calls()

    def calls(self):
        with open(self.log, encoding="utf-8") as file:
            return file.read().splitlines()

    def states(self, report):
        return {domain["name"]: domain["state"] for domain in report["domains"]}

    def test_all_move_the_largest_first(self):
        report, calls = self.move("a:100:moves b:3000:moves c:9000:off", OK)
        self.assertEqual(report["result"], "done")
        self.assertEqual([domain["name"] for domain in report["domains"]], ["b", "a", "c"])
        self.assertEqual(set(self.states(report).values()), {"moved"})
        self.assertEqual(calls, [
            "downtime 50 b", "migrate_uri tcp://other", f"migrate {URI} {LIVE} 1 b",
            "downtime 50 a", "migrate_uri tcp://other", f"migrate {URI} {LIVE} 1 a",
            "mark c", "migrate_uri tcp://other", f"migrate {URI} {OFFLINE} 1 c", "autostart c",
            "unmark c"])
        first = report["domains"][0]
        self.assertEqual((first["memory"], first["ram_bytes_sent"]), (3000 << 10, 3000 << 9))
        self.assertTrue(20 <= first["pause_ms"] < 1000, first)
        self.assertIsNone(report["domains"][2]["pause_ms"])

    def test_autostart(self):
        """It may be held off there; what stays, and what comes back, starts by itself as before."""
        off = ["migrate_uri tcp://other", f"migrate {URI} {OFFLINE} 1 a"]
        for domains, words, status, wanted in (
                ("a:1:off", ("--hold-autostart",), OK, ["mark a", *off]),
                ("a:1:off", (), OK, ["mark a", *off, "autostart a", "unmark a"]),
                ("a:1:kept", (), FAILED, ["mark a", *off, "unmark a"]),
                ("a:1:kept", ("--hold-autostart",), FAILED, ["mark a", *off, "unmark a"])):
            with self.subTest(domains, words=words):
                self.machine.write("log", "")
                self.assertEqual(self.move(domains, status, *words)[1], wanted)
                kept = self.kept()
                self.assertEqual(bool(kept), status == OK and bool(words), kept)
        # Its daemon does not start it: only the mark says that this one has to.
        self.machine.write("log", "")
        _, calls = self.move("a:1:came", OK)
        self.assertEqual(calls[-2:], ["autostart a", "unmark a"])
        self.machine.write("log", "")
        _, calls = self.move("a:1:came", OK, "--hold-autostart")
        self.assertNotIn("autostart a", calls)

    def kept(self):
        """Names of domains whose definitions are kept; none is afterwards."""
        directory = self.machine.path("run/nestctl/domains")
        names = []
        for name in os.listdir(directory) if os.path.isdir(directory) else []:
            path = os.path.join(directory, name)
            with open(path, encoding="utf-8") as file:
                kept = json.load(file)
            self.assertEqual((kept["schema"], "<domain" in kept["xml"]), ("nestctl-kept-1", True))
            self.assertEqual(os.stat(directory).st_mode & 0o777, 0o700)
            os.unlink(path)
            names.append(kept["name"])
        return names

    def test_what_cannot_be_kept_stays(self):
        """No definition is given away that would be nowhere else."""
        self.machine.write("run/nestctl/domains", "in the way")
        report, calls = self.move("a:1:moves b:1:moves", FAILED, "--hold-autostart")
        self.assertEqual((self.states(report), calls), ({"a": "stays", "b": "waits"}, []))
        # Nor is there half a file, which takes room in /run.
        os.remove(self.machine.path("run/nestctl/domains"))
        place = "run/nestctl/domains/00000000-0000-4000-8000-000000000000.json"
        os.makedirs(self.machine.path(place))
        self.move("a:1:moves", FAILED, "--hold-autostart")
        self.assertEqual(os.listdir(self.machine.path("run/nestctl/domains")), [os.path.basename(place)])

    def test_named_ones_only(self):
        build_library()
        out, _ = self.end(self.start("a:1:moves b:2:moves", URI, "b", uri=None), OK)
        self.assertIn("b: moved by copy, paused for", out)
        self.assertNotIn("a: ", out)
        _, err = self.end(self.start("a:1:moves", URI, "x", uri=None), REFUSED)
        self.assertIn("there is no domain 'x'", err)

    def test_at_most_so_many_at_a_time(self):
        domains = " ".join(f"v{i}:100:moves" for i in range(6))
        for limit in (1, 3):
            self.machine.write("log", "")
            _, calls = self.move(domains, OK, f"--parallel={limit}")
            together = [int(call.split()[3]) for call in calls if call.startswith("migrate ")]
            self.assertEqual((len(together), max(together)), (6, limit))

    def test_dry_run_moves_none(self):
        report, calls = self.move("a:1:moves b:2:moves", OK, "--dry-run")
        self.assertEqual((report["result"], calls), ("planned", []))
        self.assertEqual(self.states(report), {"a": "waits", "b": "waits"})

    def test_what_cannot_move_is_found_before(self):
        for words in ((), ("-n",)):
            report, calls = self.move("a:1:moves b:2:snapshot", REFUSED, *words)
            self.assertEqual((report["result"], calls), ("refused", []))
            self.assertIn("snapshot-create --redefine", report["domains"][0]["why"])
            report, calls = self.move("a:1:moves b:2:secret", REFUSED, *words)
            self.assertEqual((report["result"], calls), ("refused", []))
            self.assertIn("does not tell which disks it has", report["domains"][0]["why"])

    def test_faults(self):
        """What a failure leaves is settled; nothing is begun after it, nothing runs twice."""
        for fate, status, state, settled in (
                ("refused", FAILED, "stays", []),
                ("known", FAILED, "stays", []),
                ("paused", FAILED, "stays", ["resume a"]),
                ("left", FAILED, "stays", ["destroy a", "undefine a", "resume a"]),
                ("lost", BROKEN, "unknown", []),
                ("stuck", BROKEN, "unknown", ["destroy a", "undefine a"]),
                ("mute", BROKEN, "unknown", []),
                ("away", BROKEN, "unknown", []),
                ("dead", FAILED, "stays", [])):
            with self.subTest(fate):
                self.machine.write("log", "")
                report, calls = self.move(f"a:9:{fate} b:1:moves", status)
                self.assertEqual(self.states(report), {"a": state, "b": "waits"})
                self.assertTrue(report["domains"][0]["why"])
                self.assertEqual([call for call in calls if call.split()[0] in
                                  ("resume", "destroy", "undefine")], settled)
                self.assertNotIn(f"migrate {URI} {LIVE} 1 b", calls)

    def test_one_that_has_arrived_has_moved(self):
        report, calls = self.move("a:9:arrived b:1:moves", OK)
        self.assertEqual(self.states(report), {"a": "moved", "b": "moved"})
        # Here it must not run any more.
        self.assertEqual([call for call in calls if call.endswith(" a") and
                          not call.startswith(("migrate", "downtime"))], ["destroy a"])

    def test_the_only_one_is_not_destroyed(self):
        """Gone from here, or paused there by itself: what is there is the VM."""
        for fate, settled in (("gone", []), ("halted", ["destroy a"])):
            with self.subTest(fate):
                self.machine.write("log", "")
                report, calls = self.move(f"a:9:{fate} b:1:moves", OK, "--hold-autostart")
                self.assertEqual(self.states(report), {"a": "moved", "b": "moved"})
                self.assertEqual([call for call in calls if call.split()[0] in
                                  ("resume", "destroy", "undefine")], settled)
                self.assertEqual(self.kept(), ["a", "b"])

    def test_what_is_kept_of_one_that_is_nowhere(self):
        for fate, kept in (("dead", ["a"]), ("away", ["a"]), ("paused", [])):
            with self.subTest(fate):
                self.move(f"a:9:{fate}", BROKEN if fate == "away" else FAILED, "--hold-autostart")
                self.assertEqual(self.kept(), kept)

    def test_gone_and_not_to_be_asked_for(self):
        _, err = self.end(self.start("a:9:away"), BROKEN)
        self.assertIn("'a' is gone from here, and the other libvirtd does not say", err)

    def test_what_is_paused_and_may_run_there_is_said(self):
        _, err = self.end(self.start("a:9:lost"), BROKEN)
        self.assertIn("'a' is paused, and may run there", err)

    def test_one_that_takes_too_long_stays(self):
        report, calls = self.move("a:9:hangs b:1:moves", FAILED, "--timeout=1")
        self.assertEqual(self.states(report), {"a": "stays", "b": "waits"})
        self.assertIn("abort a", calls)

    def test_signals_stop_it(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.machine.write("log", "")
            process = self.start("a:9:hangs b:1:moves", "--json")
            while not any(call.startswith("migrate ") for call in self.calls()):
                time.sleep(0.02)
            process.send_signal(number)
            out, _ = self.end(process, FAILED)
            self.assertEqual(self.states(json.loads(out)), {"a": "stays", "b": "waits"})
            self.assertIn("abort a", self.calls())

    def test_progress(self):
        for words in ((), ("--json",)):
            _, err = self.end(self.start("a:2048:hangs", "--timeout=1", *words), FAILED)
            if words:
                line = json.loads(err.splitlines()[0])
                self.assertEqual((line["name"], line["ram_bytes_sent"], line["ram_bytes"]),
                                 ("a", 1 << 20, 2 << 20))
            else:
                self.assertIn("a: moves, 1 of 2 MiB sent", err)

    def test_no_other_daemon(self):
        _, err = self.end(self.start("a:1:moves", uri="qemu+tcp://nobody/system"), REFUSED)
        self.assertIn("cannot connect to qemu+tcp://nobody/system", err)
        began = time.monotonic()
        self.end(self.start("a:1:moves", "--wait=1", uri="qemu+tcp://nobody/system"), REFUSED)
        self.assertGreater(time.monotonic() - began, 1)

    def test_one_that_does_not_answer(self):
        """A kernel that hangs takes connections, or does not even refuse them."""
        began = time.monotonic()
        _, err = self.end(self.start("a:1:moves", uri="qemu+tcp://silent/system"), REFUSED)
        self.assertIn("does not answer", err)
        self.assertLess(time.monotonic() - began, 30)

    def test_wrong_usage(self):
        for words in (("--parallel=0",), ("--parallel=x",), ("--parallel=17",), ("--downtime=0",),
                      ("--timeout=-1",), ("--wait=1s",)):
            _, err = self.end(self.start("", *words), USAGE)
            self.assertIn("is no number", err)
        _, err = self.end(self.start("", uri=None), USAGE)
        self.assertIn("name the other libvirtd", err)
        for uri in ("qemu:///system", "other"):
            _, err = self.end(self.start("", uri=uri), USAGE)
            self.assertIn("names no host", err)
        self.end(self.start("a:1:moves", "--address=tcp://elsewhere"), OK)
        self.assertIn("migrate_uri tcp://elsewhere", self.calls())


if __name__ == "__main__":
    unittest.main()
