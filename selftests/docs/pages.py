# SPDX-License-Identifier: GPL-2.0-only
"""Commands that pages show in blocks, and what selftests/docs/commands says of them."""

import glob
import os
import re

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TABLE = os.path.join(TOP, "selftests", "docs", "commands")
PAGES = ("README.md", *sorted(glob.glob("Documentation/*.rst", root_dir=TOP)))
# A block with a line that begins like this is one of commands, all of it.
COMMAND = re.compile(r"(sudo |\$ )*(make|ip|nestctl|virsh|quilt|dkms|clang|nestcloud-source|mokutil|"
                     r"ansible-playbook|trace-cmd|(\./)?(scripts|selftests)/|\. /lab/lib\.sh)\b")
WAYS = ("lab", "here", "boot", "deb", "suite", "test", "in", "not")


class PageError(Exception):
    """The table is not one."""


def text_of(name):
    """A file of the tree."""
    with open(os.path.join(TOP, name), encoding="utf-8") as stream:
        return stream.read()


def blocks(name, text):
    """(title of the section, its lines) of each literal block."""
    if name.endswith(".md"):
        pattern = r"^```sh\n(.*?)^```"
        title = r"^#+ (.*)$"
    else:
        pattern = r"(?:::|\.\. code-block:: \w+)\n\n((?:(?: {4}|\t).*\n|\n)+)"
        title = r"^(\S.*)\n[-=~]{3,}$"
    titles = [(match.start(), match[1]) for match in re.finditer(title, text, re.M)]
    for match in re.finditer(pattern, text, re.M | re.S if name.endswith(".md") else re.M):
        above = [text for start, text in titles if start < match.start()]
        yield (above or [""])[-1], match[1].replace("\\\n", " ").splitlines()


def shown(name, text=None):
    """(section, command) of a page, in its order, without comments."""
    found = []
    for section, lines in blocks(name, text_of(name) if text is None else text):
        lines = [" ".join(line.strip().removeprefix("$ ").split()) for line in lines]
        if not any(COMMAND.match(line) for line in lines):
            continue
        for line in lines:
            command = re.split(r"(?:^| )# ", line)[0].strip()
            if command:
                found.append((section, command))
    return found


def table(text=None):
    """{page: [(way, argument, command)]} of selftests/docs/commands."""
    pages = {}
    rows = None
    for line in (text_of(TABLE) if text is None else text).splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            rows = pages.setdefault(line.strip("[]"), [])
            continue
        how, tab, command = line.partition("\t")
        match = re.fullmatch(r"(\w+)(?:=([\d,]+)| (.+))?", how)
        if rows is None or not tab or not match or match[1] not in WAYS:
            raise PageError(f"selftests/docs/commands: '{line}': no HOW<tab>COMMAND of a page")
        rows.append((match[1], match[2] or match[3] or "", command))
    return pages


def statuses(argument):
    """Exit statuses that are good."""
    return [int(word) for word in argument.split(",")] if argument else [0]
