# SPDX-License-Identifier: GPL-2.0-only
"""tests.cfg: read, check, and pick the tests of a run."""

import configparser
import dataclasses
import fnmatch
import os
import re

from .common import BUILD, TOP, UsageError
from .images import check_name

CONFIG = os.path.join(TOP, "selftests", "tests.cfg")
NEEDS = ("vmx", "root")
KEYS = ("script", "files", "l1files", "l2files", "needs", "group", "timeout", "mem",
        "known-bad", "kvm", "modules", "append", "console", "args", "counters", "l1counters")
KVM_PREFIX = "kvm:"
KVM_SCRIPT = os.path.join("selftests", "lab", "guest", "kvm-test.sh")


@dataclasses.dataclass
class Test:
    """One test of a run."""

    name: str
    script: str
    files: list = dataclasses.field(default_factory=list)
    l1files: list = dataclasses.field(default_factory=list)
    l2files: list = dataclasses.field(default_factory=list)
    needs: list = dataclasses.field(default_factory=list)
    groups: list = dataclasses.field(default_factory=list)
    modules: list = dataclasses.field(default_factory=list)
    # Counters of nvx that have to move, of L0 and of L1.
    counters: list = dataclasses.field(default_factory=list)
    l1counters: list = dataclasses.field(default_factory=list)
    timeout: int = 120
    mem: int = 1536
    kvm: str = "auto"
    known_bad: str = ""
    append: str = ""
    console: str = ""
    args: str = ""


def read_config(path):
    """Parse a file like tests.cfg into {section: {key: value}}; refuse what nobody reads."""
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(";",),
                                       strict=True)
    try:
        with open(path, encoding="utf-8") as stream:
            parser.read_file(stream)
    except FileNotFoundError as err:
        raise UsageError(f"{path} is missing") from err
    except configparser.Error as err:
        raise UsageError(f"{path}: {err}") from err
    sections = {}
    for name in parser.sections():
        section = dict(parser[name])
        for key in section:
            if key not in KEYS:
                raise UsageError(f"{path} [{name}]: unknown key '{key}'; known: {' '.join(KEYS)}")
        for need in section.get("needs", "").split():
            if need not in NEEDS:
                raise UsageError(f"{path} [{name}]: unknown need '{need}'; known: "
                                 f"{' '.join(NEEDS)}")
        sections[name] = section
    return sections


def make_test(name, section, script=None, files=()):
    """Turn one section into a Test."""
    def words(key):
        return section.get(key, "").split()

    def number(key, default):
        text = section.get(key, str(default))
        if not text.isdigit():
            raise UsageError(f"tests.cfg [{name}]: {key} = {text}: not a number")
        return int(text)

    script = script or section.get("script")
    if not script:
        raise UsageError(f"tests.cfg [{name}]: no script")
    if not os.path.exists(os.path.join(TOP, script)):
        raise UsageError(f"tests.cfg [{name}]: script {script} does not exist")
    kvm = section.get("kvm", "auto")
    if kvm not in ("auto", "none"):
        raise UsageError(f"tests.cfg [{name}]: kvm = {kvm}: neither auto nor none")
    return Test(name=check_name(name), script=script, files=[*files, *words("files")],
                l1files=words("l1files"), l2files=words("l2files"),
                needs=words("needs") or (["vmx"] if files else []),
                groups=words("group"), modules=words("modules"),
                counters=words("counters"), l1counters=words("l1counters"),
                timeout=number("timeout", 120), mem=number("mem", 1536), kvm=kvm,
                known_bad=section.get("known-bad", ""), append=section.get("append", ""),
                console=section.get("console", ""), args=section.get("args", ""))


def kvm_binaries(base):
    """KVM selftest programs of one kernel base: name -> path below the top."""
    top = os.path.join(BUILD, "selftests", base)
    found = {}
    for where, _, names in os.walk(top):
        for name in names:
            path = os.path.join(where, name)
            if os.access(path, os.X_OK) and is_program(path):
                found[name] = os.path.relpath(path, TOP)
    return found


def is_program(path):
    """True for an ELF executable (scripts and objects lie beside them)."""
    with open(path, "rb") as stream:
        head = stream.read(18)
    return head[:4] == b"\x7fELF" and head[16] in (2, 3) and not path.endswith((".so", ".o"))


def kvm_tests(pattern, base, sections):
    """Tests for all KVM selftest programs that match @pattern."""
    binaries = kvm_binaries(base)
    names = sorted(fnmatch.filter(binaries, pattern))
    if not names:
        raise UsageError(f"kvm:{pattern}: no program matches in build/selftests/{base}; "
                         f"build them first: scripts/build-selftests {base}")
    tests = []
    for name in names:
        section = {**sections.get(KVM_PREFIX + "*", {}), **sections.get(KVM_PREFIX + name, {})}
        test = make_test(name, section, KVM_SCRIPT,
                         [f"{binaries[name]}:/lab/kvm-tests/{name}"])
        tests.append(test)
    return tests


def select(words, kernel, sections):
    """Expand the TEST words of a command line, each test once, in that order."""
    chosen = {}
    for word in words:
        for test in expand(word, kernel, sections):
            chosen.setdefault(test.name, test)
    return list(chosen.values())


def for_kernel(value, kernel):
    """The words of @value that are meant for this kernel, names filled in."""
    words = []
    for word in value.split():
        match = re.fullmatch(r"(\d+\.\d+)\?(.+)", word)
        if not match or match[1] == kernel.base:
            words.append(match[2] if match else word)
    return " ".join(words).replace("@base@", kernel.base) \
        .replace("@release@", kernel.release).replace("@vmlinuz@", kernel.vmlinuz)


def expand(word, kernel, sections):
    """Tests that one TEST word stands for."""
    if word.startswith("group:"):
        group = word[len("group:"):]
        members = [name for name, section in sections.items()
                   if group in section.get("group", "").split()]
        if not members:
            known = sorted({name for section in sections.values()
                            for name in section.get("group", "").split()})
            raise UsageError(f"group '{group}' is empty; known groups: {' '.join(known)}")
        return [test for name in members for test in expand(name, kernel, sections)]
    if word.startswith(KVM_PREFIX):
        return kvm_tests(word[len(KVM_PREFIX):], kernel.base, sections)
    if word not in sections:
        raise UsageError(f"unknown test '{word}'; `scripts/lab list` shows the tests")
    section = {key: for_kernel(value, kernel) if key.endswith("files") else value
               for key, value in sections[word].items()}
    return [make_test(word, section)]
