#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The frame of nestctl: help, exit statuses, man pages, completion, colours."""

import os
import pty
import re
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import nestctl_lib as lib

TABLE = re.compile(r"^ +(\d+)  (\S.*)$", re.M)


def plain(*words):
    """nestctl without a machine."""
    lib.build()
    return subprocess.run([lib.PROGRAM, *words], capture_output=True, text=True, check=False,
                          env={"PATH": os.environ["PATH"], "LC_ALL": "C"})


def commands():
    """Those that --help lists."""
    text = plain("--help").stdout.partition("Commands:\n")[2].partition("\n\n")[0]
    return [line.split()[0] for line in text.splitlines()]


def in_bash(line):
    """What completion offers for a command line."""
    words = line.split(" ")
    script = (f"source {lib.TOP}/tools/nestctl/nestctl.bash; COMP_WORDS=({lib.PROGRAM} "
              + " ".join(f"'{word}'" for word in words[1:])
              + f"); COMP_CWORD={len(words) - 1}; _nestctl; echo \"${{COMPREPLY[@]}}\"")
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True,
                          check=True).stdout.split()


class Build(unittest.TestCase):
    """The program itself."""

    def test_without_libvirt(self):
        """It is all there but for what asks libvirt, which says how to have it."""
        with tempfile.TemporaryDirectory() as out:
            done = subprocess.run(["make", "-s", "-C", os.path.join(lib.TOP, "tools", "nestctl"), "O=" + out,
                                   "libvirt=", "CFLAGS=-O0", "all"], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            done = subprocess.run([os.path.join(out, "nestctl"), "move", "qemu+tcp://other/system"],
                                  capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, lib.REFUSED)
        self.assertIn("install libvirt-dev", done.stderr)


class Frame(lib.Test):
    """What all commands have in common."""

    def test_exit_table_is_documented(self):
        with open(os.path.join(lib.TOP, "Documentation", "nestctl.rst"), encoding="utf-8") as file:
            documented = re.findall(r"^(\d+) +(\S.*)$", file.read(), re.M)
        self.assertEqual(TABLE.findall(plain("--help").stdout), documented)
        self.assertIn(("64", "wrong usage"), documented)

    def test_each_command_has_help_and_a_section(self):
        with open(os.path.join(lib.TOP, "Documentation", "nestctl.rst"), encoding="utf-8") as file:
            page = file.read()
        self.assertIn("status", commands())
        for command in commands():
            result = plain(command, "--help")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn("Usage: nestctl " + command, result.stdout)
            self.assertIn("--json", result.stdout)
            self.assertEqual(len(TABLE.findall(result.stdout)), 6, command)
            self.assertIn(f"nestctl {command}", re.findall(r"^(.*)\n-+$", page, re.M))

    def test_wrong_usage(self):
        for words in ((), ("frobnicate",), ("--frobnicate",), ("status", "--frobnicate"),
                      ("status", "word")):
            result = plain(*words)
            self.assertEqual(result.returncode, lib.USAGE, words)
            self.assertEqual(result.stdout, "")
            self.assertIn("nestctl", result.stderr)

    def test_man_pages(self):
        # A refresh as a whole has a help of its own.
        pages = [*commands(), "refresh-run"]
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run(["make", "-s", "-C", lib.TOP + "/tools/nestctl", "install",
                            "O=" + lib.OUT, "CFLAGS=-O1 -g -fsanitize=address,undefined "
                            "-fno-sanitize-recover", "DESTDIR=" + directory], check=True)
            man = os.path.join(directory, "usr/share/man/man1")
            self.assertEqual(sorted(os.listdir(man)), sorted(
                ["nestctl.1", *(f"nestctl-{command}.1" for command in pages)]))
            for command in pages:
                with open(f"{man}/nestctl-{command}.1", encoding="utf-8") as file:
                    page = file.read().replace("\\-", "-")
                self.assertIn(f".SH NAME\nnestctl-{command} - ", page)
                self.assertIn("--json", page)
                self.assertIn("wrong usage", page)
            hook = os.path.join(directory, "etc/libvirt/hooks/qemu.d/nestctl")
            self.assertTrue(os.access(hook, os.X_OK))
            subprocess.run(["make", "-s", "-C", lib.TOP + "/tools/nestctl", "uninstall",
                            "DESTDIR=" + directory], check=True)
            self.assertEqual([name for _, _, names in os.walk(directory) for name in names], [])

    def test_completion(self):
        self.assertEqual(in_bash("nestctl stat"), ["status", "stats"])
        self.assertIn("--version", in_bash("nestctl --"))
        for command in commands():
            self.assertIn("--json", in_bash(f"nestctl {command} --"))
            self.assertNotIn("--root", in_bash(f"nestctl {command} --"))

    def test_colours_on_a_terminal_only(self):
        for env, colored in (({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False),
                             ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
            lib.build()
            leader, follower = pty.openpty()
            subprocess.run([lib.PROGRAM, "status", "--root", self.machine.root],
                           stdout=follower, env={"PATH": os.environ["PATH"], **env}, check=True)
            os.close(follower)
            text = os.read(leader, 65536).decode()
            os.close(leader)
            self.assertEqual("\033[" in text, colored, env)

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            result = subprocess.run([lib.PROGRAM, "status", "--root", self.machine.root],
                                    stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(result.returncode, lib.UNKNOWN)
        self.assertIn("cannot write", result.stderr)


if __name__ == "__main__":
    unittest.main()
