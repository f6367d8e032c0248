"""`kinsim sweep`: many variants of a scenario; what is finished is never lost."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kinsim.present.cli import INTERRUPTED, MET, NOT_MET, SOME_FAILED, verbose, write_note, write_result
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
    from kinsim.experiment.sweep import Plan, SweepProgress, SweepResult
    from kinsim.present.progress import Progress


class ExecutorName(click.ParamType):  # type: ignore[type-arg]
    """Where simulations run."""

    name = "serial|processes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value in ("serial", "processes"):
            return str(value)
        later = "; Dask is not used by this version of kinsim" if str(value).startswith("dask") else ""
        self.fail(f"got {value!r}; serial or processes{later}", param, ctx)


@click.command(
    epilog=examples(
        "kinsim sweep configs/sweep-vpc-shards.yaml",
        "kinsim sweep configs/sweep-vpc-shards.yaml --dry-run",
        "kinsim sweep configs/sweep-vpc-shards.yaml --axis stream.shards=2:16:2 --workers 2",
    )
)
@file_argument("sweep")
@click.option(
    "--axis",
    "axes",
    metavar="PATH=VALUES",
    multiple=True,
    help="Add or replace an axis: stream.shards=4:64:4 or 'function.memory=[512 MB, 1 GB]'. May be repeated.",
)
@set_option
@out_option
@seed_option
@replications_option
@workers_option(None, "as in the file, else auto: one per core")
@click.option("--executor", type=ExecutorName(), help="Where simulations run; by default processes.")
@click.option("--retry-failed", is_flag=True, help="Compute again the points that failed.")
@format_option("svg,png")
@size_option
@click.option("--no-figures", is_flag=True, help="Draw no figures.")
@json_option
@progress_option
@no_fail_option
@dry_run_option
@fresh_option
@quiet_option
@verbose_option
@click.pass_context
def command(ctx: click.Context, /, sweep: str, loud: bool, **options: Any) -> int:
    """Simulate every point of SWEEP and compare them.

    All points are checked before the first one runs. Each finished point is stored at once: after an
    interruption the same command goes on where it stopped. One failed point does not stop the others.

    Exits with 3 if no point meets all SLOs, with 4 if points failed.
    """
    verbose(ctx, loud)
    with logged_to(Path(options["out"])):
        from kinsim.errors import format_problems
        from kinsim.experiment.sweep import plan_sweep

        plan = plan_sweep(
            sweep,
            overrides=options["settings"],
            more_axes=options["axes"],
            replications=options["replications"],
            seed=options["seed"],
        )
        plan.file.require_built()
        if plan.warnings and not options["quiet"]:
            write_note(format_problems(plan.warnings))
        folder = Path(options["out"]) / plan.folder
        if options["dry_run"]:
            write_result(_dry_run(plan, folder, options))
            return MET
        return _run(plan, folder, options)


def _dry_run(plan: Plan, folder: Path, options: dict[str, Any]) -> str:
    """What would be computed and how long it takes."""
    from kinsim.experiment.sweep import estimate
    from kinsim.present.documents import table_text
    from kinsim.present.progress import brief

    found = estimate(plan, folder, workers=options["workers"], executor=options["executor"], fresh=options["fresh"])
    left_out = [f"{found.excluded} excluded"] if found.excluded else []
    left_out += [f"{found.duplicates} alike"] if found.duplicates else []
    note = f" ({', '.join(left_out)})" if left_out else ""
    lines = [f"sweep {plan.name}: {_points(found.points)} × {found.replications} replications{note}"]
    rows = plan.rows()
    if rows:
        lines += [f"  {line}" for line in table_text(("", "", ""), rows).splitlines()[1:]]
    work = f"{found.to_do} to do"
    if found.seconds is not None and found.to_do:
        workers = f"{found.workers} worker{'s' if found.workers != 1 else ''}"
        work += f", about {brief(found.seconds)} on {workers} ({_points(found.timed)} timed)"
    lines.append(f"  already computed: {found.computed}; {work}")
    return "\n".join(lines)


def _points(number: int) -> str:
    return f"{number:,} point{'s' if number != 1 else ''}"


def _run(plan: Plan, folder: Path, options: dict[str, Any]) -> int:
    from kinsim.experiment.sweep import run_plan
    from kinsim.present.progress import showing
    from kinsim.present.sweep_files import draw_sweep, write_sweep

    started = time.time()
    reused, draining = 0, False

    with showing(options["progress"], f"sweep {plan.name}", "points", options["quiet"]) as report:

        def progress(state: SweepProgress) -> None:
            nonlocal reused, draining
            if state.draining and not draining:
                write_note("finishing what is under way; Ctrl-C again leaves at once")
            reused, draining = state.reused, state.draining
            _tell(report, state)

        result = run_plan(
            plan,
            folder,
            workers=options["workers"],
            executor=options["executor"],
            fresh=options["fresh"],
            retry_failed=options["retry_failed"],
            progress=progress,
        )
    try:
        write_sweep(plan, result, folder, started)
        if not options["no_figures"]:
            draw_sweep(result, folder, options["formats"], options["size"])
        _report(result, folder, options, reused)
        return _code(result, options["no_fail"])
    finally:
        result.close()


def _tell(report: Progress, state: SweepProgress) -> None:
    notes = [f"{state.failed} failed"] + (["finishing what is under way"] if state.draining else [])
    share = state.replications_done / state.replications if state.replications else 1.0
    started = state.reused + share * (state.points - state.reused)
    report(max(state.points_done, started), state.points, ", ".join(notes))


def _report(result: SweepResult, folder: Path, options: dict[str, Any], reused: int) -> None:
    """Table or JSON on stdout; the rest on stderr."""
    import os

    from kinsim.present.documents import json_text
    from kinsim.present.sweep_console import as_document, print_sweep

    if options["as_json"]:
        write_result(json_text(as_document(result)))
    else:
        print_sweep(result)
    for failure in result.failures[:3]:
        write_note(
            f"failed: {failure['kind']}: {failure['message']} (point {failure['point_id']}, seed {failure['seed']})"
        )
    if options["quiet"]:
        return
    if reused:
        write_note(f"{reused} of {len(result)} points already computed; --fresh to redo")
    write_note(f"wrote {folder}{os.sep}")
    if result.interrupted:
        write_note("interrupted; finished points are kept")


def _code(result: SweepResult, no_fail: bool) -> int:
    if result.interrupted:
        return INTERRUPTED
    if result.failed:
        return SOME_FAILED
    return NOT_MET if result.slos and not result.met and not no_fail else MET
