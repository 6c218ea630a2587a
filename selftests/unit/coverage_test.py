#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""scripts/coverage: what gcov says becomes lines of files of the tree."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from lablib import coverage

TREE = "/tree"
NAMES = {"a/x.c", "a/x.h", "b/x.c", "x.c"}
PROGRAM = """\
static int sign(int x)
{
	if (x < 0)
		return -1;
	if (x > 0)
		return 1;
	return 0;
}

int main(int argc, char **argv)
{
	return sign(argc) != 1;
}
"""


def document(*files, where=TREE):
    """What gcov prints of one program: (name, {line: count}) of each file."""
    return json.dumps({"format_version": "1", "current_working_directory": where, "files": [
        {"file": name, "lines": [{"line_number": line, "count": count}
                                 for line, count in lines.items()]} for name, lines in files]})


def merged(*documents):
    """Lines by file."""
    return coverage.merge(coverage.read_gcov("\n".join(documents)), TREE, NAMES)


class Coverage(unittest.TestCase):
    """From gcov's JSON to a table."""

    def test_programs_are_added(self):
        """A line is run if one program runs it, or one of the functions that it is a part of."""
        self.assertEqual(merged(document(("a/x.c", {1: 0, 2: 3})), document(("a/x.c", {1: 2, 2: 0, 3: 0}))),
                         {"a/x.c": {1: 2, 2: 3, 3: 0}})
        twice = json.loads(document(("a/x.h", {5: 0})))
        twice["files"][0]["lines"].append({"line_number": 5, "count": 4})
        self.assertEqual(merged(json.dumps(twice)), {"a/x.h": {5: 4}})

    def test_whose_line(self):
        """By name from the tree, by the end of a copy's name; nothing else counts."""
        for name, where, known in (
                ("/tree/a/x.c", "/elsewhere", "a/x.c"), ("x.c", "/tree/b", "b/x.c"),
                ("../x.c", "/tree/b", "x.c"), ("./a/x.c", ".", "a/x.c"), ("a/x.c", "", "a/x.c"),
                ("a/x.c", "/tree/a", "a/x.c"),
                ("/tmp/q/a/x.c", TREE, "a/x.c"), ("/tmp/q/a/x.h", TREE, "a/x.h"),
                # Of a copy's name not only the last word.
                ("/tmp/q/x.c", TREE, None), ("/tree/c/x.c", TREE, None), ("/usr/include/x.h", TREE, None),
                ("y.c", ".", None)):
            with self.subTest(name=name, where=where):
                self.assertEqual(merged(document((name, {1: 1}), where=where)),
                                 {known: {1: 1}} if known else {})

    def test_refused(self):
        """What is not gcov's is said to be so, with its beginning."""
        for text in ("no JSON", "{}", "[]", '{"current_working_directory": "", "files": [{}]}',
                     document(("a/x.c", {1: 1})) + "\n{"):
            with self.subTest(text=text), self.assertRaisesRegex(coverage.CoverageError, "gcov said"):
                coverage.read_gcov(text)
        self.assertEqual(coverage.read_gcov("\n"), [])

    def test_summary(self):
        """Lines that were not run, as ranges."""
        self.assertEqual(coverage.summary({9: 0, 3: 0, 5: 0, 4: 0, 7: 2}),
                         {"lines": 5, "run": 1, "missed": "3-5 9"})
        self.assertEqual(coverage.ranges([]), "")

    def test_percent(self):
        """Rounded down: 100.0 is all."""
        for run, lines, text in ((1999, 2000, "99.9"), (9999, 10000, "99.9"), (3, 3, "100.0"),
                                 (0, 7, "0.0"), (0, 0, "-")):
            self.assertEqual(coverage.percent(run, lines), text)

    def test_table(self):
        """A row for each file, and the sum, which is of lines."""
        text = coverage.table({"shim": {"b.c": {"lines": 10, "run": 0}, "a.c": {"lines": 30, "run": 30}},
                               "none": {}})
        rows = [line.split() for line in text.splitlines()]
        self.assertEqual(rows[1:4], [["a.c", "30", "30", "100.0"], ["b.c", "10", "0", "0.0"],
                                     ["2", "files", "40", "30", "75.0"]])
        self.assertEqual(rows[-1], ["0", "files", "0", "0", "-"])

    def test_gcov_itself(self):
        """A line that only returns a constant is a line, and was not run."""
        with tempfile.TemporaryDirectory() as tree:
            with open(os.path.join(tree, "x.c"), "w", encoding="utf-8") as stream:
                stream.write(PROGRAM)
            subprocess.run(["gcc", "--coverage", "-fprofile-abs-path", "-dumpdir", tree + "/1-",
                            "-o", "program", "x.c"], cwd=tree, check=True)
            subprocess.run([tree + "/program"], check=True)
            said = subprocess.run(["gcov", "--json-format", "--stdout", "1-x.gcno"], cwd=tree, check=True,
                                  stdout=subprocess.PIPE, text=True).stdout
            lines = coverage.merge(coverage.read_gcov(said), tree, {"x.c"})["x.c"]
        self.assertEqual(coverage.summary(lines)["missed"], "4 7")
        self.assertEqual(lines[6], 1)


if __name__ == "__main__":
    unittest.main()
