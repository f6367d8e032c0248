"""For each value of a scenario: where it came from, and what it means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_origin

from pydantic.fields import FieldInfo

from kinsim.errors import ConfigError, Problem, SettingError
from kinsim.scenario.paths import Setting, canonical_steps, fields_of, find, hint_key
from kinsim.scenario.profiles import Entry, value_text
from kinsim.scenario.resolve import leaves, origin_of
from kinsim.scenario.tree import Node, Origin, dotted
from kinsim.scenario.tree import Path as Steps
from kinsim.scenario.unbuilt import NOT_YET, UNBUILT, WITHOUT_EFFECT

if TYPE_CHECKING:
    from kinsim.scenario.model import Scenario
    from kinsim.scenario.pipelines import Pipelines

UNITS = {
    "_per_s": "per second",
    "_s": "seconds",
    "_bytes": "bytes",
    "_mb": "MB (AWS's)",
}
"""What the suffix of a setting's attribute says about a bare number."""

_AWS_NAME = re.compile(r"\(([A-Z][A-Za-z]+(?:\.[A-Z][A-Za-z]+)*)\)")


@dataclass(frozen=True, slots=True)
class Explained:
    """One value, its source and, where a single one was asked for, its meaning."""

    path: str
    value: str
    origin: str
    """``--set``, file and line, or the profile."""
    source: str = ""
    """The fact behind a profile's value, its date and a note."""
    description: str = ""
    unit: str = ""
    allowed: str = ""
    aws_name: str = ""
    profile_default: str = ""
    remark: str = ""

    def __str__(self) -> str:
        source = f"  {self.source}" if self.source else ""
        line = f"{self.path:<51} {self.value:<13} {self.origin}{source}"
        details = (
            ("", self.description),
            ("a bare number is in", self.unit),
            ("allowed", self.allowed),
            ("AWS's name", self.aws_name),
            ("default", self.profile_default),
            ("", self.remark),
        )
        return "\n".join([line, *(f"  {f'{name}: ' if name else ''}{text}" for name, text in details if text)])


def explain(scenario: Scenario | Pipelines, path: str | None = None) -> list[Explained]:
    """The values of *scenario*, or those at and below the dotted *path*; a single value with its meaning."""
    document = scenario._document
    if path is None:
        return [_row(steps, node) for steps, node in leaves(document)]
    try:
        steps = canonical_steps(path)
    except SettingError as error:
        raise ConfigError(Problem(message=error.message, help=error.help)) from None
    node = document.find(steps)
    setting = find(steps)
    if node is not None and isinstance(node.value, dict) and node.value:
        return [_row(below, inner) for below, inner in leaves(node, steps)]
    if node is None:
        _require_names(document, steps)
        node = Node(None, origin=Origin("default", "not set"))
    return [_detailed(scenario, steps, node, setting)]


def _row(steps: Steps, node: Node) -> Explained:
    origin = origin_of(node)
    return Explained(dotted(steps), value_text(node.plain()), origin.label, _fact(origin))


def _fact(origin: Origin) -> str:
    return "; ".join(part for part in (origin.source, origin.date, origin.note) if part)


def _require_names(document: Node, steps: Steps) -> None:
    """Names that the user gives, of alarms for example, must be there: nothing is known of others."""
    for depth, step in enumerate(steps):
        above, node = find(steps[:depth]), document.find(steps[:depth])
        if above is None or not any(get_origin(kind) is dict for kind in above.kinds) or above.keys:
            continue
        there = list(node.value) if node is not None and isinstance(node.value, dict) else []
        if step not in there:
            message = f"{dotted(steps[:depth])} has no {step!r} in this scenario"
            raise ConfigError(Problem(message=message, help=hint_key(str(step), there)))


def _detailed(scenario: Scenario | Pipelines, steps: Steps, node: Node, setting: Setting | None) -> Explained:
    row = _row(steps, node)
    field = setting.field if setting is not None else None
    description = (field.description or "") if field is not None else ""
    name = _AWS_NAME.search(description)
    path = _general(steps)
    default = scenario.profile_data.defaults.get(path)
    return Explained(
        row.path,
        "not set" if origin_of(node).label == "not set" else row.value,
        "" if origin_of(node).label == "not set" else row.origin,
        row.source,
        description,
        _unit(steps),
        "; ".join(part for part in (_allowed(setting, field), _range(scenario, path)) if part),
        name[1] if name else "",
        _default(scenario, default, field),
        f"other values: {NOT_YET.removeprefix('is ')}" if path in UNBUILT or path in WITHOUT_EFFECT else "",
    )


def _general(steps: Steps) -> str:
    """The path under which a profile knows a setting: that of a workload's only source, in the only pipeline."""
    if steps[:1] == ("pipelines",):
        steps = steps[2:]
    if steps[:2] == ("workload", "sources") and len(steps) > 3:
        inner = steps[3:] if steps[3] == "producer" else ("workload", *steps[3:])
        return dotted(inner)
    return dotted(steps)


def _unit(steps: Steps) -> str:
    parent = find(steps[:-1])
    for kind in parent.kinds if parent is not None else ():
        if not hasattr(kind, "model_fields"):
            continue
        field = fields_of(kind).get(str(steps[-1]))
        names = [name for name, each in kind.model_fields.items() if each is field]
        for suffix, unit in UNITS.items():
            if names and names[0].endswith(suffix):
                return unit
    return ""


def _allowed(setting: Setting | None, field: FieldInfo | None) -> str:
    words = setting.allowed() if setting is not None else []
    bounds = []
    for constraint in field.metadata if field is not None else ():
        for name, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
            limit = getattr(constraint, name, None)
            if limit is not None:
                bounds.append(f"{sign} {limit:g}")
    if setting is not None and any(get_origin(kind) is list for kind in setting.kinds):
        words = ["a list"]
    parts: Sequence[str] = [", ".join(dict.fromkeys(words)), " and ".join(bounds)]
    return "; ".join(part for part in parts if part)


def _range(scenario: Scenario | Pipelines, path: str) -> str:
    limit = scenario.profile_data.limits.get(path)
    return (
        ""
        if limit is None
        else f"{limit.text} under profile {scenario.profile_data.name} ({limit.source}, {limit.date})"
    )


def _default(scenario: Scenario | Pipelines, default: Entry | None, field: FieldInfo | None) -> str:
    if default is not None:
        facts = "; ".join(part for part in (default.source, default.date, default.note) if part)
        return f"{value_text(default.value)} in profile {scenario.profile_data.name} ({facts})"
    if field is None or field.is_required() or field.default_factory is not None:
        return ""
    plain: Any = field.default
    return "none" if plain is None else value_text(plain)


__all__ = ["Explained", "explain"]
