"""What the language has and this version of kinsim does not simulate: refused by name, never ignored.

Values that mean "off" are always accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kinsim import units
from kinsim.errors import SettingError
from kinsim.scenario.tree import Node
from kinsim.scenario.tree import Path as Steps

NOT_YET = "is not simulated by this version of kinsim"


def _nothing(value: Any) -> bool:
    return value in (None, False, [], {}, "", "none")


def _not_true(value: Any) -> bool:
    return value is not True  # anything but a truth value is reported as a mistake elsewhere


def _no_time(value: Any) -> bool:
    try:
        return _nothing(value) or units.parse_duration_us(value) == 0
    except SettingError:
        return True  # a wrong value is reported as such elsewhere


def _one_of(*off: Any) -> Callable[[Any], bool]:
    return lambda value: value is None or any(value == each and type(value) is type(each) for each in off)


def _whole(value: Any) -> bool:
    try:
        return value is None or units.parse_fraction(value) == 1.0
    except SettingError:
        return True


UNBUILT: dict[str, Callable[[Any], bool]] = {
    "engine": _one_of("auto", "reference"),
}
"""Settings that are not built, and when they are off; ``producer`` also stands for the producers of single sources."""

WITHOUT_EFFECT: dict[str, tuple[Any, ...]] = {}
"""Settings that change nothing yet, and the values besides the profile's that say no more than that."""

OFF: dict[str, Callable[[Any], bool]] = {
    **UNBUILT,
    "stream.stream_mode": _one_of("PROVISIONED"),
    "stream.warm_throughput": _nothing,
    "stream.enhanced_fan_out": _not_true,
    "stream.consumers[].enhanced_fan_out": _not_true,
    "event_source_mapping.parallelization_factor": _one_of(1),
    "function.reserved_concurrency": _nothing,
    "function.provisioned_concurrency": _one_of(0),
    "event_source_mapping.maximum_batching_window": _no_time,
    "event_source_mapping.filter": _whole,
    "event_source_mapping.metrics_config": lambda value: _nothing(value) or value == {"metrics": []},
    "event_source_mapping.on_failure_destination": _one_of(False, "none"),
    "event_source_mapping.tumbling_window": _no_time,
    "event_source_mapping.maximum_retry_attempts": _one_of(-1),
    "event_source_mapping.maximum_record_age": _one_of(-1),
    "event_source_mapping.bisect_batch_on_function_error": _not_true,
    "event_source_mapping.report_batch_item_failures": _not_true,
}
"""The same test tells whether a feature that a profile lacks is used."""

WORDS = {
    "event_source_mapping.starting_position": ("TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"),
    "engine": ("auto", "reference", "compiled"),
}
"""Words of the language; any other word is a mistake, reported as one."""

ADVICE = {
    "engine": "write auto or reference",
}


def places(root: Node, path: str) -> Iterator[Steps]:
    """Where the setting at *path* stands in a document; ``[]`` is every item of a list."""
    for start in _starts(root, path):
        yield from _below(root, start)


def _starts(root: Node, path: str) -> list[tuple[str, ...]]:
    steps = tuple(path.replace("[]", ".[]").split("."))
    if steps[0] not in ("workload", "producer"):
        return [steps]
    sources = root.find(("workload", "sources"))
    names = list(sources.value) if sources is not None and isinstance(sources.value, dict) else []
    heads: list[tuple[str, ...]] = [("workload", "sources", name) for name in names] or [("workload",)]
    if steps[0] == "workload":
        return [(*head, *steps[1:]) for head in heads]
    return [steps, *((*head, *steps) for head in heads)]


def _below(root: Node, steps: tuple[str, ...], done: Steps = ()) -> Iterator[Steps]:
    if not steps:
        yield done
        return
    step, rest = steps[0], steps[1:]
    if step == "[]":
        for i, child in enumerate(root.value if isinstance(root.value, list) else ()):
            yield from _below(child, rest, (*done, i))
        return
    child_node = root.child(step)
    if child_node is not None:
        yield from _below(child_node, rest, (*done, step))


def is_off(path: str, value: Any) -> bool:
    """Whether *value* means that the setting at *path* is not used.

    >>> is_off("event_source_mapping.maximum_batching_window", "0s"), is_off("stream.reshard", [{"at": "6h"}])
    (True, False)
    """
    test = OFF.get(path)
    if test is None:
        return _nothing(value)
    if path in WORDS and value not in WORDS[path]:
        return True  # a wrong word is reported as such elsewhere
    return test(value)
