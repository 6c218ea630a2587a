#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""debian/ against the tree that it packs: versions, series, commands, files."""

import glob
import os
import re
import subprocess
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEBIAN = os.path.join(TOP, "debian")


def text_of(*path):
    """A file of the tree."""
    with open(os.path.join(TOP, *path), encoding="utf-8") as stream:
        return stream.read()


def bases():
    """(series, source package) of scripts/bases."""
    return [tuple(line.split()[:2]) for line in text_of("scripts", "bases").splitlines()
            if line and not line.startswith("#")]


def made_variable(name):
    """A variable of debian/rules, as make has it."""
    done = subprocess.run(["make", "-s", "-C", TOP, "-f", "debian/rules", "--eval",
                           f"show:\n\t@echo '$({name})'", "show"],
                          text=True, capture_output=True, check=True)
    return done.stdout.strip()


class Packages(unittest.TestCase):
    """What two files say is the same."""

    def test_version(self):
        """That of the first entry of the changelog is nestctl's."""
        version = re.match(r"nestcloud \(([^)]*)\)", text_of("debian", "changelog"))[1]
        self.assertIn(f'#define NESTCTL_VERSION\t"{version}"', text_of("tools/nestctl/nestctl.h"))
        self.assertEqual(made_variable("version"), version)

    def test_series(self):
        """DKMS builds for the series that there are hooks for, and for no other."""
        dkms = text_of("debian", "nestcloud-dkms.dkms")
        pattern = re.search(r'^BUILD_EXCLUSIVE_KERNEL="(.*)"', dkms, re.M)[1]
        pattern = pattern.replace("@BASES@", made_variable("bases"))
        for base, _ in bases():
            for rest in (".0-56-cloud-amd64", ".117+deb12-amd64"):
                self.assertRegex(base + rest, pattern)
            for wrong in (base + "0.1-amd64", base + "9.5", "1" + base + ".5",
                          base.replace(".", "x") + ".5"):
                self.assertNotRegex(wrong, pattern)

    def test_source_packages(self):
        """One of them is there with the package, whatever the kernel."""
        alternatives = " | ".join(package for _, package in bases())
        self.assertIn(f"\n {alternatives},\n", text_of("debian", "control"))

    def test_build_dependencies(self):
        """What scripts/install-deps has for building is there when DKMS builds."""
        group = re.search(r'^\tbuild\)\techo (.*?) ;;', text_of("scripts/install-deps"),
                          re.M | re.S)[1]
        # DKMS and the headers bring the compiler, kbuild is built; nestctl is a package.
        others = {"gcc", "kmod", "binutils", "bc", "bison", "flex", "libelf-dev",
                  "libjson-c-dev", "zlib1g-dev", "help2man", "pkg-config", "libvirt-dev"}
        depends = text_of("debian", "control").partition("Package: nestcloud-dkms")[2]
        depends = re.findall(r"^ ([a-z0-9-]+)", depends.partition("Description:")[0], re.M)
        wanted = set(re.findall(r"[a-z0-9-]{2,}", group.replace("\\\n", ""))) - others
        self.assertLessEqual(wanted, set(depends))

    def test_modules(self):
        """DKMS installs what scripts/build-modules publishes."""
        published = re.findall(r"(\S+)\.ko", " ".join(re.findall(
            r"^\s*publish (.*)", text_of("scripts/build-modules"), re.M)))
        named = re.findall(r'^BUILT_MODULE_NAME\[\d\]="(.*)"',
                           text_of("debian", "nestcloud-dkms.dkms"), re.M)
        self.assertEqual(sorted(map(os.path.basename, published)), sorted(named))

    def test_files(self):
        """All scripts that packed ones run are packed, and modules of Python."""
        packed = made_variable("files").split()
        for name in packed:
            self.assertTrue(os.path.exists(os.path.join(TOP, name)), name)
        for name in packed:
            if not name.startswith("scripts/"):
                continue
            text = text_of(name)
            for used in re.findall(r'\$top/(scripts/[a-z-]+)"? ', text):
                if used != "scripts/build-debug-kernel":
                    self.assertIn(used, packed, name)
            for used in re.findall(r"^from (?:lablib)?\.?(\w+)? ?import (\w+)", text, re.M):
                module = used[0] or used[1]
                if os.path.exists(os.path.join(TOP, "scripts", "lablib", module + ".py")):
                    self.assertIn(f"scripts/lablib/{module}.py", packed, name)

    def test_units(self):
        """They are off, and call commands and options that nestctl has."""
        units = glob.glob(DEBIAN + "/*.service") + glob.glob(DEBIAN + "/*.timer")
        self.assertEqual(len(units), 4)
        rules = text_of("debian", "rules")
        commands = re.findall(r"^\tX\((\w+), \"", text_of("tools/nestctl/nestctl.h"), re.M)
        for path in units:
            name = os.path.basename(path).split(".")[1]
            self.assertIn(f"dh_installsystemd --name={name} --no-enable --no-start\n", rules)
            for words in re.findall(r"^Exec\w+=(.*)", text_of(path), re.M):
                program, command, *options = words.split()
                self.assertEqual(program, "/usr/sbin/nestctl")
                self.assertIn(command, commands)
                for option in options:
                    # Or a word, as of "pool restore".
                    self.assertIn('"' + option[2:].partition("=")[0] + '"' if option.startswith("--")
                                  else option + "\\n", text_of("tools/nestctl", command + ".c"))
            for page in re.findall(r"^Documentation=man:nestctl-(\w+)\(1\)", text_of(path), re.M):
                self.assertIn(page, commands)


    def test_hook(self):
        """It passes on what libvirt says; without nestctl no VM is kept from starting."""
        hook = os.path.join(TOP, "tools", "nestctl", "qemu-hook")
        words = ["a", "started", "begin", "-"]
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "nestctl")
            with open(path, "w", encoding="utf-8") as stream:
                stream.write('#!/bin/sh\necho "$@"; cat; exit 3\n')
            for mode, status, said in ((0o755, 3, "hook a started begin -\nXML"), (0o644, 0, "")):
                os.chmod(path, mode)
                if status == 0 and os.path.exists("/usr/sbin/nestctl"):
                    continue
                done = subprocess.run([hook, *words], input="XML", text=True, capture_output=True,
                                      env={"PATH": directory + ":/bin"}, check=False)
                self.assertEqual((done.returncode, done.stdout), (status, said), done.stderr)


if __name__ == "__main__":
    unittest.main()
