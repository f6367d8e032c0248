"""Several pipelines of one account in one scenario: a scenario for each, and what they share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinsim.errors import ConfigError, Problem
from kinsim.scenario.members import OF_A_CONSUMER, PUSHED, SECTIONS, SHAREABLE, MemberDocument, is_library, seed_of
from kinsim.scenario.model import Member, Run, Scenario
from kinsim.scenario.readers import FEWER_REGISTERED, too_many_registered
from kinsim.scenario.resolve import ORDER, Layers, provenance
from kinsim.scenario.tree import Node, Origin, dotted
from kinsim.system.account import executions_left

if TYPE_CHECKING:
    from kinsim.scenario.profiles import Profile
    from kinsim.system.account import Account


OF_THE_ACCOUNT = ("account.concurrent_executions", "account.other_functions")


class Pipelines:
    """A scenario of several pipelines: they share an account's concurrency, and streams and functions by name.

    Made by :func:`kinsim.load` and :meth:`with_`; never changed.  `members` are scenarios of one pipeline each.
    """

    def __init__(
        self, name: str, scenarios: Mapping[str, Scenario], documents: Sequence[MemberDocument], layers: Layers,
        root: Node,
    ) -> None:  # fmt: skip
        """Raises ConfigError where the pipelines together break what each of them keeps."""
        self.name = name
        self.members = dict(scenarios)
        self._documents, self._layers = list(documents), layers
        self._root = root
        first = self.first
        own = "pipelines" in (root.value if isinstance(root.value, dict) else {})
        for number, document in enumerate(documents):
            seed = first.run.seed
            stream_seed = seed_of(seed, "stream", document.stream) if own else seed
            reader_seed = seed_of(seed, "reader", document.name) if own or number else seed
            pays = document.stream not in [each.stream for each in documents[:number]]
            polling = sum(self.members[each.name].polls for each in documents if each.stream == document.stream)
            self.members[document.name]._member = Member(
                document.name, document.stream, document.function, stream_seed, reader_seed,
                pays_for_stream=pays, polling=polling,
            )  # fmt: skip
        self.run: Run = first.run.model_copy()
        self.run._scenario = self
        problems = [*self._reserved_together(), *self._scaled_by_one_reader(), *self._registered_together()]
        if problems:
            raise ConfigError(problems)

    @property
    def first(self) -> Scenario:
        """The first pipeline, for what all have in common."""
        return next(iter(self.members.values()))

    @property
    def description(self) -> str:
        """What the scenario stands for."""
        return self.first.description

    @property
    def profile(self) -> str:
        """Limits, defaults and prices of a year."""
        return self.first.profile

    @property
    def engine(self) -> str:
        """Which engine runs."""
        return self.first.engine

    @property
    def account(self) -> Account:
        """The account that all share."""
        return self.first.account

    @property
    def profile_data(self) -> Profile:
        """The profile, with the scenario's own prices."""
        return self.first.profile_data

    @property
    def base_dir(self) -> Path:
        """Folder that file names in the scenario are relative to."""
        return self.first.base_dir

    @property
    def config_hash(self) -> str:
        """SHA-256 of everything that can change a result."""
        found = hashlib.sha256()
        for document in self._documents:
            shared = f"{document.name}\n{document.stream}\n{document.function}\n"
            found.update(shared.encode("utf-8", "surrogatepass"))
            found.update(self.members[document.name].config_hash.encode())
        return found.hexdigest()

    @property
    def warnings(self) -> list[Problem]:
        """What closed-form arithmetic says will go wrong with each pipeline, before anything is simulated."""
        import dataclasses

        found: dict[Problem, None] = dict.fromkeys([*self._without_effect(), *self._more_at_once_than_left()])
        for document in self._documents:
            for each in self.members[document.name].warnings:
                if each.path in OF_THE_ACCOUNT:
                    continue  # it is told of all together
                message = each.message if each.path in ("", "run") else f"{document.name}: {each.message}"
                placed = dataclasses.replace(each, path=document.path_in_file(each.path), message=message)
                found[placed] = None
        return list(found)

    @property
    def document(self) -> dict[str, Any]:
        """Every setting under its canonical name, values as they were written."""
        document: dict[str, Any] = self._document.plain()
        return document

    @property
    def provenance(self) -> dict[str, Origin]:
        """Where each value came from, by dotted path."""
        return provenance(self._document)

    @property
    def _document(self) -> Node:
        """The whole document, defaults included; it loads again to the same pipelines."""
        if "pipelines" in (self._root.value if isinstance(self._root.value, dict) else {}):
            return self._listed()
        whole = _mapping(self._with_consumers(self.first._document, self._documents[1:]))
        return Node({**whole, "name": self._name_node()})

    def _name_node(self) -> Node:
        return self._root.child("name") or Node(self.name, origin=Origin("default", "name of the file"))

    def _listed(self) -> Node:
        top = {key: each for key, each in _mapping(self.first._document).items() if key not in SECTIONS}
        top["name"] = self._name_node()
        pipelines: dict[str, Node] = {}
        for document in self._documents:
            if is_consumer(document):
                continue  # it stands in its stream
            beside = [each for each in self._documents if each.stream == document.stream and each is not document]
            consumers = [each for each in beside if is_consumer(each)]
            whole = _mapping(self._with_consumers(self.members[document.name]._document, consumers))
            sections: dict[str, Node] = {}
            for section in (each for each in SECTIONS if each in whole):
                steps = document.places.get(section, ())
                if section in SHAREABLE and is_library(self._root, section) and steps[:1] == (section,):
                    library = _mapping(top.setdefault(section, Node({})))
                    library.setdefault(str(steps[1]), whole[section])
                    sections[section] = Node(str(steps[1]))
                else:
                    sections[section] = whole[section]
            pipelines[document.name] = Node(sections)
        top["pipelines"] = Node(pipelines)
        return Node({key: top[key] for key in sorted(top, key=ORDER.index)})

    def _with_consumers(self, whole: Node, consumers: Sequence[MemberDocument]) -> Node:
        """A document whose stream has again the consumers that were taken out of it."""
        if not consumers:
            return whole
        items = []
        for each in consumers:
            filled = _mapping(self.members[each.name]._document)
            called = str(each.places["function"][-2])
            listed = self._root.find(each.places["function"][:-2])
            node = listed.child(int(called)) if listed is not None else None
            title = node.child("name") if node is not None else None
            own = {key: filled[key] for key in OF_A_CONSUMER if key in filled}
            if self.members[each.name].stream.enhanced_fan_out:
                own[PUSHED] = _mapping(filled["stream"])[PUSHED]
            items.append(Node({"name": title or Node(each.name), **own}))
        stream = whole.child("stream")
        assert stream is not None
        left = stream.child("consumers")
        before = left.value if left is not None and isinstance(left.value, list) else []
        kept = Node({**_mapping(stream), "consumers": Node([*before, *items])})
        return Node({**_mapping(whole), "stream": kept})

    def with_(
        self, changes: Mapping[str, Any] | Sequence[str] | Iterable[tuple[str, Any]] = (), /, **more: Any
    ) -> Pipelines | Scenario:
        """A scenario that differs in the settings named by dotted paths: `pipelines.flow.stream.shard_count`."""
        from kinsim.scenario.loading import changed

        return changed(self, changes, more)

    def to_yaml(self, folder: Path | str | None = None) -> str:
        """The resolved scenario as YAML, each line with its source; loads again to the same hash."""
        from kinsim.scenario.writing import resolved_yaml

        return resolved_yaml(self, None if folder is None else Path(folder))

    def _without_effect(self) -> Iterator[Problem]:
        """Single settings on top that each pipeline has of its own."""
        for steps, node in self._layers.changes:
            if steps[0] not in SHAREABLE or is_library(self._root, str(steps[0])):
                continue
            places = [each._document.find(steps) for each in self.members.values()]
            if all(place is None or place.mark != node.mark for place in places):
                path = dotted(steps)
                first = next(iter(self.members))
                yield node.mark.problem(
                    f"changes nothing: each pipeline has {path} of its own",
                    path,
                    f"write pipelines.{first}.{path}",
                    warning=True,
                )

    def _more_at_once_than_left(self) -> Iterator[Problem]:
        """All functions without a reserved concurrency, against what the account leaves them (aws:M19, M20)."""
        limit = self.account.concurrent_executions
        if limit is None:
            return
        functions = {each.member.function: each.function.reserved_concurrency for each in self.members.values()}
        reserved = sum(each or 0 for each in functions.values())
        others = max(each for _, each in self.account.others_over_time)
        left = executions_left(limit - reserved, others)
        most = sum(
            each.stream.shard_count * each.event_source_mapping.parallelization_factor
            for each in self.members.values()
            if functions[each.member.function] is None
        )
        if most <= left:
            return
        where = self._root.find(("account", "concurrent_executions")) or self._root
        taken = " and ".join(
            text
            for text, number in ((f"{reserved} reserved", reserved), (f"{others} of other functions", others))
            if number
        )
        besides = f" besides {taken}" if taken else ""
        yield where.place.problem(
            f"the pipelines may invoke functions {most} times at once, but of {limit} executions{besides} "
            f"{left} are left: the surplus is throttled and waits",
            "account.concurrent_executions",
            f"{most + reserved + others} or more leaves room for all; reserved concurrency keeps a function its share",
            warning=True,
        )

    def _reserved_together(self) -> list[Problem]:
        """What functions reserve together must leave something for others (aws:M20)."""
        limit = self.account.concurrent_executions
        functions = {each.member.function: each for each in self.members.values()}
        reserved = {each.member.pipeline: each.function.reserved_concurrency or 0 for each in functions.values()}
        least = int(self.profile_data.constant("min_unreserved_concurrency") or 0)
        if limit is None or sum(reserved.values()) <= limit - least or len([n for n in reserved.values() if n]) < 2:
            return []
        parts = ", ".join(f"{name} {number}" for name, number in reserved.items() if number)
        where = self._root.find(("account", "concurrent_executions")) or self._root
        message = (
            f"the functions reserve {sum(reserved.values())} executions together ({parts}), but of the account's "
            f"{limit} executions {least} stay unreserved"
        )
        help = f"reserve at most {limit - least} together (aws:M20), or raise account.concurrent_executions"
        return [where.place.problem(message, "account.concurrent_executions", help)]

    def _scaled_by_one_reader(self) -> Iterator[Problem]:
        """Shards of a shared stream come and go with what all its readers see alike."""
        for document in self._documents:
            scenario = self.members[document.name]
            scaling = scenario.stream.autoscaling
            readers = [each.name for each in self._documents if each.stream == document.stream]
            if scaling is None or len(readers) < 2:
                continue
            alarms = [scenario.alarms[name] for name in scaling.alarm_names().values()]
            if "IteratorAge" in {scaling.on, *(alarm.metric for alarm in alarms)}:
                path = document.path_in_file("stream.autoscaling")
                where = self._root.find((*document.places.get("stream", ("stream",)), "autoscaling")) or self._root
                yield where.place.problem(
                    f"IteratorAge is that of one reader, and {', '.join(readers)} read the stream",
                    path,
                    "scale on IncomingBytes, IncomingRecords or WriteProvisionedThroughputExceeded",
                )
                return

    def _registered_together(self) -> Iterator[Problem]:
        """All mappings of a stream and its other consumers are registered on one stream (aws:G9)."""
        for document in self._documents:
            scenario = self.members[document.name]
            if not scenario.member.pays_for_stream:
                continue
            readers = [self.members[each.name] for each in self._documents if each.stream == document.stream]
            registered = scenario.stream.registered + sum(each.stream.enhanced_fan_out for each in readers[1:])
            message = too_many_registered(registered, readers, self.profile_data)
            if message and len(readers) > 1:
                path = document.path_in_file("stream.consumers")
                where = self._root.find(document.places.get("stream", ("stream",))) or self._root
                yield where.place.problem(message, path, FEWER_REGISTERED)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pipelines) and self.name == other.name and self.config_hash == other.config_hash

    def __hash__(self) -> int:
        return hash((self.name, self.config_hash))

    def __repr__(self) -> str:
        return f"<Pipelines {self.name!r}: {', '.join(self.members)}>"

    __str__ = __repr__


def _mapping(node: Node) -> dict[str, Node]:
    assert isinstance(node.value, dict)
    return node.value


def is_consumer(document: MemberDocument) -> bool:
    """Whether a pipeline stands in the list of a stream's consumers."""
    return "consumers" in document.places.get("function", ())
