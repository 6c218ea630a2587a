#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""scripts/kernel-packages chooses what belongs together, on made-up archives and machines."""
import os
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from lablib import debian
from lablib.common import LabError, UsageError

APT_CACHE = """#!/bin/sh
case $1 in
pkgnames) cut -d'|' -f1 "$ROOT/archive" | tr -d ' ' | sort -u | grep "^$2"; exit 0 ;;
madison) shift
	for package; do grep "^ *$package |" "$ROOT/archive"; done
	exit 0 ;;
esac
"""

DPKG_QUERY = """#!/bin/sh
for last; do :; done
while read -r package version; do
	case $package in $last) ;; *) continue ;; esac
	case $2 in
	*Package*) echo "installed $package $version" ;;
	*) printf "installed %s" "$version" ;;
	esac
done <"$ROOT/installed"
"""

APT_GET = """#!/bin/sh
for last; do :; done
: >"${last%%=*}_${last#*=}_all.deb"
"""

# DIRECTORY PROGRAM WORD...: the program, with what is cached in that directory only.
COMMAND = f"""
import runpy, sys
sys.path.insert(0, {os.path.join(TOP, "scripts")!r})
from lablib import debian
debian.DEBS, *sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

R56, R57 = "6.1.0-56-cloud-amd64", "6.1.0-57-cloud-amd64"
R612 = "6.12.117+deb12-cloud-amd64"
V612 = "6.12.117-1~deb12u1"


class KernelPackages(unittest.TestCase):
    """An archive and a machine in a directory, programs that show them."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = directory.name
        for name, text in (("apt-cache", APT_CACHE), ("dpkg-query", DPKG_QUERY),
                           ("apt-get", APT_GET)):
            path = self.write(os.path.join("bin", name), text)
            os.chmod(path, 0o755)
        self.set_env(PATH=os.path.join(self.root, "bin") + ":" + os.environ["PATH"],
                     ROOT=self.root)
        for name, value in (("DEBS", os.path.join(self.root, "debs")),
                            ("SOURCES", os.path.join(self.root, "sources"))):
            self.addCleanup(setattr, debian, name, getattr(debian, name))
            setattr(debian, name, value)
        self.installed()

    def set_env(self, **words):
        """Environment for one test."""
        for name, value in words.items():
            changed = mock.patch.dict(os.environ, {name: value})
            changed.start()
            self.addCleanup(changed.stop)

    def write(self, name, text):
        """A file below the root directory."""
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
        return path

    def archive(self, *kernels, sources=()):
        """@kernels: (release, version, kinds); @sources: versions of linux-source-6.1."""
        rows = [f"linux-{kind}-{release} | {version} | archive suite/main amd64 Packages"
                for release, version, kinds in kernels for kind in kinds.split()]
        rows += [f" linux-source-6.1 | {version} | archive suite/main amd64 Packages"
                 for version in sources]
        self.write("archive", "".join(row + "\n" for row in rows))

    def installed(self, *packages):
        """@packages: "NAME VERSION" of what is installed."""
        self.write("installed", "".join(row + "\n" for row in packages))

    def missing(self):
        """What the 6.1 kernel of the lab takes, without the remarks."""
        return [row[:3] for row in debian.missing(["6.1-cloud"])]

    def test_equal(self):
        """Newest versions that fit each other."""
        self.archive((R56, "6.1.192-2", "headers image"), sources=["6.1.192-2", "6.1.190-1"])
        self.assertEqual(self.missing(), [("install", f"linux-headers-{R56}", "6.1.192-2"),
                                          ("install", "linux-source-6.1", "6.1.192-2")])

    def test_source_newer(self):
        """The source of the headers' version, not the newest."""
        self.archive((R56, "6.1.192-2", "headers image"), sources=["6.1.192-3", "6.1.192-2"])
        self.assertIn(("install", "linux-source-6.1", "6.1.192-2"), self.missing())

    def test_source_newer_installed(self):
        """An installed newer one is no obstacle and stays."""
        self.archive((R56, "6.1.192-2", "headers image"), sources=["6.1.192-3", "6.1.192-2"])
        self.installed("linux-source-6.1 6.1.192-3", f"linux-headers-{R56} 6.1.192-2")
        self.assertEqual(self.missing(), [("download", "linux-source-6.1", "6.1.192-2")])
        debian.download("linux-source-6.1", "6.1.192-2")
        self.assertEqual(self.missing(), [])
        self.assertEqual(debian.find_source("6.1", "6.1.192-2")[0], "6.1.192-2")

    def test_source_missing(self):
        """One of the same upstream release, with a remark; another release is refused."""
        self.archive((R56, "6.1.192-2", "headers image"),
                     sources=["6.1.192-3", "6.1.192-1", "6.1.190-1"])
        rows = debian.missing(["6.1-cloud"])
        self.assertEqual(rows[1][:3], ("install", "linux-source-6.1", "6.1.192-3"))
        self.assertIn("6.1.192-2 is not to be had", rows[1][3])
        self.archive((R56, "6.1.192-2", "headers image"), sources=["6.1.193-1", "6.1.190-1"])
        with self.assertRaisesRegex(LabError, "no source of 6.1.192"):
            debian.missing(["6.1-cloud"])
        with self.assertRaisesRegex(UsageError, "no linux-source-6.1 of 6.1.192 .*6.1.193-1"):
            debian.find_source("6.1", "6.1.192-2")
        # For experts.
        self.assertEqual(debian.find_source("6.1", "6.1.192-2", True)[0], "6.1.193-1")

    def test_source_of_older_kernel(self):
        """A kernel without source is passed over for an older one that has it."""
        self.archive((R57, "6.1.193-1", "headers image"), (R56, "6.1.192-2", "headers image"),
                     sources=["6.1.192-2"])
        self.assertEqual(debian.choose("6.1-cloud", debian.offered_kernels(["6.1-cloud"])),
                         (R56, "6.1.192-2", "6.1.192-2"))

    def test_two_headers_installed(self):
        """Each release gets the source of its own headers."""
        self.archive((R57, "6.1.192-3", "headers image"), (R56, "6.1.190-1", "headers image"),
                     sources=["6.1.192-3", "6.1.190-1"])
        self.installed(f"linux-headers-{R56} 6.1.190-1", f"linux-headers-{R57} 6.1.192-3",
                       "linux-source-6.1 6.1.192-3")
        self.assertEqual(debian.lab_release("6.1-cloud"), (R57, "6.1.192-3"))
        self.assertEqual(debian.find_source("6.1", "6.1.190-1")[0], "6.1.190-1")

    def test_abi_bump_of_headers(self):
        """Headers whose image is still to come are left alone, installed or not."""
        self.archive((R57, "6.1.192-3", "headers"), (R56, "6.1.192-2", "headers image"),
                     sources=["6.1.192-3", "6.1.192-2"])
        self.assertEqual(self.missing(), [("install", f"linux-headers-{R56}", "6.1.192-2"),
                                          ("install", "linux-source-6.1", "6.1.192-2")])
        self.installed(f"linux-headers-{R57} 6.1.192-3", f"linux-headers-{R56} 6.1.192-2")
        self.assertEqual(debian.lab_release("6.1-cloud"), (R56, "6.1.192-2"))

    def test_flavours(self):
        """A general kernel is neither a cloud nor a real-time one, nor a piece of one."""
        self.archive(("6.1.0-57-rt-amd64", "6.1.192-3", "headers image"),
                     ("6.1.0-58-cloud-amd64", "6.1.192-4", "headers image"),
                     ("6.1.0-59-amd64-unsigned", "6.1.192-5", "headers image"),
                     ("6.1.0-56-amd64", "6.1.192-2", "headers image"), sources=["6.1.192-2"])
        self.assertEqual(debian.lab_release("6.1"), ("6.1.0-56-amd64", "6.1.192-2"))

    def keep(self, *versions):
        """A cache that lasts, with unpacked source of these versions."""
        self.addCleanup(setattr, debian, "KEPT", debian.KEPT)
        debian.KEPT = os.path.join(self.root, "kept")
        for version in versions:
            self.write(f"kept/linux-source-6.1_{version}/virt/x", "")

    def offline(self):
        """As while packages are being installed."""
        self.addCleanup(setattr, debian, "OFFLINE", debian.OFFLINE)
        debian.OFFLINE = True

    def test_kept(self):
        """Source that was kept serves when the archive has gone on, without a network."""
        self.archive((R56, "6.1.192-2", "headers image"), sources=["6.1.192-2", "6.1.193-1"])
        self.installed("linux-source-6.1 6.1.193-1", f"linux-headers-{R56} 6.1.192-2")
        self.offline()
        with self.assertRaisesRegex(UsageError, "no linux-source-6.1 of 6.1.192 .*nestcloud-source"):
            debian.find_source("6.1", "6.1.192-2")
        self.keep("6.1.192-1", "6.1.190-1")
        found = debian.find_source("6.1", "6.1.192-2")
        self.assertEqual(found, ("6.1.192-1", self.root + "/kept/linux-source-6.1_6.1.192-1"))
        self.assertEqual(debian.keep("linux-source-6.1", *found), found[1])
        self.keep("6.1.192-2")
        self.assertEqual(debian.find_source("6.1", "6.1.192-2")[0], "6.1.192-2")
        # What is being unpacked is not kept yet.
        self.write("kept/linux-source-6.1_6.1.194-1.tmp.1/virt/x", "")
        self.assertEqual(len(debian.kept_sources("linux-source-6.1")), 3)

    def test_keep(self):
        """Of a tarball only what modules are built from."""
        self.keep()
        for name in ("arch/x86/kvm/x86.c", "virt/kvm/kvm_main.c", "fs/inode.c"):
            self.write("tree/linux-source-6.1/" + name, name)
        tarball = os.path.join(self.root, "linux-source-6.1.tar.xz")
        subprocess.run(["tar", "-cJf", tarball, "-C", self.root + "/tree", "linux-source-6.1"],
                       check=True)
        kept = debian.keep("linux-source-6.1", "6.1.192-2", tarball)
        self.assertEqual(debian.kept_sources("linux-source-6.1"), {"6.1.192-2": kept})
        self.assertEqual(sorted(os.listdir(kept)), ["arch", "virt"])
        with self.assertRaisesRegex(LabError, "unpacking"):
            debian.keep("linux-source-6.1", "6.1.193-1", self.write("broken.tar.xz", "broken"))
        self.assertEqual(list(debian.kept_sources("linux-source-6.1")), ["6.1.192-2"])

    def test_base_of(self):
        """The series of a release."""
        for release, base in ((R56, "6.1"), (R612, "6.12"), ("6.12-rc1", "6.12"), ("6.1", "6.1")):
            self.assertEqual(debian.base_of(release), base)

    def test_order_of_versions(self):
        """Numbers are compared as numbers, 6.12 is not 6.1."""
        self.archive(("6.1.0-9-cloud-amd64", "6.1.99-1", "headers image"),
                     ("6.1.0-10-cloud-amd64", "6.1.100-1", "headers image"),
                     (R612, V612, "headers image"), sources=["6.1.99-1", "6.1.100-1"])
        self.assertEqual(debian.lab_release("6.1-cloud"), ("6.1.0-10-cloud-amd64", "6.1.100-1"))

    def test_without_archive(self):
        """What was used last serves without a network; else the message says what to do."""
        self.archive()
        with self.assertRaisesRegex(LabError, "apt-get update"):
            debian.lab_release("6.1-cloud")
        for version in ("6.1.99-1", "6.1.192-2"):
            self.write(f"debs/linux-image-{R56}_{version}_amd64.deb", "")
        self.assertEqual(debian.lab_release("6.1-cloud"), (R56, "6.1.192-2"))

    def test_command(self):
        """The command prints a line for each package, remarks apart."""
        self.archive((R56, "6.1.192-2", "headers image"), (R612, V612, "headers image"),
                     sources=["6.1.192-1"])
        with open(os.path.join(self.root, "archive"), "a", encoding="utf-8") as stream:
            stream.write(f"linux-source-6.12 | {V612} | archive suite/main amd64 Packages\n")
        done = subprocess.run([sys.executable, "-c", COMMAND, debian.DEBS,
                               os.path.join(TOP, "scripts", "kernel-packages"), "missing"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines(),
                         [f"install linux-headers-{R56}=6.1.192-2",
                          "install linux-source-6.1=6.1.192-1",
                          f"install linux-headers-{R612}={V612}",
                          f"install linux-source-6.12={V612}"])
        self.assertEqual(len(done.stderr.splitlines()), 1)


if __name__ == "__main__":
    unittest.main()
