"""Precedence: profile, then ``extends``, then the file, then single settings; the later wins, place by place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kinsim import units
from kinsim.errors import ConfigError, SettingError
from kinsim.scenario.profiles import MIB, NEWEST, Entry, Profile, load_profile
from kinsim.scenario.tree import Node, Origin, Scalar, dotted
from kinsim.system.on_demand import shards_for

Steps = tuple[str | int, ...]

DISTRIBUTION_KEYS = {
    "distribution", "mean", "cv", "p50", "p99", "low", "high", "sd", "min", "max", "shape", "of", "file", "column",
}  # fmt: skip
ORDER = (
    "kinsim", "name", "description", "profile", "region", "bytes_per_mb", "workload", "producer", "stream",
    "event_source_mapping", "function", "pipelines", "account", "alarms", "slos", "cost", "engine", "run",
)  # fmt: skip
"""Order of the sections in what kinsim writes."""

BOUNDS = (("at_most", "at_least"), ("at_least", "at_most"))
"""Of these only one is given: the later replaces the other."""

REPLACED = {"partition_keys"}
"""Mappings whose keys exclude each other: they replace, as lists do."""


@dataclass(frozen=True, slots=True)
class Layers:
    """What a scenario was made of, so that single settings can be changed later."""

    file: Node
    """The file and what it extends, under canonical names."""
    changes: tuple[tuple[Steps, Node], ...] = ()
    label: str = ""
    base_dir: Path = Path()


def merge(base: Node, over: Node, key: str | int = "") -> Node:
    """*over* laid upon *base*: mappings merge, everything else replaces.

    A mapping that names another model or distribution replaces the whole, since its keys mean other things.

    >>> merge(Node.of({"a": 1, "b": {"c": 2}}), Node.of({"b": {"d": 3}})).plain()
    {'a': 1, 'b': {'c': 2, 'd': 3}}
    >>> merge(Node.of({"distribution": "gamma", "cv": 2}), Node.of({"distribution": "exponential"})).plain()
    {'distribution': 'exponential'}
    """
    if not isinstance(base.value, dict) or not isinstance(over.value, dict) or _replaces(base, over, key):
        return over
    merged = dict(base.value)
    for one, other in BOUNDS:
        if one in over.value and other not in over.value:
            merged.pop(other, None)
    for name, child in over.value.items():
        below = merged.get(name)
        merged[name] = child if below is None else merge(below, child, name)
    return Node(merged, over.mark, over.key or base.key, over.origin)


def _replaces(base: Node, over: Node, key: str | int) -> bool:
    assert isinstance(base.value, dict)
    assert isinstance(over.value, dict)
    if key in REPLACED:
        return True
    if key != "producer":  # its `distribution` is a setting among others (aws:C6)
        if "distribution" in over.value:
            return True
        if "distribution" in base.value and not set(over.value) <= DISTRIBUTION_KEYS:
            return True
    if key == "workload" and base.value and over.value and ("sources" in base.value) != ("sources" in over.value):
        return True
    for name in ("model", "kind", "mode"):
        old, new = base.value.get(name), over.value.get(name)
        if old is not None and new is not None and old.value != new.value:
            return True
    return False


def assign(root: Node, steps: Sequence[str | int], node: Node) -> Node:
    """A tree in which *node* is laid upon what stands at *steps*; raises SettingError where nothing can stand there."""
    if not steps:
        return merge(root, node)
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        if not isinstance(root.value, list) or not 0 <= step < len(root.value):
            number = len(root.value) if isinstance(root.value, list) else 0
            raise SettingError(f"there is no item [{step}]: the list has {number}", help="items count from 0")
        items = list(root.value)
        items[step] = assign(items[step], rest, node)
        return Node(items, root.mark, root.key, root.origin)
    children = dict(root.value) if isinstance(root.value, dict) else {}
    below = children.get(step)
    if not rest:
        placed = node if below is None else merge(below, node, step)
        children[step] = Node(placed.value, placed.mark, node.key or node.mark, placed.origin)
    else:
        children[step] = assign(below if below is not None else Node({}, node.mark), rest, node)
    return Node(children, root.mark, root.key, root.origin)


def assigned(layers: Layers) -> Node:
    """The document as it is written, with single settings replaced; raises ConfigError."""
    root = layers.file
    for steps, node in layers.changes:
        try:
            root = assign(root, _followed(root, steps), node)
        except SettingError as error:
            raise ConfigError(node.mark.problem(error.message, dotted(steps), error.help)) from None
    return root


def _followed(root: Node, steps: Steps) -> Steps:
    """*steps*, or where they lead if a pipeline names what stands on top."""
    named = root.find(steps[:3]) if steps[:1] == ("pipelines",) and len(steps) > 3 else None
    if named is None or not isinstance(named.value, str):
        return steps
    return (steps[2], named.value, *steps[3:])


def resolved(layers: Layers) -> tuple[Node, Profile]:
    """The whole document, defaults included, and its profile; raises ConfigError."""
    root = assigned(layers)
    profile = _profile(root, layers.base_dir)
    per_mb = root.child("bytes_per_mb")
    bytes_per_mb = per_mb.value if per_mb is not None and type(per_mb.value) is int else MIB
    document = _warm(_with_defaults(root, profile, bytes_per_mb))
    assert isinstance(document.value, dict)
    if "name" not in document.value:
        document.value["name"] = Node(default_name(layers.label), origin=Origin("default", "name of the file"))
    if "profile" not in document.value:
        document.value["profile"] = Node(NEWEST, origin=Origin("default", "the newest profile"))
    keys = sorted(document.value, key=lambda key: ORDER.index(key) if key in ORDER else len(ORDER))
    return Node({key: document.value[key] for key in keys}, document.mark), profile


def default_name(label: str) -> str:
    """Name of a scenario that has none: that of its file.

    >>> default_name("configs/quickstart.yaml"), default_name("<text>")
    ('quickstart', 'scenario')
    """
    return Path(label).stem if label and not label.startswith("<") else "scenario"


def _profile(root: Node, base_dir: Path) -> Profile:
    named = root.child("profile")
    if named is None:
        return load_profile(NEWEST)
    if not isinstance(named.value, str):
        raise ConfigError(named.mark.problem("a profile is named by text", "profile", "for example profile: aws-2026"))
    try:
        return load_profile(named.value, base_dir)
    except ConfigError as error:
        raise ConfigError(
            [
                named.mark.problem(problem.message, "profile", problem.help) if not problem.line else problem
                for problem in error.problems
            ]
        ) from None


def _with_defaults(root: Node, profile: Profile, bytes_per_mb: int) -> Node:
    defaults = Node({})
    for path, entry in profile.defaults.items():
        _put(defaults, tuple(path.split(".")), _node(entry, profile, bytes_per_mb))
    document = merge(defaults, root)
    for when, entries in profile.defaults_when:
        added = False
        for places in _places(document, when):
            if all(_holds(document.find(_moved(path, places)), value) for path, value in when.items()):
                _agree(defaults, document, when, places)
                for path, entry in entries.items():
                    steps = _moved(path, places)
                    if steps:
                        _put(defaults, steps, _node(entry, profile, bytes_per_mb))
                        added = True
        if added:
            document = merge(defaults, root)
    return document


def _agree(defaults: Node, document: Node, when: Mapping[str, Any], places: Places) -> None:
    """Let defaults name the model or mode that the file chose: those of another one would be replaced by it."""
    for path in when:
        steps = _moved(path, places)
        node, default = document.find(steps), defaults.find(steps)
        if node is not None and default is not None and default.value != node.value:
            _put(defaults, steps, node)


def _warm(document: Node) -> Node:
    """A warm throughput opens as many shards as it needs, where the file says nothing of shard_count (aws:S20)."""
    path = ("stream", "shard_count")
    count = document.find(path)
    warm, limit = (scalar_value(document.find(("stream", key))) for key in ("warm_throughput", "write_limit_bytes"))
    if warm is None or count is None or count.origin is None or count.origin.kind != "profile":
        return document
    try:
        needed = shards_for(units.parse_size_bytes(warm), 0, units.parse_size_bytes(limit or MIB), 1)
    except SettingError:
        return document  # a wrong value is reported as such
    shards = max(units.parse_count(count.value), needed)
    origin = replace(count.origin, source="aws:S20", note="as many as warm_throughput needs")
    return assign(document, path, Node(shards, origin=origin))


def _node(entry: Entry, profile: Profile, bytes_per_mb: int) -> Node:
    note = "; ".join(part for part in ("assumed" if entry.assumed else "", entry.note) if part)
    origin = Origin("profile", f"profile {profile.name}", source=entry.source, date=entry.date, note=note)
    return Node.of(entry.scaled(bytes_per_mb), origin=origin)


def _put(root: Node, steps: Steps, node: Node) -> None:
    for step in steps[:-1]:
        assert isinstance(root.value, dict)
        root = root.value.setdefault(str(step), Node({}, origin=node.origin))
        if not isinstance(root.value, dict):
            return
    if isinstance(root.value, dict):
        root.value[str(steps[-1])] = node


Places = Mapping[str, Steps]


def _places(document: Node, when: Mapping[str, Any]) -> Iterator[Places]:
    """Where a condition on ``workload`` and ``producer`` is to be looked at: in each source, for each producer."""
    sources = document.find(("workload", "sources"))
    workloads: list[Steps] = [("workload",)]
    if sources is not None and isinstance(sources.value, dict):
        workloads = [("workload", "sources", name) for name in sources.value]
    single = len(workloads) == 1 and workloads[0] == ("workload",)
    if any(path.startswith("workload.") for path in when):
        for each in workloads:
            own = document.find((*each, "producer")) is not None
            yield {"workload": each, "producer": (*each, "producer") if own else ("producer",) if single else ()}
        return
    yield {"producer": ("producer",), "workload": ()}
    if any(path.startswith("producer.") for path in when):
        for each in workloads:
            if document.find((*each, "producer")) is not None:
                yield {"producer": (*each, "producer"), "workload": each}


def _moved(path: str, places: Places) -> Steps:
    first, *rest = path.split(".")
    if first not in places:
        return (first, *rest)
    return (*places[first], *rest) if places[first] else ()


def _holds(node: Node | None, value: Any) -> bool:
    """Whether a setting has the value, is one of those listed, or is above a bound."""
    if node is None:
        return False
    if isinstance(value, Mapping):
        try:
            return units.parse_size_bytes(node.value) > units.parse_size_bytes(value.get("above"))
        except SettingError:
            return False
    return bool(node.value in value if isinstance(value, list) else node.value == value)


# -- provenance ----------------------------------------------------------------------------------------------


def origin_of(node: Node) -> Origin:
    """Where a value came from."""
    if node.origin is not None:
        return node.origin
    source = node.mark.source
    if source.kind == "file":
        name = Path(source.label).name
        return Origin("file", f"{name}:{node.mark.line}" if node.mark.line else name, source.label, node.mark.line)
    return Origin(source.kind, source.kind, source.label)


def provenance(document: Node) -> dict[str, Origin]:
    """Origin of every value, by dotted path."""
    return {dotted(path): origin_of(node) for path, node in leaves(document)}


def leaves(node: Node, path: Steps = ()) -> Iterator[tuple[Steps, Node]]:
    """The values of a document: scalars, and lists and empty mappings as wholes."""
    if isinstance(node.value, dict) and node.value:
        for key, child in node.value.items():
            yield from leaves(child, (*path, key))
    elif path:
        yield path, node


def scalar_value(node: Node | None) -> Scalar:
    """A scalar's value; None for anything else."""
    return None if node is None or isinstance(node.value, (dict, list)) else node.value
