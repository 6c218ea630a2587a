# SPDX-License-Identifier: GPL-2.0-only
"""The report of scripts/bench-paper for people: tables, and scripts for gnuplot."""

import os

from .papersource import CONFIGS, TEMPERATURES, TOUCH_BACKINGS, WAITING

# Below this a bar would not be seen on the logarithmic axis.
LEAST = {"overhead": 0.05, "exits": 1}
SETTINGS = {"off": "no windows", "l0": "16 pages at L0", "l1": "16 pages at L1",
            "both": "16 pages at both", "populate": "and populate 16", "wide": "64 pages, all"}


def print_table(rows, stream):
    """A table in Markdown that is readable as text; the first column is text."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) if i == 0 else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        print("| " + " | ".join(cells) + " |", file=stream)
        if number == 0:
            rule = ["-" * width if i == 0 else "-" * (width - 1) + ":"
                    for i, width in enumerate(widths)]
            print("| " + " | ".join(rule) + " |", file=stream)
    print(file=stream)


def name_of(report, name):
    """A workload, with a mark if its figures are without idle time."""
    waits = report["workloads"][name]["class"] in WAITING
    return f"{name} ({report['workloads'][name]['class']}{', *' if waits else ''})"


def table_of(report, temperature, key, form):
    """One figure of all workloads and configurations."""
    configs = report["ablation"]
    rows = [["", *configs]]
    for name in report["workloads"]:
        rows.append([name_of(report, name),
                     *(form.format(configs[config][name][temperature][key])
                       for config in configs)])
    return rows


def with_paper(report, rows):
    """The same table with the paper's figures as the last column."""
    rows = [[*rows[0], "paper"], *([*row, ""] for row in rows[1:])]
    for row, name in zip(rows[1:], report["workloads"]):
        figure = report["paper"].get(report["workloads"][name]["class"])
        row[-1] = f"{figure:.2f}" if figure else "-"
    return rows


def print_tables(report, stream):
    """What the driver shows at its end: overheads, the paper's figures beside them."""
    for temperature in reversed(TEMPERATURES):
        print(f"Overhead of L2 over L1 in per cent of instructions, {temperature}:\n",
              file=stream)
        print_table(with_paper(report, table_of(report, temperature, "overhead_percent",
                                                "{:.2f}")), stream)
    print("Exits of the L2 run to L0, warm:\n", file=stream)
    print_table(table_of(report, "warm", "exits", "{}"), stream)


def print_counts(report, temperature, stream):
    """Instructions at both levels and exits, one row a workload and configuration."""
    rows = [["workload, configuration", "L1 instructions", "L2 instructions", "overhead %",
             "L1 exits", "L2 exits", "of them interrupts", "exits per second"]]
    for name in report["workloads"]:
        for config, workloads in report["ablation"].items():
            row = workloads[name][temperature]
            rows.append([f"{name_of(report, name)}, {config}", str(row["l1_instructions"]),
                         str(row["l2_instructions"]), f"{row['overhead_percent']:.2f}",
                         str(row["l1_exits"]), str(row["exits"]), str(row["irq_exits"]),
                         str(row["exits_per_second"])])
    print(f"### {temperature.capitalize()}\n", file=stream)
    print_table(rows, stream)


def print_head(report, stream):
    """What the tables are about."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    print("# What an L2 costs over an L1\n\nNestCloud (CSC 2011) reports "
          f"{report['paper']['cpu']:.2f} % CPU and {report['paper']['memory']:.2f} % memory "
          "overhead of a nested\nguest over one of a single level, on silicon. Here the same "
          "comparison in instructions:\nthe same work in a Linux L1 and in a Linux L2, "
          "everything that retires at all levels\ncounted. World switches, page walks and cache "
          "misses are no instructions: the paper's\nfigures contain them, these do not.\n",
          file=stream)
    for config in report["ablation"]:
        print(f"- `{config}`: {CONFIGS[config]}", file=stream)
    used = "that was not run" if "gpf" not in report["ablation"] else \
        {"Y": "used", "1": "used"}.get(report["bypass_pf"], "the module has none, so not used")
    print(f"\nEach one has all that those between `shadow` and it have. L1's own bypass of guest "
          f"page faults under\nshadow paging (`nvx_bypass_pf`) in `gpf`: {used}.\n",
          file=stream)
    for name, info in report["workloads"].items():
        print(f"- `{name}`: {info['text']}", file=stream)
    print("\nCold: first run after the boot of that guest. Warm: those after it. "
          f"An\nemulated second has {report['ticks_per_second'] / 1e6:g} million instructions; "
          "timer ticks are as dense as that makes them.\n(*) L0's idle time is taken off, "
          "nothing is of the others.\n\n" f"Versions: {versions}.\n", file=stream)


def print_vept(report, stream):
    """First touches and INVEPT, from tests of their own."""
    rows = [["windows", *(f"{text}: {unit}" for text in TOUCH_BACKINGS.values()
                          for unit in ("exits", "instructions"))]]
    for setting, backings in report["touch"].items():
        rows.append([SETTINGS[setting],
                     *(str(backings[op][key]) for op in TOUCH_BACKINGS
                       for key in ("exits_per_page", "instructions_per_page"))])
    print("## First touch of a page by L2\n", file=stream)
    print_table(rows, stream)
    sizes = list(report["invept"]["full"])
    print("## To take one page away from L2, by what it has mapped\n", file=stream)
    print_table([["instructions", *(f"{size} MiB" for size in sizes)],
                 ["L1 names the page", *(str(report["invept"]["range"][size]) for size in sizes)],
                 ["INVEPT", *(str(report["invept"]["full"][size]) for size in sizes)]], stream)


def write_markdown(report, stream):
    """report.md"""
    print_head(report, stream)
    print("## Overhead\n", file=stream)
    print_tables(report, stream)
    print("![overhead, warm](overhead.png)\n\n![exits, warm](exits.png)\n", file=stream)
    print("## Modelled overhead, warm\n\nA model, not a measurement: "
          f"{report['model']['cycles_per_instruction']} cycle for an instruction and "
          f"{report['model']['cycles_per_exit']:g} for a\nswitch to L0 and back (what L0 does "
          "in between is in the instructions).\n", file=stream)
    print_table(with_paper(report, table_of(report, "warm", "modelled_overhead_percent",
                                            "{:.2f}")), stream)
    print("## Counts\n\nExits per second: of the L2 run, in a second of the guest's work, which is "
          "as many\ninstructions of the L1 run as an emulated second has.\n", file=stream)
    for temperature in TEMPERATURES:
        print_counts(report, temperature, stream)
    if "touch" in report:
        print_vept(report, stream)


# ---- plots

PLOT = """\
# SPDX-License-Identifier: GPL-2.0-only
set terminal {terminal}
set output '{plot}.{suffix}'
set title '{title}'
set ylabel '{ylabel}'
set logscale y
set yrange [{least}:*]
set style data histogram
set style histogram clustered gap 1.5
set style fill solid 0.9 noborder
set boxwidth 0.95
set xrange [-0.6:{right}]
set grid ytics
set key outside bottom center horizontal
set xtics scale 0
plot {parts}
"""
COLOURS = dict(zip(CONFIGS, ("#888888", "#b2182b", "#ef8a62", "#92c5de", "#4393c3", "#1b7837")))
TERMINALS = {"png": "pngcairo size 1400,700 font 'DejaVu Sans,13'",
             "svg": "svg size 1400,700 font 'DejaVu Sans,15' background 'white'"}
PLOTS = {
    "overhead": ("overhead_percent", "{/:Bold Overhead of L2 over L1 in instructions, warm}",
                 "per cent (no bar: at most 0.05)"),
    "exits": ("exits", "{/:Bold Exits to L0 of the run at L2, warm}", "exits"),
}


def plot_data(report, key, least):
    """One line a workload, one column a configuration."""
    configs = report["ablation"]
    lines = ["# workload " + " ".join(configs)]
    for name in report["workloads"]:
        values = (configs[config][name]["warm"][key] for config in configs)
        lines.append(name + " " + " ".join(f"{max(value, least):g}" for value in values))
    return "\n".join(lines) + "\n"


def plot_script(report, plot, suffix):
    """Commands for gnuplot, which runs in the directory of the data."""
    _, title, ylabel = PLOTS[plot]
    parts = [f"'{plot}.dat' using {column}:xtic(1) title '{config}' "
             f"linecolor rgb '{COLOURS[config]}'" for column, config in
             enumerate(report["ablation"], 2)]
    if plot == "overhead":
        for kind, style in (("cpu", 2), ("memory", 4)):
            figure = report["paper"][kind]
            parts.append(f"{figure} with lines linewidth 2 dashtype {style} linecolor rgb 'black' "
                         f"title 'paper, {kind}: {figure} %'")
    return PLOT.format(terminal=TERMINALS[suffix], plot=plot, suffix=suffix, title=title,
                       ylabel=ylabel, least=LEAST[plot],
                       right=len(report["workloads"]) - 0.4,
                       parts=", \\\n     ".join(parts))


def write_plots(report, directory):
    """Data and scripts; scripts/bench-paper runs gnuplot on them."""
    for plot, (key, _, _) in PLOTS.items():
        with open(os.path.join(directory, plot + ".dat"), "w", encoding="utf-8") as stream:
            stream.write(plot_data(report, key, LEAST[plot]))
        for suffix in TERMINALS:
            path = os.path.join(directory, f"{plot}-{suffix}.gp")
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(plot_script(report, plot, suffix))
