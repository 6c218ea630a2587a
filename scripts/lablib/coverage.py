# SPDX-License-Identifier: GPL-2.0-only
"""Which lines of C a run has executed: of gcov's JSON, as a table."""

import collections
import json
import os


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


def summary(lines):
    """Lines, how many were executed, and those that were not."""
    missed = [line for line, count in lines.items() if not count]
    return {"lines": len(lines), "run": len(lines) - len(missed), "missed": ranges(missed)}


def percent(run, lines):
    """As a word: 100.0 only if nothing is missing."""
    if not lines:
        return "-"
    return f"{run * 1000 // lines / 10:.1f}"


def table(groups):
    """Text: for each group its files, and the sum of them.  {group: {name: summary}}"""
    width = max((len(name) for files in groups.values() for name in files), default=0)
    text = []
    for group, files in groups.items():
        text += [f"{group:<{width}}  lines    run      %"]
        for name, one in sorted(files.items()):
            text.append(f"{name:<{width}}  {one['lines']:>5}  {one['run']:>5}  "
                        f"{percent(one['run'], one['lines']):>5}")
        lines, run = (sum(one[key] for one in files.values()) for key in ("lines", "run"))
        text += [f"{f'{len(files)} files':<{width}}  {lines:>5}  {run:>5}  {percent(run, lines):>5}", ""]
    return "\n".join(text)
