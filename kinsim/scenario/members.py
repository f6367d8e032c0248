"""A file that describes several pipelines, taken apart: a document for each, and what they share by name.

A pipeline is one event source mapping between a stream and a function.  A file has several where it lists
`pipelines`, or where a consumer of a stream has a mapping and a function of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from hashlib import sha256

from kinsim import limits
from kinsim.errors import Problem
from kinsim.scenario.paths import hint_key, hint_word
from kinsim.scenario.resolve import merge
from kinsim.scenario.tree import Node, dotted
from kinsim.scenario.tree import Path as Steps

SHAREABLE = ("workload", "producer", "stream", "event_source_mapping", "function")
"""Sections that pipelines may have of their own, or name."""
JUDGED = ("slos", "alarms")
"""Sections that hold for every pipeline, and may be added to by each."""
SECTIONS = (*SHAREABLE, *JUDGED)
OF_A_CONSUMER = ("event_source_mapping", "function", *JUDGED)
PUSHED = "enhanced_fan_out"
"""Of a consumer with a function it says what `stream.enhanced_fan_out` says of the mapping on top."""
MAIN = "main"
"""The mapping and function that stand on top of a file, beside those of the stream's other consumers."""


@dataclass(slots=True)
class MemberDocument:
    """The document of one pipeline, as if it stood alone."""

    name: str
    root: Node
    stream: str
    """Pipelines with the same text here read the same stream."""
    function: str
    places: dict[str, Steps] = field(default_factory=dict)
    """Where its sections stand in the file, if not on top."""

    def path_in_file(self, path: str) -> str:
        """A setting's path as it stands in the file."""
        if path in self.places:
            return dotted(self.places[path])
        section, dot, rest = path.partition(".")
        return dotted(self.places[section]) + dot + rest if section in self.places else path


def seed_of(seed: int, kind: str, name: str) -> int:
    """Seed of one of several streams or readers: it depends on nothing but its name.

    >>> seed_of(1, "stream", "logs") == seed_of(1, "stream", "logs") != seed_of(1, "reader", "logs")
    True
    """
    return int.from_bytes(sha256(f"{seed}/{kind}/{name}".encode()).digest()[:8], "big") >> 2


def members(root: Node) -> tuple[list[MemberDocument], list[Problem]]:
    """The pipelines of a file, none where it describes a single one; and what is wrong with how they are put."""
    found, problems = _listed(root)
    if not found:
        if problems or not _consumers(root):
            return [], problems
        found = [MemberDocument(MAIN, _without(root, ("pipelines",)), MAIN, MAIN)]
    lifted: list[MemberDocument] = []
    streams = set()
    for member in found:
        others = _lifted(member, alone=not root.child("pipelines"), problems=problems)
        lifted += [member, *(others if member.stream not in streams else ())]
        streams.add(member.stream)
    if len(lifted) > limits.PIPELINES:
        message = f"there are {len(lifted)} pipelines, but at most {limits.PIPELINES} can be simulated together"
        problems.append(root.place.problem(message, "", "leave out those that share nothing with the others"))
    names = [each.name for each in lifted]
    for name in dict.fromkeys(each for each in names if names.count(each) > 1):
        where = root.child("pipelines") or root.find(("stream", "consumers")) or root
        problems.append(where.place.problem(f"two pipelines or consumers are called {name!r}", "", "rename one"))
    return lifted, problems


# -- pipelines -----------------------------------------------------------------------------------------------


def is_library(root: Node, section: str) -> bool:
    """Whether *section* on top holds several things by name, to which pipelines refer."""
    return any(isinstance(own.value, str) for own in _own(root, section))


def _own(root: Node, section: str) -> Iterator[Node]:
    listed = root.child("pipelines")
    for pipeline in listed.value.values() if listed is not None and isinstance(listed.value, dict) else ():
        own = pipeline.child(section)
        if own is not None:
            yield own


def _listed(root: Node) -> tuple[list[MemberDocument], list[Problem]]:
    listed = root.child("pipelines")
    if listed is None or not listed.value:
        return [], []
    help = "write pipelines: {flow-logs: {workload: …, stream: …, function: …}, …}"
    if not isinstance(listed.value, dict):
        return [], [listed.mark.problem("expected pipelines by name", "pipelines", help)]
    found, problems = [], []
    for name, node in listed.value.items():
        path = dotted(("pipelines", name))
        if not isinstance(node.value, dict):
            problems.append(node.mark.problem("expected the settings of a pipeline", path, help))
            continue
        _check_name(name, node, path, problems)
        for key in set(node.value) - set(SECTIONS):
            where = node.value[key].place
            problems.append(where.problem(f"unknown key {key!r}", f"{path}.{key}", hint_key(key, SECTIONS)))
        found.append(_member(root, name, node, problems))
    _share_workloads(found, problems)
    for member in found:
        if member.root.child("workload") is None:
            node = listed.value[member.name]
            others = [each.name for each in found if each.root.child("workload") is not None]
            close = get_close_matches(member.name, others, 1, 0.6)
            help = f"did you mean {close[0]!r}?" if close else "add workload: {arrivals: {model: poisson, rate: 10/s}}"
            path = dotted(("pipelines", member.name))
            problems.append(node.place.problem(f"pipeline {member.name!r} has no workload", path, help))
    return found, problems


def _check_name(name: str, node: Node, path: str, problems: list[Problem]) -> None:
    fits = 0 < len(name.strip()) <= limits.PIPELINE_NAME_LENGTH and name.isprintable()
    if not fits or set(name) & set('/\\:*?"<>|.'):
        message = f"{name!r} cannot be the name of a folder with the pipeline's results"
        help = f"use letters, digits, - and _, at most {limits.PIPELINE_NAME_LENGTH}"
        problems.append(node.place.problem(message, path, help))


def _member(root: Node, name: str, node: Node, problems: list[Problem]) -> MemberDocument:
    """The document of the pipeline *name*: what stands on top, and on it what is the pipeline's own."""
    assert isinstance(root.value, dict)
    member = MemberDocument(name, _without(root, ("pipelines",)), f"of {name}", f"of {name}")
    assert isinstance(member.root.value, dict)
    for section in SECTIONS:
        own, top = node.child(section), root.child(section)
        library = section in SHAREABLE and is_library(root, section)
        if library:
            member.root.value.pop(section, None)
        if own is None:
            continue
        steps: Steps = ("pipelines", name, section)
        if isinstance(own.value, str) and section in SHAREABLE:
            steps = (section, own.value)
            there = top.child(own.value) if top is not None else None
            if there is None:
                names = list(top.value) if top is not None and isinstance(top.value, dict) else []
                advice = hint_word(own.value, names) if names else f"name it on top: {section}: {{{own.value}: …}}"
                message = f"there is no {section} called {own.value!r}"
                problems.append(own.mark.problem(message, dotted(("pipelines", name, section)), advice))
                continue
            own = there
            if section in ("stream", "function"):
                setattr(member, section, f"called {steps[-1]}")
        elif not library and top is not None:
            own = merge(top, own, section)
        member.root.value[section] = own
        member.places[section] = steps
    return member


def _share_workloads(found: list[MemberDocument], problems: list[Problem]) -> None:
    """Give pipelines that read the same stream the same workload and producer, which one of them may name."""
    for section in ("workload", "producer"):
        first: dict[str, MemberDocument] = {}
        for member in found:
            if member.root.child(section) is not None:
                first.setdefault(member.stream, member)
        for member in found:
            giver = first.get(member.stream)
            if giver is None or giver is member:
                continue
            given, own = giver.root.child(section), member.root.child(section)
            assert given is not None and isinstance(member.root.value, dict)
            if own is None:
                member.root.value[section] = given
                member.places[section] = giver.places.get(section, (section,))
            elif own.plain() != given.plain():
                message = (
                    f"pipelines {giver.name} and {member.name} read the same stream, but each brings a {section} "
                    f"(line {given.place.line} and line {own.place.line})"
                )
                help = "name it in one of them; several sources go into one workload: sources: {…}"
                problems.append(own.place.problem(message, dotted(("pipelines", member.name, section)), help))


# -- consumers with a mapping and a function -----------------------------------------------------------------


def _consumers(root: Node) -> list[tuple[int, Node]]:
    """The consumers of a document's stream that have a mapping or a function, with their numbers in the list."""
    listed = root.find(("stream", "consumers"))
    items = listed.value if listed is not None and isinstance(listed.value, list) else []
    return [(i, each) for i, each in enumerate(items) if any(_given(each, key) for key in OF_A_CONSUMER)]


def _given(node: Node, key: str) -> bool:
    child = node.child(key)
    return child is not None and child.value is not None


def _lifted(member: MemberDocument, alone: bool, problems: list[Problem]) -> list[MemberDocument]:
    """The pipelines of the stream's consumers with a function, which are taken out of *member*'s document."""
    taken = _consumers(member.root)
    if not taken:
        return []
    base = member.places.get("stream", ("stream",))
    before = member.root
    stream = before.child("stream")
    listed = before.find(("stream", "consumers"))
    assert isinstance(before.value, dict) and stream is not None and isinstance(stream.value, dict)
    assert listed is not None and isinstance(listed.value, list)
    numbers = [number for number, _ in taken]
    left = Node([each for i, each in enumerate(listed.value) if i not in numbers], listed.mark, listed.key)
    kept = Node({**stream.value, "consumers": left}, stream.mark, stream.key, stream.origin)
    member.root = Node({**before.value, "stream": kept}, before.mark, before.key, before.origin)
    found = []
    for number, node in taken:
        steps: Steps = (*base, "consumers", number)
        called = node.child("name")
        if called is None or not isinstance(called.value, str) or not called.value.strip():
            problems.append(node.place.problem("a consumer needs a name", dotted(steps), "add name: archive"))
            continue
        _check_name(called.value, called, dotted((*steps, "name")), problems)
        assert isinstance(node.value, dict)
        if not _given(node, "function"):
            advice = "add function: {duration: …}, or name what another application reads: reads: 100%"
            problems.append(node.place.problem("a consumer with a mapping needs a function", dotted(steps), advice))
        for key in set(node.value) - {"name", PUSHED, *OF_A_CONSUMER}:
            message = f"{key} is for other applications; this consumer has a mapping and a function of its own"
            problems.append(node.value[key].place.problem(message, dotted((*steps, key)), "remove one of them"))
        sections = {section: node.value[section] for section in OF_A_CONSUMER if _given(node, section)}
        assert isinstance(member.root.value, dict)
        others = {key: each for key, each in member.root.value.items() if key not in OF_A_CONSUMER}
        sections = _with_alarms_of_stream(sections, before)
        others["stream"] = _read_by(others["stream"], node.child(PUSHED))
        name = called.value if alone else f"{member.name}-{called.value}"
        found.append(
            MemberDocument(
                name, Node({**others, **sections}, member.root.mark), member.stream, f"of {name}",
                {**member.places, **{section: (*steps, section) for section in OF_A_CONSUMER}}
                | {f"stream.{PUSHED}": (*steps, PUSHED)},
            )
        )  # fmt: skip
    return found


def _read_by(stream: Node, pushed: Node | None) -> Node:
    """A stream as a consumer with a function reads it: by enhanced fan-out where it says so itself."""
    assert isinstance(stream.value, dict)
    own = {} if pushed is None else {PUSHED: pushed}
    left = {key: each for key, each in stream.value.items() if key != PUSHED}
    return Node({**left, **own}, stream.mark, stream.key, stream.origin)


def _with_alarms_of_stream(sections: dict[str, Node], whole: Node) -> dict[str, Node]:
    """A consumer's *sections* with the alarms on which the stream's shards come and go."""
    scaling, alarms = whole.find(("stream", "autoscaling")), whole.child("alarms")
    if scaling is None or alarms is None or not isinstance(alarms.value, dict):
        return sections
    named = {str(node.value) for _, node in scaling.walk() if isinstance(node.value, str)}
    acting = Node({name: each for name, each in alarms.value.items() if name in named}, alarms.mark, alarms.key)
    if not acting.value:
        return sections
    own = sections.get("alarms")
    return {**sections, "alarms": acting if own is None else merge(acting, own)}


def _without(root: Node, keys: tuple[str, ...]) -> Node:
    assert isinstance(root.value, dict)
    return Node({key: each for key, each in root.value.items() if key not in keys}, root.mark, root.key, root.origin)
