# SPDX-License-Identifier: GPL-2.0-only
"""Hooks of a base on another source than the one that they were made for."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field

from .common import LabError, run_tool

# What a hook is on the new source.
APPLIES, MOVED, FUZZ, HAND = "applies", "moved", "fuzz", "by hand"
# Lines of context that patch may ignore, where it has to: with both that hooks have, all would be a place.
MOST_FUZZ = 1
CONTEXT = "-U2"

HUNK = re.compile(r"Hunk #(\d+) (succeeded|FAILED) at (\d+)( with fuzz \d)?(?: \(offset (-?\d+) lines?\))?")
TOUCHED = re.compile(r"^(?:---|\+\+\+) [ab]/(\S+)", re.MULTILINE)


@dataclass
class Hook:
    """One hook, and what became of it."""
    name: str
    verdict: str = APPLIES
    # Lines that its hunks have moved by, at most.
    offset: int = 0
    # What to look at: (file, hunk, line).
    places: list = field(default_factory=list)
    # The first hook by hand that has to do with the same file.
    behind: str = ""

    @property
    def number(self):
        """0012, which is the same seam in every base."""
        return self.name.partition("-")[0]


def read(path):
    """Text of a file."""
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def run_patch(tree, path, *options):
    """(status, what it says)"""
    done = subprocess.run(["patch", "-d", tree, "-p1", "-f", "--no-backup-if-mismatch", "-r", "-",
                           *options, "-i", os.path.abspath(path)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "LC_ALL": "C"}, text=True, errors="replace", check=False)
    return done.returncode, done.stdout


def hunks(said):
    """(file, number, line, whether it was found, whether with fuzz, offset) of each that is told."""
    rows, name = [], ""
    for line in said.splitlines():
        if "file " in line and (line.startswith("patching ") or line.startswith("checking ")):
            name = line.partition("file ")[2].strip("'")
        match = HUNK.match(line)
        if match:
            rows.append((name, int(match[1]), int(match[3]), match[2] == "succeeded", bool(match[4]),
                         int(match[5] or 0)))
        elif line.startswith("can't find file to patch"):
            rows.append(("(a file that is gone)", 0, 0, False, False, 0))
    return rows


def apply_hook(tree, path):
    """Apply what can be; returns the hook."""
    hook = Hook(os.path.basename(path))
    for options in (["--fuzz=0"], [f"--fuzz={MOST_FUZZ}"]):
        status, said = run_patch(tree, path, "--dry-run", *options)
        if not status:
            break
    rows = hunks(said)
    hook.offset = max((abs(row[5]) for row in rows), default=0)
    if status:
        hook.verdict = HAND
        hook.places = [row[:3] for row in rows if not row[3]]
        if not hook.places:
            raise LabError(f"{path} is no patch: {said.strip()}")
    elif options != ["--fuzz=0"]:
        hook.verdict = FUZZ
        hook.places = [row[:3] for row in rows if row[4]]
    elif hook.offset:
        hook.verdict = MOVED
    run_patch(tree, path, *options)
    return hook


def touched(text):
    """Files of a patch."""
    return sorted(set(TOUCHED.findall(text)) - {"dev/null"})


def difference(before, tree, names):
    """What a hook has done, as a patch with as little context as the others."""
    text = ""
    for name in names:
        old = os.path.join(before, name)
        done = subprocess.run(["diff", CONTEXT, "-N", "--label", "a/" + name, "--label", "b/" + name,
                               old, os.path.join(tree, name)],
                              stdout=subprocess.PIPE, text=True, check=False)
        text += done.stdout
    return text


def keep_names(before, tree, names):
    """Copies of some files, as they are before a hook."""
    shutil.rmtree(before, ignore_errors=True)
    for name in names:
        path = os.path.join(tree, name)
        if os.path.exists(path):
            os.makedirs(os.path.dirname(os.path.join(before, name)), exist_ok=True)
            shutil.copyfile(path, os.path.join(before, name))


def write_hook(directory, hook, head, diff):
    """A hook as it is on the new source."""
    with open(os.path.join(directory, hook.name), "w", encoding="utf-8") as stream:
        stream.write(f"{head}---\n{diff}")


def try_hooks(hooks, tree, out=None):
    """Apply the series in @hooks to @tree; returns all Hooks.

    Into @out goes the series as it is then.  What one that needs a hand has not done is what the
    others do without, so that each is looked at once.
    """
    found, first_by_hand = [], {}
    for line in read(os.path.join(hooks, "series")).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        path = os.path.join(hooks, line.strip())
        text = read(path)
        names = touched(text)
        keep_names(tree + ".before", tree, names)
        hook = apply_hook(tree, path)
        hook.behind = next((first_by_hand[name] for name in names if name in first_by_hand), "") \
            if hook.verdict in (FUZZ, HAND) else ""
        if hook.verdict == HAND:
            for name, _, _ in hook.places:
                first_by_hand.setdefault(name, hook.number)
        if out:
            write_hook(out, hook, text.partition("---\n")[0],
                       difference(tree + ".before", tree, names) if hook.verdict != HAND
                       else text.partition("---\n")[2])
        found.append(hook)
    shutil.rmtree(tree + ".before", ignore_errors=True)
    return found


def release_of(makefile):
    """6.12.118 of a kernel's top Makefile."""
    values = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)$", makefile, re.MULTILINE))
    if len(values) < 3:
        raise LabError("its Makefile has no VERSION, PATCHLEVEL, SUBLEVEL: is it a kernel's source?")
    return "{VERSION}.{PATCHLEVEL}.{SUBLEVEL}".format(**values)


def unpack(source, directory):
    """What hooks are about, of a tree, a tarball, or a Debian package with one."""
    if os.path.isdir(source):
        for name in ("arch/x86/kvm", "virt"):
            if not os.path.isdir(os.path.join(source, name)):
                raise LabError(f"{source} has no {name}: give the top of a kernel's source")
            shutil.copytree(os.path.join(source, name), os.path.join(directory, name))
        shutil.copyfile(os.path.join(source, "Makefile"), os.path.join(directory, "Makefile"))
        return
    if source.endswith(".deb"):
        listing = run_tool(["dpkg-deb", "-c", source], what=f"reading {source}")
        member = re.search(r"\./usr/src/linux-source-\S+\.tar\.xz$", listing, re.MULTILINE)
        if not member:
            raise LabError(f"{source} has no usr/src/linux-source-*.tar.xz: give a package linux-source-*")
        inner = os.path.join(directory, "deb")
        run_tool(["dpkg-deb", "-x", source, inner], what=f"unpacking {source}")
        unpack(os.path.join(inner, member.group()), directory)
        shutil.rmtree(inner)
        return
    # Member names begin with the name of the one directory in it.
    run_tool(["tar", "-xf", source, "-C", directory, "--strip-components=1", "--wildcards",
              "--no-wildcards-match-slash", "*/Makefile", "*/virt", "*/arch/x86/kvm"],
             what=f"unpacking {source}")
