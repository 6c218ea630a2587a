# SPDX-License-Identifier: GPL-2.0-only
"""Which Bochs the lab runs: the one of scripts/build-emulator, or the distribution's."""

import dataclasses
import os
import re
import shutil
import subprocess

from .common import LabError, TOP, UsageError

BUILDER = os.path.join(TOP, "scripts", "build-emulator")
# Says which one is wanted; unset: the built one if it can be had.
CHOICE = "LAB_EMULATOR"
DEFAULT_CPU = "corei7_skylake_x"

# Features that a model has only in part.
LEFT_OUT = {
    # With CET a write to a read-only page, with CR0.WP clear, ends the emulator.
    "tigerlake": "cet",
    # AMX comes without XFD: XSETBV gets the tiles' configuration without their data.  RSM
    # with CR4.LA57 set ends the emulator.
    "sapphire_rapids": "cet, amx, amx_int8, amx_bf16, la57",
    "arrow_lake": "cet",
}
# Models with FSRM, and the register that says whether fast strings are on.
FAST_STRINGS = ("corei7_icelake_u", "tigerlake", "sapphire_rapids", "arrow_lake")
MISC_ENABLE = 0x1a0


@dataclasses.dataclass
class Emulator:
    """One Bochs program."""

    program: str
    # With Bochs' debugger, which takes a command file and makes sound.
    debugger: bool
    cpu: str = DEFAULT_CPU
    # The machine says that it is a guest of KVM's, so that Linux takes x2APIC mode.
    x2apic: bool = False

    @property
    def name(self):
        """For the report."""
        return "distribution" if self.debugger else "built"

    def left_out(self):
        """Features that the CPU is to be without."""
        return LEFT_OUT.get(self.cpu, "")

    def msrs(self):
        """Values of registers that the emulator reads as 0 otherwise; writes change nothing."""
        # Without its bit 0 the kernel drops ERMS but not FSRM, and its memmove() never ends:
        # with FSRM it leaves the copying of less than 32 bytes to what it has for ERMS.  Other
        # models are left without fast strings, whose iterations count as instructions.
        return {MISC_ENABLE: 1} if self.cpu in FAST_STRINGS else {}

    def check_cpu(self):
        """Refuse a model that this program does not have."""
        # The list comes on standard error, at least with 2.7 and 3.0.
        try:
            listing = subprocess.run([self.program, "--help", "cpu"], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                     text=True, errors="replace", check=False).stdout
        except OSError as err:
            raise LabError(f"asking for the CPU models: cannot run {self.program}: "
                           f"{err.strerror}") from err
        models = re.findall(r"^[a-z]\w+$", listing, re.MULTILINE)
        if self.cpu not in models:
            raise UsageError(f"--cpu {self.cpu}: the emulator has no such model; it has "
                             + " ".join(models))


def distribution():
    """Debian's own package."""
    program = shutil.which("bochs")
    if not program:
        raise LabError("bochs is not installed; install the packages that "
                       "`scripts/lab packages` prints")
    return Emulator(program, debugger=True)


def build():
    """Path of the emulator that this project builds, None if it said why there is none."""
    done = subprocess.run([BUILDER], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True, errors="replace", check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def choose(cpu=DEFAULT_CPU, x2apic=False):
    """The emulator for a run."""
    choice = os.environ.get(CHOICE, "")
    if choice not in ("", "built", "distribution") and not os.path.isabs(choice):
        raise UsageError(f"{CHOICE}={choice}: built, distribution, or the path of a bochs "
                         "without debugger is wanted")
    if choice == "distribution":
        emulator = distribution()
    elif os.path.isabs(choice):
        emulator = Emulator(choice, debugger=False)
    else:
        program = build()
        if program:
            emulator = Emulator(program, debugger=False)
        elif choice == "built":
            raise LabError(f"scripts/build-emulator failed, and {CHOICE}=built forbids the "
                           "distribution's bochs")
        else:
            emulator = distribution()
    emulator.cpu, emulator.x2apic = cpu, x2apic
    if x2apic and emulator.debugger:
        raise UsageError("--x2apic: the distribution's bochs cannot say that it is KVM")
    if cpu != DEFAULT_CPU:
        emulator.check_cpu()
    return emulator
