# SPDX-License-Identifier: GPL-2.0-only
"""Are the figures of README.md those of the reports?"""

import re

# First cell of a row -> operation of the report.
DEMO = {
    "CPUID": "cpuid",
    "VMCALL": "vmcall",
    "RDMSR that L1 intercepts": "rdmsr",
    "port I/O to user space": "pio_user",
    "the same with emulated UMIP": "pio_user_umip",
    "... and `nvx_no_umip_emul=1`": "pio_user_umip",
    "first touch of a page L1 has": "touch_present",
    "first touch of a page L1 has to allocate": "touch_absent",
    "guest page fault": "guest_pf",
}
BENCH = {
    "CPUID": "cpuid",
    "VMCALL": "vmcall",
    "RDMSR": "rdmsr",
    "port I/O to user space": "pio_user",
    "... and one MSR of user space differs": "pio_msr1",
    "... and four of them differ": "pio_msr4",
    "CPUID of an L2 with an XCR0 of its own": "cpuid_xcr0",
    "two vCPUs in turn, VMPTRLD": "vmptrld",
    "a page taken away, INVEPT": "invept",
    "HLT until a timer": "hlt_timer",
    "first touch of a page L1 has, one at a time": "touch_present",
}
BENCH_COLUMNS = {"stock": "stock", "eVMCS": "evmcs", "nvx, stock L1": "fast",
                 "nvx in L1": "pv", "and delegation": "pv_deleg"}
PAPER_COLUMNS = ("stock", "shadow", "gpf", "vept", "pv", "all")
# How far a percentage of whole workloads may be away: percentage points, per cent.
NEAR_WORK, NEAR_COLD = (0.5, 10), (1, 25)
# How far a figure of another boot may be away, in per cent of instructions.
NEAR, NEAR_TIMER = 2, 5
# Exits with a timer: a tick of a kernel below may be one of them.
TIMER_EXITS = 1


def find_table(text, *heads):
    """Rows of the table with these cells in its head, in this order."""
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")]
                for line in block.splitlines()]
        if rows[0] == list(heads):
            return rows[2:]
    return []


def near(given, measured, op):
    """Instructions of two boots."""
    limit = NEAR_TIMER if op == "hlt_timer" else NEAR
    return abs(given - measured) * 100 <= limit * measured


def compare(label, op, given, row):
    """Texts about what differs: @given is (exits, instructions)."""
    exits, instructions = given
    if abs(exits - round(row["exits"])) > (TIMER_EXITS if op == "hlt_timer" else 0):
        yield f"{label}: README.md says {exits} exits, measured are {row['exits']:g}"
    if not near(instructions, row["instructions"], op):
        yield (f"{label}: README.md says {instructions} instructions, measured are "
               f"{row['instructions']:g}")


def check_demo(text, report):
    """(rows compared, what is wrong)."""
    rows = find_table(text, "L2 operation", "exits stock", "nvx", "instructions stock", "nvx")
    wrong = [] if rows else ["there is no table of the demo"]
    compared = 0
    for label, *cells in rows:
        if label not in DEMO:
            wrong.append(f"the table of the demo has a row '{label}'")
            continue
        nvx = "nvx_no_umip" if "no_umip" in label else "nvx"
        for config, exits, instructions in (("stock", cells[0], cells[2]), (nvx, *cells[1::2])):
            if exits:
                compared += 1
                wrong += compare(f"{label}, {config}", DEMO[label],
                                 (int(exits), int(instructions)),
                                 report["configs"][config][DEMO[label]])
    return compared, wrong


def check_bench(text, report):
    """The same of the comparison with eVMCS."""
    rows = find_table(text, "L2 operation", *BENCH_COLUMNS)
    wrong = [] if rows else ["there is no table of the comparison"]
    compared = 0
    for label, *cells in rows:
        if label not in BENCH:
            wrong.append(f"the table of the comparison has a row '{label}'")
            continue
        for column, cell in zip(BENCH_COLUMNS, cells):
            exits, instructions = map(int, cell.split(","))
            compared += 1
            wrong += compare(f"{label}, {column}", BENCH[label], (exits, instructions),
                             report["configs"][BENCH_COLUMNS[column]][BENCH[label]])
    return compared, wrong


def far(given, measured, points, percent):
    """Beyond both bounds?"""
    return abs(given - measured) > max(points, percent * abs(measured) / 100)


def check_paper(text, report):
    """The table of whole workloads."""
    rows = find_table(text, "workload", *(f"`{config}`" for config in PAPER_COLUMNS), "`all`, cold", "paper")
    wrong = [] if rows else ["there is no table of the paper's experiment"]
    compared = 0
    for label, *cells in rows:
        name = label.split("`")[1] if "`" in label else label
        columns = [(config, "warm", NEAR_WORK) for config in PAPER_COLUMNS] + [("all", "cold", NEAR_COLD)]
        for (config, run, bounds), cell in zip(columns, cells):
            row = report["ablation"].get(config, {}).get(name)
            if not row:
                wrong.append(f"{name}, {config}: not measured")
                continue
            compared += 1
            if far(float(cell), row[run]["overhead_percent"], *bounds):
                wrong.append(f"{name}, {config}, {run}: README.md says {cell} %, measured are "
                             f"{row[run]['overhead_percent']:.1f} %")
    missing = set(report["workloads"]) - {label.split("`")[1] for label, *_ in rows if "`" in label}
    return compared, wrong + [f"README.md has no row of {name}" for name in sorted(missing)]


def shim_figures(report):
    """CPUID of a guest: of stock KVM with the shim and bare, of nvx on the shim's page and bare."""
    stock, nvx = (report[modules]["operations"]["cpuid"] for modules in ("stock", "nvx"))
    return [stock["shim"]["exits"], stock["shim"]["instructions"], stock["bare"],
            nvx["page"]["exits"], nvx["page"]["instructions"], nvx["bare"]]


def redis_shares(report):
    """Per cent of the bare host: nvx and stock KVM with the TSC, both without."""
    share = {row["column"]: 100 * row["of_bare"] for row in report["phases"]}
    return [share[column] for column in ("nesting-nvx-tsc", "nesting-stock-tsc", "nesting-nvx-l1",
                                         "nesting-stock")]


# First cell of a row of Documentation/shim-abi.rst -> operation.
SHIM = {"CPUID": "cpuid", "VMCALL": "vmcall", "RDMSR": "rdmsr", "port I/O to user space": "pio_user",
        "first touch of a page": "touch_present", "touch of an absent page": "touch_absent",
        "1000 additions": "int_loop"}


def shim_row(report, op, number):
    """What a row with so many numbers says: stock KVM without and with shadowing, nvx on the shim's page."""
    row = report["stock" if number == 5 else "nvx"]["operations"][op]
    configs = ("shim", "noshadow") if number == 5 else ("page",)
    return [row["bare"], *(value for config in configs
                           for value in (row[config]["instructions"], row[config]["exits"]))]


def check_shim(text, report):
    """The two tables of what the shim costs."""
    rows = re.findall(r"^(\S[^=\n]*?) {2,}(\d+(?: +\d+){4}|\d+(?: +\d+){2})$", text, re.M)
    wrong = [f"there is no row '{label}'" for label in SHIM if label not in dict(rows)]
    compared = 0
    for label, cells in rows:
        if label not in SHIM:
            continue
        given = [int(cell) for cell in cells.split()]
        for said, measured in zip(given, shim_row(report, SHIM[label], len(given)), strict=True):
            compared += 1
            if far(said, measured, 0.1, NEAR):
                wrong.append(f"{label}: it says {said}, measured are {measured:g}")
    return compared, wrong


# Report -> sentences with figures, what they are, and how far they may be away (units, per cent).
SENTENCES = {
    "bench-shim": [(r"# exits to the shim and # instructions for a guest's `CPUID`, which takes # without it; "
                    r"with nvx in the host # exits and # instructions instead of #,", shim_figures, (0, NEAR))],
    "demo-partition": [(r"exits to the shim for what both kernels could reach: # times",
                        lambda report: [report["vmm1"]["boot_exits"]], (0, 5))],
    "demo-refresh": [(r"they were away for # and # ms",
                      lambda report: [vm["pause_ms"] for vm in report["vms"]], (10, 25))],
    "bench-refresh": [(r"Redis in 128 MiB under load is away for # ms",
                       lambda report: [one["pause_ms"] for one in report["pauses"] if one["column"] == "copy"],
                       (10, 25)),
                      (r"does # % of what it does in a guest of the bare host with nvx at both levels, and # % with "
                       r"stock KVM, .*?; without that .*? # and # %", redis_shares, (1.5, 0))],
}


def check_sentences(text, report, name):
    """(figures compared, what is wrong) of the sentences of one report."""
    text = " ".join(text.split())
    compared, wrong = 0, []
    for sentence, figures, bounds in SENTENCES[name]:
        found = re.search(sentence.replace("#", r"([\d,.]*\d)"), text)
        if not found:
            wrong.append(f"there is no '{sentence}'")
            continue
        for said, measured in zip(found.groups(), figures(report), strict=True):
            compared += 1
            if far(float(said.replace(",", "")), measured, *bounds):
                wrong.append(f"'{found[0][:60]} ...': README.md says {said}, measured are {measured:g}")
    return compared, wrong
