# SPDX-License-Identifier: GPL-2.0-only
"""From the results disk to verdicts and report.json."""

import dataclasses
import glob
import json
import os
import re
import tarfile

from .common import UsageError
from .images import SEGMENT
from .machine import IPS

SCHEMA = "nvx-lab-1"
FAILED = ("fail", "timeout", "panic", "hang", "triple-fault", "lost")
# Kernel messages that make a test fail whatever its exit status says.
KERNEL_TROUBLE = re.compile(
    r"(Oops:|WARNING: |BUG: |kernel BUG at|general protection fault|Call Trace:|"
    r"unable to handle|INFO: task .* blocked|rcu:.*stall|soft lockup|unchecked MSR access|"
    r"UBSAN: |INFO: trying to register non-static key|BUG \S+ \()")


# What a report says differently each time: when, where it ran, addresses.
VARYING = ((re.compile(r"^\[ *\d+\.\d+\](\[ *[TC]\d+\])? "), ""),
           (re.compile(r"CPU: \d+ PID: \d+ "), ""),
           (re.compile(r"\+0x[0-9a-f]+/0x[0-9a-f]+"), ""),
           (re.compile(r"[\w:.-]+/\d+$"), "TASK"))


def unpack_results(image, directory):
    """Unpack every complete tar segment of a results disk."""
    names = []
    offset = SEGMENT
    with open(image, "rb") as stream:
        while True:
            stream.seek(offset)
            try:
                with tarfile.open(fileobj=stream, mode="r:") as tar:
                    members = [safe for safe in tar.getmembers() if is_safe(safe)]
                    for member in members:
                        tar.extract(member, directory, set_attrs=False)
            except (tarfile.TarError, OSError, EOFError):
                return names
            if not members:
                return names
            names.append(members[0].name)
            end = max(member.offset_data + (member.size if member.isreg() else 0)
                      for member in members)
            # Two empty blocks end an archive; the next begins on a segment border.
            end = (end + 511) // 512 * 512 + 1024
            offset = (end + SEGMENT - 1) // SEGMENT * SEGMENT


def is_safe(member):
    """Plain files and directories below the run's directory only."""
    return (member.isreg() or member.isdir()) and not member.name.startswith("/") \
        and ".." not in member.name.split("/")


def read_text(path):
    """Contents of a file that may be missing."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def tap_counts(text):
    """Count TAP lines of a test's output."""
    counts = {"pass": 0, "fail": 0, "skip": 0}
    for line in text.splitlines():
        match = re.match(r"\s*(not )?ok\s+\d+\b(.*)", line)
        if match:
            skipped = re.search(r"#\s*skip", match[2], re.I)
            counts["skip" if skipped else "fail" if match[1] else "pass"] += 1
    return counts


def not_ok(text):
    """The first TAP line that says so, and how many more do."""
    lines = [line.strip() for line in text.splitlines() if re.match(r"\s*not ok\b", line)]
    more = f" (and {len(lines) - 1} more)" if lines[1:] else ""
    return lines[0] + more if lines else ""


def last_line(text):
    """The last line with something in it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def read_counters(paths):
    """What files of lines "PATH/NAME:VALUE" have of each counter, added up."""
    totals_of = {}
    for path in paths:
        for line in read_text(path).splitlines():
            name, _, value = line.rpartition("/")[2].partition(":")
            if value.isdigit():
                totals_of[name] = totals_of.get(name, 0) + int(value)
    return totals_of


def counters_off(modules, params):
    """True if no counter of nvx can move at a level."""
    return modules != "nvx" or "nvx=0" in params


def still_counters(test, counters, options):
    """Which counters the test should have moved and has not, or an empty string."""
    levels = []
    if not counters_off(options.modules, options.params):
        levels.append(("L0", test.counters))
    if not counters_off(options.l1_modules, options.variables.get("L1_PARAMS", "").split()):
        levels.append(("L1", test.l1counters))
    wrong = []
    for level, names in levels:
        found = counters.get(level, {})
        for name in names:
            if not found.get(name):
                wrong.append(f"{level} has no counter {name}" if name not in found else
                             f"counter {name} of {level} has not moved")
    return ", ".join(wrong)


def title_of(line):
    """First line of a report of the kernel's, without what varies."""
    for pattern, text in VARYING:
        line = pattern.sub(text, line.strip())
    return line


def read_known(path):
    """Titles of known reports: lines, each with its reason in comments right before it."""
    known, reason = set(), False
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            if not reason:
                raise UsageError(f"{path}:{number}: a known report without a reason: say in a "
                                 "comment right before it why it is not ours")
            known.add(line.strip())
        reason = line.startswith("# ")
    return known


def complaint(dmesg, known=()):
    """The first thing that the kernel reports and that is not known, or an empty string."""
    in_known = False
    for line in dmesg.splitlines():
        trouble = KERNEL_TROUBLE.search(line)
        if "</TASK>" in line:
            in_known = False
        elif trouble and trouble[0] != "Call Trace:":
            in_known = title_of(line) in known
        if trouble and not in_known:
            return line.strip()
    return ""


@dataclasses.dataclass(frozen=True)
class Left:
    """What a test has left in its directory."""

    output: str = ""
    # Its exit status, None if it has not got so far.
    rc: int = None
    # What the kernel said, since the test before (only the debug kernel is asked) and on.
    dmesg: str = ""
    # Level -> counter of nvx -> value.
    counters: dict = dataclasses.field(default_factory=dict)
    files: tuple = ()


def read_left(where):
    """Read the directory of a test."""
    status = read_text(os.path.join(where, ".rc")).strip()
    l1_paths = glob.glob(os.path.join(glob.escape(where), "l1", "*", ".counters"))
    files = sorted(os.path.relpath(os.path.join(top, name), where)
                   for top, _, names in os.walk(where) for name in names)
    return Left(output=read_text(os.path.join(where, "output.txt")),
                rc=int(status) if status.isdigit() else None,
                dmesg="".join(read_text(os.path.join(where, name))
                              for name in ("before.txt", "dmesg.txt")),
                counters={"L0": read_counters([os.path.join(where, ".counters")]),
                          "L1": read_counters(l1_paths)},
                files=tuple(name for name in files if not name.startswith(".")))


def judge(test, left, ending, options):
    """What the report says of a test, from what it left and how it ended on the console."""
    subtests = tap_counts(left.output)
    verdict, reason = ending.verdict, ending.reason
    if not verdict:
        verdict, reason = verdict_of(left.rc, subtests, left.output, left.dmesg,
                                     options.kernel.known_reports)
        if verdict == "pass":
            reason = ending.reason or still_counters(test, left.counters, options)
            verdict = "fail" if reason else "pass"
    if test.known_bad:
        verdict, reason = known_bad(verdict, reason, test.known_bad)
    return {"name": test.name, "verdict": verdict, "seconds": round(ending.seconds, 2),
            "rc": left.rc, "subtests": subtests, "reason": reason, "files": list(left.files)}


def verdict_of(rc, subtests, output, dmesg, known=()):
    """Verdict of a test that came to its end."""
    if rc is None:
        return "lost", "the results of the test did not arrive"
    trouble = complaint(dmesg, known)
    if trouble:
        return "fail", "the kernel complained: " + trouble
    if rc == 4:
        return "skip", last_line(output)
    if rc:
        return "fail", not_ok(output) or last_line(output) or f"exit status {rc}"
    if subtests["fail"]:
        return "fail", f"exit status 0, but {subtests['fail']} TAP lines say 'not ok'"
    return "pass", ""


def known_bad(verdict, reason, why):
    """A known failure is no news; its end is."""
    if verdict in FAILED:
        return "skip", f"known bad ({why}): {verdict}: {reason}"
    if verdict == "pass":
        return "fail", f"passes, but tests.cfg says known-bad ({why}): update tests.cfg"
    return verdict, reason


def totals(results):
    """Passed, failed, skipped."""
    failed = sum(result["verdict"] in FAILED for result in results)
    skipped = sum(result["verdict"] == "skip" for result in results)
    return len(results) - failed - skipped, failed, skipped


def write_report(directory, options, results, boots, seconds):
    """Write report.json."""
    report = {"schema": SCHEMA,
              "kernel": {"name": options.kernel.name, "release": options.kernel.release,
                         "version": options.kernel.version},
              "modules": options.modules, "l1_modules": options.l1_modules,
              "second_modules": options.second_modules,
              "backend": options.backend, "cpus": options.cpus,
              "emulator": options.emulator and options.emulator.name,
              "cpu": options.emulator and options.emulator.cpu,
              "x2apic": bool(options.emulator and options.emulator.x2apic), "params": options.params,
              "ips": options.ips or IPS if options.backend == "bochs" else None,
              "product": options.product,
              "variables": options.variables, "seconds": round(seconds, 2),
              "tests": results, "boots": boots}
    path = os.path.join(directory, "report.json")
    with open(path + ".new", "w", encoding="utf-8") as stream:
        json.dump(report, stream, indent=1)
        stream.write("\n")
    os.replace(path + ".new", path)
    return path
