"""`kinsim schema`: JSON Schemas for editors, and the data dictionary of results."""

from __future__ import annotations

import click

from kinsim.present.cli import write_result
from kinsim.present.options import examples


@click.command(
    epilog=examples(
        "kinsim schema scenario > kinsim.scenario.schema.json",
        "kinsim schema result",
    )
)
@click.argument("kind", type=click.Choice(["scenario", "sweep", "result"]))
def command(kind: str) -> None:
    """Print the JSON Schema of scenario files, of sweep files, or of results.

    An editor that knows the schema completes keys and shows their meaning; the schema of results defines
    every metric.
    """
    from kinsim.present.documents import json_text
    from kinsim.scenario.schema import schema

    write_result(json_text(schema(kind), sort=False))
