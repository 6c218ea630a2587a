#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the lab makes of a machine's console, clock and results, without a machine.

Faults have the names of the tests in selftests/lab/faults, which provoke them in one.
"""
import os
import sys
import tempfile
import time
import types
import unittest
from unittest import mock

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from lablib import config, protocol, results, shell
from lablib.common import LabError
from lablib.config import Test
from lablib.machine import Bochs
from lablib.protocol import Ending, Keep, Limits, Phase, Protocol, Say, Send, Shell
from lablib.results import Left
from lablib.runner import Boot, Run

OPTIONS = types.SimpleNamespace(modules="nvx", l1_modules="stock", params=[], variables={},
                                kernel=types.SimpleNamespace(known_reports=()))
STEP = 0.25


def make_test(name="t", timeout=2, **values):
    return Test(name=name, script="", timeout=timeout, **values)


def judged(test, left, ending=Ending("", "")):
    """Verdict and reason of the report."""
    result = results.judge(test, left, ending, OPTIONS)
    return result["verdict"], result["reason"]


class Story(unittest.TestCase):
    """A machine that says and does what a test tells."""

    def setUp(self):
        self.speed = 1.0
        self.begin()

    def begin(self, *tests, factor=1, **limits):
        """Power on with these tests."""
        self.now = self.cpu = 100.0
        self.actions = []
        self.boot = Protocol(tests or [make_test()], Limits(boot=10, factor=factor, **limits), 1,
                             "console.log")
        self.actions += self.boot.start(self.now)
        self.cpu = 0.0

    def say(self, *lines):
        """The console has lines, all at once."""
        for line in lines:
            self.actions += self.boot.hear(self.now, self.cpu, line)

    def wait(self, seconds):
        """Time goes by, until the boot is over; how much did."""
        start = self.now
        while self.now - start < seconds and not self.boot.over:
            self.now += STEP
            self.cpu += STEP * self.speed
            self.actions += self.boot.tick(self.now, self.cpu)
        return self.now - start

    def end(self, status=1, verdict=""):
        """The emulator ends."""
        self.actions += self.boot.machine_ended(self.now, status, verdict)

    def run_test(self, name="t", seconds=1):
        """A test from start to end."""
        self.say(f"@lab test {name} start")
        self.wait(seconds)
        self.say(f"@lab test {name} end 0 fine")

    def verdict(self, name="t"):
        """Verdict and reason, '' = as the results say."""
        ending = self.boot.verdicts[name]
        return ending.verdict, ending.reason

    def sent(self):
        """What was typed."""
        return "".join(action.text for action in self.actions if isinstance(action, Send))

    def kept(self):
        """What was saved of the console."""
        return [action for action in self.actions if isinstance(action, Keep)]


class Whole(Story):
    """Machines that do what they should."""

    def test_two_tests(self):
        self.begin(make_test("a"), make_test("b"))
        self.wait(5)
        self.say("@lab ready 3.20 1.00")
        self.assertEqual(self.boot.stage(self.now), "tests")
        self.run_test("a", 1)
        self.say("@lab test b start")
        self.assertEqual(self.boot.stage(self.now + 1), "test b 1 s")
        self.wait(1.5)
        self.say("@lab test b end 4 no VMX", "@lab done")
        self.assertFalse(self.boot.over)
        self.end()
        self.assertTrue(self.boot.over and self.boot.finished)
        self.assertEqual(self.boot.ready_seconds, 5)
        self.assertEqual(self.boot.verdicts, {"a": Ending("", "", 1, 1), "b": Ending("", "", 1.5, 1.5)})
        self.assertEqual([action.text for action in self.actions],
                         ["test a ...", "test a ended after 1.0 s", "test b ...",
                          "test b ended after 1.5 s"])

    def test_wait_for_power_off(self):
        """A machine that does not switch off after its last test is switched off."""
        self.begin()
        self.say("@lab ready")
        self.run_test()
        self.say("@lab done")
        self.wait(10)
        self.say("[    9.1] reboot: Power down")
        self.assertEqual(self.wait(60), protocol.STOP_SECONDS + STEP)
        self.assertTrue(self.boot.over and self.boot.finished)
        self.assertEqual(self.verdict(), ("", ""))

    def test_second_line_is_not_the_console(self):
        self.begin(make_test("a", console="word", serial2="other"), make_test("b", serial2="other"))
        self.say("@lab test a start", "word")
        self.boot.hear_second("@lab test a end 1 no mark")
        self.boot.hear_second("another word")
        self.say("@lab test a end 0 fine")
        self.assertEqual(self.verdict("a"), ("", ""))
        # What it said before is another test's.
        self.run_test("b")
        self.assertEqual(self.verdict("b"), ("", "the second serial line did not say 'other'"))

    def test_console_has_said_it(self):
        self.begin(make_test(console="the shim has [lt]eft"))
        self.say("@lab ready", "@lab test t start", "vmm: the shim has left", "",
                 "@lab test t end 0 fine")
        self.assertEqual(self.verdict(), ("", ""))

    def test_words_of_another_test_do_not_count(self):
        self.begin(make_test("a"), make_test("b", console="words"))
        self.say("@lab test a start", "words", "@lab test a end 0 x", "words",
                 "@lab test b start", "@lab test b end 0 x")
        self.assertEqual(self.verdict("b"), ("", "the console did not say 'words'"))

    def test_restart(self):
        """A test that takes the machine down goes on in the next kernel."""
        self.begin()
        self.wait(3)
        self.say("@lab ready 1", "@lab test t start", "@lab test t restarts",
                 "[ 1.0] Kernel panic - not syncing: sysrq triggered crash")
        self.wait(1)
        self.say("@lab ready 1", "@lab test t resumes", "@lab test t end 0 fine")
        self.assertEqual(self.verdict(), ("", ""))
        self.assertEqual(self.boot.verdicts["t"].seconds, 1)
        self.assertEqual(self.boot.ready_seconds, 3)

    def test_panic_after_a_restart(self):
        self.begin()
        self.say("@lab test t start", "@lab test t restarts", "@lab test t resumes",
                 "Kernel panic - not syncing: x")
        self.wait(5)
        self.assertEqual(self.verdict(), ("panic", "Kernel panic - not syncing: x"))

    def test_wake(self):
        """A machine that sleeps is typed at, until it says that it is awake."""
        self.begin(make_test(timeout=30))
        self.say("@lab test t start", "@lab wake")
        self.wait(protocol.WAKE_SECONDS)
        self.assertEqual(self.sent(), "")
        self.wait(STEP)
        self.assertEqual(self.sent(), "\n")
        self.wait(protocol.WAKE_SECONDS + STEP)
        self.assertEqual(self.sent(), "\n\n")
        self.say("@lab awake")
        self.wait(10)
        self.assertEqual(self.sent(), "\n\n")

    def test_shell(self):
        self.begin()
        self.say("@lab shell")
        self.assertEqual(self.actions, [Shell()])
        self.boot.finish()
        self.assertTrue(self.boot.over and self.boot.finished)

    def test_odd_lines(self):
        self.begin()
        self.say("@lab ready", "@lab ", "@lab test", "@lab test t", "@labx", "", "@lab what ever")
        self.assertEqual((self.boot.phase, self.actions), (Phase.RUNNING, []))
        self.assertEqual(self.boot.last, "@lab what ever")


class Faults(Story):
    """What goes wrong, on the console."""

    def start(self, *tests, **limits):
        """A test runs."""
        self.begin(*tests, **limits)
        self.wait(5)
        self.say("@lab ready 1", f"@lab test {list(self.boot.tests)[0]} start")

    def test_panic(self):
        self.start()
        self.wait(1)
        self.say("[    4.1] sysrq: Trigger a crash",
                 "[    4.2] Kernel panic - not syncing: sysrq triggered crash")
        self.wait(1)
        self.say("[    4.3] Call Trace:")
        self.assertFalse(self.boot.over)
        self.assertLess(self.wait(5), 2)
        self.assertTrue(self.boot.over)
        self.assertEqual(self.verdict(),
                         ("panic", "Kernel panic - not syncing: sysrq triggered crash"))
        self.assertEqual(self.kept(), [Keep("t", (
            "[    4.1] sysrq: Trigger a crash",
            "[    4.2] Kernel panic - not syncing: sysrq triggered crash",
            "[    4.3] Call Trace:"))])

    def test_panic_that_does_not_end(self):
        """A machine that talks on is ended all the same."""
        self.start()
        self.say("Kernel panic - not syncing: x")
        for _ in range(100):
            self.wait(1)
            self.say("more")
        self.assertTrue(self.boot.over)
        self.assertEqual(self.verdict()[0], "panic")
        self.assertLess(len(self.kept()[0].lines), 25)

    def test_panic_and_power_off(self):
        self.start()
        self.say("Kernel panic - not syncing: x")
        self.end()
        self.assertEqual(self.verdict()[0], "panic")

    def test_timeout(self):
        """The guest answers: the test is stopped, what it has written is saved."""
        self.start()
        self.assertLess(self.wait(2), 2 + 2 * STEP)
        self.wait(1)
        self.assertEqual(self.sent(), "ping\n")
        self.say("@lab pong")
        self.assertEqual(self.sent(), "ping\nstop\n")
        self.assertFalse(self.boot.over)
        self.wait(3)
        self.say("@lab pong", "@lab test other end 0", "test t end")
        self.assertFalse(self.boot.over)
        self.say("@lab test t end 137 killed")
        self.assertTrue(self.boot.over)
        self.assertEqual(self.verdict(), ("timeout", "not ready after 2 s"))

    def test_timeout_of_a_test_that_cannot_be_stopped(self):
        self.start(factor=2)
        self.wait(5)
        self.say("@lab pong")
        self.assertEqual(self.wait(100), 2 * protocol.STOP_SECONDS)
        self.assertTrue(self.boot.over)
        self.assertEqual(self.verdict(), ("timeout", "not ready after 4 s"))

    def test_timeout_of_a_test_that_ends_while_asked(self):
        """Late is late."""
        self.start()
        self.wait(3)
        self.say("@lab test t end 0 fine", "@lab pong", "@lab test t end 0 fine")
        self.assertTrue(self.boot.over)
        self.assertEqual(self.verdict()[0], "timeout")

    def test_hang(self):
        """Nobody answers."""
        self.start(factor=2)
        self.wait(4 + STEP)
        self.assertEqual(self.sent(), "ping\n")
        self.say("noise")
        self.assertEqual(self.wait(100), 2 * protocol.PONG_SECONDS)
        self.assertEqual(self.verdict(), ("hang", "not ready after 4 s and the guest does not "
                                          "answer on its console"))
        self.assertTrue(self.boot.over)

    def test_hang_that_ends(self):
        self.start()
        self.wait(3)
        self.end()
        self.assertEqual(self.verdict()[0], "hang")

    def test_slow_machine_is_not_late(self):
        """The limit is of the machine's CPU time, and of wall time only in the end."""
        self.start()
        self.speed = 0.1
        self.assertLess(self.wait(protocol.WALL_FACTOR * 2 - STEP), 8)
        self.assertEqual(self.sent(), "")
        self.wait(2 * STEP)
        self.assertEqual(self.sent(), "ping\n")

    def test_machine_that_is_gone_is_late(self):
        self.start()
        self.wait(1)
        self.actions += self.boot.tick(self.now + 2, None)
        self.assertEqual(self.sent(), "ping\n")
        self.assertEqual(self.boot.cpu, 6)

    def test_triple(self):
        self.start()
        self.wait(1)
        self.say("[   4.1] reboot: Restarting system")
        self.end(1, "triple-fault")
        self.assertEqual(self.verdict(),
                         ("triple-fault", "the CPU shut down after a triple fault"))
        self.assertEqual(self.kept(), [Keep("t", ("[   4.1] reboot: Restarting system",))])
        self.assertTrue(self.boot.over)

    def test_lost(self):
        self.start()
        self.wait(1)
        self.end(1)
        self.assertEqual(self.verdict(),
                         ("lost", "the machine ended with status 1 before the result"))
        self.assertEqual(len(self.kept()), 1)
        self.assertEqual(self.boot.verdicts["t"].seconds, 1)

    def test_console(self):
        test = make_test(console="words that nobody prints")
        self.start(test)
        self.say("other words", "@lab test t end 0 fine")
        self.assertEqual(self.verdict(), ("", "the console did not say 'words that nobody prints'"))
        self.assertEqual(judged(test, Left(rc=0), self.boot.verdicts["t"]),
                         ("fail", "the console did not say 'words that nobody prints'"))

    def test_left(self):
        """The end of a test is what its first process says; then the next may take its time."""
        self.start(make_test("t"), make_test("u"))
        self.say("@lab test t end 0 fine")
        self.wait(protocol.BETWEEN_SECONDS)
        self.say("@lab test u start")
        self.assertFalse(self.boot.over)
        self.assertEqual(self.boot.current.name, "u")

    def test_stuck(self):
        """The next test does not start: the machine is given up, the verdict stays."""
        self.start(make_test("t"), make_test("u"), factor=3)
        self.say("@lab test t end 0 fine")
        self.assertEqual(self.wait(100), 3 * protocol.BETWEEN_SECONDS + STEP)
        self.assertTrue(self.boot.over)
        self.assertEqual(self.boot.verdicts, {"t": Ending("", "")})
        self.assertIn(Say("boot 1 is stuck since its last test, which left something behind"),
                      self.actions)

    def test_stuck_or_slow(self):
        self.start(make_test("t", timeout=60), make_test("u"))
        self.wait(30)
        self.say("@lab test t end 0 fine")
        self.speed = 0.1
        self.assertEqual(self.wait(100), protocol.WALL_FACTOR * protocol.BETWEEN_SECONDS + STEP)

    def test_time_of_the_run(self):
        self.start(end=106.0, run=6)
        self.assertLessEqual(self.wait(10), 1 + STEP)
        self.assertEqual(self.verdict(), ("timeout", "the run took longer than 6 s"))
        self.assertTrue(self.boot.over)

    def test_nothing_more_after_the_end(self):
        self.start()
        self.end()
        before = list(self.actions)
        self.say("@lab test t end 0", "Kernel panic - not syncing: x")
        self.actions += self.boot.tick(self.now + 1000, None)
        self.end()
        self.assertEqual(self.actions, before)
        self.assertEqual(self.verdict()[0], "lost")


class Broken(Story):
    """What is no test's fault ends the run."""

    def broken(self, text, do, *words):
        """The lab gives up, and says so."""
        with self.assertRaises(LabError) as caught:
            do(*words)
        self.assertIn(text, str(caught.exception))

    def test_no_boot(self):
        self.begin(factor=2)
        self.say("Loading vmlinuz... ", "  ")
        self.assertEqual(self.wait(20), 20)
        self.broken("boot 1: no test started within 20 s; last line: 'Loading vmlinuz...'; see "
                    "console.log", self.wait, 1)

    def test_guest_says_so(self):
        self.begin()
        self.broken("no results disk", self.say, "@lab broken: no results disk")

    def test_panic_while_it_boots(self):
        self.begin()
        self.say("Kernel panic - not syncing: no init")
        self.broken("boot 1: panic with no test running: Kernel panic - not syncing: no init",
                    self.wait, 5)

    def test_end_while_it_boots(self):
        self.begin()
        self.broken("lost with no test running: the machine ended with status 1", self.end)

    def test_end_between_tests(self):
        self.begin(make_test("a"), make_test("b"))
        self.say("@lab test a start", "@lab test a end 0 x")
        self.broken("triple-fault with no test running", self.end, 1, "triple-fault")

    def test_test_of_another_run(self):
        self.begin()
        self.broken("'other'", self.say, "@lab test other start")

    def test_panic_of_a_machine_that_is_through(self):
        """Nobody is harmed; what it says is kept."""
        self.begin()
        self.run_test()
        self.say("@lab done", "Kernel panic - not syncing: x")
        self.wait(3)
        self.assertTrue(self.boot.over)
        self.assertIsNone(self.kept()[0].test)


class Verdicts(unittest.TestCase):
    """What goes wrong, in what a test has left."""

    def test_fail(self):
        self.assertEqual(judged(make_test(), Left("this test fails on purpose\n", 3)),
                         ("fail", "this test fails on purpose"))

    def test_skip(self):
        self.assertEqual(judged(make_test(), Left("nothing to do\n", 4)),
                         ("skip", "nothing to do"))

    def test_tap(self):
        left = Left("TAP version 13\n1..3\nok 1 first\nnot ok 2 second\n"
                    "ok 3 third # SKIP no reason\n", 0)
        result = results.judge(make_test(), left, Ending("", ""), OPTIONS)
        self.assertEqual(result["verdict"], "fail")
        self.assertIn("1 TAP lines say 'not ok'", result["reason"])
        self.assertEqual(result["subtests"], {"pass": 1, "fail": 1, "skip": 1})

    def test_warn(self):
        line = "[    3.1] WARNING: CPU: 0 PID: 1 at lab/faults/warn.sh:1"
        self.assertEqual(judged(make_test(), Left("all fine\n", 0, f"[ 3.0] x\n{line}\n")),
                         ("fail", "the kernel complained: " + line))

    def test_known_bad(self):
        test = make_test(known_bad="fails on purpose")
        self.assertEqual(judged(test, Left("no\n", 3)),
                         ("skip", "known bad (fails on purpose): fail: no"))
        self.assertEqual(judged(test, Left(), Ending("hang", "x")),
                         ("skip", "known bad (fails on purpose): hang: x"))
        self.assertEqual(judged(test, Left("", 4)), ("skip", ""))
        verdict, reason = judged(test, Left("", 0))
        self.assertEqual(verdict, "fail")
        self.assertIn("update tests.cfg", reason)

    def test_counter(self):
        test = make_test(counters=["fast_entry"])
        self.assertEqual(judged(test, Left("no VM was there\n", 0,
                                           counters={"L0": {"fast_entry": 0}})),
                         ("fail", "counter fast_entry of L0 has not moved"))
        self.assertEqual(judged(test, Left("", 0, counters={"L0": {"fast_entry": 1}})),
                         ("pass", ""))
        # What fails or is skipped need not have moved them.
        self.assertEqual(judged(test, Left("no\n", 4))[0], "skip")
        self.assertEqual(judged(test, Left("no\n", 1)), ("fail", "no"))

    def test_no_counter(self):
        test = make_test(counters=["no_such_counter"])
        self.assertEqual(judged(test, Left("", 0, counters={"L0": {"fast_entry": 1}})),
                         ("fail", "L0 has no counter no_such_counter"))
        self.assertEqual(judged(test, Left("", 0)), ("fail", "L0 has no counter no_such_counter"))

    def test_results_did_not_arrive(self):
        self.assertEqual(judged(make_test(), Left("half\n")),
                         ("lost", "the results of the test did not arrive"))

    def test_how_the_boot_ended_counts_more(self):
        for verdict in ("panic", "timeout", "hang", "triple-fault", "lost"):
            self.assertEqual(judged(make_test(), Left("ok 1 - a\n", 0), Ending(verdict, "x")),
                             (verdict, "x"))
            self.assertIn(verdict, results.FAILED)

    def test_totals(self):
        verdicts = ("pass", "skip", "fail", "panic", "timeout", "hang", "triple-fault", "lost",
                    "pass")
        self.assertEqual(results.totals([{"verdict": verdict} for verdict in verdicts]),
                         (2, 6, 1))


class OneBoot:
    """In the place of a machine: the first test of each boot takes it down, or ends the run."""

    def __init__(self, run, tests, number):
        self.tests, self.number = tests, number
        self.started = self.ended = 1.0
        self.ticks = None
        self.machine = types.SimpleNamespace(exit_status=lambda: 1)
        self.protocol = Protocol(tests, Limits(boot=10), number, "console.log")
        run.made.append([test.name for test in tests])

    def prepare(self):
        """Nothing to make."""

    def go(self):
        """The first test is lost, unless it says that nothing runs."""
        if self.tests[0].name == "none":
            return
        self.protocol.hear(0, 0, f"@lab test {self.tests[0].name} start")
        self.protocol.machine_ended(1, 1, "")

    def collect(self):
        """Nothing to fetch."""


class FakeMachine:
    """Says what it is told to, and ends when it has said all."""

    console = serial2 = None

    def __init__(self, *batches):
        self.batches, self.sent, self.reason = list(batches), [], ""
        self.send = self.sent.append

    def lines(self, _console, _seconds):
        """What the serial line has."""
        return self.batches.pop(0) if self.batches else []

    def exit_status(self):
        """It has ended while its last words are still to be read."""
        return None if self.batches[2:] else 1

    def cpu_seconds(self):
        """Some."""
        return 1.0

    def fatal(self):
        """Why it ended."""
        return self.reason


class Boots(unittest.TestCase):
    """Until every test has a verdict."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        kernel = types.SimpleNamespace(release="6.1", known_reports=(), time_factor=6)
        options = types.SimpleNamespace(backend="bochs", kernel=kernel, timeout=0, cpus=2,
                                        time_factor=3, modules="stock", l1_modules="stock",
                                        params=[], variables={})
        self.said = []
        silent = types.SimpleNamespace(line=self.said.append, end=lambda: None,
                                       status=lambda stage, last: None)
        self.lab = Run(directory.name, options, silent, 1e9)
        self.addCleanup(self.lab.console.close)
        self.lab.boot_class, self.lab.made = OneBoot, []

    def test_again_with_the_rest(self):
        self.lab.execute([make_test("a"), make_test("b"), make_test("c", append="x"),
                          make_test("d")])
        self.assertEqual(self.lab.made, [["a", "b", "d"], ["b", "d"], ["c"], ["d"]])
        self.assertEqual([result["verdict"] for result in self.lab.results], 4 * ["lost"])
        self.assertEqual([boot["tests"] for boot in self.lab.boots],
                         [["a"], ["b"], ["c"], ["d"]])

    def test_other_machines(self):
        """Tests that want another one have a boot of their own."""
        self.lab.execute([make_test("a"), make_test("b", cores=True), make_test("c", second="6.1"),
                          make_test("d", serial2="x"), make_test("e", serial2="y", second="6.1"),
                          make_test("f", serial2="z"), make_test("g", cores=True),
                          make_test("h", e1000=True), make_test("i", data=8)])
        self.assertEqual([made for made in self.lab.made if made[1:]], [["b", "g"], ["d", "f"]])

    def test_boot_without_a_test(self):
        with self.assertRaisesRegex(LabError, "boot 2 ended without running a test"):
            self.lab.execute([make_test("a"), make_test("none")])

    def test_time_is_over(self):
        self.lab.options.timeout, self.lab.start = 5, -1e9
        self.lab.execute([make_test("a")])
        self.assertEqual(self.lab.made, [])
        self.assertEqual([(result["verdict"], result["reason"]) for result in self.lab.results],
                         [("lost", "not run: the time of the run was over")])

    def boot(self, kind, *batches):
        """A boot with a machine that says these lines."""
        boot = kind(self.lab, [make_test()], 1)
        boot.machine = FakeMachine(*batches)
        self.lab.console.close()
        self.lab.console = types.SimpleNamespace(lines=boot.machine.lines, close=lambda: None)
        # Else it counts from when this machine was switched on.
        boot.perform(boot.protocol.start(time.monotonic()))
        while not boot.protocol.over:
            boot.step()
        return boot

    def test_last_words_are_heard(self):
        """Of a machine that has already ended."""
        boot = self.boot(Boot, ["@lab ready", "@lab test t start"], [],
                         ["@lab test t end 0 x"], ["@lab done"])
        self.assertEqual((boot.protocol.finished, boot.machine.batches), (True, []))
        self.assertEqual(self.said[0], "test t ...")

    def test_second_line(self):
        """What it says before the console says that the test is over counts."""
        for text, reason in (("one word", ""), ("none", "the second serial line did not say 'word'")):
            boot = Boot(self.lab, [make_test(serial2="word")], 1)
            boot.machine = FakeMachine(["@lab test t start"], ["@lab test t end 0 x"],
                                       ["@lab done"], [])
            boot.machine.serial2 = 7
            said = [[], [text], [], [], []]
            self.lab.console.close()
            self.lab.console = types.SimpleNamespace(lines=boot.machine.lines, close=lambda: None,
                                                     second_lines=lambda fd, said=said: said.pop(0))
            while boot.machine.batches:
                boot.step()
            self.assertEqual(boot.protocol.verdicts["t"].reason, reason)

    def test_console_of_a_lost_machine(self):
        boot = self.boot(Boot, ["@lab test t start"], ["a", "b"], ["c"])
        self.assertEqual(boot.protocol.verdicts["t"].verdict, "lost")
        with open(os.path.join(self.lab.directory, "t", "console.txt"),
                  encoding="utf-8") as stream:
            self.assertEqual(stream.read(), "a\nb\nc\n")

    def test_what_is_typed(self):
        boot = Boot(self.lab, [make_test()], 1)
        boot.machine = FakeMachine()
        boot.perform([Send("ping\n"), Say("x")])
        self.assertEqual((boot.machine.sent, self.said), (["ping\n"], ["x"]))
        with self.assertRaises(LabError):
            boot.perform([Shell()])

    def test_shell(self):
        """It has the line until it ends; what comes with its mark or behind it does not count."""
        with mock.patch.object(shell, "relay") as relay, mock.patch("sys.stderr"):
            boot = self.boot(shell.ShellBoot, ["booting"],
                             ["@lab shell", "Kernel panic - not syncing: x"], [])
        relay.assert_called_once_with(boot.machine)
        self.assertTrue(boot.protocol.finished)

    def test_limits(self):
        """Of several CPUs, of a slow kernel, of a slow machine."""
        self.assertEqual(self.lab.limits(), Limits(180, 4 * 3 * 6, None, 0))
        self.lab.options.backend, self.lab.options.timeout = "qemu", 5
        self.assertEqual(self.lab.limits(), Limits(120, 3 * 6, 1e9 + 5, 5))


class Emulator(unittest.TestCase):
    """What Bochs says when its CPU has shut down."""

    def test_words(self):
        machine = Bochs.__new__(Bochs)
        for text, verdict in (("exception(): 3rd (13) exception with no resolution", "triple-fault"),
                              ("triple fault", "triple-fault"), ("ACPI power off", "")):
            machine.log_text = lambda text=text: "01234567890p[CPU0  ] " + text
            self.assertEqual(machine.fatal(), verdict)


class Table(unittest.TestCase):
    """tests.cfg as it is."""

    def test_every_fault_has_a_test_here(self):
        here = {name[len("test_"):].replace("_", "-") for case in (Faults, Verdicts)
                for name in dir(case)}
        # The same, seen from the test behind it.
        here.add("alone")
        faults = {name[len("fault-"):] for name, section in config.read_config(config.CONFIG).items()
                  if section.get("group") == "lab-faults"}
        self.assertGreater(len(faults), 10)
        self.assertEqual(faults - here, set())


if __name__ == "__main__":
    unittest.main()
