#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Commands in README.md and Documentation/: targets, programs, options and tests that exist."""

import configparser
import functools
import glob
import os
import re
import shlex
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import nestctl_lib as lib

TOP = lib.TOP
PAGES = ("README.md", *sorted(glob.glob("Documentation/*.rst", root_dir=TOP)))
# Words before a command that are none of it.
BEFORE = re.compile(r"^(sudo |\$ |[A-Z_]+=\S+ )+")


def text_of(name):
    """A file of the tree."""
    with open(os.path.join(TOP, name), encoding="utf-8") as stream:
        return stream.read()


def literals(name):
    """What a page shows as code: (line, in a block?)."""
    text = text_of(name)
    if name.endswith(".md"):
        blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
        rest = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
        inline = re.findall(r"(?<!`)`([^`]+)`(?!`)", rest)
    else:
        blocks = re.findall(r"::\n\n((?:(?: {4}|\t).*\n|\n)+)", text)
        inline = re.findall(r"``((?:[^`]|`(?!`))+)``", text)
    for block in blocks:
        for line in block.replace("\\\n", " ").splitlines():
            yield line.strip(), True
    for line in inline:
        yield " ".join(line.split()), False


def commands(name):
    """(words) of what begins like a command of this tree."""
    for line, block in literals(name):
        line = line.replace('"$(command -v nestctl)"', "nestctl")
        for part in re.split(r" && | \| ", line) if block else [line]:
            part = BEFORE.sub("", part.partition(" # ")[0].strip())
            if re.match(r"(make|nestctl|(\./)?(scripts|selftests)/[\w/-]+)( |$)", part):
                yield shlex.split(part)


@functools.lru_cache(None)
def completion(*words):
    """Words that nestctl says may follow."""
    lib.build()
    done = subprocess.run([lib.PROGRAM, "complete", *words], text=True, capture_output=True,
                          check=True)
    return set(done.stdout.split())


@functools.lru_cache(None)
def targets():
    """Of the top-level Makefile."""
    return set(re.findall(r"^([a-z][a-z-]*):", text_of("Makefile"), re.M))


def wrong_make(words):
    """What make would not do."""
    for word in words:
        if "=" not in word and not word.startswith("-") and word not in targets():
            yield f"the Makefile has no target {word}"


def wrong_nestctl(words):
    """What nestctl would refuse; words in capitals stand for something."""
    if not words or words[0] in ("COMMAND", "...", "complete"):
        return
    if words[0] not in completion():
        yield f"nestctl has no command {words[0]}"
        return
    for word in words[1:]:
        option = re.match(r"\[?(--[a-z-]+)", word)
        if option and option[1] not in completion(words[0]):
            yield f"nestctl {words[0]} has no option {option[1]}"
        elif words[0] == "refresh" and word == words[1] and not option and \
                re.fullmatch("[a-z]+", word) and word not in completion("refresh"):
            yield f"nestctl refresh has no {word}"


@functools.lru_cache(None)
def suites():
    """Names of selftests/suites.cfg."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text_of("selftests/suites.cfg"))
    return set(parser.sections())


def wrong_program(words):
    """A script that is not there, or an option that does not stand in it or in lablib."""
    path = words[0].removeprefix("./")
    if not os.path.exists(os.path.join(TOP, path)):
        # A program that is built there.
        if not glob.glob(os.path.join(TOP, path + ".c")):
            yield f"there is no {path}"
        return
    if os.path.isdir(os.path.join(TOP, path)):
        return
    text = text_of(path)
    if "lablib" in text:
        text += "".join(text_of(name) for name in glob.glob("scripts/lablib/*.py", root_dir=TOP))
    for word in words[1:]:
        option = re.match(r"\[?(--[a-z-]+)", word)
        if option and option[1] not in text and option[1] != "--help":
            yield f"{path} has no option {option[1]}"
        elif not option and path == "scripts/run-suites" and re.fullmatch("[a-z0-9.-]+", word) and \
                word not in suites():
            yield f"there is no suite {word}"


def wrong(page):
    """All that is wrong in a page."""
    for words in commands(page):
        judge = {"make": wrong_make, "nestctl": wrong_nestctl}.get(words[0])
        for text in judge(words[1:]) if judge else wrong_program(words):
            yield f"{page}: {' '.join(words)}: {text}"


class Commands(unittest.TestCase):
    """In every page."""

    def test_pages(self):
        self.assertEqual([text for page in PAGES for text in wrong(page)], [])

    def test_all_kinds_are_seen(self):
        """A page whose blocks are written in another way would not be looked at."""
        seen = {words[0] for page in PAGES for words in commands(page)}
        self.assertLessEqual({"make", "nestctl", "scripts/lab", "scripts/run-suites"}, seen)
        for page in ("README.md", "Documentation/operator.rst", "Documentation/packages.rst",
                     "Documentation/nestctl.rst"):
            self.assertGreater(len(list(commands(page))), 5, page)

    def test_help_has_all_words(self):
        """Of nestctl: what may follow a command, its --help says."""
        for name in ["", *sorted(word for word in completion() if word[0] != "-")]:
            command = [name] * bool(name)
            said = subprocess.run([lib.PROGRAM, *command, "--help"], text=True, capture_output=True,
                                  check=True).stdout
            words = {word for word in completion(*command) if word[0] != "-"}
            self.assertEqual(words - set(re.findall("[a-z-]+", said)), set(), name)

    def test_what_is_wrong(self):
        for words, text in (
                ("make dema", "no target dema"), ("nestctl stat", "no command stat"),
                ("nestctl stats --wach", "no option --wach"),
                ("nestctl refresh bot", "refresh has no bot"),
                ("scripts/labb run", "there is no scripts/labb"),
                ("scripts/run-suites --fast", "no option --fast"),
                ("scripts/run-suites nosuch", "no suite nosuch")):
            first, *rest = words.split()
            judge = {"make": wrong_make, "nestctl": wrong_nestctl}.get(first)
            found = list(judge(rest) if judge else wrong_program([first, *rest]))
            self.assertEqual(len(found), 1, words)
            self.assertIn(text, found[0])


if __name__ == "__main__":
    unittest.main()
