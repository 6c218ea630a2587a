# SPDX-License-Identifier: GPL-2.0-only
"""Paths, errors and small helpers that every part of the lab uses."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(TOP, "build")
# The package nestcloud-dkms has one that outlives its builds.
CACHE = os.environ.get("NVX_CACHE") or os.path.join(BUILD, "cache")
LAB = os.path.join(BUILD, "lab")
GUEST = os.path.join(TOP, "selftests", "lab", "guest")

# What machines that run it are made of, and measuring tools are not.
PRODUCT = ("arch", "include", "tools", "virt")

# Debian packages that the lab runs, takes files from, or builds its emulator with.
PACKAGES = (
    "binutils", "bochs", "bochsbios", "busybox-static", "e2fsprogs", "g++",
    "genisoimage", "isolinux", "kmod", "make", "patch", "qemu-system-x86", "seabios",
    "syslinux-common", "vgabios", "xz-utils", "zstd",
)


class LabError(Exception):
    """The lab itself is broken: wrong setup, missing file, failed command."""


class UsageError(LabError):
    """The command line or tests.cfg asks for something that does not exist."""


def run_tool(argv, cwd=None, what=None):
    """Run a host command; turn each failure into one clear message."""
    try:
        done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, errors="replace", check=False)
    except FileNotFoundError as err:
        raise LabError(f"{what or argv[0]}: cannot run '{argv[0]}': not installed; "
                       "install the packages that `scripts/lab packages` prints") from err
    if done.returncode:
        tail = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        raise LabError(f"{what or 'command failed'}: `{' '.join(argv[:6])} ...` exited with "
                       f"{done.returncode}: {' / '.join(tail)}")
    return done.stdout


def need_file(path, package):
    """Return @path, or say which Debian package has it."""
    if not os.path.exists(path):
        raise LabError(f"{path} is missing: install the Debian package {package}")
    return path


def file_digest(path):
    """Content hash of one file."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def text_digest(*parts):
    """Short content hash of strings, for names in the cache."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def product_digest(top=TOP):
    """Short content hash of the product's sources: figures with the same one are of one tree."""
    paths = sorted(os.path.join(where, name) for part in PRODUCT
                   for where, _, names in os.walk(os.path.join(top, part)) for name in names
                   if not name.endswith(".pyc"))
    return text_digest(*(text for path in paths
                         for text in (os.path.relpath(path, top), file_digest(path))))[:12]


@contextlib.contextmanager
def cache_lock():
    """Let one lab at a time fill the cache; readers need no lock."""
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, ".lock"), "w", encoding="ascii") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def new_directory(path):
    """Yield a scratch directory that becomes @path only when all went well."""
    temp = f"{path}.tmp.{os.getpid()}"
    shutil.rmtree(temp, ignore_errors=True)
    os.makedirs(temp)
    try:
        yield temp
        shutil.rmtree(path, ignore_errors=True)
        os.rename(temp, path)
    finally:
        shutil.rmtree(temp, ignore_errors=True)
