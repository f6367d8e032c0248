"""The outcome of a sweep as text: what is enough, and a row per point."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from kinsim.experiment.sweep_result import SHARDS
from kinsim.present.cli import printable, write_result
from kinsim.present.console import WIDTH
from kinsim.present.documents import FORMAT_VERSION, table_text
from kinsim.present.format import digits, quantity
from kinsim.present.progress import is_terminal, wants_colour

if TYPE_CHECKING:
    from kinsim.experiment.sweep import SweepResult

MOST_ROWS = 40
MOST_SERIES = 6
_LOOKS = {"met": "green", "missed": "red", "undecided": "yellow", "failed": "bold red"}
_STATE = re.compile(r" (met|missed|undecided|failed)(, \d+ of \d+ runs)?$")


def as_document(result: SweepResult) -> dict[str, Any]:
    """The sweep as one JSON document."""
    return {
        "format_version": FORMAT_VERSION,
        "name": result.name,
        "config_hash": result.config_hash,
        "replications": result.replications,
        "verdict": result.verdict,
        "paths": result.paths,
        "slos": result.slos,
        "points": result.points,
        "failures": [{key: f[key] for key in ("point_id", "settings", "kind", "message")} for f in result.failures],
        "interrupted": result.interrupted,
    }


def header(result: SweepResult) -> list[str]:
    """Settings that vary, each SLO, cost, and the state of the point."""
    names = [path.rpartition(".")[2] for path in result.paths]
    axes = [name if names.count(name) == 1 else path for name, path in zip(names, result.paths, strict=True)]
    labelled = ["label"] if any("label" in row for row in result.points) else []
    extra = [] if _shows_cost(result) else ["$/month"]
    return [*axes, *labelled, *(result.slos or _PLAIN), *extra, "SLOs" if result.slos else "status"]


_PLAIN = {
    "IteratorAge max": ("iterator_age_s.max", "s"),
    "latency p99": ("end_to_end_latency_s.p99", "s"),
    "rejected": ("rejected_records.sum", ""),
    "expired": ("expired_records.sum", ""),
}
"""What is shown of a sweep without SLOs."""


def _shows_cost(result: SweepResult) -> bool:
    """Whether an SLO shows the cost already, or nothing costs anything."""
    priced = any(row.get("cost_usd_per_month.mean") for row in result.points)
    return not priced or any(slo["metric"] == "cost_usd_per_month" for slo in result.slos.values())


def row(result: SweepResult, point: dict[str, Any]) -> list[str]:
    """One point of the table."""
    cells = [_shown(point.get(path)) for path in result.paths]
    cells += [str(point["label"])] if "label" in point else []
    if result.slos:
        cells += [_slo_cell(point, name, slo, result.replications) for name, slo in result.slos.items()]
    else:
        cells += [quantity(point.get(column), unit) for column, unit in _PLAIN.values()]
    if not _shows_cost(result):
        cells.append(quantity(point.get("cost_usd_per_month.mean"), "USD"))
    state = point["status"] if point["status"] != "done" else point.get("slos", "done")
    return [*cells, _state(point, result.replications) if result.slos else "done" if state == "none" else str(state)]


def _state(point: dict[str, Any], runs: int) -> str:
    """The state of a point, and how many runs keep all SLOs where the mean does and some run does not.

    >>> _state({"status": "done", "slos": "met", "slos_kept_by": 28}, 30), _state({"status": "failed"}, 30)
    ('met, 28 of 30 runs', 'failed')
    """
    state = str(point["slos"] if point["status"] == "done" else point["status"])
    kept = point.get("slos_kept_by")
    return f"{state}, {kept} of {runs} runs" if state == "met" and kept is not None and kept < runs else state


def _shown(value: Any) -> str:
    return "–" if value is None else digits(value, 6) if isinstance(value, float) else str(value)


def _slo_cell(point: dict[str, Any], name: str, slo: dict[str, Any], runs: int) -> str:
    """The mean, its mark, and how many runs keep the SLO where neither all nor none do."""
    unit = {"Milliseconds": "ms", "Bytes": "B"}.get(slo["unit"], slo["unit"])
    value = quantity(point.get(f"slo.{name}.value"), unit)
    mark = {"met": "", "missed": " ✗", "undecided": " ?"}.get(str(point.get(f"slo.{name}")), "")
    kept = point.get(f"slo.{name}.kept_by")
    return value + mark + (f" {kept}/{runs}" if kept is not None and 0 < kept < runs else "")


def sentences(result: SweepResult) -> list[str]:
    """The verdict, the smallest sufficient number of shards, and where the rest is."""
    verdict = result.verdict
    lines = [f"{verdict[0].upper()}{verdict[1:]}."]
    if SHARDS in result.paths and result.slos:
        lines += _sufficient(result)
    if result.slos:
        lines += _of_single_runs(result)
    if len(result.points) > MOST_ROWS:
        lines.append(f"The first {MOST_ROWS} of {len(result.points):,} points are shown; all are in points.csv.")
    return lines


def _sufficient(result: SweepResult) -> list[str]:
    """The smallest sufficient number of shards of each series, and whether single runs miss an SLO there."""
    found = list(result.smallest_sufficient().items())
    runs = result.replications
    kept = {(point["series"], point["x"]): point["all_kept_by"] for point in result.against(path=SHARDS)}
    lines = []
    for series, best in found[:MOST_SERIES]:
        if best is None:
            lines.append(f"{f'{series}: no' if series else 'No'} number of shards tried meets all SLOs.")
            continue
        number = kept.get((series, best))
        share = f"; {number} of {runs} runs keep all SLOs there" if number is not None and number < runs else ""
        lines.append(f"{f'{series}: s' if series else 'S'}mallest sufficient number of shards: {best}{share}.")
    if len(found) > MOST_SERIES:
        lines.append(f"… and {len(found) - MOST_SERIES} more combinations.")
    return lines


def _of_single_runs(result: SweepResult) -> list[str]:
    """What a reader must know who takes the state of a point for that of every run."""
    runs = result.replications
    if runs == 1:
        return [
            "Each point is one run, which has no interval: met and missed say what that run did, not how sure it is."
        ]
    if any(0 < (row.get(f"slo.{name}.kept_by") or 0) < runs for row in result.points for name in result.slos):
        return [f"met is said of the mean over {runs} runs; k/{runs} after a value: so many single runs keep the SLO."]
    return []


def headline(result: SweepResult) -> str:
    """One line that says what was simulated."""
    n = result.replications
    parts = [f"sweep {result.name}", f"{len(result):,} points × {n} replication{'s' if n != 1 else ''}"]
    return " · ".join([*parts, f"seed {result.base['seed']}", f"config {result.config_hash[:8]}"])


def sweep_text(result: SweepResult) -> str:
    """The outcome as plain text."""
    rows = [row(result, point) for point in result.points[:MOST_ROWS]]
    table = table_text(header(result), rows, right=range(len(header(result)) - 1)) if rows else ""
    return "\n\n".join(
        part for part in (headline(result), _indented(table), _indented("\n".join(sentences(result)))) if part.strip()
    )


def _indented(text: str) -> str:
    return "\n".join(f" {line}".rstrip() for line in text.splitlines())


def print_sweep(result: SweepResult) -> None:
    """Write the outcome to stdout: states in colour on a terminal."""
    text = sweep_text(result)
    if not wants_colour(is_terminal(sys.stdout)):
        write_result(text)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(force_terminal=True, highlight=False, soft_wrap=True, width=WIDTH)
    for line in text.splitlines():
        shown = Text(printable(line, console.encoding))
        state = _STATE.search(shown.plain)
        if state:
            shown.stylize(_LOOKS["undecided" if state[2] else state[1]], state.start(), state.end())
        shown.highlight_regex(r"\S+( \S+)? ✗", "red")
        console.print(shown)
