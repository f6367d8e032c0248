"""Options that several commands share; their names and meaning are the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

PROGRESS = ("auto", "bar", "plain", "json", "none")
SIZES = ("slide", "paper", "column", "wide")
FORMATS = ("svg", "png", "pdf")


def examples(*lines: str) -> str:
    """The end of a command's help.

    >>> examples("kinsim validate a.yaml").splitlines()[1:]
    ['Examples:', '  $ kinsim validate a.yaml']
    """
    return "\b\nExamples:\n" + "\n".join(f"  $ {line}" for line in lines)


def file_argument(name: str, **options: Any) -> Callable[[F], F]:
    """A path; whether it is there and readable is said by its reader, with the other problems."""
    return click.argument(name, type=click.Path(), **options)


set_option = click.option(
    "--set",
    "settings",
    metavar="PATH=VALUE",
    multiple=True,
    help="Set a value, as it would stand in the file: stream.shards=4. May be repeated.",
)
out_option = click.option(
    "-o", "--out", metavar="DIR", type=click.Path(), default="results", show_default=True,
    help="Root of the results; the run's folder lies below it.",
)  # fmt: skip
seed_option = click.option("--seed", type=int, metavar="N", help="Seed of all random numbers (run.seed).")
replications_option = click.option(
    "--replications", type=click.IntRange(min=1), metavar="N", help="Independent replications (run.replications)."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Nothing on stderr but errors.")
verbose_option = click.option("-v", "--verbose", "loud", is_flag=True, help="Say more; tracebacks of internal errors.")
progress_option = click.option(
    "--progress", type=click.Choice(PROGRESS), default="auto", show_default=True,
    help="How progress is shown on stderr; auto is a bar on a terminal, else a line now and then.",
)  # fmt: skip
no_fail_option = click.option("--no-fail", is_flag=True, help="Exit with 0 even where an SLO is missed or undecided.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would be computed, and stop.")
fresh_option = click.option("--fresh", is_flag=True, help="Compute again what is already there.")
size_option = click.option(
    "--size", type=click.Choice(SIZES), default="slide", show_default=True,
    help="Size of figures: slide 10 x 5.6 in, paper 7.2 in, column 3.5 in, wide 13.3 in.",
)  # fmt: skip


class Workers(click.ParamType):  # type: ignore[type-arg]
    """A number of processes, or `auto` for one per core."""

    name = "N|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value == "auto" or isinstance(value, int):
            return value  # type: ignore[no-any-return]
        try:
            number = int(value)
        except ValueError:
            number = 0
        if number < 1:
            self.fail(f"got {value!r}; a whole number of 1 or more, or 'auto' for one per core", param, ctx)
        return number


def workers_option(default: int | str | None, without: str = "") -> Callable[[F], F]:
    """`--workers`, also from KINSIM_WORKERS; *without* says what holds where there is no default."""
    return click.option(
        "--workers", type=Workers(), default=default, show_default=without or True, envvar="KINSIM_WORKERS",
        help="Processes that simulate; results do not depend on it. Also KINSIM_WORKERS.",
    )  # fmt: skip


class Formats(click.ParamType):  # type: ignore[type-arg]
    """File formats of figures, separated by commas."""

    name = "svg,png,pdf"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = [name.strip().lower() for name in str(value).split(",") if name.strip()]
        wrong = [name for name in names if name not in FORMATS]
        if wrong or not names:
            self.fail(f"got {value!r}; any of {', '.join(FORMATS)}, separated by commas", param, ctx)
        return tuple(dict.fromkeys(names))


def format_option(default: str) -> Callable[[F], F]:
    """`--format` of figures."""
    return click.option(
        "--format", "formats", type=Formats(), default=default, show_default=True, help="File formats of figures."
    )


def overrides(settings: tuple[str, ...], seed: int | None, replications: int | None) -> list[str]:
    """All that the command line sets, in order of precedence.

    >>> overrides(("stream.shards=4",), 7, None)
    ['stream.shards=4', 'run.seed=7']
    """
    found = list(settings)
    found += [f"run.seed={seed}"] if seed is not None else []
    return found + ([f"run.replications={replications}"] if replications is not None else [])
