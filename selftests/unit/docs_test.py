#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Each command that the manual shows is executed by something, or there is a reason why not."""

import glob
import os
import re
import sys
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "selftests", "docs"), os.path.join(TOP, "scripts")]

import pages
from lablib import config

TESTS = config.read_config(config.CONFIG)
SUITES = config.read_sections(os.path.join(TOP, "selftests", "suites.cfg"))


def recipe(target):
    """What make runs for a target of the top-level Makefile."""
    found = re.search(rf"^{re.escape(target)}:.*\n((?:\t.*\n)*)", pages.text_of("Makefile"), re.M)
    return found[1] if found else ""


def wrong_suite(name, command):
    """The suite's program is in what make would run; or it calls the program, with its options."""
    program = SUITES.get(name, {}).get("command", "").split(" ")[0]
    words = command.split()
    if program and words[0] == "make":
        runs = re.search(rf"{re.escape(program)}(?![\w-])", recipe(words[1]))
    else:
        text = pages.text_of(program) if program else ""
        runs = all(f'"{word}"' in text for word in words if word == words[0] or word[0] == "-")
    if not runs:
        yield f"suite {name} does not run what `{command}` runs"


def wrong_test(name, command):
    """The test's script, or one beside it, has these words in that order, and these options."""
    if name not in TESTS:
        yield f"there is no test {name}"
        return
    folder = os.path.dirname(TESTS[name]["script"])
    text = "".join(pages.text_of(path) for pattern in ("*.sh", "init")
                   for path in glob.glob(os.path.join(folder, pattern), root_dir=TOP))
    words = [word for word in command.split() if not word.startswith("-")]
    options = [re.match("--?[a-z-]*", word)[0] for word in command.split()
               if re.match("--?[a-z]", word)]
    called = r"[ \"\\\n\t]+(?:-\S+\s+)*".join(map(re.escape, words[:3 if "refresh" in words else 2]))
    if not re.search(called, text):
        yield f"test {name} does not call `{' '.join(words[:3])}`"
    yield from (f"test {name} has no {option}" for option in options if option not in text)


def wrong_in(name, command):
    """That file has the command."""
    words = [word for word in command.split() if word not in ("sudo", "SCRIPT", "tag")]
    if not os.path.exists(os.path.join(TOP, name)):
        yield f"there is no {name}"
    elif not re.search(r"[^\n]*".join(map(re.escape, words)), pages.text_of(name)):
        yield f"{name} does not call `{command}`"


def wrong_row(section, row):
    """What a row says and is not so."""
    way, argument, command = row
    if way == "suite":
        yield from wrong_suite(argument, command)
    elif way == "test":
        yield from wrong_test(argument, command)
    elif way == "in":
        yield from wrong_in(argument, command)
    elif way == "deb" and not any(f'documented "{section}"' in pages.text_of(f"selftests/deb/{name}")
                                  for name in ("packages", "lib.sh")):
        yield f"selftests/deb/packages does not take `{command}` out of \"{section}\""
    elif way == "not" and len(argument.split()) < 3:
        yield f"`{command}`: that is no reason"


def wrong(table, shown):
    """All that is wrong; @shown: {page: [(section, command)]}."""
    for page in sorted(set(table) | set(shown)):
        rows = table.get(page, [])
        commands = shown.get(page, [])
        for i in range(max(len(rows), len(commands))):
            row = rows[i][2] if i < len(rows) else None
            command = commands[i][1] if i < len(commands) else None
            if row != command:
                yield f"{page}: it shows `{command}` where the table has `{row}`"
                break
            yield from (f"{page}: {text}" for text in wrong_row(commands[i][0], rows[i]))


def all_shown():
    """Of all pages that show a command."""
    return {page: commands for page in pages.PAGES if (commands := pages.shown(page))}


class Docs(unittest.TestCase):
    """The table against the pages."""

    def test_table(self):
        self.assertEqual(list(wrong(pages.table(), all_shown())), [])

    def test_most_are_executed(self):
        """By itself, and not by something that says the like."""
        ways = [way for rows in pages.table().values() for way, _, _ in rows]
        self.assertGreater(sum(way in ("lab", "here", "boot", "deb") for way in ways),
                           len(ways) * 6 // 10)

    def test_shown(self):
        text = ("T\n===\n\nx::\n\n    make a   # why\n    cd b\n\n    V=1 \\\n        w\n\ny::\n\n"
                "    a picture\n\nU\n---\n\n.. code-block:: console\n\n    $ sudo nestctl c\n\n")
        self.assertEqual(pages.shown("x.rst", text),
                         [("T", "make a"), ("T", "cd b"), ("T", "V=1 w"), ("U", "sudo nestctl c")])
        self.assertEqual(pages.shown("x.md", "# H\n\n```sh\nmake x\n```\n\n```\nmake y\n```\n"),
                         [("H", "make x")])

    def test_what_is_wrong(self):
        shown = {"p": [("S", "make demo"), ("S", "nestctl load")]}
        for rows, text in (
                ("suite demo\tmake demo", "shows `nestctl load` where the table has `None`"),
                ("suite demo\tmake demo\nlab\tnestctl unload", "where the table has `nestctl unload`"),
                ("suite bench\tmake demo\nlab\tnestctl load", "suite bench does not run"),
                ("suite demo\tmake demo\nsuite demo\tnestctl load", "suite demo does not run"),
                ("suite no\tmake demo\nlab\tnestctl load", "suite no does not run"),
                ("suite demo\tmake demo\nnot today\tnestctl load", "that is no reason"),
                ("suite demo\tmake demo\ntest no\tnestctl load", "there is no test no"),
                ("suite demo\tmake demo\ntest lab-boot\tnestctl load", "does not call `nestctl load`"),
                ("suite demo\tmake demo\nin README\tnestctl load", "there is no README"),
                ("suite demo\tmake demo\nin Makefile\tnestctl stats", "table has `nestctl stats`"),
                ("in Kconfig\tmake demo\nlab\tnestctl load", "Kconfig does not call"),
                ("suite demo\tmake demo\ndeb\tnestctl load", "does not take `nestctl load` out of")):
            found = list(wrong(pages.table("[p]\n" + rows), shown))
            self.assertEqual(len(found), 1, f"{rows}: {found}")
            self.assertIn(text, found[0])
        for row in ("lab nestctl", "perhaps\tmake", "lab=x\tmake"):
            with self.assertRaises(pages.PageError):
                pages.table("[p]\n" + row)


if __name__ == "__main__":
    unittest.main()
