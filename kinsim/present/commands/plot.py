"""`kinsim plot`: figures from stored results; nothing is simulated again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kinsim.present.cli import verbose, write_result
from kinsim.present.options import examples, file_argument, format_option, size_option, verbose_option

if TYPE_CHECKING:
    from kinsim.measure.figure_data import FigureData

ALIASES = {"p99_vs_shards": "age_against_shards", "load": "offered_load", "heat_map": "shard_heat_map"}


@click.command(
    epilog=examples(
        "kinsim plot results/quickstart",
        "kinsim plot results/quickstart iterator_age --size paper --format pdf",
        "kinsim plot results/vpc-shards 4 --out slides",
    )
)
@file_argument("result")
@click.argument("names", nargs=-1, metavar="[FIGURE]...")
@format_option("svg,png")
@size_option
@click.option("-o", "--out", metavar="DIR", type=click.Path(), help="Where to write; by default the result's figures/.")
@verbose_option
@click.pass_context
def command(
    ctx: click.Context,
    result: str,
    names: tuple[str, ...],
    formats: tuple[str, ...],
    size: str,
    out: str | None,
    loud: bool,
) -> None:
    """Draw figures of RESULT, the folder of a run or sweep, again: other formats, other sizes.

    FIGURE is a name or number: 1 offered_load, 2 iterator_age, 8 shard_heat_map of a run, 4 age_against_shards
    of a sweep.  Without any, all are drawn.
    """
    verbose(ctx, loud)
    from kinsim.present.figures import stored
    from kinsim.present.run_folder import find_result, member_folders, writable

    folder = find_result(Path(result))
    written: list[Path] = []
    for each in member_folders(folder):
        data, footer = stored.load(each / "figures")
        target = (Path(out) if each == folder else Path(out) / each.name) if out else each / "figures"
        with writable(target):
            written += stored.draw(chosen(data, names), footer, target, formats, size)
    write_result("\n".join(str(path) for path in written))


def chosen(data: list[FigureData], names: tuple[str, ...]) -> list[FigureData]:
    """The figures that *names* ask for, in their order; all without names."""
    if not names:
        return data
    return [_one(data, name) for name in dict.fromkeys(names)]


def _one(data: list[FigureData], name: str) -> FigureData:
    from difflib import get_close_matches

    wanted = ALIASES.get(name, name)
    for figure in data:
        if wanted in (figure.name, figure.stem, str(figure.number), f"{figure.number:02d}"):
            return figure
    here = [f"{figure.number} {figure.name}" for figure in data]
    close = get_close_matches(name, [figure.name for figure in data], n=1)
    hint = f"did you mean {close[0]}?" if close else f"this result has {', '.join(here) or 'no figures'}"
    raise click.BadParameter(f"no figure {name!r} in this result; {hint}", param_hint="FIGURE")
