# SPDX-License-Identifier: GPL-2.0-only
"""A package of another suite of Debian's, with package lists of its own: nothing of the system's apt changes."""

import os
import re

from .common import CACHE, LabError, run_tool
from .debian import cached_debs, version_key

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def repositories():
    """Addresses of the archive and of its security updates, as this machine's own sources have them."""
    found = []
    for label in ("Debian", "Debian-Security"):
        said = run_tool(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Origin: Debian",
                         f"Label: {label}", "Created-By: Packages"], what="asking apt for the archive")
        found += sorted(set(said.split()))
    if not found:
        raise LabError("apt on this machine knows no Debian archive: run 'apt-get update', or give --source")
    return found


def address(suite):
    """The one of @suite: security updates have their own."""
    wanted = [uri for uri in repositories() if ("security" in uri) == suite.endswith("-security")]
    if not wanted:
        raise LabError(f"apt's sources have no archive for {suite}: give --source")
    return wanted[0]


def fetch(suite, package):
    """(version, path of the .deb) of the newest one in a suite."""
    if not re.fullmatch(r"[a-z][a-z0-9-]*", suite):
        raise LabError(f"'{suite}' is no name of a suite: trixie, say")
    own = os.path.join(CACHE, "apt", "suite-" + suite)
    os.makedirs(os.path.join(own, "lists", "partial"), exist_ok=True)
    os.makedirs(os.path.join(own, "cache"), exist_ok=True)
    signed = f"[signed-by={KEYRING}] " if os.path.exists(KEYRING) else ""
    with open(os.path.join(own, "sources.list"), "w", encoding="utf-8") as stream:
        stream.write(f"deb {signed}{address(suite)} {suite} main\n")
    options = [f"-oDir::Etc::sourcelist={own}/sources.list", "-oDir::Etc::sourceparts=-",
               f"-oDir::State::lists={own}/lists", f"-oDir::Cache={own}/cache", "-oDir::State::status=/dev/null",
               "-oAPT::Sandbox::User=root", "-oAcquire::Languages=none", "-oAcquire::Retries=1"]
    run_tool(["apt-get", "-q", *options, "update"], what=f"fetching the package lists of {suite}")
    said = run_tool(["apt-cache", *options, "madison", package], what=f"asking for {package} in {suite}")
    versions = [line.split("|")[1].strip() for line in said.splitlines() if line.count("|") == 2]
    if not versions:
        known = run_tool(["apt-cache", *options, "pkgnames", "linux-source-"],
                         what=f"asking for packages in {suite}").split()
        raise LabError(f"{suite} has no {package}" +
                       (f", but {' '.join(sorted(known))} (--package)" if known else ""))
    version = max(versions, key=version_key)
    # Not where modules look for the source of what is installed.
    run_tool(["apt-get", "-q", *options, "download", f"{package}={version}"], cwd=own,
             what=f"downloading {package} {version}")
    path = cached_debs(package, own).get(version)
    if not path:
        raise LabError(f"`apt-get download {package}={version}` left no file in {own}")
    return version, path
