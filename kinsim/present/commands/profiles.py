"""`kinsim profiles`: limits, defaults and prices, each with its source and date."""

from __future__ import annotations

import click

from kinsim.present.cli import write_result
from kinsim.present.options import examples, json_option


@click.command(epilog=examples("kinsim profiles", "kinsim profiles aws-2017"))
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the profiles, or show the profile NAME (or a profile file): every number with source and date."""
    from kinsim.present.documents import json_text, table_text
    from kinsim.scenario.profiles import list_profiles, load_profile

    if name is None:
        names = list(list_profiles())
        write_result(json_text({"format_version": "1.0", "profiles": names}) if as_json else "\n".join(map(str, names)))
        return
    header = ("path", "value", "unit", "source", "date")
    rows = [tuple("" if cell is None else str(cell) for cell in row) for row in load_profile(name).describe()]
    if as_json:
        values = [dict(zip(header, row, strict=False)) for row in rows]
        write_result(json_text({"format_version": "1.0", "profile": name, "values": values}))
        return
    write_result(table_text(header, rows))
