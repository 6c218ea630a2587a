# SPDX-License-Identifier: GPL-2.0-only
"""Boot the machine until every test has a verdict."""

import dataclasses
import os
import shutil
import time

from . import images
from .common import GUEST, LabError, TOP, UsageError
from .config import for_kernel
from .console import Console
from .coverage import SAID
from .cpio import Archive
from .kernels import Kernel, find_kernel
from .machine import BACKENDS
from .protocol import Ending, Keep, Limits, Protocol, Say, Send, Shell
from .results import judge, read_left, unpack_results

# Where a run with coverage keeps which blocks have run.
BLOCKS = "blocks.txt"
BOOT_TIMEOUT = {"bochs": 180, "qemu": 120}
SHIM_OF = "build/modules/{release}/stripped/vmm-refresh.ko"
SHIM_FILES = ("build/modules/@release@/stripped/vmm-refresh.ko",
              "build/selftests/refresh/refresh-ctl")


@dataclasses.dataclass
class Options:
    """What the command line asks for."""

    kernel: Kernel
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
    # Name of the kernel that boots beside L0, '' = what the test's section says.
    second: str = ""
    second_modules: str = "stock"
    # So many times are instructions traced, between two magic breaks; 0 = not.
    traces: int = 0
    # The shim and vmm-refresh.ko say which of their basic blocks have run.
    coverage: bool = False
    # Which sources, for those who compare figures of several runs.
    product: str = ""


class Boot:
    """One power-on with the tests that are left: its machine, files and clock."""

    def __init__(self, run, tests, number):
        self.run, self.tests, self.number = run, tests, number
        self.work = os.path.join(run.directory, f"boot{number}")
        self.results = os.path.join(self.work, "results.img")
        self.started = self.ended = None
        self.protocol = Protocol(tests, run.limits(), number,
                                 os.path.join(run.directory, "console.log"))
        self.machine = None
        self.ticks = None

    def prepare(self):
        """Make CD and disks."""
        options = self.run.options
        os.makedirs(self.work)
        images.results_disk(self.results)
        disks = [self.results]
        if any("root" in test.needs for test in self.tests):
            if not options.kernel.levels:
                raise UsageError(f"kernel {options.kernel.name} is one for L0: no test that needs "
                                 "an L1 runs on it")
            # Bochs locks and may write a disk: give each boot its own (sparse) copy.
            disks.append(os.path.join(self.work, "root.img"))
            copy_image(images.root_disk(options.kernel), disks[1])
        if self.tests[0].diskfiles:
            disks.append(os.path.join(self.work, "files.img"))
            images.files_disk(self.tests[0].diskfiles, disks[-1])
        if self.tests[0].disk:
            disks.append(os.path.join(self.work, "disk.img"))
            images.sparse_copy(self.tests[0].disk, disks[-1])
        if self.tests[0].data:
            disks.append(os.path.join(self.work, "data.img"))
            images.data_disk(disks[-1], self.tests[0].data)
        initrd = os.path.join(self.work, "initrd")
        l0_archive(self.run, self.tests, self.work).write(initrd)
        iso = os.path.join(self.work, "boot.iso")
        backend = BACKENDS[options.backend]
        mem = options.mem or max([test.mem for test in self.tests], default=1536)
        self.machine = backend(self.work, iso, disks, mem, options.cpus)
        if options.ips:
            self.machine.ips = options.ips
        self.machine.emulator = options.emulator
        self.machine.cores = self.tests[0].cores
        self.machine.e1000 = self.tests[0].e1000
        if self.tests[0].serial2:
            self.machine.add_serial2()
        cmdline = images.join_words(images.l0_cmdline(options.defaults), self.machine.cmdline(),
                                    options.kernel.words, self.tests[0].append, options.append)
        images.boot_iso(options.kernel, initrd, cmdline, iso)
        self.machine.traces = options.traces
        self.machine.e9 = options.coverage

    def go(self):
        """Power on and watch until the machine ends or must be ended."""
        self.started = time.monotonic()
        self.machine.start()
        try:
            self.perform(self.protocol.start(self.started))
            while not self.protocol.over:
                self.step()
        finally:
            self.ended = time.monotonic()
            self.machine.kill()

    def step(self):
        """Let the protocol know what the console says and what time it is."""
        console, protocol = self.run.console, self.protocol
        status = self.machine.exit_status()
        lines = console.lines(self.machine.console, 0.1 if status is None else 0)
        now, cpu = time.monotonic(), self.machine.cpu_seconds()
        if self.machine.serial2 is not None:
            # Before the console, which says when the test is over.
            for line in console.second_lines(self.machine.serial2):
                protocol.hear_second(line)
        for line in lines:
            self.perform(protocol.hear(now, cpu, line))
        if status is None or lines:
            self.perform(protocol.tick(now, cpu))
        else:
            self.perform(protocol.machine_ended(now, status, self.machine.fatal()))
        self.run.progress.status(protocol.stage(now), protocol.last)

    def perform(self, actions):
        """Do what the protocol wants done."""
        for action in actions:
            if isinstance(action, Send):
                self.machine.send(action.text)
            elif isinstance(action, Say):
                self.run.progress.line(action.text)
            elif isinstance(action, Keep):
                save_console(os.path.join(self.run.directory, action.test or ""), action.lines)
            elif isinstance(action, Shell):
                self.shell()

    def shell(self):
        """Nobody is there who could type."""
        raise LabError("the guest gives a shell that nobody has asked for")

    def collect(self):
        """Unpack results, keep the emulator's log, drop the big images."""
        names = unpack_results(self.results, self.run.directory)
        self.ticks = self.machine.ticks()
        with open(os.path.join(self.run.directory, self.machine.backend + ".log"), "a",
                  encoding="utf-8") as stream:
            stream.write(f"== boot {self.number}\n{self.machine.log_text()}")
        # A machine that did not come up has left none, and has said why.
        if self.run.options.traces and os.path.exists(self.machine.trace):
            os.replace(self.machine.trace, os.path.join(self.run.directory, "trace.txt"))
        if self.run.options.coverage:
            keep_blocks(self.machine.output, os.path.join(self.run.directory, BLOCKS))
        if not self.run.keep_boots:
            shutil.rmtree(self.work, ignore_errors=True)
        return names


class Run:
    """All boots of one `lab run`."""

    def __init__(self, directory, options, progress, start):
        self.directory, self.options, self.progress = directory, options, progress
        self.start = start
        self.console = Console(directory, start)
        self.keep_boots = False
        self.boots = []
        self.results = []
        self.boot_class = Boot

    def limits(self):
        """What a boot may take."""
        options = self.options
        # A second CPU halves the speed of the emulator, and so on.
        factor = 1 if options.backend == "qemu" else \
            {1: 1, 2: 4}.get(options.cpus, 2 * options.cpus)
        return Limits(boot=BOOT_TIMEOUT[options.backend],
                      factor=factor * options.time_factor * options.kernel.time_factor,
                      end=self.start + options.timeout if options.timeout else None,
                      run=options.timeout)

    def out_of_time(self):
        """True when the limit of the whole run is reached."""
        return bool(self.options.timeout) and \
            time.monotonic() - self.start > self.options.timeout

    def execute(self, tests):
        """Run the tests, booting again after each that took the machine down."""
        left = list(tests)
        while left and not self.out_of_time():
            together = [test for test in left if machine_of(test) == machine_of(left[0])]
            boot = self.boot_class(self, together, len(self.boots) + 1)
            self.console.note(f"boot {boot.number}")
            self.progress.line(f"boot {boot.number}: {self.options.backend}, kernel "
                               f"{self.options.kernel.release}, tests to run: {len(left)}")
            boot.prepare()
            try:
                boot.go()
            finally:
                if boot.started:
                    boot.collect()
            self.note_boot(boot)
            verdicts = boot.protocol.verdicts
            if not verdicts:
                raise LabError(f"boot {boot.number} ended without running a test; "
                               f"see {self.directory}/console.log")
            left = [test for test in left if test.name not in verdicts]
        for test in left:
            self.results.append(self.result(test, Ending(
                "lost", "not run: the time of the run was over")))

    def result(self, test, ending):
        """What the report says of a test."""
        left = read_left(os.path.join(self.directory, test.name))
        return judge(test, left, ending, self.options)

    def note_boot(self, boot):
        """Account one boot."""
        protocol = boot.protocol
        self.boots.append({"number": boot.number, "tests": list(protocol.verdicts),
                           "ready_seconds": rounded(protocol.ready_seconds),
                           "seconds": rounded(boot.ended - boot.started),
                           "cpu": rounded(protocol.cpu),
                           "exit_status": boot.machine.exit_status(),
                           "ticks": boot.ticks,
                           "clean": protocol.finished})
        for test in boot.tests:
            if test.name in protocol.verdicts:
                ending = protocol.verdicts[test.name]
                self.results.append({**self.result(test, ending), "cpu": rounded(ending.cpu)})


def keep_blocks(output, path):
    """Of all that the emulator has said, the lines of images that say which blocks have run."""
    with open(output, encoding="utf-8", errors="replace") as said, \
            open(path, "a", encoding="ascii") as kept:
        kept.writelines(match[0] for match in SAID.finditer(said.read()))


def machine_of(test):
    """What has to be the same of all tests of one boot."""
    return (test.append, test.second, test.cores, test.e1000, bool(test.serial2),
            tuple(test.diskfiles), test.disk, test.data)


def save_console(directory, lines):
    """Keep what was printed since the start of a test that took the machine down."""
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "console.txt"), "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")


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
        images.add_kvm(archive, kernel, "coverage" if options.coverage and
                       options.modules == "nvx" else options.modules)
    if "root" in needs:
        images.add_modules(archive, kernel, images.ROOT_MODULES, "lab/modules/order-root")
        add_next_levels(archive, run, tests, work)
    if options.shell:
        archive.text("lab/shell", "")
        return archive
    if tests[0].second:
        add_second(archive, options, tests, work)
    for test in tests:
        add_test(archive, kernel, test, options.coverage)
    return archive


def that_says(spec, kernel, coverage):
    """With coverage, the vmm-refresh.ko of a kernel that says what has run, in place of the usual one."""
    if coverage and spec.startswith(SHIM_OF.format(release=kernel.release)):
        return spec.replace("/stripped/", "/coverage/", 1)
    return spec


def add_test(archive, kernel, test, coverage):
    """One test: its script, its settings, its files."""
    where = f"lab/test/{test.name}/"
    archive.file(where + "script", os.path.join(TOP, test.script))
    archive.text(where + "env", f"NEEDS='{' '.join(test.needs)}' KVM='{test.kvm}' "
                 f"MODULES='{' '.join(test.modules)}' TEST_ARGS='{test.args}'\n", 0o644)
    if test.modules:
        images.add_modules(archive, kernel, test.modules, where + "modules")
    for spec in test.files:
        images.add_file(archive, that_says(spec, kernel, coverage))


def add_second(archive, options, tests, work):
    """A kernel to boot beside L0, with its initramfs and its release: in /second."""
    kernel = find_kernel(options.second or tests[0].second)
    files = {that_says(for_kernel(spec, kernel), kernel, options.coverage): None
             for test in tests for spec in test.secondfiles}
    values = {**options.variables, "KMOD": options.second_modules, "KPARAMS": ""}
    initrd = os.path.join(work, "second.cpio")
    modules = sorted({name for test in tests for name in test.modules})
    images.second_initrd(kernel, filter(None, files), values, initrd, modules)
    archive.file("second/bzImage", kernel.vmlinuz)
    archive.file("second/initrd", initrd)
    archive.text("second/release", kernel.release + "\n", 0o644)


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
