"""SLOs and alarms on metrics of the event source mapping that its settings do not switch on."""

from __future__ import annotations

from collections.abc import Iterator

from kinsim.scenario.tree import Node
from kinsim.scenario.tree import Path as Steps
from kinsim.scenario.unbuilt import is_off
from kinsim.system.metrics import EVENT_COUNTS

CONFIG = "event_source_mapping.metrics_config"
NEEDS = {
    "FilteredOutEventCount": "event_source_mapping.filter",
    "OnFailureDestinationDeliveredEventCount": "event_source_mapping.on_failure_destination",
}
"""Without which a metric is never published."""


def event_counts_that_are_off(document: Node) -> Iterator[tuple[Steps, str, str]]:
    """Where a metric is asked for that is not published, what is missing, and what to try."""
    for section in ("slos", "alarms"):
        part = document.child(section)
        for name, asked in (part.value if part is not None and isinstance(part.value, dict) else {}).items():
            metric = asked.child("metric")
            if metric is None or metric.value not in EVENT_COUNTS:
                continue
            steps, known = (section, name, "metric"), str(metric.value)
            if not _names_event_count(document):
                message = f"{known} is published only where {CONFIG} names EventCount"
                yield steps, message, "write metrics_config: {metrics: [EventCount]}"
            elif known in NEEDS and _unused(document, NEEDS[known]):
                yield steps, f"{known} is published only where {NEEDS[known]} is set", f"set {NEEDS[known]}"


def _names_event_count(document: Node) -> bool:
    metrics = document.find((*CONFIG.split("."), "metrics"))
    items = metrics.value if metrics is not None else []
    return isinstance(items, list) and any(each.value == "EventCount" for each in items)


def _unused(document: Node, path: str) -> bool:
    node = document.find(path.split("."))
    return node is None or is_off(path, node.plain())
