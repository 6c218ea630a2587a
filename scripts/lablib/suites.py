# SPDX-License-Identifier: GPL-2.0-only
"""Suites of scripts/run-suites: run commands side by side, count results, keep times."""

import dataclasses
import glob
import json
import os
import re
import signal
import subprocess
import threading
import time

from .common import LAB, TOP

LOGS = os.path.join(TOP, "build", "suites")
SCHEMA = "nvx-times-1"
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$")
# A TAP line that says how long it took, as scripts/check and scripts/build-all print.
TIMED = re.compile(r"^(?:not )?ok \d+ - (\S.*?) # (?:SKIP .*\()?([\d.]+) s, ([\d.]+) s CPU\)?\s*$")
LONGEST = 10
# Of a failed log: its last lines, and so many failures before them.
TAIL = 25
FAILED = 40
# A test of the lab that was skipped.
SKIPPED = re.compile(r"^skip +(\S+) +[\d.]+ s ")


@dataclasses.dataclass
class Suite:
    """One command, the suites it needs first, and its outcome."""

    name: str
    text: str
    command: list
    after: tuple = ()
    # Part of the run that names none, and only of the one of all suites.
    default: bool = True
    limit: int = 2400
    cores: int = 1
    # Names of the lab runs that the command makes, as glob patterns.
    runs: tuple = ()
    # Tests that may be skipped, None: whichever.
    skips: tuple = None
    counts: tuple = None
    ok: bool = None
    wall: float = 0.0
    cpu: float = 0.0
    tests: list = dataclasses.field(default_factory=list)
    process: object = None

    @property
    def log(self):
        """Where its output goes."""
        return os.path.join(LOGS, self.name + ".log")


def read_counts(lines):
    """(passed, failed, skipped) of the last summary line, or None."""
    counts = None
    for line in lines:
        match = SUMMARY.match(line)
        if match:
            counts = tuple(int(number or 0) for number in match.groups())
    return counts


def verdict(counts, status):
    """Counts of a suite from those it printed, or None, and its exit status."""
    if counts is None:
        return (1, 0, 0) if status == 0 else (0, 1, 0)
    if status != 0 and counts[1] == 0:
        # It broke after it had counted.
        return (counts[0], 1, counts[2])
    return counts


def wrongly_skipped(lines, allowed):
    """Tests that were skipped and may not be: something that they need is gone."""
    found = (match[1] for match in map(SKIPPED.match, lines) if match)
    return [] if allowed is None else [name for name in found if name not in allowed]


# ---- times

def timed_lines(lines):
    """[(test, wall, CPU)] of the TAP lines with times in them."""
    found = []
    for line in lines:
        match = TIMED.match(line)
        if match:
            found.append((match[1], float(match[2]), float(match[3])))
    return found


def report_times(report):
    """[(test, wall, CPU)] of a report of the lab, and what its boots took beside the tests."""
    if "cached" in report:
        return []
    tests = [(test["name"], test["seconds"], test.get("cpu", 0)) for test in report["tests"]]
    wall = report["seconds"] - sum(test[1] for test in tests)
    cpu = sum(boot.get("cpu", 0) for boot in report["boots"]) - sum(test[2] for test in tests)
    return tests + [("booting", round(wall, 2), round(max(cpu, 0), 2))]


def lab_times(patterns, since):
    """Times of the tests of all lab runs that match and have ended since."""
    times = []
    for pattern in patterns:
        for path in sorted(glob.glob(os.path.join(LAB, pattern, "report.json"))):
            if os.path.getmtime(path) < since:
                continue
            with open(path, encoding="utf-8") as stream:
                times += report_times(json.load(stream))
    return times


def longest(suites, count=LONGEST):
    """The tests that took most CPU time: [(suite, test, wall, CPU)], long ones first.

    What a suite took beside its tests is one of them, without a name.
    """
    rows = []
    for suite in suites:
        rest_wall, rest_cpu = suite.wall, suite.cpu
        for name, wall, cpu in suite.tests:
            rows.append((suite.name, name, wall, cpu))
            rest_wall, rest_cpu = rest_wall - wall, rest_cpu - cpu
        rows.append((suite.name, "", round(max(rest_wall, 0), 2), round(max(rest_cpu, 0), 2)))
    return sorted(rows, key=lambda row: (-row[3], -row[2], row[:2]))[:count]


def longest_text(rows):
    """The same for people."""
    lines = ["the longest (seconds of CPU time, seconds):"]
    lines += [f"{cpu:8.1f} {wall:7.1f}  {suite}{': ' + test if test else ''}"
              for suite, test, wall, cpu in rows]
    return "\n".join(lines)


def times_report(suites, wall):
    """What build/suites/times.json says."""
    return {"schema": SCHEMA, "wall": round(wall, 2),
            "cpu": round(sum(suite.cpu for suite in suites), 2),
            "suites": [{"suite": suite.name, "wall": round(suite.wall, 2),
                        "cpu": round(suite.cpu, 2),
                        "tests": [{"test": name, "wall": round(a, 2), "cpu": round(b, 2)}
                                  for name, a, b in suite.tests]} for suite in suites]}


def write_times(suites, wall):
    """Leave them in build/suites/."""
    path = os.path.join(LOGS, "times.json")
    with open(path + ".new", "w", encoding="utf-8") as stream:
        json.dump(times_report(suites, wall), stream, indent=1)
        stream.write("\n")
    os.replace(path + ".new", path)


# ---- running

def wait(process, seconds):
    """(exit status or None in time, CPU seconds with those of its children)."""
    end = time.monotonic() + seconds
    while True:
        try:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        except ChildProcessError:
            # Another thread has waited for it.
            return process.returncode or 0, 0.0
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage.ru_utime + usage.ru_stime
        if time.monotonic() > end:
            return None, 0.0
        time.sleep(0.05)


def stop(suite, seconds=20):
    """End a suite that this program started, gently first; CPU seconds."""
    process = suite.process
    if process is None or process.returncode is not None:
        return 0.0
    os.killpg(process.pid, signal.SIGTERM)
    status, cpu = wait(process, seconds)
    if status is None:
        os.killpg(process.pid, signal.SIGKILL)
        status, cpu = wait(process, seconds)
    return cpu


def run_suite(suite):
    """Run one suite to its end or its time limit."""
    start, since = time.monotonic(), time.time()
    # Whether a machine is slow is not the question here.
    env = {"LAB_TIME_FACTOR": "3", **os.environ, "PYTHONUNBUFFERED": "1"}
    with open(suite.log, "w", encoding="utf-8") as log:
        suite.process = subprocess.Popen(
            suite.command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=log,
            stderr=subprocess.STDOUT, env=env, start_new_session=True)
        status, suite.cpu = wait(suite.process, suite.limit)
        if status is None:
            log.write(f"\nrun-suites: stopped after {suite.limit} s\n")
            log.flush()
            suite.cpu = stop(suite)
            status = 124
    suite.wall = time.monotonic() - start
    with open(suite.log, encoding="utf-8", errors="replace") as log:
        lines = log.read().splitlines()
    suite.counts = verdict(read_counts(lines), status)
    wrong = wrongly_skipped(lines, suite.skips)
    with open(suite.log, "a", encoding="utf-8") as log:
        for name in wrong:
            log.write(f"not ok - {name} was skipped: 'skips' of {suite.name} in suites.cfg does not expect it\n")
    suite.counts = (suite.counts[0], suite.counts[1] + len(wrong), suite.counts[2] - len(wrong))
    suite.ok = suite.counts[1] == 0
    suite.tests = timed_lines(lines) + lab_times(suite.runs, since)


def failures(lines, count=TAIL):
    """What to show of a failed log: the tests that failed, then the end of it."""
    bad = [line for line in lines[:-count] if line.startswith("not ok ")]
    return bad[:FAILED] + ([f"({len(bad) - FAILED} more)"] if bad[FAILED:] else []) + \
        (["..."] if bad else []) + lines[-count:]


def say_end(suite):
    """Say how a suite ended."""
    word = "ok" if suite.ok else "FAILED"
    passed, failed, skipped = suite.counts
    print(f"{word:6} {suite.name:14} {passed:4} passed, {failed} failed, "
          f"{skipped} skipped  {suite.wall:6.0f} s  {suite.text}", flush=True)
    if not suite.ok:
        print(f"       log: {os.path.relpath(suite.log, TOP)}")
        with open(suite.log, encoding="utf-8", errors="replace") as log:
            for line in failures(log.read().splitlines()):
                print("       | " + line)


class Scheduler:
    """Start suites in the order of the table, as their needs are met."""

    def __init__(self, suites, jobs, work=run_suite):
        self.waiting = list(suites)
        self.running = []
        self.done = {}
        self.jobs = jobs
        self.work = work
        self.names = {suite.name for suite in suites}
        self.change = threading.Condition()

    def ready(self, suite):
        """True when all that it needs has been run, or is not to be run."""
        return all(name in self.done for name in suite.after if name in self.names)

    def room(self, suite):
        """A suite that wants more than there is runs alone."""
        busy = sum(other.cores for other in self.running)
        return not busy or busy + suite.cores <= self.jobs

    def choose(self):
        """Suites to start now; they are no longer waiting, but running."""
        chosen = []
        for suite in list(self.waiting):
            if self.ready(suite) and self.room(suite):
                self.waiting.remove(suite)
                self.running.append(suite)
                chosen.append(suite)
        return chosen

    def ended(self, suite):
        """Its place is free, and what has waited for it may start."""
        self.running.remove(suite)
        self.done[suite.name] = suite

    def worker(self, suite):
        """A thread for each suite."""
        self.work(suite)
        with self.change:
            self.ended(suite)
            say_end(suite)
            self.change.notify_all()

    def run(self):
        """Until none is left."""
        with self.change:
            while self.waiting or self.running:
                for suite in self.choose():
                    print(f"start  {suite.name:14} {suite.text}", flush=True)
                    threading.Thread(target=self.worker, args=(suite,), daemon=True).start()
                self.change.wait(timeout=1)

    def stop(self):
        """End all."""
        for suite in list(self.running):
            stop(suite)


def closure(names, suites):
    """The named suites and all they need, in the order of the table; KeyError(name)."""
    known = {suite.name: suite for suite in suites}
    wanted = set()

    def add(name):
        if name not in wanted:
            wanted.add(name)
            for need in known[name].after:
                add(need)

    for name in names:
        add(name)
    return [suite for suite in suites if suite.name in wanted]
