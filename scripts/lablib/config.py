# SPDX-License-Identifier: GPL-2.0-only
"""tests.cfg: read, check, and pick the tests of a run."""

import configparser
import dataclasses
import fnmatch
import glob
import os
import re

from .common import BUILD, TOP, UsageError
from .images import check_name
from .kernels import KERNELS

CONFIG = os.path.join(TOP, "selftests", "tests.cfg")
NEEDS = ("vmx", "root")
# Key that names sets of files -> key that they are added to.
USES = {"use": "files", "l1use": "l1files", "l2use": "l2files", "seconduse": "secondfiles",
        "diskuse": "diskfiles"}
KEYS = ("script", *USES.values(), *USES, "needs", "group", "timeout", "mem",
        "known-bad", "kvm", "modules", "append", "console", "args", "counters", "l1counters",
        "second", "serial2", "cores", "e1000", "disk", "data", "like")
# Keys whose files are for the kernel of L0; those of a second kernel are found with it.
FILES_OF_BASE = ("files", "l1files", "l2files", "diskfiles")
SET_PREFIX = "files:"
GROUP_PREFIX = "group:"
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
    # What is in an archive on a disk of its own.
    diskfiles: list = dataclasses.field(default_factory=list)
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
    # Image of a disk that the machine gets a copy of, as the last one.
    disk: str = ""
    # What the second serial line has to say; the machine has one where this is asked.
    serial2: str = ""
    # Each CPU of the machine is a core of its own.
    cores: bool = False
    # The machine has a network card, which is connected to nothing.
    e1000: bool = False
    # MiB of a disk for the test's data; 0: there is none.
    data: int = 0
    # A kernel to boot beside L0, and what its initramfs has.
    second: str = ""
    secondfiles: list = dataclasses.field(default_factory=list)
    args: str = ""


def read_sections(path):
    """Parse a file like tests.cfg into {section: {key: value}}."""
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=(";",),
                                       strict=True)
    try:
        with open(path, encoding="utf-8") as stream:
            parser.read_file(stream)
    except FileNotFoundError as err:
        raise UsageError(f"{path} is missing") from err
    except configparser.Error as err:
        raise UsageError(f"{path}: {err}") from err
    return {name: dict(parser[name]) for name in parser.sections()}


def read_parts(path):
    """A file like tests.cfg and those beside it, as tests-part.cfg, as one."""
    stem, extension = os.path.splitext(path)
    whole = {}
    for part in [path, *sorted(glob.glob(glob.escape(stem) + "-*" + extension))]:
        sections = read_sections(part)
        for name in sections:
            if name in whole:
                raise UsageError(f"{part} [{name}]: {path} or a part before has it, too")
        whole.update(sections)
    return whole


def check_words(where, what, words, known):
    """Refuse a word that nobody knows."""
    for word in words:
        if word not in known:
            raise UsageError(f"{where}: unknown {what} '{word}'; known: {' '.join(known)}")


def check_once(where, key, words):
    """Refuse a word that a list has twice."""
    for word in words:
        if words.count(word) > 1:
            raise UsageError(f"{where}: {key} has {word} twice")


def read_config(path):
    """The tests of a file like tests.cfg, {section: {key: value}}; refuse what nobody reads."""
    sections = read_parts(path)
    sets = {name[len(SET_PREFIX):]: section for name, section in sections.items()
            if name.startswith(SET_PREFIX)}
    tests = {name: with_like(path, name, section, sections)
             for name, section in sections.items() if not name.startswith(SET_PREFIX)}
    for name, section in tests.items():
        where = f"{path} [{name}]"
        check_words(where, "key", section, KEYS)
        check_words(where, "need", section.get("needs", "").split(), NEEDS)
        check_second(where, section)
    return with_sets(path, tests, read_sets(path, sets))


def with_like(path, name, section, sections):
    """A section with the keys of the one that it is like; its own count."""
    other = sections.get(section.get("like", name))
    if other is None or "like" in section and "like" in other:
        raise UsageError(f"{path} [{name}]: there is no test '{section['like']}' to be like "
                         "that is like no other")
    return {key: value for key, value in {**other, **section}.items() if key != "like"}


def check_second(where, section):
    """A second kernel exists, and what is for it has one."""
    if "second" in section:
        check_words(where, "second kernel", [section["second"]], KERNELS)
        return
    for key in ("secondfiles", "seconduse"):
        if key in section:
            raise UsageError(f"{where}: {key} without second: there is no kernel that gets them")


def read_sets(path, sections):
    """{name: files} of the file sets; no two are the same."""
    sets = {}
    for name, section in sections.items():
        where = f"{path} [{SET_PREFIX}{name}]"
        check_words(where, "key", section, ("files",))
        words = section.get("files", "").split()
        if not words:
            raise UsageError(f"{where}: no files")
        check_once(where, "files", words)
        for other, theirs in sets.items():
            if set(words) == set(theirs):
                raise UsageError(f"{where}: the same files as in [{SET_PREFIX}{other}]")
        sets[name] = words
    return sets


def with_sets(path, tests, sets):
    """The tests with all their files in the place of names of sets."""
    unused = set(sets)
    whole = {}
    for name, section in tests.items():
        where = f"{path} [{name}]"
        whole[name] = {key: value for key, value in section.items() if key not in USES}
        for use, key in USES.items():
            names = section.get(use, "").split()
            check_words(where, "file set", names, sets)
            unused.difference_update(names)
            words = [word for one in names for word in sets[one]]
            words += section.get(key, "").split()
            check_once(where, f"{key} with {use}", words)
            if words:
                whole[name][key] = " ".join(words)
    for name in sorted(unused):
        raise UsageError(f"{path} [{SET_PREFIX}{name}]: no test uses this file set")
    return whole


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
    for key in ("cores", "e1000"):
        if section.get(key, "no") not in ("yes", "no"):
            raise UsageError(f"tests.cfg [{name}]: {key} = {section[key]}: neither yes nor no")
    return Test(name=check_name(name), script=script, files=[*files, *words("files")],
                l1files=words("l1files"), l2files=words("l2files"),
                diskfiles=words("diskfiles"),
                needs=words("needs") or (["vmx"] if files else []),
                groups=words("group"), modules=words("modules"),
                counters=words("counters"), l1counters=words("l1counters"),
                timeout=number("timeout", 120), mem=number("mem", 1536), kvm=kvm,
                known_bad=section.get("known-bad", ""), append=section.get("append", ""),
                console=section.get("console", ""), serial2=section.get("serial2", ""),
                cores=section.get("cores") == "yes", e1000=section.get("e1000") == "yes",
                disk=section.get("disk", ""), data=number("data", 0),
                second=section.get("second", ""), secondfiles=words("secondfiles"),
                args=section.get("args", ""))


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


def members(group, sections):
    """Names of the tests of a group."""
    return [name for name, section in sections.items()
            if group in section.get("group", "").split()]


def check_word(word, sections):
    """Refuse a test or a group that does not exist."""
    if word.startswith(GROUP_PREFIX):
        group = word[len(GROUP_PREFIX):]
        if not members(group, sections):
            known = sorted({name for section in sections.values()
                            for name in section.get("group", "").split()})
            raise UsageError(f"group '{group}' is empty; known groups: {' '.join(known)}")
    elif word not in sections:
        raise UsageError(f"unknown test '{word}'; `scripts/lab list` shows the tests")


def expand(word, kernel, sections):
    """Tests that one TEST word stands for."""
    if word.startswith(KVM_PREFIX):
        return kvm_tests(word[len(KVM_PREFIX):], kernel.base, sections)
    check_word(word, sections)
    if word.startswith(GROUP_PREFIX):
        return [test for name in members(word[len(GROUP_PREFIX):], sections)
                for test in expand(name, kernel, sections)]
    section = {key: for_kernel(value, kernel) if key in FILES_OF_BASE else value
               for key, value in sections[word].items()}
    return [make_test(word, section)]
