# SPDX-License-Identifier: GPL-2.0-only
"""Boot the machine until every test has a verdict."""

import dataclasses
import os
import re
import shutil
import time

from . import images
from .common import GUEST, LabError, TOP, UsageError
from .console import Console
from .cpio import Archive
from .machine import BACKENDS
from .results import judge, unpack_results

BOOT_TIMEOUT = {"bochs": 180, "qemu": 120}
# How long a live guest may take to answer, and to save what a test left.
PONG_SECONDS = 12
STOP_SECONDS = 20
# From the end of a test to the start of the next one.
BETWEEN_SECONDS = 10
PANIC_QUIET_SECONDS = 1.5
# A machine that gets no CPU is not late, but for this much wall time.
WALL_FACTOR = 4
WAKE_SECONDS = 2
SHIM_FILES = ("build/modules/@release@/stripped/vmm-refresh.ko",
              "build/selftests/refresh/refresh-ctl")


@dataclasses.dataclass
class Options:
    """What the command line asks for."""

    kernel: object
    backend: str
    modules: str = "stock"
    l1_modules: str = "stock"
    cpus: int = 1
    mem: int = 0
    # Instructions in an emulated second; 0 = what the lab has by default.
    ips: int = 0
    timeout: int = 0
    # Multiplies all time limits of tests, for a slow machine.
    time_factor: float = 1
    params: list = dataclasses.field(default_factory=list)
    variables: dict = dataclasses.field(default_factory=dict)
    append: str = ""
    defaults: bool = False
    shim: bool = False
    shell: bool = False
    # Which Bochs and which CPU model; None with QEMU.
    emulator: object = None
    # So many times are instructions traced, between two magic breaks; 0 = not.
    traces: int = 0


class Boot:
    """One power-on with the tests that are left."""

    def __init__(self, run, tests, number):
        self.run, self.tests, self.number = run, tests, number
        self.work = os.path.join(run.directory, f"boot{number}")
        self.started = self.ended = None
        self.current = None
        self.test_start = self.test_cpu = 0
        self.test_end = self.test_end_cpu = 0
        # CPU seconds of the machine when it was last seen alive.
        self.cpu = 0
        self.ready_seconds = None
        self.verdicts = {}
        self.finished = False
        # The test has announced that the machine goes down and comes back.
        self.restarting = False
        # The test sleeps, and typing is what wakes its machine: when next.
        self.wake_at = 0
        self.machine = None
        self.ticks = None

    def prepare(self):
        """Make CD and disks."""
        options = self.run.options
        os.makedirs(self.work)
        self.results = os.path.join(self.work, "results.img")
        images.results_disk(self.results)
        disks = [self.results]
        if any("root" in test.needs for test in self.tests):
            if not options.kernel.levels:
                raise UsageError(f"kernel {options.kernel.name} is one for L0: no test that needs "
                                 "an L1 runs on it")
            # Bochs locks and may write a disk: give each boot its own (sparse) copy.
            disks.append(os.path.join(self.work, "root.img"))
            copy_image(images.root_disk(options.kernel), disks[1])
        initrd = os.path.join(self.work, "initrd")
        l0_archive(self.run, self.tests, self.work).write(initrd)
        iso = os.path.join(self.work, "boot.iso")
        backend = BACKENDS[options.backend]
        mem = options.mem or max([test.mem for test in self.tests], default=1536)
        self.machine = backend(self.work, iso, disks, mem, options.cpus)
        if options.ips:
            self.machine.ips = options.ips
        self.machine.emulator = options.emulator
        cmdline = images.join_words(images.l0_cmdline(options.defaults), self.machine.cmdline(),
                                    options.kernel.words, self.tests[0].append, options.append)
        images.boot_iso(options.kernel, initrd, cmdline, iso)
        self.machine.traces = options.traces

    def go(self):
        """Power on and watch until the machine ends or must be ended."""
        self.started = time.monotonic()
        self.machine.start()
        try:
            while self.step():
                pass
        finally:
            self.ended = time.monotonic()
            self.machine.kill()

    def step(self):
        """Handle what the console says; False when this boot is over."""
        console = self.run.console
        self.cpu = self.machine.cpu_seconds() or self.cpu
        exited = self.machine.exit_status() is not None
        for line in console.lines(self.machine.console, 0 if exited else 0.1):
            if line.startswith("@lab "):
                self.mark(line.split()[1:])
            elif "Kernel panic - not syncing" in line and not self.restarting:
                self.drain(PANIC_QUIET_SECONDS)
                return self.fatal("panic", line[line.index("Kernel panic"):])
            exited = False
        if exited:
            return self.machine_ended()
        if self.wake_at and time.monotonic() > self.wake_at:
            self.machine.send("\n")
            self.wake_at = time.monotonic() + WAKE_SECONDS
        self.run.progress.status(self.stage(), console.last)
        return self.check_time()

    def stage(self):
        """What the machine does now, in a few words."""
        if self.current:
            return f"test {self.current.name} {time.monotonic() - self.test_start:.0f} s"
        return "tests" if self.ready_seconds else \
            f"boot {self.number} {time.monotonic() - self.started:.0f} s"

    def mark(self, words):
        """One `@lab` line of the guest."""
        if words[0] == "ready":
            self.ready_seconds = self.ready_seconds or time.monotonic() - self.started
        elif words[0] == "broken:":
            raise LabError("the guest says: " + " ".join(words))
        elif words[0] == "test" and words[2:] and words[2] == "start":
            self.current = next(test for test in self.tests if test.name == words[1])
            self.test_start = time.monotonic()
            self.test_cpu = self.machine.cpu_seconds() or 0
            self.run.console.recent.clear()
            self.run.progress.line(f"test {words[1]} ...")
        elif words[0] == "test" and words[2:] and words[2] in ("restarts", "resumes"):
            self.restarting = words[2] == "restarts"
            self.run.progress.line(f"test {words[1]} {words[2]}")
        elif words[0] == "test" and words[2:] and words[2] == "end":
            self.set_verdict("", self.unsaid())
        elif words[0] == "wake":
            self.wake_at = time.monotonic() + WAKE_SECONDS
        elif words[0] == "awake":
            self.wake_at = 0
        elif words[0] == "done":
            self.finished = True

    def unsaid(self):
        """Why the console was not what the test asks for, or an empty string."""
        want = self.current.console if self.current else ""
        if not want or any(re.search(want, line) for line in self.run.console.recent):
            return ""
        return f"the console did not say '{want}'"

    def set_verdict(self, verdict, reason):
        """Note how the current test ended; '' = as its results say."""
        if self.current is None or self.current.name in self.verdicts:
            return
        seconds = time.monotonic() - self.test_start
        self.cpu = self.machine.cpu_seconds() or self.cpu
        self.verdicts[self.current.name] = (verdict, reason, seconds, self.cpu - self.test_cpu)
        self.run.progress.line(f"test {self.current.name} {verdict or 'ended'} "
                               f"after {seconds:.1f} s{': ' if reason else ''}{reason}")
        self.current = None
        self.test_end, self.test_end_cpu = time.monotonic(), self.machine.cpu_seconds() or 0

    def fatal(self, verdict, reason):
        """The machine cannot go on."""
        if self.current is None and not self.finished:
            raise LabError(f"boot {self.number}: {verdict} with no test running: {reason}; "
                           f"see {self.run.directory}/console.log")
        self.run.console.save_recent(os.path.join(self.run.directory, self.current.name)
                                     if self.current else self.run.directory)
        self.set_verdict(verdict, reason)
        return False

    def drain(self, quiet_seconds):
        """Read on until the line has been quiet for a while."""
        console = self.run.console
        console.last_time = time.monotonic()
        while time.monotonic() - console.last_time < quiet_seconds:
            console.lines(self.machine.console, 0.2)

    def machine_ended(self):
        """The emulator is gone: by power-off, by a triple fault, or who knows."""
        if self.finished:
            return False
        verdict = self.machine.fatal()
        if verdict:
            return self.fatal(verdict, "the CPU shut down after a triple fault")
        return self.fatal("lost", "the machine ended with status "
                          f"{self.machine.exit_status()} before the result")

    def check_time(self):
        """Enforce the limits; False when this boot is over."""
        now = time.monotonic()
        if self.finished and now - self.run.console.last_time > STOP_SECONDS:
            return False
        if self.run.out_of_time():
            self.set_verdict("timeout", f"the run took longer than {self.run.options.timeout} s")
            return False
        if self.current:
            limit = self.current.timeout * self.run.time_factor
            return not self.late(self.test_start, self.test_cpu, limit) or self.overdue(limit)
        if self.test_end and not self.finished and \
                self.late(self.test_end, self.test_end_cpu,
                          BETWEEN_SECONDS * self.run.time_factor):
            self.run.progress.line(f"boot {self.number} is stuck since its last test, which "
                                   "left something behind")
            return False
        if self.ready_seconds is None and \
                self.late(self.started, 0, BOOT_TIMEOUT[self.machine.backend] *
                          self.run.time_factor):
            raise LabError(f"boot {self.number}: no test started within "
                           f"{now - self.started:.0f} s; last line: '{self.run.console.last}'; "
                           f"see {self.run.directory}/console.log")
        return True

    def late(self, wall_start, cpu_start, limit):
        """True when the emulator has computed for @limit seconds, or never will."""
        wall = time.monotonic() - wall_start
        if wall <= limit:
            return False
        cpu = self.machine.cpu_seconds()
        return cpu is None or cpu - cpu_start > limit or wall > WALL_FACTOR * limit

    def overdue(self, limit):
        """A test ran too long: ask whether anybody is alive, then stop the test."""
        self.machine.send("ping\n")
        if not self.wait_mark("pong", PONG_SECONDS * self.run.time_factor):
            self.set_verdict("hang", f"not ready after {limit:.0f} s and the guest does not "
                             "answer on its console")
            return False
        name = self.current.name if self.current else ""
        self.set_verdict("timeout", f"not ready after {limit:.0f} s")
        self.machine.send("stop\n")
        self.wait_mark(f"test {name} end", STOP_SECONDS * self.run.time_factor)
        return False

    def wait_mark(self, text, seconds):
        """True if the guest prints `@lab TEXT` in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.machine.exit_status() is None:
            for line in self.run.console.lines(self.machine.console, 0.2):
                if line.startswith("@lab " + text):
                    return True
        return False

    def collect(self):
        """Unpack results, keep the emulator's log, drop the big images."""
        names = unpack_results(self.results, self.run.directory)
        self.ticks = self.machine.ticks()
        with open(os.path.join(self.run.directory, self.machine.backend + ".log"), "a",
                  encoding="utf-8") as stream:
            stream.write(f"== boot {self.number}\n{self.machine.log_text()}")
        if self.run.options.traces:
            os.replace(self.machine.trace, os.path.join(self.run.directory, "trace.txt"))
        if not self.run.keep_boots:
            shutil.rmtree(self.work, ignore_errors=True)
        return names


class Run:
    """All boots of one `lab run`."""

    def __init__(self, directory, options, progress, start):
        self.directory, self.options, self.progress = directory, options, progress
        self.start = start
        self.console = Console(directory, start)
        # A second CPU halves the speed of the emulator, and so on.
        self.time_factor = 1 if options.backend == "qemu" else \
            {1: 1, 2: 4}.get(options.cpus, 2 * options.cpus)
        self.time_factor *= options.time_factor * options.kernel.time_factor
        self.keep_boots = False
        self.boots = []
        self.results = []
        self.boot_class = Boot

    def out_of_time(self):
        """True when the limit of the whole run is reached."""
        return bool(self.options.timeout) and \
            time.monotonic() - self.start > self.options.timeout

    def execute(self, tests):
        """Run the tests, booting again after each that took the machine down."""
        left = list(tests)
        while left and not self.out_of_time():
            # What they want of the kernel's command line is the same in one boot.
            together = [test for test in left if test.append == left[0].append]
            boot = self.boot_class(self, together, len(self.boots) + 1)
            self.console.note(f"boot {boot.number}")
            self.progress.line(f"boot {boot.number}: {self.options.backend}, kernel "
                               f"{self.options.kernel.release}, {len(left)} tests left")
            boot.prepare()
            try:
                boot.go()
            finally:
                if boot.started:
                    boot.collect()
            self.note_boot(boot)
            if not boot.verdicts:
                raise LabError(f"boot {boot.number} ended without running a test; "
                               f"see {self.directory}/console.log")
            left = [test for test in left if test.name not in boot.verdicts]
        for test in left:
            self.results.append(judge(test, self.directory, "lost",
                                      "not run: the time of the run was over", 0,
                                      self.options))

    def note_boot(self, boot):
        """Account one boot."""
        self.boots.append({"number": boot.number, "tests": list(boot.verdicts),
                           "ready_seconds": rounded(boot.ready_seconds),
                           "seconds": rounded(boot.ended - boot.started),
                           "cpu": rounded(boot.cpu),
                           "exit_status": boot.machine.exit_status(),
                           "ticks": boot.ticks,
                           "clean": boot.finished})
        for test in boot.tests:
            if test.name in boot.verdicts:
                verdict, reason, seconds, cpu = boot.verdicts[test.name]
                result = judge(test, self.directory, verdict, reason, seconds, self.options)
                self.results.append({**result, "cpu": rounded(cpu)})


def rounded(seconds):
    """Seconds for the report."""
    return None if seconds is None else round(seconds, 2)


def copy_image(source, target):
    """Copy a disk image, sharing blocks when the file system can."""
    with open(source, "rb") as old, open(target, "wb") as new:
        shutil.copyfileobj(old, new, 1 << 20)


def l0_archive(run, tests, work):
    """The initramfs of L0 for these tests."""
    options = run.options
    kernel = options.kernel
    archive = Archive()
    images.busybox_tree(archive)
    archive.file("init", os.path.join(GUEST, "init"))
    archive.file("lab/lib.sh", os.path.join(GUEST, "lib.sh"))
    archive.file("lab/restart.sh", os.path.join(GUEST, "restart.sh"))
    values = {**options.variables, "KMOD": options.modules, "KPARAMS": " ".join(options.params)}
    if not kernel.levels:
        values["KEEP_BEFORE"] = "1"
    if options.emulator:
        values["EMULATOR"] = options.emulator.name
    if options.shim:
        values["SHIM"] = "1"
        for spec in SHIM_FILES:
            images.add_file(archive, spec.replace("@release@", kernel.release))
    archive.text("lab/run.env", images.shell_assignments(values), 0o644)
    archive.text("lab/level.env", "LEVEL=0\n", 0o644)
    archive.text("lab/tests", "".join(test.name + "\n" for test in tests), 0o644)
    images.add_modules(archive, kernel, images.DISK_MODULES, "lab/modules/order")
    needs = {need for test in tests for need in test.needs}
    if "vmx" in needs or options.shell:
        images.add_kvm(archive, kernel, options.modules)
    if "root" in needs:
        images.add_modules(archive, kernel, images.ROOT_MODULES, "lab/modules/order-root")
        add_next_levels(archive, run, tests, work)
    if options.shell:
        archive.text("lab/shell", "")
        return archive
    for test in tests:
        add_test(archive, kernel, test)
    return archive


def add_test(archive, kernel, test):
    """One test: its script, its settings, its files."""
    where = f"lab/test/{test.name}/"
    archive.file(where + "script", os.path.join(TOP, test.script))
    archive.text(where + "env", f"NEEDS='{' '.join(test.needs)}' KVM='{test.kvm}' "
                 f"MODULES='{' '.join(test.modules)}' TEST_ARGS='{test.args}'\n", 0o644)
    if test.modules:
        images.add_modules(archive, kernel, test.modules, where + "modules")
    for spec in test.files:
        images.add_file(archive, spec)


def add_next_levels(archive, run, tests, work):
    """What L1 boots with, and within it what L2 boots with."""
    options = run.options
    paths = []
    for level in (2, 1):
        files = {spec: None for test in tests
                 for spec in (test.l1files if level == 1 else test.l2files)}
        values = {**options.variables, "KMOD": options.l1_modules, "KPARAMS": ""}
        overlay = images.vm_overlay(options.kernel, files, values, level,
                                    paths[-1] if paths else None)
        paths.append(os.path.join(work, f"l{level}.cpio"))
        overlay.write(paths[-1])
    archive.file("lab/next.cpio", paths[-1])
