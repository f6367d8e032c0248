"""`kinsim validate`: is a file right, and will the design work, by arithmetic alone?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kinsim.present.cli import MET, USAGE, verbose, write_note, write_result
from kinsim.present.options import examples, file_argument, quiet_option, set_option, verbose_option

if TYPE_CHECKING:
    from kinsim.errors import Problem


@click.command(
    epilog=examples(
        "kinsim validate configs/quickstart.yaml",
        "kinsim validate configs/quickstart.yaml configs/hot-shard.yaml --format github",
    )
)
@file_argument("files", nargs=-1, required=True, metavar="FILE...")
@set_option
@click.option(
    "--format", "style", type=click.Choice(["text", "json", "github"]), default="text", show_default=True,
    help="How problems are written; github makes annotations of a workflow.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Warnings fail, too.")
@quiet_option
@verbose_option
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[str, ...],
    settings: tuple[str, ...],
    style: str,
    strict: bool,
    quiet: bool,
    loud: bool,
) -> int:
    """Check scenario and sweep FILEs without simulating.

    Errors stand with file, line and column. Warnings come from closed-form arithmetic: batch time against
    time-out, load against capacity, retention against the backlog of a burst.
    """
    verbose(ctx, loud)
    found: list[Problem] = []
    for file in files:
        problems = _problems(file, settings)
        found += problems
        if style == "text" and not quiet:
            _say(file, problems)
    if style == "json":
        import json

        document = {"format_version": "1.0", "problems": [problem.as_dict() for problem in found]}
        write_result(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False))
    elif style == "github" and found:
        write_result("\n".join(problem.as_github() for problem in found))
    elif quiet:
        _say_errors(found)
    failing = [problem for problem in found if strict or problem.severity == "error"]
    return USAGE if failing else MET


def _problems(file: str, settings: tuple[str, ...]) -> list[Problem]:
    """Errors of *file*, or its warnings."""
    from kinsim.errors import ConfigError
    from kinsim.present.inputs import read_any

    try:
        return read_any(file, settings)
    except ConfigError as error:
        return list(error.problems)


def _say(file: str, problems: list[Problem]) -> None:
    from kinsim.errors import format_problems

    if problems:
        write_note(format_problems(problems))
    if all(problem.severity == "warning" for problem in problems):
        write_result(f"{file}: ok" + (f", {_count(len(problems), 'warning')}" if problems else ""))


def _say_errors(problems: list[Problem]) -> None:
    from kinsim.errors import format_problems

    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        write_note(format_problems(errors))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
