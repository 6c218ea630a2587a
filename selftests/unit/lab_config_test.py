#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the lab reads in tests.cfg, and what it refuses."""
import itertools
import os
import sys
import tempfile
import types
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from lablib import cli, config
from lablib.common import UsageError

SETS = "[files:a]\nfiles = x:/x y\n[files:b]\nfiles = z\n"
FILE_KEYS = tuple(config.USES.values())


class Read(unittest.TestCase):
    """Text like that of tests.cfg."""

    def read(self, text):
        """The tests of a file."""
        with tempfile.NamedTemporaryFile("w", delete=False) as stream:
            stream.write(text)
        self.addCleanup(os.unlink, stream.name)
        return config.read_config(stream.name)

    def refused(self, text, *words):
        """The reason has these words in it."""
        with self.assertRaises(UsageError) as caught:
            self.read(text)
        for word in words:
            self.assertIn(word, str(caught.exception))

    def test_sets_are_not_tests(self):
        self.assertEqual(list(self.read(SETS + "[t]\nuse = a b\n")), ["t"])

    def test_files_of_sets_come_first(self):
        tests = self.read(SETS + "[t]\nscript = s\nfiles = w\nuse = b a\nl1use = a\nl2files = v\n"
                                 "l2use = b\n[u]\nscript = s\n")
        self.assertEqual(tests["t"], {"script": "s", "files": "z x:/x y w", "l1files": "x:/x y",
                                      "l2files": "z v"})
        self.assertEqual(tests["u"], {"script": "s"})

    def test_like(self):
        """The keys of another test, but for one's own."""
        tests = self.read("[t]\nscript = s\nmem = 5\ngroup = g\n[u]\nlike = t\ngroup = h\n")
        self.assertEqual(tests["u"], {"script": "s", "mem": "5", "group": "h"})
        self.assertEqual(tests["t"], {"script": "s", "mem": "5", "group": "g"})
        self.refused("[t]\nlike = v\n", "[t]", "no test 'v'")
        self.refused("[t]\nscript = s\n[u]\nlike = t\n[v]\nlike = u\n", "[v]", "no test 'u'")
        self.refused("[t]\nlike = t\n", "[t]", "no test 't'")

    def test_list_of_several_lines(self):
        self.assertEqual(self.read("[t]\nfiles = x\n\ty\n\tz\n")["t"]["files"], "x y z")

    def test_unknown_set(self):
        for use in config.USES:
            self.refused(SETS + f"[t]\nuse = a b\n[u]\nsecond = 6.1\n{use} = a c\n",
                         "[u]", "file set 'c'", "a b")

    def test_unused_set(self):
        self.refused(SETS + "[t]\nl1use = a\n", "[files:b]", "no test uses")

    def test_set_twice(self):
        self.refused(SETS + "[files:a]\nfiles = v\n[t]\nuse = a b\n", "files:a", "already exists")
        self.refused(SETS + "[t]\nuse = a b a\n", "[t]", "x:/x twice")

    def test_file_twice(self):
        self.refused(SETS + "[t]\nuse = a b\nfiles = y\n", "[t]", "files with use has y twice")
        self.refused("[t]\nl1files = y y\n", "[t]", "y twice")
        self.refused("[files:a]\nfiles = y y\n[t]\nuse = a\n", "[files:a]", "y twice")

    def test_two_sets_of_the_same(self):
        self.refused("[files:a]\nfiles = x y\n[files:b]\nfiles = y x\n[t]\nuse = a b\n",
                     "[files:b]", "[files:a]")

    def test_set_with_other_things(self):
        self.refused("[files:a]\nfiles = x\nneeds = vmx\n[t]\nuse = a\n", "[files:a]", "'needs'")
        self.refused("[files:a]\nuse = b\n[files:b]\nfiles = x\n[t]\nuse = a\n", "'use'")
        self.refused("[files:a]\nfiles =\n[t]\nuse = a\n", "[files:a]", "no files")

    def test_second_kernel(self):
        self.assertEqual(self.read(SETS + "[t]\nuse = b\nsecond = 6.12-cloud\nseconduse = a\n")
                         ["t"]["secondfiles"], "x:/x y")
        self.refused("[t]\nsecond = 6.2\n", "[t]", "unknown second kernel '6.2'", "6.12-cloud")
        self.refused("[t]\nsecondfiles = x\n", "[t]", "secondfiles without second")
        self.refused(SETS + "[t]\nseconduse = a b\n", "[t]", "seconduse without second")

    def test_files_of_a_second_kernel_are_not_those_of_the_first(self):
        kernel = types.SimpleNamespace(base="6.1", release="6.1.0-1", vmlinuz="/boot/v")
        script = "selftests/lab/boot.sh"
        sections = {"t": {"script": script, "second": "6.12-cloud", "files": "a/@release@",
                          "secondfiles": "b/@release@", "serial2": "x @release@", "cores": "yes",
                          "e1000": "yes", "data": "8"},
                    "u": {"script": script, "cores": "maybe"}, "v": {"script": script},
                    "w": {"script": script, "e1000": "1"}}
        test, = config.expand("t", kernel, sections)
        self.assertEqual((test.files, test.secondfiles), (["a/6.1.0-1"], ["b/@release@"]))
        self.assertEqual((test.serial2, test.second, test.cores, test.e1000, test.data),
                         ("x @release@", "6.12-cloud", True, True, 8))
        with self.assertRaisesRegex(UsageError, "cores = maybe"):
            config.expand("u", kernel, sections)
        with self.assertRaisesRegex(UsageError, "e1000 = 1"):
            config.expand("w", kernel, sections)
        test, = config.expand("v", kernel, sections)
        self.assertEqual((test.serial2, test.second, test.secondfiles, test.cores, test.e1000,
                          test.data), ("", "", [], False, False, 0))

    def test_files_on_a_disk(self):
        self.assertEqual(self.read(SETS + "[t]\ndiskuse = a b\ndiskfiles = w\n")["t"]["diskfiles"],
                         "x:/x y z w")
        kernel = types.SimpleNamespace(base="6.1", release="6.1.0-1", vmlinuz="/boot/v")
        test, = config.expand("t", kernel, {"t": {"script": "selftests/lab/boot.sh",
                                                  "diskfiles": "a/@base@"}})
        self.assertEqual((test.diskfiles, test.files), (["a/6.1"], []))

    def test_parts(self):
        """Files beside it are of it; a section is in one of them."""
        with tempfile.TemporaryDirectory() as directory:
            for name, text in (("t.cfg", "[t]\nmem = 5\n"), ("t-a.cfg", "[u]\nlike = t\n"),
                               ("other.cfg", "nothing of it")):
                with open(os.path.join(directory, name), "w", encoding="utf-8") as stream:
                    stream.write(text)
            path = os.path.join(directory, "t.cfg")
            self.assertEqual(config.read_config(path), {"t": {"mem": "5"}, "u": {"mem": "5"}})
            with open(os.path.join(directory, "t-b.cfg"), "w", encoding="utf-8") as stream:
                stream.write("[t]\nmem = 6\n")
            with self.assertRaisesRegex(UsageError, r"t-b.cfg \[t\]: .*t.cfg or a part before"):
                config.read_config(path)

    def test_unknown_words(self):
        self.refused("[t]\nfile = x\n", "[t]", "unknown key 'file'")
        self.refused("[t]\nneeds = vmx rot\n", "[t]", "unknown need 'rot'")


class Table(unittest.TestCase):
    """tests.cfg as it is."""

    def test_no_list_stands_there_twice(self):
        """Three files that two sections name are a set."""
        lists = {f"[{name}] {key}": set(section.get(key, "").split())
                 for name, section in config.read_parts(config.CONFIG).items()
                 for key in FILE_KEYS}
        for (one, mine), (other, theirs) in itertools.combinations(lists.items(), 2):
            self.assertLess(len(mine & theirs), 3, f"{one}, {other}: {mine & theirs}")


class Names(unittest.TestCase):
    """Of runs for which none is given."""

    def test_profile(self):
        """The emulator's configuration has commas between its words, so a directory has none."""
        for operation, name in (("cpuid", "profile-cpuid-stock"),
                                ("cpuid,vmcall:3", "profile-cpuid-vmcall-3-stock")):
            self.assertEqual(cli.profile_name(operation, "stock"), name)


if __name__ == "__main__":
    unittest.main()
