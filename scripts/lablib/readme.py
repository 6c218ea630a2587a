# SPDX-License-Identifier: GPL-2.0-only
"""Are the tables of README.md those of the reports?"""

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
