#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The report page and the comparison with README.md, on made-up reports."""

import html.parser
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from lablib import page, readme
from lablib.common import product_digest

VOID = {"meta", "br", "img"}


def configs(names, ops):
    """Figures that are all different."""
    return {config: {op: {"exits": float(i + 2), "instructions": 10000 * (i + 1) + 100 * j}
                     for j, op in enumerate(ops)} for i, config in enumerate(names)}


REPORTS = {
    "demo": {"kernel": "6.1 <x>", "configs": configs(
        ("stock", "nvx", "nvx_no_umip"), list(dict.fromkeys(readme.DEMO.values())))},
    "bench": {"kernel": "6.1-cloud", "configs": configs(
        readme.BENCH_COLUMNS.values(), readme.BENCH.values())},
    "bench-paper": {"workloads": ["sieve"], "ablation": {
        "stock": {"sieve": {"warm": {"overhead_percent": 2.91}}}, "all": {}}},
    "bench-shim": {"kernel": "6.1-cloud", "stock": {"operations": {"cpuid": {
        "bare": 972, "shim": {"instructions": 1758, "exits": 2.0}}}}},
    "demo-partition": {"schema": 1, "vmm1": {"kernel": "6.12", "boot_exits": 4574},
                       "denied": {"port-smi": 6}, "after": {"shim": False, "differences": ["x"]}},
    "demo-refresh": {"from": "6.1", "to": "6.12", "vms": [
        {"name": "vm1", "how": "copy", "pause_ms": 71, "ram_bytes_sent": 7654321, "bad": 0}],
        "phases": [{"name": "boot", "what": "comes", "seconds": 2.5, "ops": 488},
                   {"name": "move", "what": "VMs", "seconds": 7.5, "ops": 2020}],
        "after": {"shim": False, "differences": ["x", "y"]}},
    "faults": {"part-faults-run": [("a <fault>", True), ("another", False)]},
    "bench-refresh": {"schema": 1, "from": "6.1", "tsc_hz": 500000000, "exits": [
        {"column": "nesting-stock", "ops_per_second": 9334.5, "counters": [], "exits": [
            {"level": 1, "reason": 25, "name": "other", "per_1000_ops": 1234.5},
            {"level": 1, "reason": 24, "name": "other", "per_1000_ops": 2345.25},
            {"level": 2, "reason": 48, "name": "EPT violation", "per_1000_ops": 11.5}]},
        {"column": "nesting-nvx", "ops_per_second": 9503.0,
         "counters": [{"name": "fast_exit", "per_1000_ops": 2101.5}], "exits": [
             {"level": 2, "reason": 48, "name": "EPT violation", "per_1000_ops": 13.25}]}], "pauses": [
        {"column": "copy", "pause_ms": 66, "link_bytes": 4321},
        {"column": "zero-copy", "pause_ms": 44}], "phases": [
        {"column": "copy" if i < 4 else "bare", "name": name, "seconds": 5.0, "ops_per_second": 1234.5 * i, "of_bare": 0.123 * i,
         "p50_us": 310 + i, "p95_us": 420, "p99_us": 530, "max_us": 9000}
        for i, name in enumerate(("normal", "moving", "final", "bare"), 1)]},
}


# What sentences of README.md are about; no two figures are the same, all begin with a seven.
SAID = {
    "bench-shim": {"stock": {"operations": {"cpuid": {"bare": 700, "shim": {"instructions": 701, "exits": 70}}}},
                   "nvx": {"operations": {"cpuid": {"bare": 702, "page": {"instructions": 703, "exits": 72}}}}},
    "demo-partition": {"vmm1": {"boot_exits": 7100}},
    "demo-refresh": {"vms": [{"pause_ms": 710}, {"pause_ms": 730}]},
    "bench-refresh": {"pauses": [{"column": "copy", "pause_ms": 74}], "phases": [
        {"column": column, "of_bare": share} for column, share in (
            ("nesting-nvx-tsc", .77), ("nesting-stock-tsc", .76), ("nesting-nvx-l1", .75), ("nesting-stock", .74))]},
}


def shim_report():
    """All operations of bench-shim."""
    def row(base):
        return {"bare": base, "shim": {"instructions": base + 1000, "exits": 2.0},
                "noshadow": {"instructions": base + 3000, "exits": 10.01},
                "page": {"instructions": base + 500, "exits": 2.0}}

    return {modules: {"operations": {op: row(base + 10000 * i) for i, op in enumerate(readme.SHIM.values())}}
            for modules, base in (("stock", 20000), ("nvx", 40000))}


ONE_TREE = {name: ["0123456789ab"] for name in REPORTS}


def readme_of(reports):
    """A README.md with just these tables."""
    lines = ["| L2 operation | exits stock | nvx | instructions stock | nvx |", "| --- |" * 5]
    demo = reports["demo"]["configs"]
    for label, op in readme.DEMO.items():
        nvx = demo["nvx_no_umip" if "no_umip" in label else "nvx"][op]
        stock = demo["stock"][op]
        first = (f"{stock['exits']:g}", stock["instructions"]) if "no_umip" not in label else ("", "")
        lines.append(f"| {label} | {first[0]} | {nvx['exits']:g} | {first[1]} | "
                     f"{nvx['instructions']} |")
    lines += ["", "| L2 operation | " + " | ".join(readme.BENCH_COLUMNS) + " |", "| --- |" * 6]
    for label, op in readme.BENCH.items():
        rows = [reports["bench"]["configs"][config][op]
                for config in readme.BENCH_COLUMNS.values()]
        lines.append(f"| {label} | " + " | ".join(
            f"{row['exits']:g}, {row['instructions']}" for row in rows) + " |")
    return "\n".join(lines) + "\n"


class Parser(html.parser.HTMLParser):
    """Elements are closed in order; texts of table cells."""

    def __init__(self):
        super().__init__()
        self.open, self.cells, self.tags = [], [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            assert name not in ("src", "href", "srcset"), (tag, name, value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "td":
            self.cells.append(data)


class Page(unittest.TestCase):
    """It stands alone, and shows every figure."""

    def parsed(self, reports):
        parser = Parser()
        parser.feed(page.page(reports, ONE_TREE))
        parser.close()
        self.assertEqual(parser.open, [])
        return parser

    def test_figures(self):
        parser = self.parsed(REPORTS)
        self.assertLessEqual({"svg", "table", "style", "title", "details"}, parser.tags)
        self.assertNotIn("script", parser.tags)
        for name in ("demo", "bench"):
            for config, ops in REPORTS[name]["configs"].items():
                for row in ops.values() if config != "nvx_no_umip" else ():
                    self.assertIn(f"{row['instructions']:,}", parser.cells)
        for cell in ("2.91", "1,758", "972", "exits to the shim, boot", "4,574", "port-smi", "no",
                     "1 entries", "3,704", "36.9", "312", "500,000,000", "66", "44", "4,321",
                     "71", "7,654,321", "2,020", "a <fault>", "NO"):
            self.assertIn(cell, parser.cells)

    def test_alone(self):
        """No network, both colour schemes, narrow screens; text is escaped."""
        text = page.page(REPORTS, ONE_TREE)
        self.assertNotRegex(text, r"https?:|@import|url\(")
        self.assertIn("prefers-color-scheme: dark", text)
        self.assertIn("width=device-width", text)
        self.assertIn("6.1 &lt;x&gt;", text)
        colors = [set(re.findall(r"--(\w+):", part)) for part in
                  page.STYLE.partition("body {")[0].split("@media")]
        self.assertEqual(colors[0], colors[1])

    def test_bars(self):
        """As long as their values, the longest as long as there is room."""
        text = page.bars("x", ["a", "b"], [("one", [10, 5]), ("two", [None, 0])])
        self.assertEqual(re.findall(r'<rect .*? width="([\d.]+)"', text),
                         ["340.0", "170.0", "0.0"])
        text = page.bars("x", ["a", "b"], [("one", [10, 5]), ("two", [2, 1])], own=True)
        self.assertEqual(re.findall(r'<rect .*? width="([\d.]+)"', text),
                         ["340.0", "170.0", "340.0", "170.0"])

    def test_exits(self):
        """By level and reason, those of one name apart, the most frequent first; their sums."""
        cells = self.parsed({"bench-refresh": REPORTS["bench-refresh"]}).cells
        at = cells.index("all of L1")
        # An empty cell has no data.
        self.assertEqual(cells[at:at + 18], [
            "all of L1", "3,579.75", "0.00", "all of L2", "11.50", "13.25",
            "L1: other", "24", "2,345.25", "L1: other", "25", "1,234.50",
            "L2: EPT violation", "48", "11.50", "13.25", "fast_exit", "2,101.50"])
        old = {key: value for key, value in REPORTS["bench-refresh"].items() if key != "exits"}
        self.assertNotIn("all of L1", self.parsed({"bench-refresh": old}).cells)

    def test_time_line(self):
        """Each begins where the one before has ended."""
        text = page.time_line("x", [("one", 2.5), ("two", 7.5), ("three", 0)])
        self.assertEqual(re.findall(r'<rect .*? x="([\d.]+)" y="\d+" width="([\d.]+)"', text),
                         [("0.0", "107.5"), ("107.5", "322.5"), ("430.0", "1.0")])

    def test_shim_columns(self):
        """What was not measured with these modules has no column."""
        text = page.shim({"kernel": "6.1", **shim_report()})
        self.assertEqual(text.count("<th>shim page</th><th>exits</th>"), 2)
        text = page.shim(REPORTS["bench-shim"])
        self.assertIn("<th>shim</th><th>exits</th>\n</tr>", text)
        self.assertNotIn("shim page</th>", text)

    def test_missing(self):
        text = page.page({"bench": REPORTS["bench"]}, ONE_TREE)
        self.assertIn("<code>make demo</code>", text)
        self.assertNotIn("<code>make bench</code>", text)
        with open(os.path.join(TOP, "Makefile"), encoding="utf-8") as stream:
            targets = re.findall(r"^([a-z-]+):", stream.read(), re.M)
        for command in page.SOURCES.values():
            self.assertIn(command.removeprefix("make "), targets)


class Readme(unittest.TestCase):
    """Figures that differ are named."""

    def wrong(self, old="", new=""):
        text = readme_of(REPORTS)
        self.assertIn(old, text)
        text = text.replace(old, new, 1) if old else text
        demo, bench = (check(text, REPORTS[name]) for name, check in
                       (("demo", readme.check_demo), ("bench", readme.check_bench)))
        return demo[0] + bench[0], demo[1] + bench[1]

    def test_right(self):
        rows = 2 * len(readme.DEMO) - 1 + len(readme.BENCH) * len(readme.BENCH_COLUMNS)
        self.assertEqual(self.wrong(), (rows, []))
        # Within two per cent.
        self.assertEqual(self.wrong("| 10000 |", "| 10199 |")[1], [])
        # With a timer an exit may be a tick's.
        self.assertEqual(self.wrong("| HLT until a timer | 2,", "| HLT until a timer | 3,")[1], [])

    def test_wrong(self):
        for old, new, said in (
                ("| 10000 |", "| 10201 |", "CPUID, stock: README.md says 10201 instructions"),
                ("| CPUID | 2 |", "| CPUID | 3 |", "CPUID, stock: README.md says 3 exits"),
                ("| VMCALL | 2,", "| VMCALL | 1,", "VMCALL, stock: README.md says 1 exits"),
                ("| VMCALL | 2 |", "| VMCAL | 2 |", "a row 'VMCAL'"),
                ("| HLT until a timer | 2,", "| HLT until a timer | 4,", "README.md says 4 exits"),
                ("exits stock", "exits", "no table of the demo"),
                ("and delegation |", "delegation |", "no table of the comparison")):
            found = self.wrong(old, new)[1]
            self.assertEqual(len(found), 1, (new, found))
            self.assertIn(said, found[0])

    def test_tables_are_there(self):
        """README.md of the tree has all rows that can be compared."""
        with open(os.path.join(TOP, "README.md"), encoding="utf-8") as stream:
            text = stream.read()
        demo = readme.find_table(text, "L2 operation", "exits stock", "nvx",
                                 "instructions stock", "nvx")
        bench = readme.find_table(text, "L2 operation", *readme.BENCH_COLUMNS)
        self.assertEqual([row[0] for row in demo], list(readme.DEMO))
        self.assertEqual([row[0] for row in bench], list(readme.BENCH))
        with open(os.path.join(TOP, "Documentation/shim-abi.rst"), encoding="utf-8") as stream:
            self.assertEqual(readme.check_shim(stream.read(), {modules: {"operations": {
                op: {"bare": 0, **{config: {"instructions": 0, "exits": 0} for config in ("shim", "noshadow", "page")}}
                for op in readme.SHIM.values()}} for modules in ("stock", "nvx")})[0], 45)
        self.assertEqual(readme.check_paper(text, {"ablation": {}, "workloads": {}})[1][0], "sieve, stock: not measured")
        for name, report in SAID.items():
            compared, wrong = readme.check_sentences(text, report, name)
            self.assertEqual(compared, sum(len(figures(report)) for _, figures, _ in readme.SENTENCES[name]), wrong)

    def test_paper(self):
        report = {"workloads": ["sieve"], "ablation": {config: {"sieve": {
            "warm": {"overhead_percent": 10.0 * i}, "cold": {"overhead_percent": 60.0 + i}}}
            for i, config in enumerate(readme.PAPER_COLUMNS)}}
        heads = "".join(f"| `{config}` " for config in readme.PAPER_COLUMNS)
        text = (f"| workload {heads}| `all`, cold | paper |\n" + "| --- |" * 9 +
                "\n| `sieve`: arithmetic | 0.4 | 10.9 | 18.1 | 30.0 | 40.0 | 50.0 | 80.0 | 5.22 |\n")
        self.assertEqual(readme.check_paper(text, report), (7, []))
        for old, new, said in (("| 0.4", "| 0.6", "sieve, stock, warm: README.md says 0.6 %, measured are 0.0 %"),
                               ("18.1", "17.9", "sieve, gpf, warm: README.md says 17.9 %"),
                               ("80.0", "82.0", "sieve, all, cold: README.md says 82.0 %"),
                               ("`sieve`", "`chase`", "chase, stock: not measured"),
                               ("cold |", "cold", "no table of the paper's experiment")):
            self.assertIn(said, " ".join(readme.check_paper(text.replace(old, new), report)[1]), new)

    def test_shim(self):
        report = shim_report()
        text = "".join(f"{label}   {20000 + 10000 * i}  {21000 + 10000 * i}  2  {23000 + 10000 * i}  10\n"
                       f"{label}   {40000 + 10000 * i}  {40500 + 10000 * i}  2\n" for i, label in enumerate(readme.SHIM))
        self.assertEqual(readme.check_shim(text, report), (8 * len(readme.SHIM), []))
        for old, new in ((" 21000 ", " 22000 "), ("  10\n", "  11\n"), (" 40500 ", " 42000 "), ("CPUID   ", "CPUI   ")):
            self.assertGreaterEqual(len(readme.check_shim(text.replace(old, new), report)[1]), 1, new)

    def test_sentences(self):
        """Each figure is compared: another one in its place is noticed."""
        for name, report in SAID.items():
            text = "".join(self.sentence(said, figures(report)) for said, figures, _ in readme.SENTENCES[name])
            right = readme.check_sentences(text, report, name)
            self.assertEqual(right[1], [])
            numbers = [found.start() for found in re.finditer(r"\b7[\d.]+", text)]
            self.assertEqual(len(numbers), right[0])
            for at in numbers:
                self.assertEqual(len(readme.check_sentences(text[:at] + "2" + text[at:], report, name)[1]), 1)
            self.assertIn("there is no", readme.check_sentences("", report, name)[1][0])

    @staticmethod
    def sentence(pattern, values):
        """Text with these figures."""
        values = iter(values)
        return re.sub("#", lambda _: f"{next(values):g}", pattern).replace(".*?", "and so on") + "\n"


def write_json(directory, report):
    os.makedirs(directory)
    with open(os.path.join(directory, "report.json"), "w", encoding="utf-8") as stream:
        stream.write(report if isinstance(report, str) else json.dumps(report))


class Command(unittest.TestCase):
    """scripts/report on a directory of reports."""

    def run_report(self, status, reports, *words):
        with tempfile.TemporaryDirectory() as directory:
            for name, report in reports.items():
                write_json(os.path.join(directory, name), report)
            done = subprocess.run([os.path.join(TOP, "scripts/report"), "--build", directory,
                                   *words], text=True, capture_output=True, check=False)
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
            made = os.path.exists(os.path.join(directory, "report", "index.html"))
            return made, done.stdout + done.stderr

    def test_page(self):
        self.assertTrue(self.run_report(0, REPORTS)[0])
        self.assertIn("nothing has been measured", self.run_report(2, {})[1])
        self.assertIn("is no JSON", self.run_report(2, {"demo": "{"})[1])

    def test_tree(self):
        """Whether all is of one tree, and of this one."""
        def runs(digest, other):
            for i, name in enumerate(("demo-stock", "demo-nvx", "bench-pv", "paper-all", "bench-shim-nvx",
                                      "demo-partition", "demo-refresh-bare", "bench-refresh-copy", "x")):
                yield name, {"tests": [{"name": "part-faults-run", "verdict": "pass", "reason": ""}],
                             **({"product": other if i == 3 else digest} if digest else {})}

        ours = product_digest()
        for digest, other, status, said in ((ours, ours, 0, "8 passed, 0 failed"), (ours, "abc", 1, "7 passed, 1 failed"),
                                            ("abc", "abc", 1, "0 passed, 8 failed"), ("", "", 1, "0 passed, 8 failed")):
            with tempfile.TemporaryDirectory() as directory:
                for name, report in REPORTS.items():
                    write_json(os.path.join(directory, name), report)
                for name, report in runs(digest, other):
                    write_json(os.path.join(directory, "lab", name), report)
                os.makedirs(os.path.join(directory, "lab", "x", "part-faults-run"))
                with open(os.path.join(directory, "lab", "x", "part-faults-run", "output.txt"), "w",
                          encoding="utf-8"):
                    pass
                command = [os.path.join(TOP, "scripts/report"), "--build", directory]
                done = subprocess.run([*command, "--check-tree"], text=True, capture_output=True, check=False)
                self.assertEqual(done.returncode, status, done.stdout + done.stderr)
                self.assertIn(said, done.stdout)
                subprocess.run(command, capture_output=True, check=True)
                with open(os.path.join(directory, "report", "index.html"), encoding="utf-8") as stream:
                    text = stream.read()
            self.assertEqual("Not all of it is known to be of one tree" in text, digest != other or not digest, digest)
            if not digest:
                self.assertIn("<code>not known</code>: make demo, ", text)
            elif digest != other:
                self.assertIn("<code>abc</code>: make bench-paper.", text)
            else:
                self.assertIn(f"product code <code>{digest}</code>", text)

    def test_faults(self):
        """A run that was cut off is not one that has passed, whatever was good until then."""
        for verdict, cells in (("pass", ("the lab: pass", "yes")), ("fail", ("the lab: fail why", "NO")),
                               (None, ("the run has come to its end", "NO"))):
            with tempfile.TemporaryDirectory() as directory:
                run = os.path.join(directory, "lab", "x")
                os.makedirs(os.path.join(run, "part-faults-run"))
                with open(os.path.join(run, "part-faults-run", "output.txt"), "w",
                          encoding="utf-8") as stream:
                    stream.write("ok 1 - good\n")
                if verdict:
                    with open(os.path.join(run, "report.json"), "w", encoding="utf-8") as stream:
                        json.dump({"tests": [{"name": "part-faults-run", "verdict": verdict,
                                              "reason": "why" if verdict == "fail" else ""}]}, stream)
                subprocess.run([os.path.join(TOP, "scripts/report"), "--build", directory],
                               capture_output=True, check=True)
                with open(os.path.join(directory, "report", "index.html"), encoding="utf-8") as stream:
                    text = stream.read()
            parser = Parser()
            parser.feed(text)
            self.assertEqual(tuple(parser.cells[-2:]), cells)
            self.assertEqual("<details open>" in text, cells[1] == "NO")

    def test_check(self):
        self.assertIn("run 'make bench'",
                      self.run_report(2, {"demo": REPORTS["demo"]}, "--check-readme")[1])
        # Made-up figures are not those of the tree's README.md.
        tables = {name: REPORTS[name] for name in ("demo", "bench")}
        made, said = self.run_report(1, {**tables, **SAID, "bench-shim": shim_report()}, "--check-readme")
        self.assertFalse(made)
        self.assertIn("0 passed, 7 failed, 1 skipped", said)
        # What is measured by itself is left out where it has not been.
        self.assertIn("0 passed, 2 failed, 6 skipped", self.run_report(1, tables, "--check-readme")[1])


if __name__ == "__main__":
    unittest.main()
