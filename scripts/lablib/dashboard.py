# SPDX-License-Identifier: GPL-2.0-only
"""A Grafana dashboard for what `nestctl stats --prometheus` writes, from the table of counters."""

import json

# Panels in this order: title, counters whose names begin with one of these.
GROUPS = (
    ("Transitions between L1 and L2", ("fast_exit", "fast_entry", "fast_direct", "fast_timer")),
    ("Why a transition had not the short form", ("fast_why",)),
    ("VMCS in memory", ("pv", "l1")),
    ("Answered for L1", ("deleg",)),
    ("Pages mapped ahead", ("prefault", "around", "tdp_around", "populate")),
    ("Kept", ("roots", "tables", "idle", "host", "debugctl")),
    ("Page faults without EPT", ("bypass",)),
)
# Of vmm-refresh: title, text, metric, what it is split by.
SHIM = (
    ("Exits to the shim", "by whose they are and by basic exit reason",
     "vmm_refresh_exits_total", ("of", "reason")),
    ("Denied by the shim", "accesses of a kernel to what is the other one's, by kind",
     "vmm_refresh_denied_total", ("kernel", "kind")),
)
WHERE = '{instance=~"$instance"}'


def belongs(name, prefixes):
    """Is a counter one of a group?"""
    return any(name == prefix or name.startswith(prefix + "_") for prefix in prefixes)


def rate(metric):
    """Of one counter, of all machines that are chosen."""
    return f"sum by (instance) (rate({metric}{WHERE}[$__rate_interval]))"


def panel(number, kind, title, text, targets, unit, place):
    """One panel; @targets: (expression, legend)."""
    x, y, width, height = place
    return {"id": number, "type": kind, "title": title, "description": text,
            "datasource": {"type": "prometheus", "uid": "$datasource"},
            "gridPos": {"x": x, "y": y, "w": width, "h": height},
            "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
            "targets": [{"expr": expression, "legendFormat": legend, "refId": f"Q{i}"}
                        for i, (expression, legend) in enumerate(targets)]}


def first_row():
    """What is loaded, and how much of it has the short form."""
    short = " + ".join(rate(f"nvx_fast_{what}_total") for what in ("exit", "entry"))
    full = " + ".join(rate(f"nvx_fast_{what}_full_total") for what in ("exit", "entry"))
    return [("stat", "nvx", "1 while nvx is loaded", [(f"nvx_loaded{WHERE}", "{{instance}}")],
             "none"),
            ("stat", "vmm-refresh", "1 while vmm-refresh is loaded",
             [(f"vmm_refresh_loaded{WHERE}", "{{instance}}")], "none"),
            ("timeseries", "Transitions in the short form", "of all between L1 and L2",
             [(f"({short}) / ({short} + {full})", "{{instance}}")], "percentunit")]


def panels(counters):
    """All of them; every counter is in exactly one group."""
    rows = [panel(i + 1, *row, (i * 8, 0, 8, 8)) for i, row in enumerate(first_row())]
    left = list(counters)
    for title, prefixes in GROUPS:
        group = [row for row in left if belongs(row.name, prefixes)]
        left = [row for row in left if row not in group]
        text = "\n".join(f"{row.name}: {row.text}" for row in group)
        targets = [(rate(f"nvx_{row.name}_total"), "{{instance}} " + row.name) for row in group]
        i = len(rows) - 3
        rows.append(panel(len(rows) + 1, "timeseries", title, text, targets, "ops",
                          (i % 2 * 12, 8 + i // 2 * 9, 12, 9)))
    if left:
        raise ValueError("lablib/dashboard.py has no panel for the counters "
                         + ", ".join(row.name for row in left))
    for title, text, metric, labels in SHIM:
        i = len(rows) - 3
        expression = (f"sum by (instance, {', '.join(labels)}) "
                      f"(rate({metric}{WHERE}[$__rate_interval]))")
        legend = " ".join("{{%s}}" % label for label in ("instance", *labels))
        rows.append(panel(len(rows) + 1, "timeseries", title, text, [(expression, legend)], "ops",
                          (i % 2 * 12, 8 + i // 2 * 9, 12, 9)))
    return rows


def dashboard(counters):
    """The file."""
    variables = [
        {"name": "datasource", "type": "datasource", "query": "prometheus"},
        {"name": "instance", "type": "query", "multi": True, "includeAll": True, "allValue": ".*",
         "current": {"text": "All", "value": "$__all"},
         "datasource": {"type": "prometheus", "uid": "$datasource"}, "refresh": 2,
         "query": "label_values(nvx_loaded, instance)"}]
    return json.dumps({
        "description": "Made by scripts/nvx-tables. SPDX-License-Identifier: GPL-2.0-only",
        "title": "Nested virtualization", "uid": "nestcloud", "schemaVersion": 39,
        "tags": ["kvm"], "time": {"from": "now-1h", "to": "now"}, "refresh": "30s",
        "templating": {"list": variables}, "panels": panels(counters)}, indent=1) + "\n"
