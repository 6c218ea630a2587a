# SPDX-License-Identifier: GPL-2.0-only
"""Stock Debian kernels: download, unpack, and hand out their modules; debug kernels."""

import functools
import glob
import lzma
import os
import shutil
import subprocess

from . import debian
from .common import (BUILD, CACHE, LabError, TOP, UsageError, cache_lock,
                     new_directory, run_tool)
from .results import read_known

# Names of kernels in the lab: series, and flavour if it is not the general one.
# trixie: Debian 13's own, which selftests/deb/boot fetches.
KERNELS = ("6.1-cloud", "6.1", "6.12-cloud", "6.12", "6.12-trixie", "6.1-debug", "6.12-debug")
DEBUG_SUFFIX = "-debug"
TRIXIE = "6.12-trixie"
TRIXIE_DEBS = os.path.join(CACHE, "apt", "trixie", "linux-image-6.12.*-cloud-amd64_*.deb")
KNOWN_REPORTS = os.path.join(TOP, "selftests", "debug", "stock-reports")
BUILDER = os.path.join(TOP, "scripts", "build-modules")
DEBUG_BUILDER = os.path.join(TOP, "scripts", "build-debug-kernel")


class Kernel:
    """One unpacked Debian kernel package."""

    # Words for its command line, and how much slower than others it is.
    words = ""
    time_factor = 1
    # Titles of its reports that fail no test.
    known_reports = ()
    # Whether it has what L1 and L2 take: file system, virtio, network.
    levels = True

    def __init__(self, name, deb):
        self.name = name
        self.base = name.split("-", maxsplit=1)[0]
        package, self.version = os.path.basename(deb).split("_")[:2]
        self.release = package[len("linux-image-"):]
        self.deb = deb
        self.tree = os.path.join(CACHE, "kernels", f"{package}_{self.version}")
        self.vmlinuz = os.path.join(self.tree, "boot", "vmlinuz-" + self.release)

    def unpack(self):
        """Extract the package (never install it)."""
        if os.path.exists(self.vmlinuz):
            return
        with cache_lock(), new_directory(self.tree) as temp:
            run_tool(["dpkg-deb", "-x", self.deb, temp], what=f"unpacking {self.deb}")
            # Debian 13's packages have no /lib, which is a link there.
            if not os.path.exists(os.path.join(temp, "lib")):
                os.symlink("usr/lib", os.path.join(temp, "lib"))
            run_tool(["depmod", "-b", temp, self.release], what="module dependencies")

    @functools.cached_property
    def _modules(self):
        """Module name -> (path below the module directory, direct and indirect needs)."""
        top = os.path.join(self.tree, "lib", "modules", self.release)
        table = {}
        with open(os.path.join(top, "modules.dep"), encoding="ascii") as stream:
            for line in stream:
                path, _, needs = line.partition(":")
                table[module_name(path)] = (os.path.join(top, path),
                                            [module_name(need) for need in needs.split()])
        return table

    @functools.cached_property
    def _builtin(self):
        path = os.path.join(self.tree, "lib", "modules", self.release, "modules.builtin")
        with open(path, encoding="ascii") as stream:
            return {module_name(line.strip()) for line in stream}

    def module_order(self, names):
        """Names of @names and all they need, in the order of loading."""
        order = []

        def add(name):
            if name in order or name in self._builtin:
                return
            if name not in self._modules:
                raise UsageError(f"kernel {self.release} has no module '{name}'")
            # modules.dep lists the deepest need last.
            for need in reversed(self._modules[name][1]):
                add(need)
            order.append(name)

        for name in names:
            add(name.replace("-", "_"))
        return order

    def module_file(self, name):
        """A stripped, uncompressed copy of the module @name."""
        source = self._modules[name][0]
        copy = os.path.join(self.tree, "stripped", name + ".ko")
        if not os.path.exists(copy):
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            strip_module(source, copy)
        return copy

    def kvm_modules(self, variant):
        """Host paths of kvm.ko and kvm-intel.ko: the stock ones, ours, or those that say what has run.

        Ours is the one with the switches for measuring, of the same objects as the
        operator's: where that one has been built alone since, it is linked anew.
        """
        if variant == "stock":
            return self.module_file("kvm"), self.module_file("kvm_intel")
        built = os.path.join(BUILD, "modules", self.release)
        if variant == "coverage":
            return tuple(os.path.join(built, "coverage", name) for name in ("kvm.ko", "kvm-intel.ko"))
        sources = [os.path.join(built, name) for name in ("kvm.ko", "measure/kvm-intel.ko")]
        operators = os.path.join(built, "kvm-intel.ko")
        if (not all(os.path.exists(path) for path in (*sources, operators)) or
                os.path.getmtime(sources[1]) < os.path.getmtime(operators)):
            run_tool(["env", "MEASURE=1", BUILDER, self.release],
                     what=f"building the nvx modules for {self.release}")
        copies = []
        for path in sources:
            if not os.path.exists(path):
                raise LabError(f"{path} is missing after `MEASURE=1 {BUILDER} {self.release}`")
            copy = os.path.join(built, ".lab", os.path.basename(path))
            if not os.path.exists(copy) or os.path.getmtime(copy) <= os.path.getmtime(path):
                os.makedirs(os.path.dirname(copy), exist_ok=True)
                strip_module(path, copy)
            copies.append(copy)
        return tuple(copies)


class DebugKernel(Kernel):
    """One that scripts/build-debug-kernel has built."""

    # Without it, KASAN reports the first access only.
    words = "kasan_multi_shot"
    time_factor = 6
    levels = False

    def __init__(self, name, tree):  # pylint: disable=super-init-not-called
        self.name = name
        self.base = name.split("-", maxsplit=1)[0]
        self.tree = tree
        with open(os.path.join(tree, "version"), encoding="ascii") as stream:
            self.version = stream.read().strip()
        self.release, = os.listdir(os.path.join(tree, "lib", "modules"))
        self.vmlinuz = os.path.join(tree, "boot", "vmlinuz-" + self.release)

        self.known_reports = read_known(KNOWN_REPORTS)

    def unpack(self):
        """Nothing to do: it is not a package."""


def module_name(path):
    """The kernel's name of the module in a file."""
    return os.path.basename(path).split(".ko", maxsplit=1)[0].replace("-", "_")


def functions_of(module):
    """Names of the functions in the file of a module, without their paddings'."""
    text = run_tool(["readelf", "--symbols", "--wide", module], what=f"reading {module}")
    rows = (line.split() for line in text.splitlines())
    return sorted({row[7] for row in rows if len(row) > 7 and row[3] == "FUNC"
                   and row[6] != "UND" and not row[7].startswith("__pfx_")})


def strip_module(source, copy):
    """Drop debug data, and names that are of no function and of no use to the loader.

    Loading kvm.ko costs the emulated machine 564 M instructions with debug data, 230 M
    without (350 M on 6.12), and 165 M (200 M) without such names: ftrace looks each
    function up in a list of all of them.
    """
    temp = f"{copy}.tmp.{os.getpid()}"
    if source.endswith(".xz"):
        with lzma.open(source) as packed, open(temp, "wb") as plain:
            shutil.copyfileobj(packed, plain)
    else:
        shutil.copyfile(source, temp)
    keep = temp + ".keep"
    with open(keep, "w", encoding="ascii") as stream:
        stream.writelines(name + "\n" for name in functions_of(temp))
    # What is global is needed to objcopy, the paddings of 6.12 too.
    run_tool(["objcopy", "--strip-unneeded", "--keep-symbols=" + keep, "--wildcard",
              "--strip-symbol=__pfx_*", temp], what=f"stripping {source}")
    os.unlink(keep)
    os.rename(temp, copy)


def find_kernel(name):
    """Resolve a lab name to a kernel package and unpack it."""
    if name not in KERNELS:
        raise UsageError(f"unknown kernel '{name}'; known: {' '.join(KERNELS)}")
    if name.endswith(DEBUG_SUFFIX):
        return DebugKernel(name, build_debug_kernel(name[:-len(DEBUG_SUFFIX)]))
    if name == TRIXIE:
        return trixie_kernel()
    release, version = debian.lab_release(name)
    kernel = Kernel(name, debian.download("linux-image-" + release, version))
    kernel.unpack()
    return kernel


def trixie_kernel():
    """Debian 13's kernel, of the packages that its root has been made of."""
    found = sorted(glob.glob(TRIXIE_DEBS), key=os.path.getmtime)
    if not found:
        raise LabError(f"there is no {os.path.relpath(TRIXIE_DEBS)}: run "
                       "`selftests/deb/boot --debian trixie`, which fetches it")
    kernel = Kernel(TRIXIE, found[-1])
    kernel.unpack()
    return kernel


def build_debug_kernel(base):
    """Directory of the debug kernel of @base; building it takes minutes, once."""
    done = subprocess.run([DEBUG_BUILDER, base], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True, errors="replace", check=False)
    if done.returncode:
        raise LabError(f"scripts/build-debug-kernel {base} failed, it has said why")
    return done.stdout.strip()
