"""From a file, or from text, to a scenario; and from a scenario to one that differs in some settings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kinsim import limits
from kinsim.errors import ConfigError, Problem, SettingError
from kinsim.scenario.autoscaling import check_autoscaling
from kinsim.scenario.capacity_modes import check_on_demand
from kinsim.scenario.checks import check, check_resharding, with_ranges
from kinsim.scenario.files import read_text, shown_path
from kinsim.scenario.members import MemberDocument, members
from kinsim.scenario.model import Scenario
from kinsim.scenario.names import canonical, canonical_key, converted, renamed_value
from kinsim.scenario.paths import Setting, canonical_steps, hint_key, root, split, top_keys
from kinsim.scenario.pipelines import Pipelines
from kinsim.scenario.problems import problems_of
from kinsim.scenario.profiles import is_path
from kinsim.scenario.readers import check_registered
from kinsim.scenario.resolve import Layers, assigned, default_name, merge, resolved
from kinsim.scenario.tree import Mark, Node, Origin, Source, Tree
from kinsim.scenario.tree import Path as Steps
from kinsim.scenario.unbuilt import UNBUILT, is_off
from kinsim.scenario.write_room import check_writes
from kinsim.scenario.written import fill_defaults
from kinsim.scenario.yaml12 import read_tree

Changes = Mapping[str, Any] | Sequence[str] | Iterable[tuple[str, Any]]

SWEEP_KEYS = {"base", "axes", "points", "any_of", "set"}


def load(path: str | Path, overrides: Changes = ()) -> Scenario | Pipelines:
    """The scenario in the file at *path*, with settings replaced by *overrides*.

    *overrides* is a mapping from dotted paths to values, or texts such as ``"stream.shards=16"`` as they stand on
    the command line.  Raises ConfigError with every problem.
    """
    path = Path(path)
    return parse(read_text(path), str(path), path.parent, overrides)


def parse(
    text: str, file: str = "<text>", base_dir: str | Path | None = None, overrides: Changes = ()
) -> Scenario | Pipelines:
    """The scenario in *text*; *file* names it in messages, names of files are relative to *base_dir*."""
    folder = Path(os.path.abspath(base_dir if base_dir is not None else "."))
    tree = read_tree(text, file)
    if tree.root.value is None and not tree.problems:
        help = "`kinsim init` writes a scenario to start from"
        raise ConfigError(Problem(file=file, message="the file is empty", help=help))
    written = _expanded(tree, folder, folder, (), [])
    changes, problems = _changes(overrides, folder)
    layers = Layers(written, changes, file, folder)
    return build(layers, [*tree.problems, *problems])


def changed(scenario: Scenario | Pipelines, changes: Changes, more: Mapping[str, Any]) -> Scenario | Pipelines:
    """*scenario* with some settings replaced; see :meth:`Scenario.with_`."""
    before = scenario._layers
    found, problems = _changes(changes, before.base_dir)
    also, wrong = _changes(more, before.base_dir)
    if problems or wrong:
        raise ConfigError([*problems, *wrong])
    return build(Layers(before.file, (*before.changes, *found, *also), before.label, before.base_dir))


def build(layers: Layers, problems: Sequence[Problem] = ()) -> Scenario | Pipelines:
    """The scenario that *layers* make; raises ConfigError with *problems* and all that are found besides."""
    try:
        root = assigned(layers)
        documents, wrong = members(root)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from None
    if not documents and not wrong:
        return build_one(layers, problems)
    return build_pipelines(layers, root, documents, [*problems, *wrong])


def build_one(layers: Layers, problems: Sequence[Problem] = ()) -> Scenario:
    """The scenario of a single pipeline."""
    found = list(problems)
    try:
        document, profile = resolved(layers)
    except ConfigError as error:
        raise ConfigError([*found, *error.problems]) from None
    found += check(document, profile)
    reported = {problem.path for problem in found}
    values = _values(document)
    scenario = None
    try:
        scenario = Scenario.model_validate(values, context={"base_dir": str(layers.base_dir)})
    except ValidationError as error:
        more = [each for each in problems_of(error, document) if each.path not in reported]
        found += with_ranges(more, document, profile)
    if scenario is not None and not found:
        found += check_writes(document, scenario, profile)
        found += check_on_demand(document, scenario) or [
            *check_resharding(document, scenario, profile),
            *check_autoscaling(document, scenario, profile),
        ]
        found += check_registered(document, scenario, profile)
    if found or scenario is None:
        raise ConfigError(found[: limits.PROBLEMS])
    per_mb, prices = scenario.bytes_per_mb, scenario.cost.prices
    scenario._layers = layers
    scenario._base_dir = layers.base_dir
    scenario._profile_data = profile.adapted(per_mb, prices)
    scenario._document = fill_defaults(document, scenario)
    return scenario


def build_pipelines(
    layers: Layers, root: Node, documents: Sequence[MemberDocument], problems: Sequence[Problem]
) -> Pipelines:
    """The scenarios of several pipelines; what is wrong on top of the file is told once."""
    found = dict.fromkeys(problems)
    scenarios: dict[str, Scenario] = {}
    named = root.child("name")
    name = named.value if named is not None and isinstance(named.value, str) else default_name(layers.label)
    for each in documents:
        assert isinstance(each.root.value, dict)
        if problems and "workload" not in each.root.value:
            continue  # it has been told
        mark = named.mark if named is not None else root.mark
        shown = str(name)[: limits.NAME_LENGTH - limits.PIPELINE_NAME_LENGTH - len(": ")]
        each.root.value["name"] = Node(f"{shown}: {each.name}", mark, None, named.origin if named is not None else None)
        try:
            scenarios[each.name] = build_one(Layers(each.root, (), layers.label, layers.base_dir))
        except ConfigError as error:
            found.update(dict.fromkeys(replace(one, path=each.path_in_file(one.path)) for one in error.problems))
    if found:
        raise ConfigError(list(found)[: limits.PROBLEMS])
    return Pipelines(str(name), scenarios, documents, layers, root)


# -- the file and what it extends ----------------------------------------------------------------------------


def _expanded(tree: Tree, folder: Path, base_dir: Path, above: tuple[Path, ...], read: list[Path]) -> Node:
    """The document of *tree*, which lies in *folder*, laid upon those that it extends; *read* grows by each."""
    if not isinstance(tree.root.value, dict):
        what = "a list" if isinstance(tree.root.value, list) else "plain text"
        help = "a scenario begins with kinsim: 1 and has keys such as workload, stream and function"
        raise ConfigError([*tree.problems, tree.root.mark.problem(f"expected settings, found {what}", help=help)])
    _refuse_sweep(tree)
    own = canonical(tree)
    assert isinstance(own.value, dict)
    extends = own.value.pop("extends", None)
    _unknown_keys(tree, own)
    if folder != base_dir:
        own = _moved_files(own, folder, base_dir)
    base: Node | None = None
    for name in _extended(extends, tree):
        part = _extended_file(name, tree, folder, base_dir, above, read)
        if part is not None:
            base = part if base is None else merge(base, part)
    return own if base is None else merge(base, own)


def _refuse_sweep(tree: Tree) -> None:
    assert isinstance(tree.root.value, dict)
    found = SWEEP_KEYS & set(tree.root.value)
    if {"axes", "points", "any_of"} & found and "workload" not in tree.root.value:
        raise ConfigError(tree.root.mark.problem("this is a sweep, not a scenario", help="run it with `kinsim sweep`"))


def _unknown_keys(tree: Tree, own: Node) -> None:
    """Unknown top-level keys of files that are extended would else be blamed on the file that extends them."""
    assert isinstance(own.value, dict)
    allowed = top_keys()
    for key in [key for key in own.value if key not in allowed and key not in UNBUILT]:
        node = own.value.pop(key)
        tree.problems.append(node.place.problem(f"unknown key {key!r}", key, hint_key(key, allowed)))


def _extended(extends: Node | None, tree: Tree) -> list[Node]:
    if extends is None or extends.value is None:
        return []
    items = extends.value if isinstance(extends.value, list) else [extends]
    good = [each for each in items if isinstance(each.value, str) and each.value]
    if len(good) < len(items):
        help = "for example extends: [base.yaml, team.yaml]"
        tree.problems.append(extends.mark.problem("extends names a file or a list of files", "extends", help))
    return good


def _extended_file(
    name: Node, tree: Tree, folder: Path, base_dir: Path, above: tuple[Path, ...], read: list[Path]
) -> Node | None:
    path = folder / str(name.value)
    here = Path(os.path.abspath(tree.source.label))
    target = Path(os.path.abspath(path))
    chain = (*above, here)
    if target in chain:
        names = " → ".join(each.name for each in (*chain[chain.index(target) :], target))
        tree.problems.append(name.mark.problem(f"the files extend each other in a circle: {names}", "extends"))
        return None
    if len(chain) >= limits.EXTENDS_DEPTH or len(read) >= limits.EXTENDS_FILES:
        most = f"at most {limits.EXTENDS_DEPTH} one upon the other, and {limits.EXTENDS_FILES} in all"
        if len(read) <= limits.EXTENDS_FILES:
            tree.problems.append(name.mark.problem("too many files extend each other", "extends", most))
        if len(read) == limits.EXTENDS_FILES:
            read.append(target)  # it is said once
        return None
    read.append(target)
    try:
        inner = read_tree(read_text(path), shown_path(path))
        if inner.root.value is None:
            return Node({})
        part = _expanded(inner, path.parent, base_dir, chain, read)
    except ConfigError as error:
        tree.problems.extend(
            name.mark.problem(f"{each.file}: {each.message}", "extends", each.help) if not each.line else each
            for each in error.problems
        )
        return None
    tree.problems.extend(inner.problems)
    return part


def _moved_files(node: Node, folder: Path, base_dir: Path) -> Node:
    """File names of an extended file, which are relative to it, made relative to the scenario."""
    if isinstance(node.value, list):
        return Node([_moved_files(each, folder, base_dir) for each in node.value], node.mark, node.key, node.origin)
    if not isinstance(node.value, dict):
        return node
    children = {}
    for key, child in node.value.items():
        named = isinstance(child.value, str) and (key == "file" or (key == "profile" and is_path(child.value)))
        if named and not os.path.isabs(str(child.value)) and not str(child.value).startswith("~"):
            name = _relative(folder / str(child.value), base_dir)
            children[key] = Node(name, child.mark, child.key, child.origin)
        else:
            children[key] = _moved_files(child, folder, base_dir)
    return Node(children, node.mark, node.key, node.origin)


def _relative(path: Path, base_dir: Path) -> str:
    try:
        return os.path.relpath(path, base_dir)
    except ValueError:  # another drive
        return os.path.abspath(path)


# -- single settings -----------------------------------------------------------------------------------------


def _changes(changes: Changes, base_dir: Path) -> tuple[tuple[tuple[Steps, Node], ...], list[Problem]]:
    """The places and values that *changes* name, and what is wrong with them."""
    if isinstance(changes, str):
        changes = [changes]
    items: Iterable[Any] = changes.items() if isinstance(changes, Mapping) else changes
    found: list[tuple[Steps, Node]] = []
    problems: list[Problem] = []
    for number, item in enumerate(items, 1):
        try:
            found.append(_from_text(item, number, base_dir) if isinstance(item, str) else _from_python(*item))
        except SettingError as error:
            label = f"--set #{number} {item!r}" if isinstance(item, str) else ""
            path = "" if isinstance(item, str) else str(item[0])
            problems.append(Problem(file=label, path=path, message=error.message, help=error.help))
        except ConfigError as error:
            problems += error.problems
    return tuple(found), problems


def _from_text(text: str, number: int, base_dir: Path) -> tuple[Steps, Node]:
    """The place and value of ``path=value``."""
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise SettingError("this is no setting", help="write path=value, for example stream.shards=16")
    steps = canonical_steps(path.strip())
    label = f"--set #{number} {text!r}"
    try:
        tree = read_tree(value, label, "--set")
    except ConfigError as error:
        message = error.problems[0].message
        raise SettingError(
            message, help="the value is read as YAML; text with special characters goes in quotes"
        ) from None
    if tree.problems:
        raise SettingError(tree.problems[0].message, help=tree.problems[0].help)
    mark = Mark(Source(label, kind="--set"))
    node = Node.of(tree.root.plain(), mark)
    moved = _moved_files(Node({str(steps[-1]): node}), Path(), base_dir).child(str(steps[-1]))  # as the shell means it
    return steps, _at_section(path, steps, moved if moved is not None else node)


def _from_python(path: str, value: Any) -> tuple[Steps, Node]:
    steps = canonical_steps(path)
    mark = Mark(Source("", kind="python"))
    if isinstance(value, Node):
        return steps, _at_section(path, steps, value)
    return steps, _at_section(path, steps, Node.of(_plain(value), mark, Origin("python", "python")))


def _plain(value: Any) -> Any:
    """Settings objects as what the file would hold."""
    if hasattr(value, "model_dump"):
        return value.model_dump(by_alias=True, exclude_none=True)
    if isinstance(value, Path):
        return str(value)
    return value


def _at_section(path: str, steps: Steps, node: Node) -> Node:
    if len(steps) == 2 and isinstance(steps[0], str):
        return converted(steps[0], str(split(path)[-1]), node)
    if len(steps) == 1 and isinstance(node.value, dict):
        return renamed_value(str(steps[0]), node)
    return node


# -- what the settings see -----------------------------------------------------------------------------------


def _values(document: Node) -> Any:
    """The document as plain values for validation: ``unlimited`` is None, unbuilt settings that are off are gone."""
    plain = _absent(document, root())
    known = set(Scenario.model_fields)
    for key in [key for key in plain if key not in known and key in UNBUILT]:
        del plain[key]
    for path in UNBUILT:
        section, _, key = path.partition(".")
        inner = plain.get(section)
        field = Scenario.model_fields.get(section)
        model: Any = field.annotation if field is not None else None
        if isinstance(inner, dict) and key in inner and hasattr(model, "model_fields") and is_off(path, inner[key]):
            names = {each.alias or name for name, each in model.model_fields.items()}
            if key not in names:
                del inner[key]
    return plain


def _absent(node: Node, setting: Setting | None) -> Any:
    """Plain values, where the words ``unlimited`` and ``none`` stand for an absent limit or delay."""
    if isinstance(node.value, dict):
        return {
            key: _absent(child, setting.child(key, node) if setting is not None else None)
            for key, child in node.value.items()
        }
    if isinstance(node.value, list):
        return [
            _absent(child, setting.child(i, node) if setting is not None else None)
            for i, child in enumerate(node.value)
        ]
    if node.value in ("unlimited", "none") and setting is not None:
        optional = any(kind is type(None) for kind in setting.kinds)
        if optional and node.value not in setting.allowed() and str not in setting.kinds:
            return None
    return node.value


__all__ = ["build", "canonical_key", "changed", "load", "parse"]
