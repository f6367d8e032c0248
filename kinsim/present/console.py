"""The verdict of a run as text, rendered from its summary and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from kinsim.present.cli import MET, NOT_MET, printable, write_result
from kinsim.present.documents import table_text
from kinsim.present.format import Scale, digits, interval, quantity, scale_of
from kinsim.present.progress import is_terminal, wants_colour

WIDTH = 400
"""Lines are never cut: a narrow terminal wraps them, as it does plain text."""
SLO_HEADER = ("SLO", "metric", "limit", "result", "", "status")
KEY_HEADER = ("", "result", "")
RULE_HEADER = ("rule", "of Duration", "alerts", "late", "never sent")
RULE_COLUMNS = (("duration_share", "1"), ("alerts", "count"), ("late_alerts", "count"), ("lost_alerts", "count"))

# What a planner looks at first, in the order of the pipeline: metric, statistic, words.
KEY_FIGURES = (
    ("offered_records", "sum", "records offered"),
    ("initial_records", "sum", "of these in the stream at the start"),
    ("sampled_out_records", "sum", "records not sent (keep)"),
    ("rejected_records", "sum", "rejections by the stream"),
    ("dropped_records", "sum", "records dropped by the producer"),
    ("filtered_records", "sum", "records that the filter leaves out"),
    ("skipped_records", "sum", "records before the starting position"),
    ("processed_records", "sum", "records processed"),
    ("discarded_records", "sum", "records discarded"),
    ("redriven_records", "sum", "records discarded, put back and processed"),
    ("expired_records", "sum", "records expired unread"),
    ("waiting_records", "sum", "records waiting at the end"),
    ("in_flight_records", "sum", "records in hand at the end"),
    ("invocations", "sum", "invocations"),
    ("errors", "sum", "errors"),
    ("timeouts", "sum", "of these time-outs"),
    ("throttles", "sum", "throttles"),
    ("duration_s", "p99", "Duration p99"),
    ("duration_s", "max", "Duration maximum"),
    ("memory_utilization", "max", "most of its memory used"),
    ("iterator_age_s", "p99", "IteratorAge p99"),
    ("iterator_age_s", "max", "IteratorAge maximum"),
    ("alerts", "sum", "alerts sent"),
    ("late_alerts", "sum", "of these late"),
    ("repeated_alerts", "sum", "alerts sent again"),
    ("lost_alerts", "sum", "alerts never sent"),
    ("alert_delay_s", "p50", "alert delay p50"),
    ("alert_delay_s", "p99", "alert delay p99"),
    ("alert_delay_s", "max", "alert delay maximum"),
    ("end_to_end_latency_s", "p99", "end-to-end latency p99"),
    ("true_age_s", "max", "oldest record waiting"),
    ("utilization", "max", "busiest shard's utilization"),
    ("cost_usd_per_month", "mean", "cost per month"),
)
PIPELINE_FIGURES = (
    ("accepted_records", "sum", "records"),
    ("iterator_age_s", "p99", "IteratorAge p99"),
    ("iterator_age_s", "max", "maximum"),
    ("rejected_records", "sum", "rejections"),
    ("errors", "sum", "errors"),
    ("throttles", "sum", "throttles"),
    ("lost_records", "sum", "lost"),
    ("concurrent_executions", "max", "at once"),
    ("cost_usd_per_month", "mean", "cost per month"),
)
"""Columns of the table of pipelines: metric, statistic, words."""
_ONLY_WHERE_NOT_ZERO = frozenset(name for name, statistic, _ in KEY_FIGURES if statistic == "sum") - {
    "offered_records",
    "processed_records",
    "invocations",
    "alerts",
}
_COLOURS = {"met": "green", "missed": "bold red", "undecided": "yellow"}


def exit_code(summary: Mapping[str, Any]) -> int:
    """0 where all SLOs are met or none is stated, 3 otherwise."""
    return MET if all(slo["status"] == "met" for slo in summary["slos"]) else NOT_MET


def headline(summary: Mapping[str, Any]) -> str:
    """One line that says what was simulated."""
    scenario = summary["scenario"]
    n = scenario["replications"]
    parts = [
        str(scenario["name"]),
        f"{n} replication{'s' if n != 1 else ''} × {quantity(scenario['duration_s'], 's')}",
        f"seed {scenario['seed']}",
        f"config {scenario['config_hash'][:8]}",
    ]
    return " · ".join(parts)


def slo_rows(summary: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One row per SLO: name, metric, limit, result, interval, status."""
    return [_slo_row(slo) for slo in summary["slos"]]


def _slo_row(slo: Mapping[str, Any]) -> tuple[str, ...]:
    unit = _unit(slo.get("unit") or _unit_of(slo["metric"]))
    value = slo["value"]
    limit = quantity(slo["limit"], unit)
    sign = "" if slo.get("bound", "at_most") == "at_most" else "≥ "
    if value is None:
        return (slo["name"], _metric(slo), sign + limit, "no data", "", _status(slo, 1))
    scale = scale_of(value, unit)
    band = (
        interval(slo.get("ci_low"), slo.get("ci_high"), unit, scale) if slo.get("ci_low") != slo.get("ci_high") else ""
    )
    return (slo["name"], _metric(slo), sign + limit, quantity(value, unit, scale), band, _status(slo, slo["n"]))


def _unit_of(metric: str) -> str:
    from kinsim.system.metrics import unit_of

    return unit_of(metric)


def _unit(unit: str) -> str:
    """Units of CloudWatch as this package's.

    >>> _unit("Milliseconds"), _unit("Count")
    ('ms', 'count')
    """
    return {"Milliseconds": "ms", "Bytes": "B", "Count": "count"}.get(unit, unit)


def _metric(slo: Mapping[str, Any]) -> str:
    period = slo.get("period_s")
    return f"{slo['metric']} {slo['statistic']}" + (f", each {quantity(period, 's')}" if period else "")


def _status(slo: Mapping[str, Any], runs: int) -> str:
    """The status of the mean, and how many runs differ from it."""
    needed = slo.get("replications_needed")
    if slo["status"] == "undecided" and needed:
        return f"undecided → {digits(needed)} replications needed"
    kept = slo.get("kept_by", runs)
    return f"met, but by {kept} of {runs} runs" if slo["status"] == "met" and kept < runs else str(slo["status"])


def key_rows(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What happened, in a few numbers: words, value, interval."""
    rows = []
    for name, statistic, words in KEY_FIGURES:
        found = summary["metrics"].get(name, {}).get(statistic)
        if found is None or found["value"] is None or (name in _ONLY_WHERE_NOT_ZERO and not found["value"]):
            continue
        unit = _unit(_unit_of(name))
        scale = scale_of(found["value"], unit)
        low, high = found["ci_low"], found["ci_high"]
        band = interval(low, high, unit, scale) if low != high else ""
        limit = _time_out(summary, scale) if (name, statistic) == ("duration_s", "max") else ""
        rows.append((words, quantity(found["value"], unit, scale) + limit, band))
    return rows


def rule_rows(summary: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One row per rule, the one that takes most time first: name, share of Duration, alerts, late, never sent."""
    return [
        (rule["name"], *(_cell(rule[key]["value"], unit) for key, unit in RULE_COLUMNS))
        for rule in summary.get("rules", [])
    ]


def _cell(value: float | None, unit: str) -> str:
    return "" if value is None else quantity(value, unit)


def _time_out(summary: Mapping[str, Any], scale: Scale) -> str:
    """The time-out beside a Duration, in the same unit where that reads well."""
    timeout = summary["scenario"].get("timeout_s")
    if timeout is None:
        return ""
    return f" of {quantity(timeout, 's', scale if timeout < 1_000 * scale.divisor else None)}"


def confidence_words(summary: Mapping[str, Any]) -> str:
    """Head of the column of results: `result (95 % CI)`."""
    scenario = summary["scenario"]
    if scenario["replications"] < 2:
        return "result"
    return f"result ({digits(scenario.get('confidence', 0.95) * 100)} % CI)"


def pipeline_rows(summary: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One row per pipeline, then what they come to together."""
    rows = []
    for name, each in _pipelines(summary):
        rows.append((name, *(_of_pipeline(each, metric, statistic) for metric, statistic, _ in PIPELINE_FIGURES)))
    together = {
        ("concurrent_executions", "max"): summary["account"]["concurrent_executions"]["max"]["value"],
        ("cost_usd_per_month", "mean"): summary["cost"]["total"]["value"],
    }
    cells = [_cell(together.get((name, statistic)), _cell_unit(name)) for name, statistic, _ in PIPELINE_FIGURES]
    return [*rows, ("together", *cells)]


def _pipelines(summary: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The summaries of the pipelines in the order of the file."""
    return [(name, summary["pipelines"][name]) for name in summary["scenario"]["pipelines"]]


def _cell_unit(metric: str) -> str:
    return "count" if metric == "concurrent_executions" else _unit(_unit_of(metric))


def _of_pipeline(summary: Mapping[str, Any], metric: str, statistic: str) -> str:
    found = summary["metrics"].get(metric, {}).get(statistic)
    return _cell(None if found is None else found["value"], _cell_unit(metric))


def closing(summary: Mapping[str, Any]) -> list[str]:
    """The sentences under the table: verdict, bottleneck, lower bounds, other findings; those of each pipeline."""
    if "pipelines" in summary:
        of_each = [f"{name}: {line}" for name, each in _pipelines(summary) for line in closing(each)[1:]]
        return [summary["findings"]["verdict"], *of_each]
    findings = summary["findings"]
    lines = [findings.get("verdict"), findings.get("bottleneck"), findings.get("lower_bounds")]
    lines += findings.get("notes", [])
    return [line for line in lines if line]


def print_run(summary: Mapping[str, Any]) -> None:
    """Write the verdict to stdout: in colour on a terminal, plain elsewhere."""
    if wants_colour(is_terminal(sys.stdout)):
        _print_rich(summary)
    else:
        write_result(run_text(summary))


def run_text(summary: Mapping[str, Any]) -> str:
    """The verdict as plain text."""
    tables = [_indented(table_text(header, rows)) for header, rows in tables_of(summary)]
    parts = [headline(summary), *tables, _indented("\n".join(closing(summary)))]
    return "\n\n".join(part for part in parts if part.strip())


Table = tuple[Sequence[str], Sequence[Sequence[str]]]


def tables_of(summary: Mapping[str, Any]) -> list[Table]:
    """Header and rows of each table: SLOs, key figures or pipelines, rules."""
    tables: list[Table] = []
    if summary["slos"]:
        tables.append(((*SLO_HEADER[:3], confidence_words(summary), *SLO_HEADER[4:]), slo_rows(summary)))
    if "pipelines" in summary:
        tables.append((("pipeline", *(words for _, _, words in PIPELINE_FIGURES)), pipeline_rows(summary)))
        return tables
    tables.append((("", confidence_words(summary), ""), key_rows(summary)))
    if summary.get("rules"):
        tables.append((RULE_HEADER, rule_rows(summary)))
    return tables


def _indented(text: str) -> str:
    return "\n".join(f" {line}".rstrip() for line in text.splitlines())


def _print_rich(summary: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(force_terminal=True, highlight=False, soft_wrap=True, width=WIDTH)
    encoding = console.encoding

    def text(words: str, look: str = "") -> Text:
        return Text(printable(words, encoding), style=look)

    console.print(text(headline(summary), "dim"))
    for header, rows in tables_of(summary):
        of_slos = header[0] == SLO_HEADER[0]
        looks = [_COLOURS[str(slo["status"])] for slo in summary["slos"]] if of_slos else [""] * len(rows)
        console.print()
        console.print(_rich_table(header, rows, looks, encoding))
    console.print()
    for place, line in enumerate(closing(summary)):
        console.print(text(f" {line}", "bold" if place == 0 else ""))


def _rich_table(header: Sequence[str], rows: Sequence[Sequence[str]], looks: Sequence[str], encoding: str) -> Any:
    """A table without lines; the last column of each row is coloured."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=True, show_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in header:
        table.add_column(Text(printable(name, encoding)), no_wrap=True, overflow="fold")
    for row, look in zip(rows, looks, strict=True):
        cells = [Text(printable(cell, encoding)) for cell in row]
        if look:
            cells[-1].stylize(look)
        table.add_row(*(Text(" ") + cell if k == 0 else cell for k, cell in enumerate(cells)))
    return table
