"""What the folder of a run holds, written from the result and its one summary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kinsim
from kinsim.present.documents import FORMAT_VERSION, cell, csv_text, json_text
from kinsim.present.run_folder import MANIFEST, manifest, write_text

if TYPE_CHECKING:
    from kinsim.experiment.result import Result
    from kinsim.measure.result import Series
    from kinsim.present.figures.style import Footer

SUMMARY_COLUMNS = ("metric", "statistic", "value", "ci_low", "ci_high", "sd", "n", "unit")
SLO_COLUMNS = ("name", "metric", "statistic", "bound", "limit", "value", "ci_low", "ci_high", "status")
COST_COLUMNS = ("part", "kind", "usd_per_month", "ci_low", "ci_high", "n")
RULE_COLUMNS = ("rule", "statistic", "value", "ci_low", "ci_high", "sd", "n")
SERIES_COLUMNS = ("Timestamp", "MetricName", "Dimensions", "Statistic", "Value", "Unit")


def write_run(result: Result, folder: Path, final: Path, command: Sequence[str], started: float) -> None:
    """Write everything but pictures into *folder*, which will stand at *final*."""
    from kinsim.measure import figure_data
    from kinsim.present.figures import stored

    summary = result.summary()
    scenario = result.scenario
    write_text(folder / "scenario.yaml", scenario.to_yaml(final))
    write_text(folder / "summary.json", json_text(summary) + "\n")
    write_text(folder / "summary.csv", csv_text(SUMMARY_COLUMNS, summary_rows(summary)))
    slos = {"format_version": FORMAT_VERSION, "verdict": summary["findings"]["verdict"], "slos": summary["slos"]}
    write_text(folder / "slos.json", json_text(slos) + "\n")
    write_text(folder / "cost.csv", csv_text(COST_COLUMNS, cost_rows(summary)))
    if summary.get("rules"):
        write_text(folder / "rules.csv", csv_text(RULE_COLUMNS, rule_rows(summary)))
    write_text(folder / "replications.csv", csv_text(*replication_table(result)))
    write_lines(folder / "timeseries.csv", series_lines(figure_data.mean_series(result.replications)))
    for name in result.replications[0].tables:
        write_table(result, name, folder / f"{name}.csv")
    figures = figure_data.of_run(scenario, result.replications, summary)
    stored.store(figures, footer_of(summary), folder / "figures")
    write_text(folder / "log.txt", log_text(result, command))
    run = summary["scenario"]
    text = manifest("run", run["name"], run["config_hash"], run["seed"], run["replications"], command, started)
    write_text(folder / MANIFEST, text + "\n")


def footer_of(summary: Mapping[str, Any]) -> Footer:
    """Where the figures of a run come from."""
    from kinsim.present.figures.style import Footer

    run = summary["scenario"]
    return Footer(run["name"], run["config_hash"], run["seed"], run["replications"], kinsim.__version__)


def summary_rows(summary: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Each statistic of each metric of the whole run, in the order of the summary."""
    from kinsim.experiment.summary import statistic_unit

    for metric, statistics in summary["metrics"].items():
        for statistic, found in statistics.items():
            numbers = (found[key] for key in SUMMARY_COLUMNS[2:-1])
            yield (metric, statistic, *numbers, statistic_unit(metric, statistic))


def cost_rows(summary: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Parts of the monthly cost, the fixed ones first, then the total."""
    parts = sorted(summary["cost"]["parts"].items(), key=lambda item: item[1]["kind"] != "fixed")
    for name, part in parts:
        yield (name, part["kind"], part["value"], part["ci_low"], part["ci_high"], part["n"])
    total = summary["cost"]["total"]
    if total["value"] is not None:
        yield ("total", "", total["value"], total["ci_low"], total["ci_high"], total["n"])


def rule_rows(summary: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Share of Duration and alerts of each rule, the rule that takes most time first."""
    for rule in summary["rules"]:
        for statistic, found in rule.items():
            if statistic != "name" and found["n"]:
                yield (rule["name"], statistic, *(found[key] for key in RULE_COLUMNS[2:]))


def replication_table(result: Result) -> tuple[list[str], list[list[Any]]]:
    """One row per replication: seed, values of the SLOs, every metric as `NAME.STATISTIC`."""
    from kinsim.experiment.summary import judged_slos

    names = [f"{metric}.{key}" for metric, of in result.summary()["metrics"].items() for key in of]
    slos = list(result.scenario.slos)
    header = ["replication", "seed", "slos_met", *(f"slo.{name}.value" for name in slos), *names]
    rows = []
    for one in result.replications:
        judged = judged_slos(result.scenario, [one.numbers()])
        met = all(slo["status"] == "met" for slo in judged)
        numbers = [one.metrics.get(name.partition(".")[0], {}).get(name.partition(".")[2]) for name in names]
        rows.append(
            [one.replication, result.scenario.run.seed, str(met).lower(), *_values(one.slo_values, slos), *numbers]
        )
    return header, rows


def _values(values: Mapping[str, float | None], names: Sequence[str]) -> list[float | None]:
    return [values.get(name) for name in names]


def series_lines(series: Iterable[Series]) -> Iterator[str]:
    """The time series in long form, text by text; `Timestamp` is in seconds from the start of the run."""
    yield ",".join(SERIES_COLUMNS) + "\n"
    for one in series:
        middle = csv_text([one.metric, one.dimensions, one.statistic], []).rstrip("\n")
        pairs = zip(one.offset_s.tolist(), one.value.tolist(), strict=True)
        yield "".join(f"{offset},{middle},{cell(value)},{one.unit}\n" for offset, value in pairs)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write *lines* one after the other, so that a long table is never held as one text."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(lines)


def write_table(result: Result, name: str, path: Path) -> None:
    """Write the table *name* of all replications."""
    with path.open("w", encoding="utf-8", newline="") as file:
        for place, one in enumerate(result.replications):
            one.frame(name).to_csv(file, index=False, header=place == 0, lineterminator="\n")


def log_text(result: Result, command: Sequence[str]) -> str:
    """What the run said: command, warnings, verdict."""
    from kinsim.errors import format_problems
    from kinsim.present.console import run_text

    parts = [" ".join(command)]
    warnings = result.scenario.warnings
    parts += [format_problems(warnings)] if warnings else []
    return "\n\n".join([*parts, run_text(result.summary())]) + "\n"
