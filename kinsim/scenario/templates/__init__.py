"""Files to start from: ``kinsim init``."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from kinsim.errors import ConfigError, Problem
from kinsim.scenario.paths import hint_word
from kinsim.scenario.schema import schema

FOLDER = Path(__file__).parent
SCENARIO_SCHEMA = "kinsim.scenario.schema.json"
SWEEP_SCHEMA = "kinsim.sweep.schema.json"

TEMPLATES: dict[str, tuple[str, ...]] = {
    "minimal": ("scenario.yaml", SCENARIO_SCHEMA),
    "streamalert": ("streamalert.yaml", SCENARIO_SCHEMA),
    "sweep": ("scenario.yaml", "sweep.yaml", SCENARIO_SCHEMA, SWEEP_SCHEMA),
}
"""Files of each template."""


def write_templates(folder: Path | str, template: str = "minimal") -> list[Path]:
    """Write the files of *template* into *folder*, which is made if need be; the files written.

    Nothing that is there is replaced: where a scenario or sweep is, nothing is written and ConfigError is raised;
    a schema that is there is left alone.
    """
    if template not in TEMPLATES:
        raise ConfigError(f"unknown template {template!r}: {hint_word(template, list(TEMPLATES))}")
    folder = Path(folder)
    names = TEMPLATES[template]
    there = [name for name in names if not name.endswith(".json") and (folder / name).exists()]
    if there:
        help = "choose another folder, or move the file away"
        raise ConfigError(
            [Problem(file=str(folder / name), message="the file exists already", help=help) for name in there]
        )
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (each for each in names if not (folder / each).exists()):
            _write(folder / name, template_text(name))
            written.append(folder / name)
    except OSError as error:
        message = f"cannot be written: {error.strerror or error}"
        raise ConfigError(Problem(file=str(error.filename or folder), message=message)) from None
    return written


def template_text(name: str) -> str:
    """Contents of one of the files that ``kinsim init`` writes."""
    if name in (SCENARIO_SCHEMA, SWEEP_SCHEMA):
        kind = "scenario" if name == SCENARIO_SCHEMA else "sweep"
        return json.dumps(schema(kind), indent=1, ensure_ascii=False) + "\n"
    return (FOLDER / name).read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f"{path.name}.tmp")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        os.replace(part, path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
