"""The resolved scenario as a file that can be run again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from kinsim.scenario.profiles import is_path
from kinsim.scenario.resolve import origin_of
from kinsim.scenario.tree import Node
from kinsim.scenario.written import yaml_text

if TYPE_CHECKING:
    from kinsim.scenario.model import Scenario
    from kinsim.scenario.pipelines import Pipelines


def remark(node: Node) -> str:
    """The comment of a line: where its value came from, and the fact behind it."""
    origin = origin_of(node)
    facts = " ".join(part for part in (origin.source, f"({origin.date})" if origin.date else "") if part)
    note = f"; {origin.note}" if origin.note else ""
    return f"{origin.label}{': ' if facts else ''}{facts}{note}".replace("\n", " ")


def resolved_yaml(scenario: Scenario | Pipelines, folder: Path | None = None) -> str:
    """Every setting of *scenario* with its source; file names relative to *folder*."""
    root = scenario._document
    if folder is not None:
        root = _moved(root, scenario.base_dir, folder)
    return f"# {scenario.name}: every setting with its source; `kinsim run` takes this file too.\n" + yaml_text(
        root, remark
    )


def _moved(node: Node, base_dir: Path, folder: Path) -> Node:
    if isinstance(node.value, list):
        return Node([_moved(each, base_dir, folder) for each in node.value], node.mark, node.key, node.origin)
    if not isinstance(node.value, dict):
        return node
    children = {}
    for key, child in node.value.items():
        named = isinstance(child.value, str) and (key == "file" or (key == "profile" and is_path(child.value)))
        if named and not os.path.isabs(str(child.value)) and not str(child.value).startswith("~"):
            name = Path(os.path.relpath(base_dir / str(child.value), os.path.abspath(folder))).as_posix()
            children[key] = Node(name, child.mark, child.key, child.origin)
        else:
            children[key] = _moved(child, base_dir, folder)
    return Node(children, node.mark, node.key, node.origin)
