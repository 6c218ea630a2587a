#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What scripts/run-suites reads in suites.cfg, and what it refuses."""
import os
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from lablib import registry, suites
from lablib.common import UsageError

TESTS = {"boot": {"group": "lab qemu"}, "params": {"group": "kvm"}}
# What lab runs need.
STEPS = "".join(f"[{step}]\ntext = x\ncommand = scripts/build-all {step}\n" for step in (
    "emulator", "programs", "images-6.1", "modules-6.1", "selftests-6.1",
    "images-6.12", "modules-6.12", "selftests-6.12"))


class Read(unittest.TestCase):
    """Text like that of suites.cfg."""

    def read(self, text):
        """The suites of a file, {name: Suite}."""
        with tempfile.NamedTemporaryFile("w", delete=False) as stream:
            stream.write(STEPS + text)
        self.addCleanup(os.unlink, stream.name)
        return {suite.name: suite for suite in registry.read_suites(stream.name, TESTS)}

    def refused(self, text, *words):
        """The reason has these words in it."""
        with self.assertRaises(UsageError) as caught:
            self.read(text)
        for word in words:
            self.assertIn(word, str(caught.exception))

    def lab(self, words):
        """A suite that is a run of the lab."""
        return self.read(f"[s]\ntext = x\nlab = {words}\n")["s"]

    def lab_refused(self, words, *reasons):
        """The same, refused."""
        self.refused(f"[s]\ntext = x\nlab = {words}\n", "[s]", *reasons)

    def command_refused(self, rest, *reasons):
        """A suite that is a command."""
        self.refused(f"[s]\ntext = x\ncommand = scripts/lab list\n{rest}\n", "[s]", *reasons)

    def test_lab(self):
        suite = self.lab('--modules nvx --set "L1_PARAMS=a=0 b=1"\n\tboot group:kvm')
        self.assertEqual(suite.command, ["scripts/lab", "run", "--name", "suite-s", "--modules",
                                         "nvx", "--set", "L1_PARAMS=a=0 b=1", "boot", "group:kvm"])
        self.assertEqual(suite.after, ("emulator", "programs", "images-6.1", "modules-6.1",
                                       "selftests-6.1"))
        self.assertEqual((suite.default, suite.limit, suite.cores, suite.runs),
                         (True, 2400, 1, ("suite-s",)))

    def test_needs_are_of_the_kernel(self):
        self.assertEqual(self.lab("--kernel 6.12-cloud boot").after,
                         ("emulator", "programs", "images-6.12", "modules-6.12",
                          "selftests-6.12"))
        self.assertEqual(self.read("[s]\ntext = x\nlab = boot\nneeds = selftests\nafter = t\n"
                                   "[t]\ntext = x\nlab = boot\n")["s"].after,
                         ("selftests-6.1", "t"))

    def test_command(self):
        suite = self.read("[s]\ntext = a: b\ncommand = scripts/lab list --config 'a b'\n"
                          "needs = modules\nbase = 6.12\nruns = a* b\nlimit = 7\ncores = 2\n"
                          "default = no\n")["s"]
        self.assertEqual(suite, suites.Suite(
            "s", "a: b", ["scripts/lab", "list", "--config", "a b"], after=("modules-6.12",),
            default=False, limit=7, cores=2, runs=("a*", "b")))
        self.assertEqual(self.read("[s]\ntext = x\ncommand = scripts/lab list\n")["s"].after, ())

    def test_unknown_test(self):
        self.lab_refused("boot bot", "unknown test 'bot'")
        self.lab_refused("kvm:nvx_no_such_test", "selftests/kvm has no such program")
        self.lab("kvm:nvx_* kvm:nvx_fast_test kvm:vmx_*")

    def test_unknown_group(self):
        self.lab_refused("boot group:kwm", "group 'kwm' is empty", "kvm lab qemu")

    def test_options_of_the_lab(self):
        self.lab_refused("--modules ours boot", "invalid choice: 'ours'")
        self.lab_refused("--kernel 5.10 boot", "invalid choice: '5.10'")
        self.lab_refused("--no-such boot", "unrecognized arguments: --no-such")
        self.lab_refused("--modules nvx", "required: TEST")
        self.lab_refused("--help", "lab = --help")
        self.lab_refused("--name a boot", "--name")
        self.lab_refused('"boot', "No closing quotation")

    def test_cycle(self):
        one = "[{}]\ntext = x\ncommand = scripts/lab list\nafter = {}\n"
        for text, names in ((one.format("a", "a"), "a <- a"),
                            (one.format("a", "b c") + one.format("b", "emulator") +
                             one.format("c", "d") + one.format("d", "b a"), "a <- c <- d <- a")):
            self.refused(text, "wait for each other", names)
        self.read(one.format("a", "b c") + one.format("b", "c") + one.format("c", "emulator"))

    def test_after(self):
        self.command_refused("after = emulator none", "'none', which does not exist")
        self.command_refused("needs = machine\nbase = 6.6", "'images-6.6', which does not exist")
        self.command_refused("after = emulator emulator", "emulator twice")
        self.command_refused("needs = machine\nafter = programs", "programs twice")
        self.command_refused("after = t\n[t]\ntext = x\nlab = boot\ndefault = no",
                             "'t', which has default = no")
        self.read("[s]\ntext = x\nlab = boot\ndefault = no\nafter = t\n"
                  "[t]\ntext = x\nlab = boot\ndefault = no\n")

    def test_keys(self):
        self.command_refused("test = boot", "unknown key 'test'")
        self.command_refused("needs = modules kernel", "unknown need 'kernel'")
        self.command_refused("lab = boot", "one of lab and command")
        self.command_refused("default = maybe", "neither yes nor no")
        for value in ("0", "-1", "1h", ""):
            self.command_refused(f"limit = {value}", "not a number above 0")
        self.refused("[s]\ntext = x\n", "[s]", "one of lab and command")
        self.refused("[s]\nlab = boot\n", "[s]", "no text")
        self.lab_refused("boot\nbase = 6.12", "base goes with command only")
        self.lab_refused("boot\nruns = x", "runs goes with command only")
        self.command_refused("skips = x", "skips goes with lab only")
        self.assertEqual(self.lab("boot").skips, ())
        self.assertEqual(self.lab("boot\nskips = params\n\tother").skips, ("params", "other"))
        self.refused("[s]\ntext = x\ncommand = scripts/none x\n", "no such program")
        self.refused("[s]\ntext = x\ncommand =\n", "no such program")
        self.refused("[s]\ntext = x\nlab = boot\n[s]\ntext = x\nlab = boot\n", "already exists")


class Table(unittest.TestCase):
    """suites.cfg as it is."""

    def test_build_steps_exist(self):
        steps = subprocess.run([os.path.join(TOP, "scripts", "build-all"), "--list"],
                               stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        here = [suite.name for suite in registry.read_suites()
                if suite.command[0] == "scripts/build-all"]
        self.assertEqual(sorted(steps), sorted(here))
        for suite in registry.read_suites():
            if suite.name in steps:
                self.assertEqual(suite.command[1:], [suite.name])

    def test_lab_runs_have_one_suite(self):
        """No two suites that may run at once have a run of the same name."""
        runs = [run for suite in registry.read_suites() for run in suite.runs]
        self.assertEqual(sorted(runs), sorted(set(runs)))


class Program(unittest.TestCase):
    """scripts/run-suites."""

    @staticmethod
    def run_suites(*words):
        """Its output."""
        return subprocess.run([os.path.join(TOP, "scripts", "run-suites"), *words],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False)

    def test_list(self):
        done = self.run_suites("--list")
        self.assertEqual(done.returncode, 0)
        listed = [line.split()[0].rstrip("*") for line in done.stdout.splitlines()[:-1]]
        self.assertEqual(listed, [suite.name for suite in registry.read_suites()])

    def test_unknown_suite(self):
        done = self.run_suites("no-such-suite")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("no suite 'no-such-suite'", done.stderr)


if __name__ == "__main__":
    unittest.main()
