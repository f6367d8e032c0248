"""`kinsim explain`: each value, where it came from, and what it means."""

from __future__ import annotations

from typing import Any

import click

from kinsim.present.cli import verbose, write_result
from kinsim.present.options import examples, file_argument, json_option, set_option, verbose_option


@click.command(
    epilog=examples(
        "kinsim explain configs/quickstart.yaml",
        "kinsim explain configs/quickstart.yaml event_source_mapping.batch_size",
        "kinsim explain configs/quickstart.yaml stream --set stream.shards=4",
    )
)
@file_argument("scenario")
@click.argument("path", required=False)
@set_option
@json_option
@verbose_option
@click.pass_context
def command(
    ctx: click.Context, scenario: str, path: str | None, settings: tuple[str, ...], as_json: bool, loud: bool
) -> None:
    """Show each value of SCENARIO and where it came from: the file and line, its profile, or --set.

    With PATH (stream.shard_count, or a whole section such as stream) only that, and for one value also its
    meaning, unit, accepted values, AWS's name and the profile's default.
    """
    verbose(ctx, loud)
    from kinsim.scenario import load
    from kinsim.scenario.explain import explain

    rows = explain(load(scenario, settings), path)
    if as_json:
        from kinsim.present.documents import json_text

        write_result(json_text({"format_version": "1.0", "values": [_as_dict(row) for row in rows]}))
        return
    write_result(as_text(rows))


def _as_dict(row: Any) -> dict[str, Any]:
    import dataclasses

    return dataclasses.asdict(row) if dataclasses.is_dataclass(row) and not isinstance(row, type) else dict(row)


def as_text(rows: list[Any]) -> str:
    return "\n".join(str(row) for row in rows)
