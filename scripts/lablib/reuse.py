# SPDX-License-Identifier: GPL-2.0-only
"""Results of runs that nothing of this project can change: what passed once need not boot again.

The key of such a run is all that its machine is made of: the initramfs with the tests and
their files, kernel, command line, disk, firmware, emulator, and the lab's own code.
"""

import contextlib
import dataclasses
import glob
import hashlib
import json
import os
import shutil
import tempfile
import time

from . import images
from .common import CACHE, LabError, TOP, UsageError, file_digest, new_directory
from .runner import l0_archive

# Set to anything: boot all the same (and keep the new results).
FRESH = "LAB_FRESH"
KEEP_DAYS = 30
# Parts of the lab's code that no machine depends on.
UNRELATED = ("limits.py", "papersource.py", "papertext.py", "registry.py", "suites.py")
FIRMWARE = ("/usr/share/bochs/BIOS-bochs-latest", "/usr/share/bochs/VGABIOS-lgpl-latest",
            "/usr/lib/ISOLINUX/isolinux.bin", "/usr/lib/syslinux/modules/bios/ldlinux.c32")
# What is missing today will be missing tomorrow: that is in the key, too.
GOOD = ("pass", "skip")
# Too large to keep, and of no use once it has been read.
DROPPED = ("trace.txt",)


def directory():
    """Where results are kept: for all checkouts on this machine."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(home, "nvx-lab", "runs")


def check_stock(options, tests):
    """Refuse what contains code of ours beside the tests."""
    ours = [spec for test in tests for spec in
            (*test.files, *test.l1files, *test.l2files, *test.secondfiles)
            if spec.startswith("build/modules/")]
    variants = {options.modules, options.l1_modules, options.second_modules}
    if variants != {"stock"} or options.shim or ours:
        raise UsageError("--reuse: only for stock modules at all levels, without the shim")


def code_digests():
    """The lab's code."""
    here = os.path.dirname(os.path.abspath(__file__))
    return [(os.path.basename(path), file_digest(path))
            for path in sorted(glob.glob(os.path.join(here, "*.py")))
            if os.path.basename(path) not in UNRELATED]


def text_of(options, tests):
    """Everything but files that decides about a run, as text; nothing of where it runs."""
    machine = {name: getattr(options, name) for name in
               ("backend", "modules", "l1_modules", "cpus", "mem", "ips", "params", "variables",
                "append", "defaults", "traces", "second", "second_modules", "coverage")}
    machine["kernel"] = (options.kernel.name, options.kernel.release, options.kernel.version)
    machine["cpu"] = options.emulator and (options.emulator.cpu, options.emulator.x2apic)
    tests = [dataclasses.asdict(test) for test in tests]
    text = json.dumps({"machine": machine, "tests": tests}, sort_keys=True)
    return text.replace(os.path.join(CACHE, ""), "").replace(os.path.join(TOP, ""), "")


def key_of(parts):
    """One name for texts, each with what it is of."""
    digest = hashlib.sha256()
    for name, text in parts:
        digest.update(f"{name}\0{len(text)}\0{text}\0".encode())
    return digest.hexdigest()[:24]


def initramfs_digest(run, tests):
    """The initramfs of L0 for all tests, with those of L1 and L2 in it."""
    with tempfile.TemporaryDirectory(dir=run.directory) as work:
        path = os.path.join(work, "initrd")
        l0_archive(run, tests, work).write(path)
        return file_digest(path)


def run_key(run, tests):
    """The key of a run."""
    options = run.options
    parts = [("settings", text_of(options, tests)), ("initramfs", initramfs_digest(run, tests)),
             ("kernel", file_digest(options.kernel.vmlinuz)), *code_digests()]
    # The name of the disk has its contents in it.
    parts += [("disk", os.path.basename(os.path.dirname(images.root_disk(options.kernel))))]
    parts += [(path, file_digest(os.path.join(TOP, path))) for test in tests
              for path in (*(spec.partition(":")[0] for spec in test.diskfiles), test.disk)
              if os.path.isfile(os.path.join(TOP, path))]
    parts += [(path, file_digest(path)) for path in FIRMWARE if os.path.exists(path)]
    parts += [("emulator", file_digest(options.emulator.program))] if options.emulator else []
    return key_of(parts)


def forget_old(now):
    """Drop what nobody has asked for in a month."""
    for path in glob.glob(os.path.join(directory(), "*")):
        with contextlib.suppress(OSError):
            if now - os.path.getmtime(path) > KEEP_DAYS * 86400:
                shutil.rmtree(path, ignore_errors=True)


def take(key, target, product):
    """Copy results to @target; the report, or None where there are none.

    They are as good as new ones of @product, which they do not depend on.
    """
    source = os.path.join(directory(), key)
    if os.environ.get(FRESH) or not os.path.exists(os.path.join(source, "report.json")):
        return None
    shutil.copytree(source, target, dirs_exist_ok=True)
    os.utime(source)
    path = os.path.join(target, "report.json")
    with open(path, encoding="utf-8") as stream:
        report = json.load(stream)
    report["product"] = product
    # Its times are those of another day.
    report["cached"] = time.strftime("%Y-%m-%d %H:%M", time.localtime(os.path.getmtime(path)))
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(report, stream, indent=1)
        stream.write("\n")
    return report


def keep(key, source, results):
    """Keep the files of a run in which no test failed."""
    if not results or any(result["verdict"] not in GOOD for result in results):
        return False
    target = os.path.join(directory(), key)
    try:
        os.makedirs(directory(), exist_ok=True)
        with new_directory(target) as temp:
            shutil.copytree(source, temp, dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns(*DROPPED, "boot[0-9]*"))
    except OSError as err:
        raise LabError(f"cannot keep the results in {target}: {err}; LAB_FRESH=1 does "
                       "without") from err
    forget_old(time.time())
    return True
