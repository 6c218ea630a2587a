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
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2.5rem; } h3 { margin-top: 2rem; }
p.note { color: var(--dim); font-size: .9rem; }
.wide { overflow-x: auto; margin: 1rem 0; background:
  linear-gradient(to right, var(--paper) 40%, transparent) local 0 0 / 2rem 100% no-repeat,
  linear-gradient(to left, var(--paper) 40%, transparent) local 100% 0 / 2rem 100% no-repeat,
  linear-gradient(to right, var(--rule), transparent) scroll 0 0 / .8rem 100% no-repeat,
  linear-gradient(to left, var(--rule), transparent) scroll 100% 0 / .8rem 100% no-repeat; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { border-bottom: 1px solid var(--rule); padding: .25rem .6rem; text-align: right;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
th { white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 9rem; }
summary { cursor: pointer; margin: .5rem 0; }
svg { width: 100%; height: auto; max-width: 36rem; }
svg text { fill: var(--ink); font: 13px sans-serif; }
svg .value { fill: var(--dim); font-size: 11px; }
@media (max-width: 30rem) { svg text { font-size: 15px; } svg .value { font-size: 13px; } }
.s0 { fill: var(--s0) } .s1 { fill: var(--s1) } .s2 { fill: var(--s2) }
.s3 { fill: var(--s3) } .s4 { fill: var(--s4) }
.entry { white-space: nowrap; margin-right: 1em; }
.key { display: inline-block; width: .8em; height: .8em; margin-right: .3em; }
.key.s0 { background: var(--s0) } .key.s1 { background: var(--s1) }
.key.s2 { background: var(--s2) } .key.s3 { background: var(--s3) }
.key.s4 { background: var(--s4) }
"""
# What reports call it -> heads of tables.
FACTS = {
    "memory_kib": "memory, KiB", "cpus": "CPUs", "vm_reports": "words of its VM",
    "vm_bad": "pages of its VM that were wrong", "boot_exits": "exits to the shim, boot",
    "idle_exits_per_s": "exits a second, idle", "busy_exits_per_s": "exits a second, busy",
    "shim": "a shim is below", "differences": "differences from the bare machine, known",
    "pause_ms": "by libvirt, ms", "pause_seen_ms": "missed by the VM, ms",
    "ram_bytes_sent": "RAM sent, bytes", "link_bytes": "over the link, bytes",
    "wire_bytes": "over a wire, bytes", "total_seconds": "plan to the shim's leaving, s",
    "save_ms": "save, ms", "saved_bytes": "saved, bytes", "down_ms": "shutdown, ms",
    "boot_ms": "reset to libvirt, ms", "restore_ms": "restore, ms",
    "from": "first kernel", "to": "second kernel", "compared_with": "kernel of bare",
    "tsc_hz": "instructions of a CPU in a second",
}
# Configurations of bench-shim -> heads.
SHIM_COLUMNS = {"shim": "shim", "noshadow": "without VMCS shadowing", "page": "shim page"}
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
        return f"{value:,.2f}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{int(value):,}"


def percent(value):
    """One digit more, all of them."""
    return "" if value is None else f"{value:.1f}"


def table(heads, rows):
    """Texts are escaped here, and nowhere else."""
    lines = ["<div class=wide><table><tr>",
             "".join(f"<th>{escape(head)}</th>" for head in heads), "</tr>"]
    for row in rows:
        cells = (cell if isinstance(cell, str) else number(cell) for cell in row)
        lines.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    return "\n".join([*lines, "</table></div>"])


def longest(rows):
    """The biggest value of rows of a drawing."""
    return max((value for _, values in rows for value in values if value), default=1)


def bars(title, series, rows, own=False, text=number):
    """Bars in groups; @rows: (label, value of each of @series or None); @own: each to its own scale."""
    height, y, parts = 14, 8, []
    for label, values in rows:
        biggest = longest([(label, values)] if own else rows)
        parts.append(f'<text x="0" y="{y + 12}">{escape(label)}</text>')
        y += 18
        for i, value in enumerate(values):
            if value is None:
                continue
            width = 340 * value / biggest
            parts.append(f'<rect class="s{i}" x="0" y="{y}" width="{width:.1f}" '
                         f'height="{height - 2}"><title>{escape(series[i])}: {text(value)}'
                         f'</title></rect><text class="value" x="{width + 6:.1f}" '
                         f'y="{y + 10}">{text(value)}</text>')
            y += height
        y += 10
    keys = "".join(f'<span class=entry><span class="key s{i}"></span>{escape(name)}</span> '
                   for i, name in enumerate(series)) if len(series) > 1 else ""
    keys += "Each group has a scale of its own." if own else ""
    return (f"<h3>{escape(title)}</h3>\n" + (f"<p class=note>{keys}</p>\n" if keys else "") +
            f'<svg viewBox="0 0 430 {y}" role="img" aria-label="{escape(title)}">' +
            "\n".join(parts) + "</svg>")


def grid(report, names, columns, key):
    """[(label, [value of each column])]"""
    return [(label, [report["configs"].get(config, {}).get(op, {}).get(key)
                     for config in columns]) for label, op in names.items()]


def two_drawings(report, names, columns, texts, own=False):
    """Exits and instructions, each as a table, too; @own: instructions differ by orders of magnitude."""
    parts = []
    for what, key, scale in (("Exits to L0", "exits", False), ("Instructions", "instructions", own)):
        rows = grid(report, names, columns, key)
        parts += [bars(what + " per operation of L2", texts, rows, scale),
                  table(["L2 operation", *texts], [[label, *values] for label, values in rows])]
    return "\n".join(parts)


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
            + two_drawings(report, BENCH, list(BENCH_COLUMNS.values()), list(BENCH_COLUMNS), True))


def paper(report):
    """Per cent that L2 takes more than L1, optimization by optimization."""
    configs = list(report["ablation"])
    rows = [(name, [(report["ablation"][config].get(name) or {}).get("warm", {}).get(
        "overhead_percent") for config in configs]) for name in report["workloads"]]
    return ("<h2>Whole workloads</h2>\n<p class=note>make bench-paper: by how many per cent an L2 "
            "took more instructions than an L1, second run. stock: stock KVM at both levels; shadow: neither "
            "EPT for guests nor anything of nvx; gpf, vept, pv: page faults of L2 that do not exit, EPT for "
            "guests, the VMCS in memory, one after the other; all: all of nvx, and delegation</p>\n"
            + table(["workload", *configs], [[name, *values] for name, values in rows]))


def shim(report):
    """What guests pay while the shim is there."""
    parts = ["<h2>The shim</h2>\n<p class=note>make bench-shim, kernel "
             f"{escape(report['kernel'])}: instructions of a guest's operation, and exits to "
             "the shim</p>"]
    for modules, texts in (("stock", "stock KVM"), ("nvx", "nvx")):
        operations = report.get(modules, {}).get("operations", {})
        configs = {config: head for config, head in SHIM_COLUMNS.items()
                   if any(config in row for row in operations.values())}
        rows = [[op, row["bare"], *(value for config in configs for value in (
            row.get(config, {}).get("instructions"), row.get(config, {}).get("exits")))]
                for op, row in operations.items()]
        parts += [f"<h3>{texts}</h3>", table(
            ["operation", "bare", *(head for column in configs.values() for head in (column, "exits"))], rows)]
    return "\n".join(parts)


def flat(value, name=""):
    """Leaves of a report: (dotted name, text)."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        yield name, f"{len(value)} entries"
    elif isinstance(value, bool):
        yield name, "yes" if value else "no"
    elif isinstance(value, str) or value is None:
        yield name, value or ""
    else:
        yield name, number(value)


def partition(report):
    """Two kernels on one machine: what each has, denied attacks, what is left."""
    denied = report.get("denied", {})
    sides = {"vmm0": "first kernel", "vmm1": "second kernel", "after": "it alone, at last"}
    said = {side: dict(flat(report.get(side, {}))) for side in sides}
    rest = {key: value for key, value in report.items() if key not in (*sides, "schema", "denied")}
    return ("<h2>Two kernels on one machine</h2>\n<p class=note>make demo-partition</p>\n"
            + table(["what", *sides.values()],
                    [[FACTS.get(what, what), *(said[side].get(what, "") for side in sides)]
                     for what in dict.fromkeys(what for side in sides for what in said[side])])
            + (table(["what", "value"], [list(row) for row in flat(rest)]) if rest else "")
            + f"<details><summary>Attacks: {number(sum(denied.values()))} were denied, of "
            f"{len(denied)} kinds</summary>\n"
            + table(["kind", "denied"], [list(row) for row in denied.items()]) + "</details>")


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


def exits(looks):
    """What L0 has counted while the VM was an L2: exits by who and why, counters of nvx."""
    columns = [look["column"] for look in looks]
    rows, counters = {}, {}
    for look in looks:
        for row in look["exits"]:
            rows.setdefault((row["level"], row["name"], row["reason"]), {})[look["column"]] = row["per_1000_ops"]
        for row in look["counters"]:
            counters.setdefault(row["name"], {})[look["column"]] = row["per_1000_ops"]

    def cells(counts):
        return [f"{counts[column]:,.2f}" if column in counts else "" for column in columns]

    order = sorted(rows, key=lambda key: (key[0], -max(rows[key].values())))
    sums = [[f"all of L{level}", "", *cells({column: sum(
        counts.get(column, 0) for key, counts in rows.items() if key[0] == level)
        for column in columns})] for level in sorted({key[0] for key in rows})]
    return ("<h3>Exits of 1,000 operations in the nestings</h3>\n<p class=note>As L0 has them, in a look of its "
            "own: " + escape(", ".join(f"{look['column']} with {number(look['ops_per_second'])} operations a second"
                                       for look in looks)) + "</p>\n"
            + table(["exit of", "basic reason", *columns],
                    sums + [[f"L{level}: {name}", reason, *cells(rows[level, name, reason])]
                            for level, name, reason in order])
            + (f"<details><summary>Counters of nvx that have moved: {len(counters)}</summary>\n"
               + table(["counter", *columns], [[name, *cells(counts)] for name, counts in sorted(counters.items())])
               + "</details>" if counters else ""))


def label_of(row):
    """Of a phase."""
    return row["column"] if row["name"] in (row["column"], "nested") else f"{row['column']}: {row['name']}"


def throughput(rows):
    """A drawing of the refreshes, phase by phase, and one of what they are compared with."""
    done = {(row["column"], row["name"]): 100 * row["of_bare"] for row in rows}
    moved = [column for column in dict.fromkeys(row["column"] for row in rows) if (column, "moving") in done]
    phases = dict.fromkeys(row["name"] for row in rows if row["column"] in moved)
    others = [row for row in rows if row["column"] not in moved]
    return (bars("Operations in each phase of a refresh, per cent of the second kernel alone", moved,
                 [(name, [done.get((column, name)) for column in moved]) for name in phases],
                 text=percent)
            + bars("Where there is no refresh", ["per cent"],
                   [(label_of(row), [100 * row["of_bare"]]) for row in others], text=percent))


def redis(report):
    """Redis in a VM, phase by phase of the refresh, and what it is compared with."""
    rows = report["phases"]
    rest = {key: value for key, value in report.items()
            if key not in ("schema", "phases", "pauses", "modules", "exits")}
    whats = dict.fromkeys(what for one in report["pauses"] for what in one if what != "column")
    return ("<h2>Redis in a VM while the kernel below it is replaced</h2>\n"
            "<p class=note>make bench-refresh: YCSB-A, operations in each "
            f"{report['tsc_hz'] / 1e6:g} million instructions of a CPU</p>\n"
            + throughput(rows)
            + table(["phase", "seconds", "operations / s", "of bare, %", "p50, us", "p95, us",
                     "p99, us", "longest, us"],
                    [[label_of(row), row["seconds"], row["ops_per_second"],
                      percent(100 * row["of_bare"]), row["p50_us"], row["p95_us"], row["p99_us"],
                      row["max_us"]] for row in rows])
            + "<h3>Pauses</h3>\n"
            + table(["pause", *(one["column"] for one in report["pauses"])],
                    [[FACTS.get(what, what), *(one.get(what) for one in report["pauses"])]
                     for what in whats])
            + (exits(report["exits"]) if report.get("exits") else "")
            + "<h3>What ran</h3>\n"
            + table(["column", "KVM", "of the second kernel", "of L1"],
                    [[one["column"], one["first"], one["second"], one["l1"]]
                     for one in report.get("modules", [])])
            + table(["what", "value"], [[FACTS.get(what, what), value] for what, value in flat(rest)]))


SECTIONS = {"demo": demo, "bench": bench, "bench-paper": paper, "bench-shim": shim,
            "demo-partition": partition, "demo-refresh": refresh, "bench-refresh": redis,
            "faults": faults}


def trees(products):
    """One sentence if all is of one tree, else which section is of which; @products: {name: [digest or '']}."""
    kinds = {}
    for name, said in products.items():
        kinds.setdefault(" and ".join(one or "not known" for one in said), []).append(SOURCES[name])
    if len(kinds) == 1 and not all("" in said for said in products.values()):
        return f"<p>All of it is of one tree: product code <code>{escape(*kinds)}</code>.</p>"
    return ("<p><b>Not all of it is known to be of one tree.</b> Product code: " + "; ".join(
        f"<code>{escape(kind)}</code>: {escape(', '.join(names))}" for kind, names in kinds.items()) + ".</p>")


def page(reports, products):
    """The page; @reports: {name: report or None}, @products: {name: [digest of the product code]}."""
    parts = ["<!DOCTYPE html>", "<!-- SPDX-License-Identifier: GPL-2.0-only -->",
             '<html lang="en"><head><meta charset="utf-8">',
             '<meta name="viewport" content="width=device-width, initial-scale=1">',
             f"<title>Nested virtualization: report</title><style>{STYLE}</style></head><body>",
             "<h1>What nested virtualization costs, and a kernel replaced below its VMs</h1>",
             "<p>Counted in the lab, which emulates a whole machine: exits and instructions; times "
             "are of its own clock. Each section is of the last run of the command that it names.</p>",
             trees(products)]
    for name, section in SECTIONS.items():
        if reports.get(name):
            parts.append("<section>" + section(reports[name]) + "</section>")
    missing = [SOURCES[name] for name in SECTIONS if not reports.get(name)]
    if missing:
        parts.append("<h2>Not measured here</h2><p>" + ", ".join(
            f"<code>{escape(command)}</code>" for command in missing) + "</p>")
    return "\n".join([*parts, "</body></html>", ""])
