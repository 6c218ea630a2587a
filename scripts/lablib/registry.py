# SPDX-License-Identifier: GPL-2.0-only
"""suites.cfg: read and check what scripts/run-suites runs; tests.cfg has the tests in it."""

import contextlib
import fnmatch
import io
import os
import shlex

from . import config
from .cli import build_parser
from .common import TOP, UsageError
from .suites import Suite

SUITES = os.path.join(TOP, "selftests", "suites.cfg")
KEYS = ("text", "lab", "command", "needs", "after", "base", "default", "limit", "cores", "runs",
        "skips")
# Word of needs -> steps of scripts/build-all.
NEEDS = {"machine": ("emulator", "programs", "images-@base@"), "modules": ("modules-@base@",),
         "selftests": ("selftests-@base@",)}
# What only a command has: a run of the lab says it by its options and by its name.
OF_COMMANDS = ("base", "runs")


def read_suites(path=SUITES, tests=None):
    """The suites of a file like suites.cfg, in its order; refuse what nobody reads."""
    tests = config.read_config(config.CONFIG) if tests is None else tests
    sections = config.read_sections(path)
    suites = [make_suite(f"{path} [{name}]", name, section, tests)
              for name, section in sections.items()]
    known = {suite.name: suite for suite in suites}
    for suite in suites:
        check_after(f"{path} [{suite.name}]", suite, known)
    check_cycles(path, known)
    return suites


def make_suite(where, name, section, tests):
    """Turn one section into a Suite."""
    config.check_words(where, "key", section, KEYS)
    if not section.get("text"):
        raise UsageError(f"{where}: no text")
    if ("lab" in section) == ("command" in section):
        raise UsageError(f"{where}: one of lab and command is wanted")
    skips = tuple(section.get("skips", "").split()) if "lab" in section else None
    if "lab" in section:
        command, base = lab_command(where, name, section, tests)
        runs, needs = ("suite-" + name,), section.get("needs", " ".join(NEEDS)).split()
    else:
        command, base = own_command(where, section), section.get("base", "6.1")
        runs, needs = tuple(section.get("runs", "").split()), section.get("needs", "").split()
        if "skips" in section:
            raise UsageError(f"{where}: skips goes with lab only")
    config.check_words(where, "need", needs, tuple(NEEDS))
    steps = [step.replace("@base@", base) for need in needs for step in NEEDS[need]]
    return Suite(name, section["text"], command, runs=runs,
                 after=(*steps, *section.get("after", "").split()),
                 default=yes_or_no(where, section), limit=number(where, section, "limit", 2400),
                 cores=number(where, section, "cores", 1), skips=skips)


def words_of(where, section, key):
    """Words as a shell splits them."""
    try:
        return shlex.split(section[key])
    except ValueError as err:
        raise UsageError(f"{where}: {key} = {section[key]}: {err}") from err


def lab_command(where, name, section, tests):
    """(command, kernel's base) of a run of the lab whose options and tests exist."""
    for key in OF_COMMANDS:
        if key in section:
            raise UsageError(f"{where}: {key} goes with command only")
    words = words_of(where, section, "lab")
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            args = build_parser().parse_args(["run", *words])
    except SystemExit as err:
        reason = (said.getvalue().strip().splitlines() or ["--help"])[-1]
        raise UsageError(f"{where}: lab = {' '.join(words)}: {reason}") from err
    if args.name:
        raise UsageError(f"{where}: --name: the suite has a name")
    for word in args.tests:
        check_test(where, word, tests)
    return (["scripts/lab", "run", "--name", "suite-" + name, *words],
            args.kernel.partition("-")[0])


def check_test(where, word, tests):
    """Refuse a TEST word of `lab run` that stands for nothing, before anything is built."""
    if not word.startswith(config.KVM_PREFIX):
        try:
            config.check_word(word, tests)
        except UsageError as err:
            raise UsageError(f"{where}: {err}") from err
        return
    pattern = word[len(config.KVM_PREFIX):]
    # Programs of the kernel's own are known when they have been built.
    if pattern.startswith("nvx_"):
        sources = os.listdir(os.path.join(TOP, "selftests", "kvm"))
        if not fnmatch.filter(sources, pattern + ".c"):
            raise UsageError(f"{where}: {word}: selftests/kvm has no such program")


def own_command(where, section):
    """A command that exists."""
    words = words_of(where, section, "command")
    if not words or not os.access(os.path.join(TOP, words[0]), os.X_OK):
        raise UsageError(f"{where}: command = {section['command']}: no such program below {TOP}")
    return words


def yes_or_no(where, section):
    """The value of default."""
    value = section.get("default", "yes")
    if value not in ("yes", "no"):
        raise UsageError(f"{where}: default = {value}: neither yes nor no")
    return value == "yes"


def number(where, section, key, default):
    """A positive number."""
    value = section.get(key, str(default))
    if not value.isdigit() or int(value) == 0:
        raise UsageError(f"{where}: {key} = {value}: not a number above 0")
    return int(value)


def check_after(where, suite, known):
    """What a suite needs is there, once, and is run where it is."""
    for name in suite.after:
        if name not in known:
            raise UsageError(f"{where}: needs the suite '{name}', which does not exist")
        if suite.default and not known[name].default:
            raise UsageError(f"{where}: needs the suite '{name}', which has default = no")
    config.check_once(where, "after with needs", suite.after)


def check_cycles(path, known):
    """No suite waits for itself."""
    done = set()

    def visit(name, way):
        if name in way:
            circle = [*way[way.index(name):], name]
            raise UsageError(f"{path}: suites wait for each other: {' <- '.join(circle)}")
        if name not in done:
            for need in known[name].after:
                visit(need, [*way, name])
            done.add(name)

    for name in known:
        visit(name, [])
