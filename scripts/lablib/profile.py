# SPDX-License-Identifier: GPL-2.0-only
"""Exact instruction counts per function and level, from a trace of the emulator.

The emulator writes every instruction that retires between two magic breaks of the
innermost guest.  A line belongs to L0, L1 or to the guest that runs the
operation; which one follows from the world switches in the trace.
"""

import bisect
import collections
import json
import os
import re

from .common import LabError, UsageError
from .config import Test
from .results import read_text

SCRIPT = os.path.join("selftests", "lab", "profile.sh")
SCHEMA = "nvx-profile-1"
# Code segment of the guest that nvx-vmm runs; Linux has 0x10 and 0x33.
GUEST_CS = 0x0008
ENTRIES = ("vmresume", "vmlaunch")
KERNEL_SPACE = 1 << 63
LINE = re.compile(r"^\(\d+\)\.\[(\d+)\] \[0x[0-9a-f]+\] ([0-9a-f]{4}):([0-9a-f]+) "
                  r"\([^)]*\): (.*?)\s*; [0-9a-f]+")


class Symbols:
    """kallsyms of one level."""

    def __init__(self, text):
        table = {}
        for line in text.splitlines():
            address, kind, name, *module = line.split()
            if kind in "tTwW":
                # Of several names for one place, a global one tells most.
                better = kind in "TW"
                known = table.get(int(address, 16))
                if known is None or better:
                    table[int(address, 16)] = (name, module[0].strip("[]") if module else "")
        self._addresses = sorted(table)
        self._table = table

    def lookup(self, address):
        """(name, module, True if the function begins here)."""
        if address < KERNEL_SPACE:
            return "[user space]", "", False
        index = bisect.bisect_right(self._addresses, address) - 1
        if index < 0:
            return "[unknown]", "", False
        start = self._addresses[index]
        name, module = self._table[start]
        return name, module, start == address

    def address(self, name, module):
        """Where a function begins."""
        for address, entry in self._table.items():
            if entry == (name, module):
                return address
        raise LabError(f"kallsyms of the guest has no {name} in {module}")


def read_samples(path):
    """Traced instructions of each sample: lists of (tick, cs, address, mnemonic)."""
    samples = []
    current = None
    with open(path, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if line.startswith("Tracing enabled"):
                current = []
            elif line.startswith("Tracing disabled"):
                samples.append(current)
                current = None
            elif current is not None:
                match = LINE.match(line)
                if match:
                    current.append((int(match[1]), int(match[2], 16), int(match[3], 16),
                                    match[4]))
    return [sample for sample in samples if sample]


# Samples whose lengths differ by less have done the same.
ALIKE = 0.02
# After these the CPU may wait: time goes on, instructions do not.
WAITING = ("hlt", "mwait")
# An exit or interrupt between two instructions is a tick without a line.
ASYNC_TICKS = 2
# A VM-entry may be both: it delivers an event, and an exit ends it before the handler begins.
ENTRY_TICKS = 3
# Functions of L0 that copy between a vmcs12 and what L1 sees of it.
COPYING = re.compile(r"^(copy_(shadow|enlightened)_to_vmcs12|copy_vmcs12_to_\w+|"
                     r"nested_sync_vmcs12_to_shadow|nvx_shadow_\w+|nvx_pv_(pull|push)\w*|"
                     r"pull_rare|load_vmcs)\b")
STORE = re.compile(r"^mov (qword|dword|word) ptr [a-z]+:\[(?!r[sb]p)")
WIDTH = {"qword": 8, "dword": 4, "word": 2}


def gap(old, new):
    """Are there instructions missing between these two?"""
    if old[3].startswith(WAITING):
        return False
    return new[0] - old[0] > (ENTRY_TICKS if old[3].startswith(ENTRIES) else ASYNC_TICKS)


def check_samples(samples, wanted):
    """Every instruction must be there, or the counts would lie."""
    if len(samples) != wanted:
        raise LabError(f"the trace has {len(samples)} samples instead of {wanted}: the guest "
                       "did not reach its magic breaks")
    for number, sample in enumerate(samples):
        if any(gap(old, new) for old, new in zip(sample, sample[1:])):
            raise LabError(f"sample {number} of the trace has gaps: lines are missing")


def split_levels(sample, exit_address, inner):
    """Level of each instruction: `inner` = name of the guest's level, L1 in between."""
    levels = []
    level = inner
    entered = False
    for _, selector, address, mnemonic in sample:
        if entered:
            level = inner if selector == GUEST_CS else "L1"
        elif level != "L0" and address == exit_address and selector != GUEST_CS:
            level = "L0"
        entered = level == "L0" and mnemonic.startswith(ENTRIES)
        levels.append(level)
    return levels


def count_functions(sample, levels, symbols):
    """Per level: {(function, module): [instructions, entries]}."""
    counts = collections.defaultdict(lambda: collections.defaultdict(lambda: [0, 0]))
    for (_, _, address, _), level in zip(sample, levels):
        if level not in symbols:
            counts[level][("[guest]", "")][0] += 1
            continue
        name, module, begins = symbols[level].lookup(address)
        entry = counts[level][(name, module)]
        entry[0] += 1
        entry[1] += begins
    return counts


def count_vmcs_work(sample, levels, symbols):
    """VMREADs and VMWRITEs of L0, and bytes that it copies for L1's view of a VMCS."""
    work = {"vmread": 0, "vmwrite": 0, "bytes": 0}
    for (_, _, address, mnemonic), level in zip(sample, levels):
        if level != "L0":
            continue
        copies = COPYING.match(symbols["L0"].lookup(address)[0])
        store = STORE.match(mnemonic)
        for name in ("vmread", "vmwrite"):
            if mnemonic.startswith(name + " "):
                work[name] += 1
                work["bytes"] += 8 if copies else 0
        if copies and store:
            work["bytes"] += WIDTH[store[1]]
    return work


def list_segments(sample, levels, symbols):
    """Stretches of one level: count, first function, last instruction."""
    segments = []
    begin = 0
    for index in range(1, len(sample) + 1):
        if index < len(sample) and levels[index] == levels[begin]:
            continue
        level = levels[begin]
        name = symbols[level].lookup(sample[begin][2])[0] if level in symbols else "[guest]"
        segments.append({"level": level, "instructions": index - begin, "first": name,
                         "last": sample[index - 1][3]})
        begin = index
    return segments


def alike(samples, sample):
    """How many of the samples are as long as this one, itself included."""
    return sum(abs(len(other) / len(sample) - 1) <= ALIKE for other in samples)


def typical(samples):
    """The sample that most others confirm; the shortest of these.

    A longer one has met something else: a tick, a worker.  One that is alone in being
    short has left something out that all others do.
    """
    return min(samples, key=lambda sample: (-alike(samples, sample), len(sample)))


def analyse(samples, l0_text, l1_text):
    """Profile of the typical sample; the totals of all show how alike they are."""
    symbols = {"L0": Symbols(l0_text)}
    inner = "L1"
    if l1_text is not None:
        symbols["L1"] = Symbols(l1_text)
        inner = "L2"
    exit_address = symbols["L0"].address("vmx_vmexit", "kvm_intel")
    sample = typical(samples)
    levels = split_levels(sample, exit_address, inner)
    if "L0" not in levels:
        raise LabError("no exit to L0 in the trace: does the operation exit at all?")
    counts = count_functions(sample, levels, symbols)
    segments = list_segments(sample, levels, symbols)
    return {"totals": [len(one) for one in samples], "instructions": len(sample),
            "alike": alike(samples, sample),
            "exits": sum(segment["level"] == "L0" for segment in segments),
            **count_vmcs_work(sample, levels, symbols), "segments": segments,
            "levels": {level: function_list(counts[level]) for level in sorted(counts)}}


def lab_test(native):
    """The lab test that makes the guest run the operation."""
    vmm = ["build/bench/nvx-vmm"]
    return Test(name="profile", script=SCRIPT, files=vmm if native else [],
                l1files=[] if native else vmm, needs=["vmx"] if native else ["vmx", "root"],
                timeout=300)


def operations(text, samples):
    """[(operation, how many of it to trace)] of OP[:N],...; `samples` is N where none is given."""
    wanted = []
    for word in text.split(","):
        match = re.fullmatch(r"(\w+)(?::([1-9]\d*))?", word)
        if not match:
            raise UsageError(f"profile: '{word}' is not OP or OP:N")
        wanted.append((match[1], int(match[2] or samples)))
    return wanted


def finish(directory, result, args):
    """Turn the trace and the symbols of a finished run into its profile."""
    where = os.path.join(directory, "profile")
    if result["verdict"] != "pass":
        raise LabError(f"the guest did not run {args.op}: {result['verdict']}: "
                       f"{result['reason']}; see {where}/output.txt")
    l0_text = read_text(os.path.join(where, "kallsyms"))
    l1_text = None if args.native else \
        read_text(os.path.join(where, "l1", "profile", "kallsyms"))
    ops = operations(args.op, args.samples)
    samples = read_samples(os.path.join(directory, "trace.txt"))
    check_samples(samples, sum(number for _, number in ops))
    profiles = []
    for op, number in ops:
        part, samples = samples[:number], samples[number:]
        profiles.append({"op": op, "kernel": args.kernel, "modules": args.modules,
                         "l1_modules": args.l1_modules, "params": args.param,
                         "l1_params": args.l1_params, "cpu": args.cpu, "native": args.native,
                         **analyse(part, l0_text, l1_text)})
        write_profile(directory, profiles[-1], f"-{op}" if len(ops) > 1 else "")
    return profiles


def files(directory, op):
    """Where the profiles of OP[:N] or OP[:N],OP[:N],... are."""
    ops = operations(op, 1)
    return [os.path.join(directory, f"profile-{name}.json" if ops[1:] else "profile.json")
            for name, _ in ops]


def function_list(counts):
    """Functions of one level, most instructions first."""
    rows = [{"function": name, "module": module, "self": entry[0], "calls": entry[1]}
            for (name, module), entry in counts.items()]
    return sorted(rows, key=lambda row: (-row["self"], row["function"]))


def profile_text(profile):
    """The profile as plain text."""
    lines = [f"{profile['op']}: {profile['instructions']} instructions "
             f"(samples: {' '.join(map(str, profile['totals']))})",
             f"kernel {profile['kernel']}, L0 modules {profile['modules']}, "
             f"cpu {profile['cpu']}",
             f"{profile['exits']} exits to L0, which executes {profile['vmread']} VMREAD and "
             f"{profile['vmwrite']} VMWRITE and copies {profile['bytes']} bytes of vmcs12", "",
             "segment level instructions  begins in -> ends with"]
    for number, segment in enumerate(profile["segments"]):
        lines.append(f"{number:7} {segment['level']:<5} {segment['instructions']:12}  "
                     f"{segment['first']} -> {segment['last']}")
    for level, rows in profile["levels"].items():
        lines += ["", f"{level}: {sum(row['self'] for row in rows)} instructions",
                  "   self  calls  function"]
        lines += [f"{row['self']:7} {row['calls']:6}  {row['function']}"
                  f"{' [' + row['module'] + ']' if row['module'] else ''}" for row in rows]
    return "\n".join(lines) + "\n"


def write_profile(directory, profile, suffix):
    """profile.json and profile.txt."""
    path = os.path.join(directory, f"profile{suffix}")
    with open(f"{path}.json", "w", encoding="utf-8") as stream:
        json.dump({"schema": SCHEMA, **profile}, stream, indent=1)
        stream.write("\n")
    with open(f"{path}.txt", "w", encoding="utf-8") as stream:
        stream.write(profile_text(profile))


def load_profile(path):
    """A profile.json, or the run directory that has one."""
    if os.path.isdir(path):
        path = os.path.join(path, "profile.json")
    try:
        with open(path, encoding="utf-8") as stream:
            profile = json.load(stream)
    except (OSError, ValueError) as err:
        raise UsageError(f"cannot read the profile {path}: {err}") from err
    if profile.get("schema") != SCHEMA:
        raise UsageError(f"{path} is not a profile ({SCHEMA})")
    return profile


def diff_text(old, new):
    """Functions whose own instruction count differs, per level."""
    lines = [f"A: {old['op']} {old['kernel']} {old['modules']}: {old['instructions']} instructions",
             f"B: {new['op']} {new['kernel']} {new['modules']}: {new['instructions']} instructions"]
    for level in sorted({*old["levels"], *new["levels"]}):
        a, b = self_counts(old, level), self_counts(new, level)
        lines += ["", f"{level}: {sum(a.values())} -> {sum(b.values())} "
                  f"({sum(b.values()) - sum(a.values()):+})", "      A       B   change  function"]
        changed = [name for name in {*a, *b} if a[name] != b[name]]
        rows = [(-abs(b[name] - a[name]), name) for name in changed]
        lines += [f"{a[name]:7} {b[name]:7} {b[name] - a[name]:+8}  {name}"
                  for _, name in sorted(rows)]
    return "\n".join(lines) + "\n"


def self_counts(profile, level):
    """Own instructions by function; compilers' suffixes do not matter here."""
    counts = collections.Counter()
    for row in profile["levels"].get(level, []):
        name = re.sub(r"\.(cold|isra|constprop|part)(\.\d+)?", "", row["function"])
        counts[name] += row["self"]
    return counts
