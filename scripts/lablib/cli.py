# SPDX-License-Identifier: GPL-2.0-only
"""Command line of scripts/lab."""

import argparse
import contextlib
import fcntl
import os
import re
import shutil
import signal
import sys
import time

from . import config, emulator, images, profile, reuse
from .common import CACHE, LAB, PACKAGES, LabError, UsageError, product_digest
from .console import Progress
from .kernels import KERNELS, find_kernel
from .machine import BACKENDS, pick_backend
from .results import totals, write_report
from .runner import Options, Run
from .shell import ShellBoot

EXIT_BROKEN = 125
EXIT_USAGE = 126
EXIT_INTERRUPT = 130
MAX_FAILED = 100


class Parser(argparse.ArgumentParser):
    """argparse with this tool's exit status for usage errors."""

    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def assignment(text):
    """VAR=VALUE with a shell name on the left."""
    name, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise argparse.ArgumentTypeError(f"'{text}' is not VAR=VALUE")
    return name, value


def module_parameter(text):
    """PARAM=VALUE of kvm-intel, kvm.PARAM=VALUE of kvm."""
    if not re.fullmatch(r"[A-Za-z0-9_.]+=[A-Za-z0-9_,.+-]+", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not PARAM=VALUE")
    return text


def instructions(text):
    """Instructions per second that Bochs takes."""
    if not text.isdigit() or not 1_000_000 <= int(text) <= 4_000_000_000:
        raise argparse.ArgumentTypeError(f"'{text}': a number from 1000000 to 4000000000")
    return int(text)


def run_name(text):
    """A directory name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", text):
        raise argparse.ArgumentTypeError(f"'{text}': letters, digits and ._- only")
    return text


def profile_name(operation, modules):
    """A run's name where none is given: of what --name takes, as the emulator's configuration has commas."""
    return run_name(f"profile-{re.sub('[^A-Za-z0-9_.-]', '-', operation)}-{modules}")


def config_option(parser):
    """Where the tests are described."""
    parser.add_argument("--config", default=config.CONFIG, metavar="FILE",
                        help="description of the tests (default: selftests/tests.cfg)")


def machine_options(parser):
    """Options of all commands that boot."""
    parser.add_argument("--kernel", default="6.1-cloud", choices=KERNELS, metavar="KERNEL",
                        help=f"one of {' '.join(KERNELS)} (default: 6.1-cloud)")
    parser.add_argument("--modules", default="stock", choices=("stock", "nvx"),
                        help="KVM modules of L0 (default: stock)")
    parser.add_argument("--l1-modules", default="stock", choices=("stock", "nvx"),
                        help="KVM modules of L1 (default: stock)")
    parser.add_argument("--cpus", type=int, default=1, help="CPUs of the machine (default: 1)")
    parser.add_argument("--mem", type=int, default=0, metavar="MIB",
                        help="memory (default: what the tests ask for)")
    parser.add_argument("--ips", type=instructions, default=0, metavar="N",
                        help="instructions in an emulated second, the rate of the TSC (default: "
                        "500000000; below 429496730 KVM uses the VMX-preemption timer)")
    parser.add_argument("--backend", default="auto", choices=("auto", *BACKENDS),
                        help="auto = qemu if the host has nested VMX, else bochs")
    parser.add_argument("--param", action="append", default=[], type=module_parameter,
                        metavar="PARAM=VALUE",
                        help="parameter of L0's kvm-intel (kvm.PARAM=VALUE: of kvm)")
    parser.add_argument("--set", action="append", default=[], type=assignment, dest="variables",
                        metavar="VAR=VALUE", help="variable for the test scripts, all levels")
    parser.add_argument("--append", default="", metavar="WORDS",
                        help="more words for the kernel command line of L0")
    parser.add_argument("--defaults", action="store_true",
                        help="KASLR and mitigations of L0 as the kernel has them by default")
    parser.add_argument("--shim", action="store_true",
                        help="run each KVM selftest program (kvm:NAME) above the shim")
    parser.add_argument("--coverage", action="store_true",
                        help="vmm-refresh.ko, its shim, and L0's KVM with --modules nvx say what of "
                        "them has run: blocks.txt, for scripts/coverage --lab "
                        "(COVERAGE=1 scripts/build-modules builds them)")
    parser.add_argument("--second", default="", choices=("", *KERNELS), metavar="KERNEL",
                        help="the kernel that boots beside L0, in tests that have one "
                        "(default: what tests.cfg says)")
    parser.add_argument("--second-modules", default="stock", choices=("stock", "nvx"),
                        help="KVM modules of the kernel that boots beside L0 (default: stock)")
    config_option(parser)
    parser.set_defaults(model=emulator.DEFAULT_CPU, x2apic=False)
    parser.add_argument("--name", type=run_name, help="name of the run (default: the time)")


def model_option(parser):
    """Which CPU the emulator has."""
    parser.add_argument("--cpu", dest="model", default=emulator.DEFAULT_CPU, metavar="NAME",
                        help="CPU model of Bochs (default: %(default)s)")
    parser.add_argument("--x2apic", action="store_true",
                        help="CPUID says that the machine is KVM's, where Linux takes x2APIC mode "
                        "without interrupt remapping")


def reuse_option(parser):
    """Whether a run may be spared."""
    parser.add_argument("--reuse", action="store_true",
                        help="stock modules only: take the results of the same run of another "
                        "day if all passed (LAB_FRESH=1 in the environment: boot all the same)")


def profile_options(parser):
    """Options of `lab profile`."""
    machine_options(parser)
    reuse_option(parser)
    parser.add_argument("--samples", type=int, default=6,
                        help="operations to trace; the one that most others confirm "
                        "counts (default: 6)")
    parser.add_argument("--native", action="store_true",
                        help="run the operation in a guest of L0, without an L1")
    parser.add_argument("--cpu", default="host,-umip",
                        help="CPU that QEMU gives L1 (default: host,-umip)")
    parser.add_argument("--l1-params", default="", metavar="WORDS",
                        help="parameters of L1's kvm-intel, commas between them")
    parser.add_argument("--diff", nargs=2, metavar=("A", "B"),
                        help="compare two profiles: runs or profile.json files")
    parser.add_argument("op", nargs="?", metavar="OP",
                        help="operation, for example cpuid (nvx-vmm --list); several in one "
                        "boot: OP,OP,... which leaves profile-OP.txt and .json of each; OP:N "
                        "traces N of one")
    parser.set_defaults(handler=command_profile)


def build_parser():
    """All commands."""
    parser = Parser(prog="lab", description=__import__("lablib").__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run tests", description="Run tests.  Exit status: "
                              "number of failed tests; 125 = the lab is broken, 126 = usage.  "
                              "LAB_TIME_FACTOR=N in the environment multiplies time limits, "
                              "LAB_EMULATOR=built or distribution chooses the Bochs.")
    machine_options(run)
    model_option(run)
    reuse_option(run)
    run.add_argument("--timeout", type=int, default=0, metavar="S",
                     help="wall seconds for the whole run (default: no limit)")
    run.add_argument("--keep", action="store_true", help="keep the images of each boot")
    run.add_argument("tests", nargs="+", metavar="TEST",
                     help="section of tests.cfg, group:NAME, or kvm:GLOB")
    run.set_defaults(handler=command_run)
    shell = commands.add_parser(
        "shell", help="boot and give a shell in L0",
        description="Boot and give a shell in L0, with the functions of lab/lib.sh: kvm_load [PARAM=VALUE...] "
        "loads KVM anew; l1_boot TAG SCRIPT boots Linux as L1 and runs a script in it, where l2_boot TAG SCRIPT "
        "does so with L2.  What they say on their consoles is in l1/TAG.console and l1/TAG/l2/TAG.console.  exit, "
        "or Ctrl-], ends it.")
    machine_options(shell)
    model_option(shell)
    shell.set_defaults(handler=command_shell)
    tracing = commands.add_parser(
        "profile", help="count the instructions of one operation per function",
        description="Trace one operation of nvx-vmm's guest in Bochs; leaves profile.txt and "
        "profile.json in the run's directory.  With --diff, compare two such runs.")
    profile_options(tracing)
    listing = commands.add_parser("list", help="list tests, groups, kernels")
    config_option(listing)
    listing.set_defaults(handler=command_list)
    clean = commands.add_parser("clean", help="delete the runs (and with --cache the caches)")
    clean.add_argument("--cache", action="store_true", help="delete kernels and images too")
    clean.set_defaults(handler=command_clean)
    build = commands.add_parser("images", help="download the kernel and build its images")
    build.add_argument("--kernel", default="6.1-cloud", choices=KERNELS, metavar="KERNEL")
    build.set_defaults(handler=command_images)
    packages = commands.add_parser("packages", help="print the Debian packages the lab needs")
    packages.set_defaults(handler=command_packages)
    return parser


@contextlib.contextmanager
def run_directory(name):
    """An empty directory for one run; no two runs share it."""
    name = name or time.strftime("%Y%m%d-%H%M%S-") + str(os.getpid())
    path = os.path.join(LAB, name)
    os.makedirs(LAB, exist_ok=True)
    lock = os.path.join(LAB, f".{name}.lock")
    with open(lock, "w", encoding="ascii") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise UsageError(f"a run named '{name}' is going on") from err
        try:
            shutil.rmtree(path, ignore_errors=True)
            os.makedirs(path)
            yield path
        finally:
            os.unlink(lock)


def time_factor():
    """What the environment says of the speed of this machine."""
    text = os.environ.get("LAB_TIME_FACTOR", "1")
    try:
        factor = float(text)
    except ValueError:
        factor = 0
    if not 0.1 <= factor <= 100:
        raise UsageError(f"LAB_TIME_FACTOR={text}: a number from 0.1 to 100 is wanted")
    return factor


def make_options(args):
    """Options of a run from the command line."""
    if args.cpus < 1:
        raise UsageError("--cpus: at least 1")
    backend = pick_backend(args.backend)
    if backend != "bochs" and args.model != emulator.DEFAULT_CPU:
        raise UsageError("--cpu: only with --backend bochs")
    if backend != "bochs" and args.x2apic:
        raise UsageError("--x2apic: only with --backend bochs")
    return Options(kernel=find_kernel(args.kernel), backend=backend,
                   emulator=emulator.choose(args.model, args.x2apic)
                   if backend == "bochs" else None,
                   modules=args.modules, l1_modules=args.l1_modules, cpus=args.cpus,
                   mem=args.mem, ips=args.ips, timeout=getattr(args, "timeout", 0), params=args.param,
                   variables=dict(args.variables), append=args.append,
                   defaults=args.defaults, shim=args.shim, second=args.second,
                   second_modules=args.second_modules, coverage=args.coverage,
                   time_factor=time_factor(), product=product_digest())


def command_run(args):
    """Run tests and report."""
    start = time.monotonic()
    sections = config.read_config(args.config)
    options = make_options(args)
    tests = config.select(args.tests, options.kernel, sections)
    progress = Progress(start)
    with run_directory(args.name) as directory:
        run = Run(directory, options, progress, start)
        run.keep_boots = args.keep
        key = reuse_key(args, run, tests)
        results = reused(key, directory, options)
        if results is None:
            try:
                run.execute(tests)
            finally:
                progress.end()
                write_report(directory, options, run.results, run.boots,
                             time.monotonic() - start)
            results = run.results
            if key:
                reuse.keep(key, directory, results)
        show_results(results)
        print(f"report: {os.path.relpath(directory)}/report.json")
    passed, failed, skipped = totals(results)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return min(failed, MAX_FAILED)


def reuse_key(args, run, tests):
    """What to look up and keep results under, None if that is not wanted."""
    if not args.reuse:
        return None
    reuse.check_stock(run.options, tests)
    return reuse.run_key(run, tests)


def reused(key, directory, options):
    """Results of the same run of another day, put into the directory, or None."""
    report = reuse.take(key, directory, options.product) if key else None
    if report is None:
        return None
    print(f"cached: nothing of this run has changed since it passed, {report['cached']}")
    return report["tests"]


def command_shell(args):
    """Boot once and hand the console to the user."""
    start = time.monotonic()
    options = make_options(args)
    options.shell = True
    needs = ["vmx", "root"] if options.kernel.levels else ["vmx"]
    tests = [config.Test(name="shell", script="", needs=needs)]
    with run_directory(args.name or "shell") as directory:
        run = Run(directory, options, Progress(start), start)
        boot = ShellBoot(run, tests, 1)
        boot.prepare()
        try:
            boot.go()
        finally:
            boot.collect()
    return 0


def command_profile(args):
    """Trace one operation, or compare two traces."""
    if args.diff:
        paths = [path if os.path.exists(path) else os.path.join(LAB, path) for path in args.diff]
        print(profile.diff_text(*map(profile.load_profile, paths)), end="")
        return 0
    if not args.op:
        raise UsageError("profile: name an operation, or two runs with --diff")
    if args.backend == "qemu" or args.cpus != 1:
        raise UsageError("profile: works with --backend bochs and one CPU only")
    start = time.monotonic()
    args.backend = "bochs"
    ops = profile.operations(args.op, args.samples)
    args.variables += [("PROFILE_OPS", " ".join(f"{op}:{number}" for op, number in ops)),
                       ("PROFILE_CPU", args.cpu), ("L1_PARAMS", re.sub(r",(?=[\w.]+=)", " ", args.l1_params)),
                       ("PROFILE_NATIVE", str(int(args.native)))]
    options = make_options(args)
    options.traces = sum(number for _, number in ops)
    with run_directory(args.name or profile_name(args.op, args.modules)) as directory:
        run = Run(directory, options, Progress(start), start)
        tests = [profile.lab_test(args.native)]
        key = reuse_key(args, run, tests)
        if reused(key, directory, options) is None:
            try:
                run.execute(tests)
            finally:
                write_report(directory, options, run.results, run.boots,
                             time.monotonic() - start)
            profile.finish(directory, run.results[0], args)
            if key:
                reuse.keep(key, directory, run.results)
        for path in profile.files(directory, args.op):
            print(profile.profile_text(profile.load_profile(path)))
        print(f"profile: {os.path.relpath(directory)}/profile*.json")
    return 0


def show_results(results):
    """One line a test."""
    width = max([len(result["name"]) for result in results], default=0)
    for result in results:
        counts = result["subtests"]
        note = result["reason"]
        if any(counts.values()) and not note:
            note = f"{counts['pass']} subtests passed, {counts['skip']} skipped"
        print(f"{result['verdict']:<12} {result['name']:<{width}} {result['seconds']:7.1f} s"
              f"  {note}".rstrip())


def command_list(args):
    """List tests, groups and kernels."""
    sections = config.read_config(args.config)
    print("tests:")
    for name, section in sections.items():
        print(f"  {name:<28} groups: {section.get('group', '-'):<24} "
              f"needs: {section.get('needs', '-')}")
    groups = {group for section in sections.values() for group in section.get("group", "").split()}
    print("groups:  " + " ".join(sorted(groups)))
    print("kernels: " + " ".join(KERNELS))
    for base in sorted({name.split("-", maxsplit=1)[0] for name in KERNELS}):
        print(f"kvm:GLOB for {base}: {len(config.kvm_binaries(base))} programs")
    return 0


def command_clean(args):
    """Delete generated files."""
    shutil.rmtree(LAB, ignore_errors=True)
    if args.cache:
        for name in ("kernels", "images", "debs"):
            shutil.rmtree(os.path.join(CACHE, name), ignore_errors=True)
    return 0


def command_images(args):
    """Fill the cache for one kernel."""
    kernel = find_kernel(args.kernel)
    print(f"kernel: {kernel.release} {kernel.version}")
    print(f"root disk: {os.path.relpath(images.root_disk(kernel))}")
    return 0


def command_packages(_args):
    """Print what to install."""
    print("\n".join(PACKAGES))
    return 0


def interrupt(_number, _frame):
    """SIGTERM ends the lab like Ctrl-C: through every `finally`."""
    raise KeyboardInterrupt


def main(argv):
    """Entry point; returns the exit status."""
    signal.signal(signal.SIGTERM, interrupt)
    args = build_parser().parse_args(argv)
    try:
        return args.handler(args)
    except UsageError as err:
        print(f"lab: {err}", file=sys.stderr)
        return EXIT_USAGE
    except LabError as err:
        print(f"lab: broken: {err}", file=sys.stderr)
        return EXIT_BROKEN
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return EXIT_INTERRUPT
