#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""scripts/coverage: what gcov says becomes lines of files of the tree."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from lablib import config, coverage, runner

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


# As objdump -dl prints it: a function of three blocks, one of another file's lines.
DISASSEMBLY = """
ffff87ff00000010 <f>:
f():
/tree/a/x.c:3
ffff87ff00000010:\tsub    $0x8,%rsp
/tree/a/x.c:4
ffff87ff00000014:\tcall   ffff87ff00000900 <__sanitizer_cov_trace_pc>
ffff87ff00000019:\tje     ffff87ff00000030 <f+0x20>
/tree/a/x.c:5 (discriminator 2)
ffff87ff00000020:\tcall   ffff87ff00000900 <__sanitizer_cov_trace_pc>
ffff87ff00000025:\tmov    %rax,%rbx
/tree/a/x.h:9
ffff87ff00000028:\tret
ffff87ff00000029:\tnopl   0x0(%rax)
/tree/a/x.c:7
ffff87ff00000030:\txor    %eax,%eax
/tree/a/x.c:8
ffff87ff00000032:\tcall   ffff87ff00000900 <__sanitizer_cov_trace_pc>
ffff87ff00000037:\tret

ffff87ff00000040 <asm>:
asm():
/tree/b/x.S:1
ffff87ff00000040:\tret
"""
# As -r has it where calls are not resolved yet.
MODULE = """
0000000000000010 <__sanitizer_cov_trace_pc>:
  10:\tret
0000000000000020 <f>:
f():
/made/copy/a/x.c:3
  20:\tcall   25 <f+0x5>
\t\t\t21: R_X86_64_PLT32\t__fentry__-0x4
/made/copy/a/x.c:4
  25:\tcall   2a <f+0xa>
\t\t\t26: R_X86_64_PLT32\t__sanitizer_cov_trace_pc-0x4
  2a:\tjmp    2f <f+0xf>
\t\t\t2b: R_X86_64_PLT32\t__x86_return_thunk-0x4
"""


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
                         {"lines": 5, "run": 1, "lab": None, "either": 1, "missed": "3-5 9"})
        self.assertEqual(coverage.ranges([]), "")

    def test_percent(self):
        """Rounded down: 100.0 is all."""
        for run, lines, text in ((1999, 2000, "99.9"), (9999, 10000, "99.9"), (3, 3, "100.0"),
                                 (0, 7, "0.0"), (0, 0, "-")):
            self.assertEqual(coverage.percent(run, lines), text)

    def test_table(self):
        """A row for each file, and the sum, which is of lines."""
        text = coverage.table({"shim": {
            "b.c": {"lines": 10, "run": 0, "lab": None, "either": 0},
            "a.c": {"lines": 30, "run": 20, "lab": 20, "either": 30}}, "none": {}})
        rows = [line.split() for line in text.splitlines()]
        self.assertEqual(rows[1:4], [["a.c", "30", "20", "20", "30", "100.0"],
                                     ["b.c", "10", "0", "-", "0", "0.0"],
                                     ["2", "files", "40", "20", "20", "30", "75.0"]])
        self.assertEqual(rows[-1], ["0", "files", "0", "0", "0", "0", "-"])

    def lab(self, *places, text=DISASSEMBLY, start=0xffff87ff00000000):
        """Lines of a disassembly by file, and blocks that it has not."""
        found, strange = coverage.lines_of_blocks(text, {start + place for place in places})
        return {name: sorted((line, count > 0) for line, count in lines.items())
                for name, lines in coverage.merge(found, TREE, NAMES).items()}, strange

    def test_blocks(self):
        """An instruction is of the block whose tracer was called last, or else of the next one."""
        self.assertEqual(self.lab(0x19, 0x37), (
            {"a/x.c": [(3, True), (4, True), (5, False), (7, True), (8, True)],
             "a/x.h": [(9, False)]}, set()))
        self.assertEqual(self.lab(0x25), (
            {"a/x.c": [(3, False), (4, False), (5, True), (7, False), (8, False)],
             "a/x.h": [(9, True)]}, set()))
        self.assertEqual(self.lab(0x26)[1], {0xffff87ff00000026})
        # Of another section.
        self.assertEqual(self.lab(0x1000)[1], set())

    def test_module(self):
        """Its calls are named by relocations; its places are from the tracer."""
        for places, ran in (((), False), ((0x1a,), True)):
            self.assertEqual(self.lab(*places, text=MODULE, start=0x10),
                             ({"a/x.c": [(3, ran), (4, ran)]}, set()))

    def test_function_of_a_header(self):
        """Its lines are not the file's, whatever the compiler says."""
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "a.c")
            with open(path, "w", encoding="utf-8") as stream:
                stream.write("void f(void) {}\n")
            for name, held in (("f", True), ("f.part.0", True), ("g", False)):
                self.assertEqual(coverage.holds(path, name), held)

    def test_start(self):
        symbols = "0000000000000010 T f\n0000000000000020 t g.part.0\n                 U __fentry__\n"
        self.assertEqual(coverage.start_of(symbols, "f"), 0x10)
        with self.assertRaisesRegex(coverage.CoverageError, "has no g"):
            coverage.start_of(symbols, "g")

    def test_what_images_say(self):
        """A line within another one is one; what is not whole is none."""
        self.assertEqual(coverage.read_blocks("~6.1:00~shim:0001f\n012\n~6.12:00001\n~shim:1\n~shim:0001f\n"),
                         {"shim": {0x1f}, "6.12": {1}})

    def test_units_and_lab(self):
        """A line is of either, run by either; one that the lab has not tried is no less run."""
        self.assertEqual(coverage.summary({1: 1, 2: 0, 3: 0, 4: 2, 6: 0},
                                          {2: 1, 3: 0, 4: 0, 5: 0}),
                         {"lines": 5, "run": 2, "lab": 1, "either": 3, "missed": "3 5"})
        self.assertEqual(coverage.summary({1: 1, 2: 0})["lab"], None)

    def test_what_the_lab_keeps(self):
        """Of the emulator's output whole lines of images, of all boots; their module instead of the usual one."""
        with tempfile.TemporaryDirectory() as directory:
            output, kept = os.path.join(directory, "out"), os.path.join(directory, "kept")
            for said in ("bochs\n~shim:0a1b2\n~12\nx~6.1:00001\n~shim:0G000\n", "~shim:00003\n~shim:0000"):
                with open(output, "w", encoding="utf-8") as stream:
                    stream.write(said)
                runner.keep_blocks(output, kept)
            with open(kept, encoding="utf-8") as stream:
                self.assertEqual(stream.read(), "~shim:0a1b2\n~6.1:00001\n~shim:00003\n")
        module = "build/modules/6.1.0-1/{}/vmm-refresh.ko{}"
        test = config.Test(name="t", script="selftests/lab/profile.sh",
                           files=["a", module.format("stripped", ""), module.format("stripped", ":/x")])
        for wanted, place in ((False, "stripped"), (True, "coverage")):
            with mock.patch.object(runner.images, "add_file") as add_file:
                runner.add_test(mock.Mock(), mock.Mock(release="6.1.0-1"), test, wanted)
            self.assertEqual([call.args[1] for call in add_file.call_args_list],
                             ["a", module.format(place, ""), module.format(place, ":/x")])

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
