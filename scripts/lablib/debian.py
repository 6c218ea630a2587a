# SPDX-License-Identifier: GPL-2.0-only
"""Which of Debian's kernel packages belong together, and where a kernel's source is.

The archive publishes the source package before the signed image and headers, and the
headers of a new ABI before its image: after a security update there are often no newest
versions that fit each other, but older ones that do.
"""

import functools
import glob
import os
import re
import shutil
import subprocess

from .common import CACHE, LabError, TOP, UsageError, new_directory, run_tool

DEBS = os.path.join(CACHE, "debs")
SOURCES = os.path.join(CACHE, "sources")
# Unpacked source of kernels that were built for, PACKAGE_VERSION/: in a lasting cache only.
KEPT = os.path.join(CACHE, "kept") if "NVX_CACHE" in os.environ else ""
# While packages are being installed nothing is downloaded.
OFFLINE = os.environ.get("NVX_OFFLINE") == "1"
BASES = os.path.join(TOP, "scripts", "bases")


def bases():
    """Known kernel series: base -> name of the source package."""
    with open(BASES, encoding="utf-8") as stream:
        rows = [line.split() for line in stream if line.strip() and not line.startswith("#")]
    return {row[0]: row[1] for row in rows}


def source_package(base):
    """Name of the source package of @base."""
    known = bases()
    if base not in known:
        raise UsageError(f"unknown kernel base '{base}': known are {' '.join(known)}; "
                         "a new one needs hooks (Documentation/hooks.rst)")
    return known[base]


def base_of(release):
    """Series of a kernel release, as in uname -r."""
    match = re.match(r"\d+\.\d+(?=[.-])", release)
    return match.group() if match else release


# ---- versions

def is_older(first, second):
    """Debian's order of versions."""
    return subprocess.run(["dpkg", "--compare-versions", first, "lt", second],
                          check=False).returncode == 0


def compare(first, second):
    """The same for sort()."""
    return 0 if first == second else -1 if is_older(first, second) else 1


version_key = functools.cmp_to_key(compare)


def upstream(version):
    """The upstream release of a version: 6.1.192 of 6.1.192-2."""
    return version.rpartition("-")[0] or version


def release_pattern(name):
    """Kernel releases of a lab name: 6.1-cloud has 6.1.0-56-cloud-amd64, but not -rt-amd64."""
    base, _, flavour = name.partition("-")
    suffix = f"-{flavour}-amd64" if flavour else "-amd64"
    return rf"{re.escape(base)}\.[\w.+~]+(-\d+)?{suffix}"


# ---- what there is

def madison(packages):
    """Versions that the archive offers: package -> list of versions, newest first."""
    offered = {}
    if not packages:
        return offered
    for line in run_tool(["apt-cache", "madison", *packages],
                         what="asking apt for versions").splitlines():
        words = [word.strip() for word in line.split("|")]
        # With deb-src lines there are rows of source packages, too.
        if len(words) == 3 and not words[2].endswith(" Sources"):
            offered.setdefault(words[0], set()).add(words[1])
    return {name: sorted(versions, key=version_key, reverse=True)
            for name, versions in offered.items()}


def offered_kernels(names):
    """What the archive has of the releases of some lab names, and of their source."""
    packages = [source_package(name.partition("-")[0]) for name in names]
    pattern = "linux-(headers|image)-(" + "|".join(map(release_pattern, names)) + ")"
    # Each call costs apt-cache a second where its own cache is switched off.
    found = run_tool(["apt-cache", "pkgnames", "linux-"], what="asking apt for kernels")
    packages += [package for package in found.split() if re.fullmatch(pattern, package)]
    return madison(packages)


def installed_version(package):
    """Version of an installed package, or an empty string."""
    done = subprocess.run(["dpkg-query", "-W", "-f=${db:Status-Status} ${Version}", package],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    status, _, version = done.stdout.partition(" ")
    return version if status == "installed" else ""


def installed_headers(name):
    """Releases of a lab name with installed headers: (release, version), newest first."""
    done = subprocess.run(["dpkg-query", "-W", "-f=${db:Status-Status} ${Package} ${Version}\n",
                           f"linux-headers-{name.partition('-')[0]}*"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    found = []
    for line in done.stdout.splitlines():
        status, package, version = line.split()
        release = package[len("linux-headers-"):]
        if status == "installed" and re.fullmatch(release_pattern(name), release):
            found.append((release, version))
    return sorted(found, key=lambda row: (version_key(row[1]), row[0]), reverse=True)


def cached_debs(package, directory=None):
    """Packages in the cache: version -> path."""
    found = {}
    for path in glob.glob(os.path.join(directory or DEBS, glob.escape(package) + "_*.deb")):
        found[os.path.basename(path).split("_")[1].replace("%3a", ":")] = path
    return found


def download(package, version):
    """Path of the .deb of a package, from the cache or from the archive."""
    os.makedirs(DEBS, exist_ok=True)
    if version not in cached_debs(package):
        run_tool(["apt-get", "-q", "download", f"{package}={version}"], cwd=DEBS,
                 what=f"downloading {package} {version}")
    path = cached_debs(package).get(version)
    if not path:
        raise LabError(f"`apt-get download {package}={version}` left no file in {DEBS}")
    return path


# ---- what belongs together

def choose_source(wanted, versions):
    """The source for headers of version @wanted: equal, else of the same upstream release."""
    if wanted in versions:
        return wanted
    same = [version for version in versions if upstream(version) == upstream(wanted)]
    return max(same, key=version_key, default="")


def pairs(name, offered):
    """Releases whose headers and image are there in one version: (version, release)."""
    found = []
    for package, versions in offered.items():
        release = package[len("linux-image-"):]
        if package.startswith("linux-image-") and re.fullmatch(release_pattern(name), release):
            headers = offered.get("linux-headers-" + release, ())
            found += [(version, release) for version in versions if version in headers]
    return sorted(found, key=lambda row: (version_key(row[0]), row[1]), reverse=True)


def choose(name, offered):
    """(release, version, version of the source) of the newest kernel that is complete."""
    package = source_package(name.partition("-")[0])
    sources = offered.get(package, ())
    complete = pairs(name, offered)
    if not complete:
        raise LabError(f"apt has no kernel {name} with image and headers of one version: wrong "
                       "Debian release, or `apt-get update` has not run")
    for version, release in complete:
        source = choose_source(version, sources)
        if source:
            return release, version, source
    raise LabError(f"apt has {package} {', '.join(sources) or '(none)'}, but no source of "
                   f"{', '.join(sorted({upstream(row[0]) for row in complete}))}, which the headers "
                   f"of kernel {name} are of: run `apt-get update`, or try later")


def lab_release(name):
    """(release, version) of the kernel that a lab name stands for on this machine.

    One that modules can be built for, if there is any: its headers are installed.
    """
    for release, version in installed_headers(name):
        if version in cached_debs("linux-image-" + release):
            return release, version
    try:
        offered = offered_kernels([name])
        for release, version in installed_headers(name):
            if version in offered.get("linux-image-" + release, ()):
                return release, version
        return choose(name, offered)[:2]
    except LabError as err:
        # Without a network, what was used last.
        cached = [tuple(os.path.basename(path)[len("linux-image-"):].split("_")[:2])
                  for path in glob.glob(os.path.join(DEBS, "linux-image-*.deb"))]
        cached = [row for row in cached if re.fullmatch(release_pattern(name), row[0])]
        if not cached:
            raise LabError(f"no kernel {name} in {DEBS} and apt cannot get one: {err}") from err
        return max(cached, key=lambda row: version_key(row[1]))


# ---- source

def kept_sources(package):
    """Source that was unpacked before: version -> directory."""
    if not KEPT:
        return {}
    pattern = os.path.join(glob.escape(KEPT), package + "_*", "virt")
    paths = [os.path.dirname(path) for path in glob.glob(pattern) if ".tmp." not in path]
    return {os.path.basename(path)[len(package) + 1:]: path for path in paths}


def have_sources(package):
    """Source that needs no download: version -> path of a tarball, a .deb or a directory."""
    found = cached_debs(package)
    tarball = f"/usr/src/{package}.tar.xz"
    version = installed_version(package)
    if version and os.path.exists(tarball):
        found[version] = tarball
    found.update(kept_sources(package))
    return found


def find_source(base, wanted, any_release=False):
    """(version, path) of the source for headers of version @wanted ('' any)."""
    package = source_package(base)
    have = have_sources(package)
    if wanted in have:
        return wanted, have[wanted]
    if not wanted and have:
        version = max(have, key=version_key)
        return version, have[version]
    try:
        offered = [] if OFFLINE else madison([package]).get(package, [])
    except LabError:
        offered = []
    if wanted in offered:
        return wanted, download(package, wanted)
    known = sorted({*have, *offered}, key=version_key)
    version = choose_source(wanted, known)
    if not version and known and (any_release or not wanted):
        version = known[-1]
    if not version and OFFLINE:
        raise UsageError(f"no {package} of {upstream(wanted) or base} is installed or kept in "
                         f"{CACHE} (there is: {', '.join(known) or 'none'}): run "
                         "'nestcloud-source', which fetches and keeps it, then 'dkms autoinstall'")
    if not version:
        raise UsageError(f"no {package} of {upstream(wanted) or base} is installed or to be had "
                         f"(there is: {', '.join(known) or 'none'}): run 'apt-get update' and "
                         "'make deps', or build with SKEW=1 from another release")
    return version, have.get(version) or download(package, version)


def tarball_of(package, version, path):
    """The tarball in a source package: itself, or taken out of a .deb."""
    if not path.endswith(".deb"):
        return path
    directory = os.path.join(SOURCES, f"{package}_{version}")
    tarball = os.path.join(directory, package + ".tar.xz")
    if not os.path.exists(tarball):
        with new_directory(directory) as temp:
            run_tool(["dpkg-deb", "-x", path, os.path.join(temp, "deb")],
                     what=f"unpacking {path}")
            os.rename(os.path.join(temp, "deb", "usr", "src", package + ".tar.xz"),
                      os.path.join(temp, package + ".tar.xz"))
    return tarball


def keep(package, version, path):
    """Keep what modules are built from: the source package is replaced some day."""
    directory = os.path.join(KEPT, f"{package}_{version}")
    if path == directory:
        return directory
    tarball = tarball_of(package, version, path)
    with new_directory(directory) as temp:
        run_tool(["tar", "-xf", tarball, "-C", temp, "--strip-components=1",
                  f"{package}/arch/x86/kvm", f"{package}/virt"], what=f"unpacking {tarball}")
    if path.endswith(".deb"):
        shutil.rmtree(os.path.dirname(tarball))
        os.remove(path)
    return directory


# ---- what to install

def missing_for(name, offered):
    """What building for a lab's kernel needs: (action, package, version, remark) of each."""
    base = name.partition("-")[0]
    package = source_package(base)
    release, version, source = choose(name, offered)
    rows = []
    if installed_version("linux-headers-" + release) != version:
        rows.append(("install", "linux-headers-" + release, version, ""))
    have = choose_source(version, have_sources(package))
    # A source that is there serves unless the equal one is to be had.
    if have and have != source and source != version:
        source = have
    remark = "" if source == version else (
        f"{package} {version} is not to be had: {source} is of the same upstream release")
    if source in have_sources(package):
        return rows
    # What the user has installed stays: another version goes beside it.
    action = "download" if installed_version(package) else "install"
    rows.append((action, package, source, remark))
    return rows


def missing(names):
    """The same for several kernels."""
    offered = offered_kernels(names)
    return [row for name in names for row in missing_for(name, offered)]
