"""`kinsim init`: files to start from."""

from __future__ import annotations

import click

from kinsim.present.cli import write_result
from kinsim.present.options import examples


@click.command(epilog=examples("kinsim init", "kinsim init my-stream --template streamalert"))
@click.argument("folder", type=click.Path(), default=".", metavar="[DIR]")
@click.option(
    "--template", type=click.Choice(["minimal", "streamalert", "sweep"]), default="minimal", show_default=True,
    help="What to start from.",
)  # fmt: skip
def command(folder: str, template: str) -> None:
    """Write a commented scenario and its schema for editors into DIR (default: here).

    With --template sweep also a sweep of it.

    Nothing that is there is overwritten.
    """
    from pathlib import Path

    from kinsim.scenario.templates import write_templates

    written = write_templates(Path(folder), template)
    write_result("\n".join(f"wrote {path}" for path in written))
