#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""nestctl refresh run, resume and abort: a made-up machine, libvirt, ip and poweroff."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import jsonschema
import nestctl_machine as boot
import nestctl_lib as lib
import nestctl_move_test as move
from nestctl_lib import BROKEN, FAILED, OK, REFUSED, UNKNOWN, USAGE

OTHER, US = "qemu+tcp://other/system", "qemu+tcp://us/system"
JOURNAL = "run/nestctl/run.json"
OPTIONS = ("--to", OTHER, "--from", US, "--link=10.0.0.1/30", "--commit=auto")
LINK = ["ip address replace 10.0.0.1/30 dev vmlink0", "ip link set dev vmlink0 up"]
UNITS = os.path.join(lib.TOP, "selftests", "unit")
KILL = "kill -9 $PPID"
# What takes a kernel away that runs.
UNDO = ["kill", *boot.UNDO]
PHASES = ["plan", "disks", "boot", "address", "link", "vlan", "bridge", "move", "off"]


def migrate(name, to=OTHER):
    """What moving one asks of libvirt."""
    return ["downtime 50 " + name, "migrate_uri tcp://" + to.split("/")[2],
            f"migrate {to} {move.LIVE} 1 {name}"]


class Run(boot.Bootable):
    """One VM, which moves."""

    def setUp(self):
        super().setUp()
        move.build_library()
        self.domains, self.back, self.gone = "a:1:moves", "a:1:moves", ""
        for name in ("ip", "poweroff"):
            self.command(name)

    def command(self, name, then="exit 0"):
        """A command that is logged, and then does something."""
        path = f"bin/{name}"
        self.machine.write(path, f"#!/bin/sh\necho {name}${{1:+ $*}} >>{self.machine.root}/fake/log\n"
                           f"{then}\n")
        os.chmod(self.machine.path(path), 0o755)

    def start(self, verb, *words):
        return self.start_command("refresh", verb, "--root", self.machine.root, *words)

    def start_domain(self, verb):
        return self.start_command("domain", verb, "--root", self.machine.root)

    def spared(self):
        """undo leaves the other kernel alone, and says who is there."""
        _, err = self.end(self.start("undo"), REFUSED)
        self.assertIn("would end with it: a.", err)
        self.assertEqual(self.log(), [])

    def test_vms_there_are_spared(self):
        """Once they have moved, only what says so ends them."""
        self.gone = "a"
        self.machine.write("a.xml", "<domain><name>a</name></domain>")
        words = ("run", *OPTIONS[:-1], "--commit=stop", "--", *boot.WORDS)
        self.end(self.start(*words), OK)
        self.log()
        self.spared()
        self.assertEqual(self.go(OK, "abort")[0], migrate("a", US) + UNDO)
        self.nothing_left()
        self.end(self.start(*words), OK)
        self.log()
        self.end(self.start("undo", "--with-vms"), OK)
        self.assertEqual(self.log(), UNDO)
        _, err = self.end(self.start("abort"), OK)
        self.assertIn("'a' has ended with the other kernel", err)

    def test_vms_moved_by_hand_are_spared(self):
        """They are known like those that a refresh has moved; what came back is not."""
        move_to = ("move", "--root", self.machine.root)
        self.end(self.start("boot", *boot.WORDS), OK)
        for back in (True, False):
            self.gone = "a"
            self.end(self.start_command(*move_to, OTHER), OK)
            self.log()
            self.spared()
            if back:
                self.end(self.start_command(*move_to, "--from", OTHER, US), OK)
            # By other means.
            self.gone = ""
        self.log()
        self.end(self.start("undo"), OK)
        self.assertEqual(self.log(), UNDO)
        self.untouched()

    def test_moved_to_another_machine(self):
        """Nothing of those is kept, who are with no second kernel."""
        self.end(self.start_command("move", "--root", self.machine.root, OTHER), OK)
        self.assertFalse(os.path.exists(self.machine.path("run/nestctl/domains")))

    def start_command(self, *words):
        lib.build_fake()
        env = {"PATH": self.machine.path("bin") + ":" + os.environ["PATH"], "LC_ALL": "C",
               "FAKE_DOMAINS": self.domains, "FAKE_BACK": self.back,
               "FAKE_LOG": self.machine.path("fake/log"), "FAKE_GONE": self.gone,
               "FAKE_XML": self.machine.root, "LD_LIBRARY_PATH": move.DIRECTORY,
               "ASAN_OPTIONS": "detect_leaks=0"}
        return subprocess.Popen([lib.FAKE, *words], env=env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self, process, status):
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, status, out + err)
        return out, err

    def go(self, status, *verb_and_words):
        """(calls, stderr) of a refresh."""
        verb, *words = verb_and_words or ("run",)
        if verb == "run":
            words = (*OPTIONS, *words, "--", *boot.WORDS)
        _, err = self.end(self.start(verb, *words), status)
        return self.log(), err

    def journal(self):
        path = self.machine.path(JOURNAL)
        if not os.path.exists(path):
            return None
        with open(path, encoding="utf-8") as file:
            journal = json.load(file)
        with open(os.path.join(lib.SCHEMAS, "nestctl-run-1.json"), encoding="utf-8") as file:
            jsonschema.validate(journal, json.load(file))
        return journal["phase"], journal["state"]

    def nothing_left(self):
        self.untouched()
        self.assertIsNone(self.journal())

    def test_from_the_beginning_to_the_end(self):
        calls, _ = self.go(OK)
        self.assertEqual(calls, boot.CALLS + LINK + migrate("a") + ["poweroff"])
        self.assertIsNone(self.journal())

    def test_all_is_given_before_the_end(self):
        """In steps, when there is no way back; that something cannot be given ends nothing."""
        words = ("--", "--cpus=2", "--memory=256M", *boot.WORDS[3:])
        given = ["cpu 1", *boot.GIVE]
        self.end(self.start("run", *OPTIONS[:-1], "--commit=stop", "--order=cpus,memory", *words), OK)
        self.assertNotIn(given[0], self.log())
        self.end(self.start("resume", "--commit=auto"), OK)
        self.assertEqual(self.log(), [*given, "poweroff"])
        self.end(self.start("undo", "--with-vms"), OK)
        self.trouble((5, given[-1]))
        self.end(self.start("run", *OPTIONS, "--rate=1G", *words), OK)
        self.assertEqual(self.log()[-2:], ["cpu 1", "poweroff"])

    def test_bridge(self):
        """VMs' frames have a VLAN of the link; one that is there is not made again."""
        made = ["ip link add link vmlink0 name vmlink0.1 type vlan id 1",
                "ip link set dev vmlink0.1 mtu 9000 up master br0"]
        self.bridge("br0", mtu="9000\n")
        calls, _ = self.go(OK, "run", "--bridge=br0")
        self.assertEqual(calls, boot.CALLS + LINK + made + migrate("a") + ["poweroff"])
        self.machine.write("sys/class/net/vmlink0.1/mtu", "1500")
        calls, _ = self.go(OK, "run", "--bridge=br0")
        self.assertNotIn(made[0], calls)
        self.assertIn(made[1], calls)

    def bridge(self, name, mtu="1500\n", **ports):
        """One with ports, each with what its link in /sys/class/net points to."""
        self.machine.write(f"sys/class/net/{name}/mtu", mtu)
        self.machine.write(f"sys/class/net/{name}/bridge/stp_state", "0\n")
        for port, target in ports.items():
            self.machine.write(f"sys/class/net/{name}/brif/{port}/state", "3\n")
            self.net_device(port, target)

    def net_device(self, name, target):
        self.machine.write("sys/devices/" + target + "/mtu", "1500\n")
        os.symlink("../../devices/" + target, self.machine.path("sys/class/net/" + name))

    def dry_run(self, *words):
        """(events about the network, stderr)"""
        options = [word for word in words if word.startswith("--bridge")]
        words = ("run", "--json", "--dry-run", *OPTIONS, *options, "--", *boot.WORDS,
                 *(word for word in words if word not in options))
        out, err = self.end(self.start(*words), OK)
        events = [json.loads(line) for line in out.splitlines()]
        with open(os.path.join(lib.SCHEMAS, "nestctl-refresh-run-1.json"), encoding="utf-8") as file:
            schema = json.load(file)
        for event in events:
            jsonschema.validate(event, schema)
        return [event for event in events if event["event"] == "network"], err

    def test_cards_of_the_bridge(self):
        """What is a port by itself, behind a paravirtual bus, or below a bond."""
        pci = "pci0000:00/0000:00:"
        self.bridge("br0", eth0=pci + "04.0/net/eth0", eth1=pci + "1c.0/0000:02:00.1/virtio3/net/eth1",
                    bond0="virtual/net/bond0", vnet0="virtual/net/vnet0")
        self.net_device("eth2", pci + "06.0/net/eth2")
        self.net_device("bond0.7", "virtual/net/bond0.7")
        os.symlink("../bond0.7", self.machine.path("sys/class/net/bond0/lower_bond0.7"))
        os.symlink("../../../" + pci + "06.0/net/eth2",
                   self.machine.path("sys/devices/virtual/net/bond0.7/lower_eth2"))
        self.machine.write("sys/bus/pci/drivers/e1000/bind", "")
        self.machine.write("sys/bus/pci/devices/0000:00:04.0/vendor", "0x8086\n")
        os.symlink("../../drivers/e1000",
                   self.machine.path("sys/bus/pci/devices/0000:00:04.0/driver"))
        events, err = self.dry_run("--bridge=br0")
        self.assertEqual([tuple(event[key] for key in ("port", "card", "function", "driver"))
                          for event in events],
                         [("bond0", "eth2", "0000:00:06.0", None),
                          ("eth0", "eth0", "0000:00:04.0", "e1000"),
                          ("eth1", "eth1", "0000:02:00.1", None)])
        self.assertNotIn("cut off", err)
        for given in (("--device=0000:00:04.0",), ("--device", "0000:00:04.0")):
            self.assertEqual([event["passes"] for event in self.dry_run("--bridge=br0", *given)[0]],
                             ["off", "boot", "off"])
        words = ("--dry-run", *OPTIONS, "--bridge=br0", "--", *boot.WORDS)
        out, _ = self.end(self.start("run", *words), OK)
        self.assertIn("eth0, a port of br0, is PCI function 0000:00:04.0 with driver e1000: "
                      "the second kernel's from phase 'off' on", out)
        self.assertEqual({event["passes"] for event in events}, {"off"})

    def test_bridge_that_nobody_names(self):
        """A VM on it, which libvirt's default network has by a program's port, is cut off."""
        self.bridge("br0", vnet0="virtual/net/vnet0")
        self.bridge("br1", vnet1="virtual/net/vnet1")
        self.bridge("br2", eth0="pci0000:00/0000:00:04.0/net/eth0")
        for tap in ("vnet0", "vnet1"):
            self.machine.write(f"sys/class/net/{tap}/tun_flags", "0x1002\n")
        _, err = self.dry_run()
        self.assertIn("cut off from bridge br0, of which vnet0 is a port: --bridge names", err)
        self.assertIn("cut off from bridge br1, of which vnet1 is a port", err)
        self.assertNotIn("br2", err)
        _, err = self.dry_run("--bridge=br0")
        self.assertNotIn("bridge br0", err)
        self.assertIn("bridge br1, of which vnet1 is a port: vmlink0.1 is a port of one", err)

    def test_no_bridge_of_that_name(self):
        calls, err = self.go(REFUSED, "run", "--bridge=br0")
        self.assertEqual(calls, [])
        self.assertIn("there is no bridge 'br0'", err)
        self.nothing_left()

    def test_dry_run(self):
        calls, _ = self.go(OK, "run", "--dry-run")
        self.assertEqual(calls, [])
        self.nothing_left()

    def test_what_boot_refuses_is_found_before(self):
        self.machine.write("proc/meminfo", "MemTotal: 2000000 kB\nMemAvailable: 1000 kB\n")
        calls, _ = self.go(FAILED)
        self.assertEqual(calls, [])
        self.nothing_left()

    def test_events(self):
        self.bridge("br0")
        out, _ = self.end(self.start("run", "--json", *OPTIONS, "--bridge=br0", "--", *boot.WORDS), OK)
        events = [json.loads(line) for line in out.splitlines()]
        with open(os.path.join(lib.SCHEMAS, "nestctl-refresh-run-1.json"), encoding="utf-8") as file:
            schema = json.load(file)
        for event in events:
            jsonschema.validate(event, schema)
        self.assertEqual([(event["phase"], event["state"]) for event in events[:-1]],
                         [(phase, state) for phase in PHASES for state in ("does", "done")])
        self.assertEqual(events[-1]["result"], "done")

    def test_of_a_move(self):
        """A VM that writes much; on the way back it has all the time that it takes."""
        words = ("--commit=stop", "--downtime=2000", "--timeout=60")
        self.end(self.start("run", *OPTIONS[:-1], *words, "--", *boot.WORDS), OK)
        there = ["downtime 2000 a", *migrate("a")[1:]]
        self.assertEqual(self.log(), boot.CALLS + LINK + there)
        self.assertEqual(self.journal(), ("move", "done"))
        calls = self.go(OK, "abort")[0]
        self.assertEqual(calls, ["downtime 2000 a", *migrate("a", US)[1:], *UNDO])
        self.nothing_left()

    def test_a_vm_that_stays_undoes_all(self):
        self.domains, self.back = "a:2:moves b:1:refused", "a:2:moves"
        calls, _ = self.go(FAILED)
        self.assertEqual(calls, boot.CALLS + LINK + migrate("a") + migrate("b") +
                         migrate("a", US) + UNDO)
        self.nothing_left()

    def test_no_libvirtd_there_undoes_all(self):
        """No VM has begun to move: nobody need be asked where they are."""
        calls, err = self.go(FAILED, "run", "--to=qemu+tcp://nobody/system", "--wait=1")
        self.assertIn("cannot connect to qemu+tcp://nobody/system", err)
        self.assertEqual(calls, boot.CALLS + LINK + UNDO)
        self.nothing_left()

    def test_a_boot_that_fails_undoes_all(self):
        for call in boot.CALLS:
            with self.subTest(call):
                self.trouble((5, call))
                self.go(FAILED)
                self.nothing_left()

    def test_a_boot_that_is_killed_is_undone(self):
        for call in boot.CALLS:
            with self.subTest(call):
                self.trouble((boot.KILL_AFTER, call))
                self.go(FAILED)
                self.trouble()
                self.nothing_left()

    def test_stop_then_on_or_back(self):
        for verb, words, status, calls in (
                ("resume", ("--commit=auto",), OK, ["poweroff"]),
                ("abort", (), OK, migrate("a", US) + UNDO)):
            with self.subTest(verb):
                said, err = self.go(OK, "run", "--commit=stop")
                self.assertEqual(said, boot.CALLS + LINK + migrate("a"))
                self.assertIn("nestctl refresh abort", err)
                self.assertEqual(self.journal(), ("move", "done"))
                self.assertIn("under way", self.go(REFUSED)[1])
                # Nobody is there who could answer: the same.
                self.assertEqual(self.go(OK, "resume", "--commit=ask")[0], [])
                self.assertEqual(self.go(status, verb, *words)[0], calls)
                self.assertIsNone(self.journal())
                if verb == "resume":
                    self.end(self.start("undo"), OK)
                    self.log()
        self.nothing_left()

    def test_definitions_are_kept(self):
        """Until VMs are back, or this kernel ends; what has ended with the other kernel is defined anew."""
        kept = self.machine.path("run/nestctl/domains")
        self.domains = self.back = "a:1:moves b:1:moves"
        self.go(OK, "run", "--commit=stop")
        self.assertEqual(len(os.listdir(kept)), 2)
        self.assertIn("may run them", self.end(self.start_domain("restore"), REFUSED)[1])
        self.go(OK, "abort")
        self.assertEqual(os.listdir(kept), [])
        for domains, gone, text in (("a:1:moves b:1:moves", "a", "start it with virsh start a"),
                                    ("a:1:off b:1:moves", "a", "'a', which was off, is defined here again"),
                                    ("a:1:moves b:1:moves", "", "")):
            self.domains = self.back = domains
            self.machine.write("a.xml", "<domain><name>a</name></domain>")
            self.go(OK, "run", "--commit=stop")
            self.machine.write("fake/end", "2\n")
            self.gone = gone
            calls, err = self.go(OK, "abort")
            self.assertEqual((calls, os.listdir(kept)), (["define a"] * bool(gone) + boot.UNDO, []))
            self.assertEqual([text] * bool(gone), re.findall("start it with .*|'a', .* again", err))
            self.machine.remove("fake/end")
            self.gone = ""
        os.unlink(self.machine.path("a.xml"))
        self.nothing_left()

    def refresh(self):
        """What status says of it."""
        process = self.start("status", "--json")
        report = json.loads(self.end(process, OK)[0])
        with open(os.path.join(lib.SCHEMAS, "nestctl-refresh-status-1.json"),
                  encoding="utf-8") as file:
            jsonschema.validate(report, json.load(file))
        return report["refresh"]

    def test_either_kernel_says_how_far_it_is(self):
        """By the journal, and in the second one by what the shim shows it."""
        self.assertIsNone(self.refresh())
        self.go(OK, "run", "--commit=stop")
        moved = {"phase": "move", "state": "done"}
        self.assertEqual(self.refresh(), moved)
        text, _ = self.end(self.start("status"), OK)
        self.assertIn("refresh: move, done", text)
        journal = self.machine.path(JOURNAL)
        os.rename(journal, journal + ".away")
        for state in ("4", "3"):  # adoptable, below
            self.machine.write("fake/second", state)
            self.assertEqual(self.refresh(), moved)
        self.machine.remove("fake/second")
        os.rename(journal + ".away", journal)
        self.go(OK, "abort")
        self.assertIsNone(self.refresh())
        self.nothing_left()

    def test_autostart_is_held_off(self):
        """As long as there are two kernels, and after the way back no more."""
        self.domains, self.back = "a:1:off", "a:1:came"
        calls, _ = self.go(OK, "run", "--commit=stop")
        self.assertEqual(calls, boot.CALLS + LINK + [
            "mark a", "migrate_uri tcp://other", f"migrate {OTHER} {move.OFFLINE} 1 a"])
        self.assertEqual(self.go(OK, "abort")[0], migrate("a", US) + ["autostart a", "unmark a"] +
                         UNDO)
        # Nestctl was killed while it moved one that stayed, and the other kernel has ended.
        self.go(OK, "run", "--commit=stop")
        self.machine.write("fake/end", "2\n")
        os.makedirs(self.machine.path("run/libvirt"))
        self.domains = "a:1:came"
        self.assertEqual(self.go(OK, "abort")[0], boot.UNDO + ["autostart a", "unmark a"])
        self.nothing_left()

    def test_killed_then_on_or_back(self):
        """nestctl is killed in a phase of its own commands."""
        for name, phase in (("ip", "address"), ("poweroff", "off")):
            for verb in ("resume", "abort"):
                with self.subTest(name=name, verb=verb):
                    self.command(name, KILL)
                    self.go(-signal.SIGKILL)
                    self.assertEqual(self.journal(), (phase, "does"))
                    self.command(name)
                    if phase == "off" and verb == "abort":
                        self.assertIn("no way back", self.go(REFUSED, verb)[1])
                        verb = "resume"
                    calls, _ = self.go(OK, verb)
                    if verb == "abort":
                        self.assertEqual(calls, UNDO)
                    else:
                        self.assertEqual(calls, (LINK + migrate("a") if phase == "address" else [])
                                         + ["poweroff"])
                        self.end(self.start("undo"), OK)
                        self.log()
                    self.nothing_left()

    def test_killed_while_its_command_goes_on(self):
        """Nothing is begun a second time beside it."""
        for verb in ("resume", "abort"):
            with self.subTest(verb):
                # A test that fails takes the directory away: then nobody waits on.
                root = self.machine.root
                self.command("ip", f"touch {root}/begun\n{KILL}\nuntil [ -e {root}/go ] || "
                             f"[ ! -d {root} ]; do sleep 0.05; done")
                process = self.start("run", *OPTIONS, "--", *boot.WORDS)
                process.wait(timeout=120)
                self.assertEqual(process.returncode, -signal.SIGKILL)
                self.assertTrue(os.path.exists(self.machine.path("begun")))
                self.assertIn("goes on: wait for it", self.go(REFUSED, verb)[1])
                self.machine.write("go", "")
                process.communicate(timeout=120)
                self.command("ip")
                self.log()
                self.go(OK, verb)
                if verb == "resume":
                    self.end(self.start("undo"), OK)
                    self.log()
                self.nothing_left()
                os.unlink(self.machine.path("go"))

    def test_undo_that_is_killed_goes_on(self):
        self.domains = "a:1:refused"
        for call in boot.UNDO:
            with self.subTest(call):
                self.trouble((5, call))
                _, err = self.go(BROKEN)
                self.assertIn("phase 'boot' has failed", err)
                self.assertEqual(self.journal(), ("boot", "undoes"))
                self.trouble()
                self.go(FAILED, "resume")
                self.nothing_left()

    def test_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.domains, self.back = "a:1:hangs", ""
            process = self.start("run", *OPTIONS, "--", *boot.WORDS)
            self.until("migrate ")
            process.send_signal(number)
            self.end(process, FAILED)
            self.assertEqual(self.log(), boot.CALLS + LINK + migrate("a") + ["abort a"] + UNDO)
            self.nothing_left()

    def test_nohup(self):
        """Who has asked for it is not disturbed when the terminal goes."""
        self.domains, self.back = "a:1:hangs", ""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        process = self.start("run", *OPTIONS, "--", *boot.WORDS)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self.until("migrate ")
        process.send_signal(signal.SIGHUP)
        time.sleep(1)
        self.assertNotIn("abort a", self.log())
        process.send_signal(signal.SIGTERM)
        self.end(process, FAILED)
        self.nothing_left()

    def until(self, text):
        """Something like it has been asked for."""
        for _ in range(1000):
            with open(self.machine.path("fake/log"), encoding="utf-8") as file:
                if text in file.read():
                    return
            time.sleep(0.05)
        self.fail(text)

    def test_the_other_kernel_ends_while_vms_move(self):
        """To it, and back from it."""
        self.domains = "a:1:hangs"
        process = self.start("run", *OPTIONS, "--", *boot.WORDS)
        self.until("migrate ")
        self.machine.write("fake/end", "2\n")
        self.end(process, FAILED)
        self.assertEqual(self.log(), boot.CALLS + LINK + migrate("a") + ["abort a"] + boot.UNDO)
        self.machine.remove("fake/end")
        self.nothing_left()
        self.machine.write("a.xml", "<domain><name>a</name></domain>")
        self.domains, self.back, self.gone = "a:1:moves", "a:1:hangs", "a"
        self.go(OK, "run", "--commit=stop")
        process = self.start("abort")
        self.until("migrate ")
        self.machine.write("fake/end", "2\n")
        self.end(process, OK)
        self.assertEqual(self.log(), migrate("a", US) + ["abort a", "define a"] + boot.UNDO)
        os.unlink(self.machine.path("a.xml"))
        self.machine.remove("fake/end")
        self.nothing_left()

    def test_the_end_that_fails(self):
        self.command("poweroff", "exit 1")
        _, err = self.go(BROKEN)
        self.assertIn("phase 'off' has failed", err)
        self.assertIn("no way back", self.go(REFUSED, "abort")[1])
        self.command("poweroff")
        self.assertEqual(self.go(OK, "resume")[0], ["poweroff"])

    def test_no_end_without_the_other_kernel(self):
        """It would take the machine down."""
        self.go(OK, "run", "--commit=stop")
        self.machine.write("fake/end", "2\n")
        calls, err = self.go(FAILED, "resume", "--commit=auto")
        self.assertEqual(calls, [])
        self.assertIn("the other kernel does not run any more", err)
        self.assertNotIn("the VMs have moved", err)
        self.assertEqual(self.go(OK, "abort")[0], boot.UNDO)
        self.nothing_left()

    def test_interrupted_while_all_is_given(self):
        """It goes no further, and on later."""
        words = ("--", "--cpus=2", "--memory=256M", *boot.WORDS[3:])
        process = self.start("run", *OPTIONS, "--rate=1M", *words)
        self.until(boot.GIVE[-1])
        process.send_signal(signal.SIGTERM)
        self.end(process, BROKEN)
        self.assertNotIn("poweroff", self.log())
        self.assertEqual(self.journal(), ("off", "does"))
        self.end(self.start("resume", "--commit=auto"), OK)
        self.assertEqual(self.log()[-1], "poweroff")

    def test_the_other_kernel_has_ended(self):
        """Its VMs have ended with it: nothing is moved back, the rest is."""
        self.go(OK, "run", "--commit=stop")
        self.machine.write("fake/end", "2\n")
        self.assertEqual(self.go(OK, "abort")[0], boot.UNDO)
        self.nothing_left()

    def test_no_room_for_the_journal(self):
        os.makedirs(self.machine.path(JOURNAL + ".new"))
        calls, err = self.go(FAILED)
        self.assertEqual(calls, [])
        self.assertIn("cannot write", err)
        self.nothing_left()

    def test_journals_that_cannot_be_read(self):
        for text in ("", "{", "[]", '{"schema": "nestctl-run-1"}'):
            self.machine.write(JOURNAL, text)
            for verb in ("resume", "abort"):
                self.assertIn("cannot be read", self.go(UNKNOWN, verb)[1])
            self.assertIn("under way", self.go(REFUSED)[1])
        os.unlink(self.machine.path(JOURNAL))
        for verb in ("resume", "abort"):
            self.assertIn("no refresh is under way", self.go(REFUSED, verb)[1])

    def test_rate_and_order_are_looked_at_before(self):
        """Not when this kernel ends."""
        for words in (("--rate=1",), ("--rate=M",), ("--rate=0M",), ("--rate=1MB",), ("--order=cpus",)):
            _, err = self.end(self.start("run", *OPTIONS, *words, "--", *boot.WORDS), USAGE)
            self.assertIn(words[0].split("=")[0], err)

    def test_wrong_usage(self):
        for words in (("--to", "qemu:///system"), ("--to", OTHER), ("--from", US),
                      (*OPTIONS, "--commit=maybe"), (*OPTIONS, "--wait=x"),
                      (*OPTIONS, "--parallel="), (*OPTIONS, "--downtime=0"), (*OPTIONS, "--timeout=x")):
            self.end(self.start("run", *words), USAGE)
        for words in (OPTIONS, ("--dry-run",), ("--", "--cpus=1")):
            self.end(self.start("abort", *words), USAGE)


class Phases(unittest.TestCase):
    """phases.c alone: every operation fails, and the program ends before and after each."""

    def test_all_lives(self):
        lib.build()
        program = os.path.join(lib.OUT, "phases-unit")
        subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-g",
                        "-fsanitize=address,undefined", "-o", program,
                        f"{UNITS}/nestctl_phases_unit.c", f"{lib.TOP}/tools/nestctl/phases.c"],
                       check=True)
        result = subprocess.run([program], capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


if __name__ == "__main__":
    unittest.main()
