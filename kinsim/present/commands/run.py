"""`kinsim run`: simulate, say whether the SLOs are met, leave everything in a folder."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kinsim.present.cli import MET, verbose, write_note, write_result
from kinsim.present.failure import logged_to
from kinsim.present.options import (
    dry_run_option,
    examples,
    file_argument,
    format_option,
    fresh_option,
    json_option,
    no_fail_option,
    out_option,
    overrides,
    progress_option,
    quiet_option,
    replications_option,
    seed_option,
    set_option,
    size_option,
    verbose_option,
    workers_option,
)

if TYPE_CHECKING:
    from kinsim.experiment.pipelines import PipelinesResult
    from kinsim.experiment.result import Result
    from kinsim.scenario import Scenario
    from kinsim.scenario.pipelines import Pipelines

KEPT = ("invocations", "records")


@click.command(
    epilog=examples(
        "kinsim run configs/quickstart.yaml",
        "kinsim run configs/quickstart.yaml --set stream.shards=4 --replications 10",
        "kinsim run configs/quickstart.yaml --json --no-figures",
    )
)
@file_argument("scenario")
@set_option
@out_option
@seed_option
@replications_option
@workers_option(1)
@click.option("--keep", metavar="TABLES", default="", help="Also write these tables: invocations,records.")
@format_option("svg,png")
@size_option
@click.option("--no-figures", is_flag=True, help="Draw no figures; `kinsim plot` draws them later.")
@json_option
@progress_option
@no_fail_option
@dry_run_option
@fresh_option
@quiet_option
@verbose_option
@click.pass_context
def command(
    ctx: click.Context, scenario: str, settings: tuple[str, ...], out: str, seed: int | None, replications: int | None,
    workers: int | str, keep: str, formats: tuple[str, ...], size: str, no_figures: bool, as_json: bool, progress: str,
    no_fail: bool, dry_run: bool, fresh: bool, quiet: bool, loud: bool,
) -> int:  # fmt: skip
    """Simulate SCENARIO and say whether it meets its SLOs.

    The result goes into OUT/NAME/HASH, where HASH stands for the whole configuration: the same one is not
    computed twice. stdout holds the verdict, or with --json the summary; everything else goes to stderr.
    """
    verbose(ctx, loud)
    kept = _kept(keep)
    with logged_to(Path(out)):
        from kinsim.engine.traces import require_traces, trace_notes
        from kinsim.errors import format_problems
        from kinsim.present.run_folder import place_of
        from kinsim.scenario import load

        loaded = load(scenario, overrides(settings, seed, replications))
        for each in loaded.members.values():
            require_traces(each)
        if loaded.warnings and not quiet:
            write_note(format_problems(loaded.warnings))
        if not quiet:
            for note in dict.fromkeys(note for each in loaded.members.values() for note in trace_notes(each)):
                write_note(f"{scenario}: warning: {note}")
        folder = place_of(out, loaded.name, loaded.config_hash)
        ready = not fresh and _is_there(folder, loaded, kept)
        if dry_run:
            write_result(_plan(loaded, folder, ready))
            return MET
        wanted = () if no_figures else formats
        if ready:
            _draw_all(folder, wanted, size)
        else:
            _compute(loaded, folder, kept, workers, progress, quiet, wanted, size)
        return _report(folder, ready, as_json=as_json, no_fail=no_fail, quiet=quiet)


def _kept(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    wrong = [name for name in names if name not in KEPT]
    if wrong:
        raise click.BadParameter(f"unknown table {wrong[0]!r}; any of {', '.join(KEPT)}", param_hint="--keep")
    return names


def _is_there(folder: Path, scenario: Scenario | Pipelines, kept: tuple[str, ...]) -> bool:
    from kinsim.present.run_folder import is_current, member_folders

    tables = [each / f"{name}.csv" for each in member_folders(folder) for name in kept]
    return is_current(folder, scenario.config_hash) and all(table.exists() for table in tables)


def _plan(scenario: Scenario | Pipelines, folder: Path, ready: bool) -> str:
    """What `--dry-run` says."""
    from kinsim.present.format import quantity

    run = scenario.run
    n = f"{run.replications} replication{'s' if run.replications != 1 else ''}"
    what = f"{scenario.name}: {n} × {quantity(run.duration_s, 's')}, seed {run.seed}, engine {scenario.engine}"
    return f"{what}\n{'already computed' if ready else 'to be written'}: {folder}"


def _compute(
    scenario: Scenario | Pipelines,
    folder: Path,
    kept: tuple[str, ...],
    workers: int | str,
    progress: str,
    quiet: bool,
    formats: tuple[str, ...],
    size: str,
) -> None:
    """Simulate, and write the folder, which appears complete."""
    from kinsim.experiment.result import Result
    from kinsim.present.pipeline_files import write_pipelines
    from kinsim.present.run_files import write_run
    from kinsim.present.run_folder import appearing

    started = time.time()
    result = _simulate(scenario, kept, workers, progress, quiet)
    with appearing(folder) as temporary:
        if isinstance(result, Result):
            write_run(result, temporary, folder, command_line(), started)
        else:
            write_pipelines(result, temporary, folder, command_line(), started)
        _draw_all(temporary, formats, size)


def _simulate(
    scenario: Scenario | Pipelines, kept: tuple[str, ...], workers: int | str, progress: str, quiet: bool
) -> Result | PipelinesResult:
    """Simulate with progress; Ctrl-C ends local processes at once, whatever they are doing."""
    from kinsim.experiment.executors import Processes, worker_count
    from kinsim.experiment.simulate import simulate
    from kinsim.present.progress import showing

    number = min(worker_count(workers), scenario.run.replications)
    with showing(progress, scenario.name, "replications", quiet) as report:
        if number == 1:
            return simulate(scenario, keep=kept, progress=report)
        processes = Processes(number)
        try:
            return simulate(scenario, keep=kept, progress=report, executor=processes)
        except KeyboardInterrupt:
            processes.kill()
            raise


def command_line() -> list[str]:
    """The command as it was typed, for the manifest."""
    return ["kinsim", *sys.argv[1:]]


def _draw_all(folder: Path, formats: tuple[str, ...], size: str) -> None:
    """Draw the figures of each pipeline that are not there yet."""
    from kinsim.present.run_folder import member_folders

    for each in member_folders(folder):
        _draw(each, formats, size)


def _draw(folder: Path, formats: tuple[str, ...], size: str) -> None:
    """Draw the figures that are not there yet."""
    if not formats:
        return
    from kinsim.present.figures import stored

    figures = folder / "figures"
    data, footer = stored.load(figures)
    for figure in data:
        missing = [kind for kind in formats if not (figures / stored.file_name(figure, kind, size)).exists()]
        if missing:
            stored.draw([figure], footer, figures, missing, size)


def _report(folder: Path, ready: bool, *, as_json: bool, no_fail: bool, quiet: bool) -> int:
    """Verdict or JSON on stdout, the place on stderr; gives the exit code."""
    from kinsim.errors import ResultError
    from kinsim.present.console import exit_code, print_run
    from kinsim.present.run_folder import read_json

    summary: dict[str, Any] = read_json(folder / "summary.json")
    if as_json:
        write_result((folder / "summary.json").read_text(encoding="utf-8").rstrip("\n"))
    else:
        try:
            print_run(summary)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if not ready:
                raise  # it was written a moment ago: the fault is kinsim's
            where = folder / "summary.json"
            raise ResultError(f"{where}: was changed ({error}); compute it again with --fresh") from error
    if not quiet:
        write_note(f"already computed in {folder}{os.sep}; --fresh to redo" if ready else f"wrote {folder}{os.sep}")
    return MET if no_fail else exit_code(summary)
