# SPDX-License-Identifier: GPL-2.0-only
"""Limits that a report has to keep: lines of "config op key ==|<=|<|>= value"."""

import operator
import re

COMPARISONS = {"==": operator.eq, "<=": operator.le, "<": operator.lt,
               ">=": operator.ge}


class LimitsError(Exception):
    """A limits file that cannot be understood."""


def read_limits(path):
    """[(config, op, key, comparison, value)] of a limits file."""
    limits = []
    with open(path, encoding="utf-8") as stream:
        for number, line in enumerate(stream, 1):
            words = line.split("#")[0].split()
            if not words:
                continue
            if len(words) != 5 or words[3] not in COMPARISONS:
                raise LimitsError(f"{path}:{number}: 'config op key ==|<=|<|>= value' expected")
            limits.append((*words[:4], words[4]))
    return limits


def limit_value(report, word):
    """A number, or config.op.key of the same report, perhaps with +N%."""
    word, plus, percent = word.partition("+")
    if plus:
        return limit_value(report, word) * (1 + float(percent.rstrip("%")) / 100)
    if re.fullmatch(r"[0-9.]+", word):
        return float(word)
    config, op, key = word.split(".")
    return report["configs"][config][op][key]


def check_limits(report, limits, rows):
    """[(good, text)] for all limits; "*" stands for every one of `rows`."""
    checks = []
    for config, op, key, comparison, word in limits:
        measured = report["configs"].get(config, {})
        # Nothing measured is a failure, not nothing to check.
        ops = [row for row in rows if row in measured] or ["*"] if op == "*" else [op]
        for name in ops:
            actual = measured.get(name, {}).get(key)
            wanted = limit_value(report, word.replace("*", name)) if name != "*" else 0
            good = actual is not None and COMPARISONS[comparison](actual, wanted)
            checks.append((good, f"{config} {name}: {key} {actual} {comparison} {wanted:g}"))
    return checks


def print_checks(checks):
    """Print [(good, text)] as TAP; returns the number of failures."""
    failed = 0
    for number, (good, text) in enumerate(checks, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {text}")
        failed += not good
    print(f"1..{len(checks)}")
    print(f"{len(checks) - failed} passed, {failed} failed, 0 skipped")
    return failed
