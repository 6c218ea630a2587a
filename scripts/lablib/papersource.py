# SPDX-License-Identifier: GPL-2.0-only
"""From the files of scripts/bench-paper's lab runs to its report.

A run of a workload has a line in runs.txt of its level (instructions, status) and two
in L0's snapshots.txt (exits and idle time when it began and ended).  Asking for a
snapshot costs exits itself: as many as a run of a program that does nothing, the
least of which is taken off.
"""

import collections
import gzip
import json
import os
import re
import statistics

SCHEMA = 1
PAPER = {"cpu": 5.22, "memory": 5.69}
CONFIGS = {
    "stock": "stock KVM at both levels",
    "shadow": "nvx with all of it off, and neither EPT for guests nor page faults of L2 "
              "that do not exit",
    "gpf": "and page faults of L2 do not exit",
    "vept": "and EPT for guests, with all that nvx does for it",
    "pv": "and the VMCS in memory",
    "all": "all of nvx, and delegation",
}
# Name -> (class, what it does).  Those that wait have idle time taken off.
WORKLOADS = {
    "sieve": ("cpu", "integer arithmetic in the cache"),
    "gzip": ("cpu", "gzip -6"),
    "sha256": ("cpu", "sha256sum"),
    "chase": ("memory", "pointer chase through 8 MiB"),
    "stream": ("memory", "a = b + 3 c, arrays of 4 MiB"),
    "touch": ("touch", "16 MiB of fresh memory, a write to each page"),
    "churn": ("churn", "fork, copy on write, exec, exit, mmap, munmap"),
    "build": ("churn", "make of 4 files with tcc"),
    "read": ("file", "8 MiB of a disk through the page cache, four times"),
    "direct": ("io", "blocks of 4 KiB to and from virtio-blk, past the cache"),
    "sleep": ("timer", "sleeps of 1 ms"),
}
WAITING = ("file", "io", "timer")
# The first run after the guest's boot, and the others.
TEMPERATURES = {"cold": lambda number: number == "1", "warm": lambda number: number != "1"}
NULL = "null"

Run = collections.namedtuple("Run", "ticks exits irq_exits halt_exits idle_ns")


class ReportError(Exception):
    """A run lacks what the report needs."""


def read_lines(path):
    """Words of each line of a file that has to be there."""
    try:
        with open(path, encoding="utf-8") as stream:
            return [line.split() for line in stream]
    except OSError as err:
        raise ReportError(f"cannot read {path}: {err}") from err


def read_json(path):
    """Contents of a JSON file that has to be there."""
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError) as err:
        raise ReportError(f"cannot read {path}: {err}") from err


def read_level(where, runs_path, level):
    """{(workload, run): Run} of one level, the cost of the snapshots taken off."""
    snapshots = {}
    for words in read_lines(os.path.join(where, "snapshots.txt")):
        if words[0] == level:
            snapshots[words[1], words[2]] = [int(word) for word in words[3:]]
    runs = {}
    for label, ticks, status in read_lines(os.path.join(where, runs_path)):
        if status != "0":
            raise ReportError(f"{where}: {label} of L{level} failed")
        begin, end = snapshots.get((label, "begin")), snapshots.get((label, "end"))
        if not begin or not end or len(begin) != 4:
            raise ReportError(f"{where}: no snapshots of {label} of L{level}")
        runs[tuple(label.split("/"))] = Run(int(ticks), *(new - old for new, old
                                                           in zip(end, begin)))
    return without_null(runs, where)


def without_null(runs, where):
    """Take off what a run of nothing shows but for its instructions."""
    nothing = [run for (name, _), run in runs.items() if name == NULL]
    if not nothing:
        raise ReportError(f"{where}: no run of nothing to compare with")
    floor = [min(values) for values in zip(*nothing)]
    floor[0] = 0
    return {key: Run(*(max(0, value - less) for value, less in zip(run, floor)))
            for key, run in runs.items()}


def mean(runs, name, wanted, field):
    """Mean of one field over the runs of a workload whose number is wanted."""
    values = [getattr(run, field) for (workload, number), run in runs.items()
              if workload == name and wanted(number)]
    if not values:
        raise ReportError(f"a run of workload {name} is missing")
    return statistics.mean(values)


def instructions(runs, name, wanted, ips):
    """Instructions of a workload, without idling where it waits."""
    ticks = mean(runs, name, wanted, "ticks")
    if WORKLOADS[name][0] in WAITING:
        ticks -= min(ticks, ips / 1e9 * mean(runs, name, wanted, "idle_ns"))
    return round(ticks)


def overhead(upper, lower):
    """By how many per cent @upper is more than @lower."""
    return round(100 * (upper / lower - 1), 3) if lower else None


def measure(levels, name, wanted, price, ips):
    """One row: a workload at both levels, cold or warm."""
    l1_runs, l2_runs = levels
    low, high = (instructions(runs, name, wanted, ips) for runs in levels)
    l1_exits, l2_exits = (round(mean(runs, name, wanted, "exits")) for runs in levels)
    row = {"l1_instructions": low, "l2_instructions": high,
           "overhead_percent": overhead(high, low),
           "exits": l2_exits, "l1_exits": l1_exits,
           "irq_exits": round(mean(l2_runs, name, wanted, "irq_exits")),
           "l1_irq_exits": round(mean(l1_runs, name, wanted, "irq_exits")),
           "exits_per_second": round(l2_exits / (low / ips)),
           "modelled_overhead_percent": overhead(high + price * l2_exits,
                                                 low + price * l1_exits)}
    if WORKLOADS[name][0] in WAITING:
        row["idle_excluded"] = True
        row["l1_ticks"], row["l2_ticks"] = (round(mean(runs, name, wanted, "ticks"))
                                            for runs in (l1_runs, l2_runs))
    return row


def read_parameters(path):
    """{name: value} of a file of parameters and counters, empty if there is none."""
    if not os.path.exists(path):
        return {}
    return {words[0]: words[1] for words in read_lines(path) if len(words) == 2}


def read_config(run, price):
    """({workload: {cold, warm}}, parameters, instructions a second) of one configuration."""
    where = os.path.join(run, "paper")
    levels = (read_level(where, "l1/plain/runs.txt", "1"),
              read_level(where, "l1/host/l2/guest/runs.txt", "2"))
    names = [name for name in WORKLOADS if (name, "1") in levels[0]]
    ips = read_json(os.path.join(run, "report.json"))["ips"]
    rows = {name: {temperature: measure(levels, name, wanted, price, ips)
                   for temperature, wanted in TEMPERATURES.items()} for name in names}
    parameters = {"l0": read_parameters(os.path.join(where, "l0-parameters.txt")),
                  "l1": read_parameters(os.path.join(where, "l1", "host", "parameters.txt"))}
    return rows, parameters, ips


# ---- tests "touch" and "invept"

MARK = re.compile(r"kvm_pio: pio_write at 0xe9 size 4 count 1 val 0x4e([0-9a-f]{2})([0-9a-f]{4})\b")
TOUCH_BACKINGS = {"touch_present": "L1 has the page", "touch_absent": "L1 has to allocate"}
INVEPT = re.compile(r"# (range|full): (\d+) MiB: (\d+) instructions")


def exits_per_operation(path, number):
    """Exits per operation of a trace with marks, what the marks cost taken off."""
    exits, batches = collections.Counter(), collections.Counter()
    size = None
    try:
        with gzip.open(path, "rt", errors="replace") as stream:
            for line in stream:
                mark = MARK.search(line)
                if mark:
                    size = int(mark[2], 16) if int(mark[1], 16) == number else None
                    if size is not None:
                        batches[size] += 1
                elif size is not None and " kvm_exit: " in line and \
                        "EXTERNAL_INTERRUPT" not in line:
                    exits[size] += 1
    except OSError as err:
        raise ReportError(f"cannot read {path}: {err}") from err
    full = max(batches, default=0)
    if not full or not batches[0]:
        raise ReportError(f"{path}: no batches of operation {number}")
    return round((exits[full] / batches[full] - exits[0] / batches[0]) / full, 3)


def read_touch(run):
    """{setting: {backing: {exits_per_page, instructions_per_page}}}"""
    where = os.path.join(run, "touch", "l1", "touch")
    settings = {}
    for setting in ("off", "l0", "l1", "both", "populate", "wide"):
        ops = read_json(os.path.join(where, setting + ".json"))["ops"]
        trace = os.path.join(where, setting + ".trace.gz")
        settings[setting] = {
            op: {"exits_per_page": exits_per_operation(trace, ops[op]["id"]),
                 "instructions_per_page": round(ops[op]["mean"])} for op in TOUCH_BACKINGS}
    return settings


def read_invept(run):
    """{"range" or "full": {MiB: instructions}}"""
    costs = collections.defaultdict(dict)
    for words in read_lines(os.path.join(run, "invept", "output.txt")):
        match = INVEPT.match(" ".join(words))
        if match:
            costs[match[1]][match[2]] = int(match[3])
    if sorted(costs) != ["full", "range"]:
        raise ReportError(f"{run}: the test invept has no figures")
    return dict(costs)


def build_report(options):
    """The report as it is written to report.json."""
    configs, parameters, rates = {}, {}, set()
    for config in options.configs.split(","):
        if config not in CONFIGS:
            raise ReportError(f"unknown configuration '{config}'")
        configs[config], parameters[config], ips = read_config(options.prefix + config,
                                                               options.exit_price)
        rates.add(ips)
    if len(rates) != 1:
        raise ReportError("the runs differ in the instructions of an emulated second")
    first = next(iter(configs))
    lab = read_json(os.path.join(options.prefix + first, "report.json"))
    versions = {"kernel": f"{lab['kernel']['release']} ({lab['kernel']['version']})",
                lab["backend"]: f"({lab['emulator']}), CPU {lab['cpu']}"}
    if options.versions:
        versions.update((words[0], words[1]) for words in read_lines(options.versions))
    report = {"schema": SCHEMA, "paper": PAPER, "versions": versions,
              "ticks_per_second": ips,
              "model": {"cycles_per_exit": options.exit_price, "cycles_per_instruction": 1},
              "workloads": {name: {"class": WORKLOADS[name][0], "text": WORKLOADS[name][1]}
                            for name in configs[first]},
              "bypass_pf": parameters.get("gpf", {}).get("l1", {}).get("nvx_bypass_pf"),
              "ablation": configs, "parameters": parameters}
    if options.vept:
        report["touch"] = read_touch(options.vept)
        report["invept"] = read_invept(options.vept)
    return report
