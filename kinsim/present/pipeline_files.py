"""What the folder of several pipelines holds: what they come to together, and a folder of a run for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinsim.present.documents import FORMAT_VERSION, csv_text, json_text
from kinsim.present.run_files import SUMMARY_COLUMNS, summary_rows, write_run
from kinsim.present.run_folder import MANIFEST, PIPELINES, folder_name, manifest, write_text

if TYPE_CHECKING:
    from kinsim.experiment.pipelines import PipelinesResult

COST_COLUMNS = ("pipeline", "usd_per_month", "ci_low", "ci_high", "n")


def write_pipelines(result: PipelinesResult, folder: Path, final: Path, command: Sequence[str], started: float) -> None:
    """Write everything but pictures into *folder*, which will stand at *final*."""
    from kinsim.errors import format_problems
    from kinsim.present.console import run_text

    summary, scenario = result.summary(), result.scenario
    for name, each in result.pipelines.items():
        below = Path(PIPELINES) / folder_name(name)
        (folder / below).mkdir(parents=True)
        write_run(each, folder / below, final / below, command, started)
    write_text(folder / "scenario.yaml", scenario.to_yaml(final))
    write_text(folder / "summary.json", json_text(summary) + "\n")
    write_text(folder / "summary.csv", csv_text(("pipeline", *SUMMARY_COLUMNS), _summary_rows(summary)))
    slos = {"format_version": FORMAT_VERSION, "verdict": summary["findings"]["verdict"], "slos": summary["slos"]}
    write_text(folder / "slos.json", json_text(slos) + "\n")
    write_text(folder / "cost.csv", csv_text(COST_COLUMNS, _cost_rows(summary)))
    parts = [" ".join(command), *([format_problems(scenario.warnings)] if scenario.warnings else []), run_text(summary)]
    write_text(folder / "log.txt", "\n\n".join(parts) + "\n")
    run, names = summary["scenario"], {"pipelines": list(result.pipelines)}
    text = manifest(
        "pipelines", run["name"], run["config_hash"], run["seed"], run["replications"], command, started, names
    )
    write_text(folder / MANIFEST, text + "\n")


def _summary_rows(summary: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for name, each in summary["pipelines"].items():
        for row in summary_rows(each):
            yield (name, *row)


def _cost_rows(summary: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for name, found in [*summary["cost"]["parts"].items(), ("total", summary["cost"]["total"])]:
        if found["value"] is not None:
            yield (name, *(found[key] for key in ("value", "ci_low", "ci_high", "n")))
