# SPDX-License-Identifier: GPL-2.0-only
"""Which lines of C a run has executed: of gcov's JSON, or of what the shim has said; as a table."""

import collections
import functools
import json
import os
import re


class CoverageError(ValueError):
    """What is said to be gcov's output is not."""


def read_gcov(text):
    """[(file, line, count)] of what `gcov --json-format --stdout` has printed."""
    found = []
    for document in filter(None, text.splitlines()):
        try:
            known = json.loads(document)
            where = known["current_working_directory"]
            found += [(os.path.normpath(os.path.join(where, file["file"])), line["line_number"],
                       line["count"]) for file in known["files"] for line in file["lines"]]
        except (ValueError, KeyError, TypeError) as err:
            raise CoverageError(f"gcov said what is no coverage ({err!r}): {document[:80]}") from err
    return found


def name_in_tree(path, tree, names):
    """A file's name in the tree, None if it is none of `names`.

    A test may compile a copy: that counts for the file whose whole name ends the copy's.  So
    does a name behind a directory that it is not relative to (-ffile-prefix-map).
    """
    path = os.path.relpath(path, tree) if path.startswith(tree + os.sep) else path
    if path in names:
        return path
    parts = path.split(os.sep)
    for i in range(1, len(parts) - 1):
        name = os.sep.join(parts[i:])
        if name in names:
            return name
    return None


def merge(found, tree, names):
    """{name: {line: count}}: a line that any program has executed was executed."""
    lines = collections.defaultdict(collections.Counter)
    for path, line, count in found:
        name = name_in_tree(path, tree, names)
        if name:
            lines[name][line] += count
    return {name: dict(counts) for name, counts in lines.items()}


def ranges(numbers):
    """'3-5 9' of 3, 4, 5, 9."""
    runs = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def summary(units, lab=None):
    """Lines, how many were executed by unit tests, in the lab (None: not tried there), by either of
    them; and those that were by none.  {line: count} of both.

    A line without an instruction in the lab's images is known by unit tests that run it only.
    """
    run = {line for line, count in units.items() if count}
    there = {line for line, count in (lab or {}).items() if count}
    lines = set(units) if lab is None else set(lab) | run
    return {"lines": len(lines), "run": len(run), "lab": None if lab is None else len(there),
            "either": len(run | there), "missed": ranges(lines - run - there)}


def percent(run, lines):
    """As a word: 100.0 only if nothing is missing."""
    if not lines:
        return "-"
    return f"{run * 1000 // lines / 10:.1f}"


def row(name, width, one):
    """A line of the table."""
    lab = "-" if one["lab"] is None else one["lab"]
    return (f"{name:<{width}}  {one['lines']:>5}  {one['run']:>5}  {lab:>5}  {one['either']:>6}  "
            f"{percent(one['either'], one['lines']):>5}")


def table(groups):
    """Text: for each group its files, and the sum of them.  {group: {name: summary}}"""
    width = max((len(name) for files in groups.values() for name in files), default=0)
    text = []
    for group, files in groups.items():
        text.append(f"{group:<{width}}  lines  units    lab  either      %")
        text += [row(name, width, one) for name, one in sorted(files.items())]
        all_of_it = {key: sum(one[key] or 0 for one in files.values())
                     for key in ("lines", "run", "lab", "either")}
        text += [row(f"{len(files)} files", width, all_of_it), ""]
    return "\n".join(text)


# ---- the lab: what objdump -dlr says, and which blocks have run

TRACER = "__sanitizer_cov_trace_pc"
SAID = re.compile(r"~([a-z0-9.-]+):([0-9a-f]{5})\n")
FUNCTION = re.compile(r"^([\w.]+)\(\):$")
PLACE = re.compile(r"^(/.*?):(\d+)(?: \(discriminator \d+\))?$")
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\t(\S+)(.*)$")
RELOCATION = re.compile(r"^\s+[0-9a-f]+: (R_\S+\s.*)$")
# Behind these another block begins, whether it says so or not.
LEAVES = ("jmp", "ret", "iretq", "ud2", "hlt")


def read_blocks(text):
    """{image: places of its blocks that have run}, of what images have said."""
    blocks = collections.defaultdict(set)
    for name, place in SAID.findall(text):
        blocks[name].add(int(place, 16))
    return blocks


def start_of(text, symbol):
    """Address of a symbol, as nm prints it."""
    match = re.search(rf"^([0-9a-f]+) \w {symbol}$", text, re.MULTILINE)
    if not match:
        raise CoverageError(f"the image has no {symbol}")
    return int(match[1], 16)


def with_relocations(text):
    """Lines of a disassembly, relocations behind their instructions."""
    lines = []
    for line in text.splitlines():
        match = RELOCATION.match(line)
        if match and lines:
            lines[-1] += " " + match[1]
        else:
            lines.append(line)
    return lines


@functools.cache
def holds(path, function):
    """Whether a file of C has a function: gcc says some lines of headers to be of the file itself."""
    if not path.endswith(".c") or not os.path.exists(path):
        return True
    with open(path, encoding="utf-8", errors="replace") as stream:
        return function.partition(".")[0] in stream.read()


def lines_of_blocks(text, blocks):
    """[(file, line, 0 or 1)] of each instruction of a disassembly, and blocks that it has not, of
    those up to its end.  @blocks: addresses behind the calls of the tracer.

    An instruction is of the block whose tracer was called last; what stands between a jump
    and the next such call (or begins a function) is of that one.
    """
    found, waiting, place, ran = [], [], None, None
    returns, known, address, function = False, set(), 0, ""
    for line in with_relocations(text):
        match = FUNCTION.match(line)
        if match:
            function = match[1]
            continue
        match = PLACE.match(line)
        if match:
            place = (match[1], int(match[2])) if holds(match[1], function) else None
            continue
        match = INSTRUCTION.match(line)
        if not match:
            if line.endswith(">:"):
                ran, waiting = None, []
            continue
        address = int(match[1], 16)
        if returns:
            known.add(address)
            ran = address in blocks
            found += [(*where, int(ran)) for where in waiting]
            waiting = []
        returns = TRACER in match[3]
        if place and not match[2].startswith("nop"):
            if returns or ran is None:
                waiting.append(place)
            else:
                found.append((*place, int(ran)))
        if match[2] in LEAVES:
            ran, waiting = None, []
    return found, {block for block in blocks - known if block <= address}
