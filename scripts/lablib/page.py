# SPDX-License-Identifier: GPL-2.0-only
"""One HTML page of what has been measured: tables and drawings, nothing from a network."""

from html import escape

from .readme import BENCH, BENCH_COLUMNS, DEMO

STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --paper: #fff; --rule: #c9d3dd;
  --dim: #5a6876; --s0: #8a97a5; --s1: #c07a2c; --s2: #2f74b5; --s3: #2e8b57; --s4: #7d4fb0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e9ef; --paper: #12181f;
  --rule: #36424e; --dim: #9aa8b5; --s0: #7d8b99; --s1: #e09a4a; --s2: #5fa3e0;
  --s3: #56b886; --s4: #a983d8; } }
body { color: var(--ink); background: var(--paper); font: 16px/1.5 sans-serif;
  margin: 0 auto; padding: 1rem; max-width: 60rem; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
p.note { color: var(--dim); font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { border-bottom: 1px solid var(--rule); padding: .25rem .6rem; text-align: right;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 9rem; }
summary { cursor: pointer; margin: .5rem 0; }
svg { width: 100%; height: auto; max-width: 36rem; }
svg text { fill: var(--ink); font: 13px sans-serif; }
svg .value { fill: var(--dim); font-size: 11px; }
.s0 { fill: var(--s0) } .s1 { fill: var(--s1) } .s2 { fill: var(--s2) }
.s3 { fill: var(--s3) } .s4 { fill: var(--s4) }
.entry { white-space: nowrap; margin-right: 1em; }
.key { display: inline-block; width: .8em; height: .8em; margin-right: .3em; }
.key.s0 { background: var(--s0) } .key.s1 { background: var(--s1) }
.key.s2 { background: var(--s2) } .key.s3 { background: var(--s3) }
.key.s4 { background: var(--s4) }
"""
# Report -> the command that makes it.
SOURCES = {
    "demo": "make demo",
    "bench": "make bench",
    "bench-paper": "make bench-paper",
    "bench-shim": "make bench-shim",
    "demo-partition": "make demo-partition",
    "demo-refresh": "make demo-refresh",
    "bench-refresh": "make bench-refresh",
    "faults": "make check-all",
}


def number(value):
    """As people read it."""
    if value is None:
        return ""
    if isinstance(value, float) and value != int(value):
        return f"{value:,.2f}"
    return f"{int(value):,}"


def table(heads, rows):
    """Texts are escaped here, and nowhere else."""
    lines = ["<div class=wide><table><tr>",
             "".join(f"<th>{escape(head)}</th>" for head in heads), "</tr>"]
    for row in rows:
        cells = (cell if isinstance(cell, str) else number(cell) for cell in row)
        lines.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    return "\n".join([*lines, "</table></div>"])


def bars(title, series, rows):
    """Bars in groups; @rows: (label, value of each of @series or None)."""
    biggest = max((value for _, values in rows for value in values if value), default=1)
    height, y, parts = 14, 8, []
    for label, values in rows:
        parts.append(f'<text x="0" y="{y + 12}">{escape(label)}</text>')
        y += 18
        for i, value in enumerate(values):
            if value is None:
                continue
            width = 340 * value / biggest
            parts.append(f'<rect class="s{i}" x="0" y="{y}" width="{width:.1f}" '
                         f'height="{height - 2}"><title>{escape(series[i])}: {number(value)}'
                         f'</title></rect><text class="value" x="{width + 6:.1f}" '
                         f'y="{y + 10}">{number(value)}</text>')
            y += height
        y += 10
    keys = "".join(f'<span class=entry><span class="key s{i}"></span>{escape(name)}</span> '
                   for i, name in enumerate(series))
    return (f"<h3>{escape(title)}</h3>\n<p class=note>{keys}</p>\n"
            f'<svg viewBox="0 0 430 {y}" role="img" aria-label="{escape(title)}">'
            + "\n".join(parts) + "</svg>")


def grid(report, names, columns, key):
    """[(label, [value of each column])]"""
    return [(label, [report["configs"].get(config, {}).get(op, {}).get(key)
                     for config in columns]) for label, op in names.items()]


def two_drawings(report, names, columns, texts):
    """Exits and instructions, and both as a table."""
    parts = [bars(what + " per operation of L2", texts, grid(report, names, columns, key))
             for what, key in (("Exits to L0", "exits"), ("Instructions", "instructions"))]
    both = [[label, *(cell for pair in zip(
        *(dict(grid(report, names, columns, key))[label] for key in ("exits", "instructions")))
                      for cell in pair)] for label in names]
    heads = ["L2 operation", *(f"{text}, {what}" for text in texts
                               for what in ("exits", "instructions"))]
    return "\n".join([*parts, table(heads, both)])


def demo(report):
    """Stock KVM and nvx with an L1 that knows nothing of nvx."""
    names = {label: op for label, op in DEMO.items() if "no_umip" not in label}
    return ("<h2>An unmodified L1</h2>\n<p class=note>make demo, kernel "
            f"{escape(report['kernel'])}</p>\n"
            + two_drawings(report, names, ["stock", "nvx"], ["stock KVM", "nvx"]))


def bench(report):
    """The same with what L1 can do for it."""
    return ("<h2>What L1 can do for it</h2>\n<p class=note>make bench, kernel "
            f"{escape(report['kernel'])}; eVMCS is stock KVM's other software answer</p>\n"
            + two_drawings(report, BENCH, list(BENCH_COLUMNS.values()), list(BENCH_COLUMNS)))


def paper(report):
    """Per cent that L2 takes more than L1, optimization by optimization."""
    configs = list(report["ablation"])
    rows = [(name, [(report["ablation"][config].get(name) or {}).get("warm", {}).get(
        "overhead_percent") for config in configs]) for name in report["workloads"]]
    return ("<h2>Whole workloads</h2>\n<p class=note>make bench-paper: by how many per cent an L2 "
            "took more instructions than an L1, second run</p>\n"
            + table(["workload", *configs], [[name, *values] for name, values in rows]))


def shim(report):
    """What guests pay while the shim is there."""
    parts = ["<h2>The shim</h2>\n<p class=note>make bench-shim, kernel "
             f"{escape(report['kernel'])}: instructions of a guest's operation, and exits to "
             "the shim</p>"]
    for modules, texts in (("stock", "stock KVM"), ("nvx", "nvx")):
        operations = report.get(modules, {}).get("operations", {})
        rows = [[op, row["bare"], *(value for config in ("shim", "page") for value in (
            row.get(config, {}).get("instructions"), row.get(config, {}).get("exits")))]
                for op, row in operations.items()]
        parts += [f"<h3>{texts}</h3>", table(
            ["operation", "bare", "shim", "exits", "shim page", "exits"], rows)]
    return "\n".join(parts)


def flat(value, name=""):
    """Leaves of a report: (dotted name, text)."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        yield name, f"{len(value)} entries"
    elif isinstance(value, bool) or isinstance(value, str) or value is None:
        yield name, str(value)
    else:
        yield name, number(value)


def partition(report):
    """Two kernels on one machine: time line, denied attacks, what is left."""
    denied = [[kind, count] for kind, count in report.get("denied", {}).items()]
    rest = {key: value for key, value in report.items() if key not in ("schema", "denied")}
    return ("<h2>Two kernels on one machine</h2>\n<p class=note>make demo-partition</p>\n"
            + table(["what", "value"], [list(row) for row in flat(rest)])
            + "<h3>Attacks, and how often each was denied</h3>\n"
            + table(["kind", "denied"], denied))


def time_line(title, rows):
    """A bar of each phase, where it begins and as long as it takes; @rows: (label, seconds)."""
    whole, start, y, parts = sum(seconds for _, seconds in rows) or 1, 0, 8, []
    for label, seconds in rows:
        left, width = 430 * start / whole, 430 * seconds / whole
        parts.append(f'<text x="0" y="{y + 12}">{escape(label)}</text>'
                     f'<text class="value" x="430" y="{y + 12}" text-anchor="end">{seconds:.2f} s</text>'
                     f'<rect class="s2" x="{left:.1f}" y="{y + 18}" width="{max(width, 1):.1f}" '
                     'height="12"/>')
        start, y = start + seconds, y + 42
    return (f'<h3>{escape(title)}</h3>\n<svg viewBox="0 0 430 {y}" role="img" '
            f'aria-label="{escape(title)}">' + "\n".join(parts) + "</svg>")


def refresh(report):
    """A kernel in the place of another: time line, VMs, and how the machine differs."""
    phases = report["phases"]
    return ("<h2>A kernel replaced below its VMs</h2>\n<p class=note>make demo-refresh: from "
            f"{escape(report['from'])} to {escape(report['to'])}; seconds of the machine's own clock</p>\n"
            + time_line("Time line", [(row["name"], row["seconds"]) for row in phases])
            + table(["phase", "seconds", "pages written by the VMs"],
                    [[f"{row['name']}: {row['what']}", row["seconds"], row["ops"]] for row in phases])
            + "<h3>Its VMs</h3>\n"
            + table(["VM", "memory", "away, ms", "RAM sent, bytes", "wrong pages"],
                    [[vm["name"], vm["how"], vm["pause_ms"], vm["ram_bytes_sent"], vm["bad"]]
                     for vm in report["vms"]])
            + f"<p>Shim below the new kernel at last: {'yes' if report['after']['shim'] else 'no'}. "
            f"Facts that differ from those of the same kernel on the bare machine, each with its reason: "
            f"{len(report['after']['differences'])}.</p>")


def faults(report):
    """What was broken on purpose in a refresh, and whether it came to what the manual says."""
    parts = ["<h2>What can fail in a refresh</h2>\n<p class=note>make check-all, suites faults-*: each "
             "is done in the lab, with VMs that check their memory</p>"]
    for test, rows in report.items():
        good = sum(passed for _, passed in rows)
        parts += [f"<details{' open' if good < len(rows) else ''}><summary>{escape(test)}: {good} of "
                  f"{len(rows)} checks passed</summary>",
                  table(["check", "passed"],
                        [[what, "yes" if passed else "NO"] for what, passed in rows]), "</details>"]
    return "\n".join(parts)


def redis(report):
    """Redis in a VM, phase by phase of the refresh, and what it is compared with."""
    rows = report["phases"]
    labels = [row["name"] if row["column"] in ("copy", row["name"]) else
              f"{row['column']}: {row['name']}" for row in rows]
    percent = [round(100 * row["of_bare"], 1) for row in rows]
    rest = {key: value for key, value in report.items()
            if key not in ("schema", "phases", "pauses", "modules")}
    modules = report.get("modules", [])
    whats = list(dict.fromkeys(what for one in report["pauses"] for what in one))
    return ("<h2>Redis in a VM while the kernel below it is replaced</h2>\n"
            "<p class=note>make bench-refresh: YCSB-A, operations in each "
            f"{report['tsc_hz'] / 1e6:g} million instructions of a CPU</p>\n"
            + bars("Operations, per cent of the second kernel alone", ["per cent"],
                   [(label, [value]) for label, value in zip(labels, percent)])
            + table(["phase", "seconds", "operations / s", "of bare, %", "p50, us", "p95, us",
                     "p99, us", "longest, us"],
                    [[label, row["seconds"], row["ops_per_second"], value, row["p50_us"],
                      row["p95_us"], row["p99_us"], row["max_us"]]
                     for label, row, value in zip(labels, rows, percent)])
            + table(whats, [[one.get(what) for what in whats] for one in report["pauses"]])
            + table(["column", "KVM", "of the second kernel", "of L1"],
                    [[one["column"], one["first"], one["second"], one["l1"]] for one in modules])
            + table(["what", "value"], [list(row) for row in flat(rest)]))


SECTIONS = {"demo": demo, "bench": bench, "bench-paper": paper, "bench-shim": shim,
            "demo-partition": partition, "demo-refresh": refresh, "bench-refresh": redis,
            "faults": faults}


def page(reports):
    """The page; @reports: {name: report or None}."""
    parts = ["<!DOCTYPE html>", "<!-- SPDX-License-Identifier: GPL-2.0-only -->",
             '<html lang="en"><head><meta charset="utf-8">',
             '<meta name="viewport" content="width=device-width, initial-scale=1">',
             f"<title>Nested virtualization: report</title><style>{STYLE}</style></head><body>",
             "<h1>What nested virtualization costs, and a kernel replaced below its VMs</h1>",
             "<p>Counted in the lab, which emulates a whole machine: exits and instructions; times "
             "are of its own clock. Each section is of the last run of the command that it names.</p>"]
    for name, section in SECTIONS.items():
        if reports.get(name):
            parts.append("<section>" + section(reports[name]) + "</section>")
    missing = [SOURCES[name] for name in SECTIONS if not reports.get(name)]
    if missing:
        parts.append("<h2>Not measured here</h2><p>" + ", ".join(
            f"<code>{escape(command)}</code>" for command in missing) + "</p>")
    return "\n".join([*parts, "</body></html>", ""])
