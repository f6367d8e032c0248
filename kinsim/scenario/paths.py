"""Dotted paths of settings: which exist, what they are called, what they mean."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo

from kinsim.errors import SettingError
from kinsim.scenario.names import SYNONYMS, canonical_key
from kinsim.scenario.tree import Node, dotted

Path: TypeAlias = "tuple[str | int, ...]"

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
DISCRIMINATORS = ("model", "distribution", "kind", "mode")


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known about the setting at a path: its kinds of value and, for a field, its description."""

    kinds: tuple[Any, ...]
    field: FieldInfo | None = None
    name: str = ""

    @property
    def keys(self) -> list[str]:
        """Keys that a mapping here may have; empty where any or none may be."""
        found: dict[str, None] = {}
        for kind in self.kinds:
            if _is_model(kind):
                found.update(dict.fromkeys(fields_of(kind)))
                if shorthand := _shorthand(kind):
                    found.update(dict.fromkeys(shorthand.keys))
        return list(found)

    @property
    def is_open(self) -> bool:
        """Whether a mapping here may have any key."""
        return any(kind is Any or kind is object or get_origin(kind) is dict for kind in self.kinds)

    def narrowed(self, node: Node | None) -> Setting:
        """The same, with only the models that fit what *node* holds."""
        return Setting(tuple(_narrowed(self.kinds, node)), self.field, self.name)

    def child(self, key: str | int, node: Node | None = None) -> Setting | None:
        """What stands under *key*; *node*, the value so far, narrows a choice of models."""
        found: list[Any] = []
        field = None
        for kind in _narrowed(self.kinds, node):
            if kind is Any or kind is object:
                return Setting((Any,))
            if get_origin(kind) is dict and isinstance(key, str):
                found += members(get_args(kind)[1])
            elif get_origin(kind) is list and isinstance(key, int):
                found += members(get_args(kind)[0])
            elif _is_model(kind) and isinstance(key, str):
                here = fields_of(kind).get(key)
                if here is not None:
                    found += members(here.annotation)
                    field = field or here
                elif (shorthand := _shorthand(kind)) and (inner := shorthand.child(key, node)):
                    found += inner.kinds
                    field = field or inner.field
        return Setting(tuple(found), field, str(key)) if found or field is not None else None

    def allowed(self) -> list[str]:
        """Words that are allowed, where only certain words are."""
        return [str(word) for kind in self.kinds if get_origin(kind) is Literal for word in get_args(kind)]


def members(annotation: Any) -> list[Any]:
    """The kinds of value that an annotation admits, unions and aliases opened."""
    if hasattr(annotation, "__value__"):  # a `type` statement
        return members(annotation.__value__)
    origin = get_origin(annotation)
    if origin is Annotated:
        return members(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [each for part in get_args(annotation) for each in members(part)]
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        return members(annotation.model_fields["root"].annotation)
    return [annotation]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


@cache
def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """A model's fields by the key that the file uses."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _shorthand(model: type[BaseModel]) -> Setting | None:
    """The single source that a workload may be instead of named ones."""
    sources = model.model_fields.get("sources") if model.__name__ == "Workload" else None
    if sources is None:
        return None
    return Setting(tuple(each for kind in members(sources.annotation) for each in members(get_args(kind)[1])))


def _narrowed(kinds: Sequence[Any], node: Node | None) -> Sequence[Any]:
    """Those of *kinds* that fit the ``model``, ``distribution``, … that *node* names."""
    if node is None or not isinstance(node.value, dict) or len(kinds) < 2:
        return kinds
    for key in DISCRIMINATORS:
        named = node.value.get(key)
        if named is None:
            continue
        fitting = [kind for kind in kinds if _is_model(kind) and named.value in _words(fields_of(kind).get(key))]
        if fitting:
            return fitting
    plain = [kind for kind in kinds if _is_model(kind) and not set(fields_of(kind)) & set(DISCRIMINATORS)]
    return plain or kinds


def _words(field: FieldInfo | None) -> tuple[Any, ...]:
    return get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()


# -- paths ---------------------------------------------------------------------------------------------------


def split(path: str) -> Path:
    """The steps of a dotted path.

    >>> split("workload.arrivals.bursts[0].factor")
    ('workload', 'arrivals', 'bursts', 0, 'factor')
    """
    steps: list[str | int] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            break
        steps.append(int(match[2]) if match[2] is not None else match[1].strip())
        at = match.end()
        if at < len(path) and path[at] == ".":
            at += 1
            if at == len(path):
                break
        elif at < len(path) and path[at] != "[":
            break
    else:
        if steps and all(step != "" for step in steps):
            return tuple(steps)
    raise SettingError(f"{path!r} is not the path of a setting", help="write for example stream.shard_count")


def root() -> Setting:
    """The top of a scenario."""
    from kinsim.scenario.model import Scenario

    return Setting((Scenario,))


def canonical_steps(path: str) -> Path:
    """The steps of a dotted path under canonical names; raises SettingError where there is no such setting."""
    steps: list[str | int] = []
    setting: Setting | None = root()
    given = split(path)
    for number, step in enumerate(given, 1):
        assert setting is not None
        inside = _inside(steps)
        if isinstance(step, str) and inside is not None and len(inside) < 2:
            section = ".".join(str(each) for each in inside)
            step = canonical_key(section, step) or step
        if isinstance(step, str) and step.isdigit() and any(get_origin(kind) is list for kind in setting.kinds):
            step = int(step)
        above, setting = setting, setting.child(step)
        if setting is None:
            raise _unknown(path, (*steps, step, *given[number:]), hint_key(str(step), above.keys) if steps else "")
        steps.append(step)
    return tuple(steps)


def _inside(steps: Sequence[str | int]) -> Sequence[str | int] | None:
    """The steps within a pipeline or a consumer, which have sections as the whole has; None where it is named."""
    if steps[:1] == ["pipelines"]:
        return _inside(steps[2:]) if len(steps) > 1 else None
    if steps[:2] == ["stream", "consumers"]:
        return steps[3:] if len(steps) > 2 else None
    return steps


def canonical_path(path: str) -> str:
    """The canonical form of a setting's dotted path, whatever accepted name it was given under.

    >>> canonical_path("stream.shards"), canonical_path("event_source_mapping.BatchSize")
    ('stream.shard_count', 'event_source_mapping.batch_size')
    >>> canonical_path("pipelines.flow.lambda.memory"), canonical_path("stream.consumers[0].esm.BatchSize")
    ('pipelines.flow.function.memory_size', 'stream.consumers[0].event_source_mapping.batch_size')

    Raises SettingError, with what may have been meant, where there is no such setting.
    """
    return dotted(canonical_steps(path))


def find(path: Sequence[str | int]) -> Setting | None:
    """The setting at *path*, or None."""
    setting: Setting | None = root()
    for step in path:
        setting = setting.child(step) if setting is not None else None
    return setting


def _unknown(path: str, steps: Path, hint: str) -> SettingError:
    if path == "extends":
        help = "it names files, in a file: `extends: [scenario.yaml, alarms.yaml]`"
        return SettingError("extends cannot be set from outside", help=help)
    meant = suggestions(dotted(steps))
    help = f"did you mean {', '.join(meant)}?" if meant else hint or f"settings begin with {', '.join(top_keys())}"
    return SettingError(f"unknown setting {path!r}", help=help)


def suggestions(path: str, number: int = 3) -> list[str]:
    """Settings whose paths come near to *path*.

    >>> suggestions("stream.shard")[0], suggestions("event_source_maping.batch_size")[0]
    ('stream.shard_count', 'event_source_mapping.batch_size')
    """
    known = all_paths()
    head, _, last = path.rpartition(".")
    found = []
    synonym = SYNONYMS.get(last)
    if synonym and (f"{head}.{synonym}" if head else synonym) in known:
        found.append(f"{head}.{synonym}" if head else synonym)
    found += [each for each in known if each.startswith(f"{head}.") and last and each[len(head) + 1 :].startswith(last)]
    found += get_close_matches(path, known, number, 0.9)
    found += [each for each in known if each.rpartition(".")[2] == last]
    found += get_close_matches(path, known, number, 0.6)
    return list(dict.fromkeys(found))[:number]


def top_keys() -> list[str]:
    """Keys of a scenario."""
    return [*root().keys, "extends"]


@lru_cache(maxsize=1)
def all_paths() -> tuple[str, ...]:
    """Every setting's path, names that users choose left out."""
    return tuple(dict.fromkeys(_paths(root(), (), 0)))


def _paths(setting: Setting, path: Path, depth: int) -> Iterator[str]:
    for key in setting.keys if depth < 5 else ():
        inner = setting.child(key)
        if inner is not None:
            yield dotted((*path, key))
            yield from _paths(inner, (*path, key), depth + 1)


def hint_key(key: str, allowed: Sequence[str]) -> str:
    """What to try for an unknown key.

    >>> hint_key("batchsize", ["batch_size", "enabled"])
    "did you mean 'batch_size'? allowed: batch_size, enabled"
    """
    lower = key.lower().replace("-", "_").replace(" ", "_")
    close = [lower] if lower in allowed else []
    close += [SYNONYMS[lower]] if SYNONYMS.get(lower) in allowed else []
    close += [each for each in allowed if lower and (each.startswith(lower) or lower.startswith(f"{each}_"))]
    close += get_close_matches(lower, allowed, 1, 0.6)
    shown = 6 if close else 30
    listed = ", ".join(sorted(allowed)[:shown]) + (", …" if len(allowed) > shown else "")
    meant = f"did you mean {close[0]!r}? " if close else ""
    return f"{meant}allowed: {listed}" if allowed else ""


def hint_word(word: object, allowed: Sequence[str]) -> str:
    """What to try for a word that is not among the *allowed*.

    >>> hint_word("provisoned", ["PROVISIONED", "ON_DEMAND"])
    "did you mean 'PROVISIONED'? allowed: PROVISIONED, ON_DEMAND"
    """
    by_lower = {each.lower(): each for each in allowed}
    close = get_close_matches(str(word).lower(), by_lower, 1, 0.6)
    meant = f"did you mean {by_lower[close[0]]!r}? " if close else ""
    return f"{meant}allowed: {', '.join(allowed)}"
