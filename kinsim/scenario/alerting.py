"""SLOs and settings about what the function does not tell: alerts that no rule sends, memory that no need gives."""

from __future__ import annotations

from collections.abc import Iterator

from kinsim.errors import SettingError
from kinsim.scenario.tree import Node
from kinsim.scenario.tree import Path as Steps
from kinsim.system.alert_rules import ALERT_DEADLINE_S
from kinsim.system.metrics import ALERT_METRICS, MEMORY_METRICS
from kinsim.units import parse_duration_s

MEMORY_ADVICE = "write what the code needs, such as memory_used: {base: 90 MB, per_mib: 4 MB}"
ADVICE = "add a rule to function.rules, such as {name: any, match: 0.1%}; alert: true is its default"


def alerts_of_no_rule(document: Node) -> Iterator[tuple[Steps, str, str]]:
    """Settings that say something of alerts though no rule sends any: where, what, and what to try."""
    if _sends_alerts(document.find(("function", "rules"))):
        return
    deadline = document.find(("function", "alert_deadline"))
    if deadline is not None and not _usual(deadline.value):
        yield ("function", "alert_deadline"), "no rule sends alerts, so that none can be late", ADVICE
    for steps, metric in _slos_on(document, ALERT_METRICS):
        yield steps, f"{metric} is measured only where a rule sends alerts", ADVICE


def memory_of_no_need(document: Node) -> Iterator[tuple[Steps, str, str]]:
    """SLOs on memory where nothing says what the function needs: where, what, and what to try."""
    needs = document.find(("function", "memory_used"))
    if needs is None or needs.value is None:
        for steps, metric in _slos_on(document, MEMORY_METRICS):
            yield steps, f"{metric} is measured only where function.memory_used is set", MEMORY_ADVICE


def _slos_on(document: Node, metrics: tuple[str, ...]) -> Iterator[tuple[Steps, str]]:
    slos = document.child("slos")
    for name, slo in (slos.value if slos is not None and isinstance(slos.value, dict) else {}).items():
        metric = slo.child("metric")
        if metric is not None and metric.value in metrics:
            yield ("slos", name, "metric"), metric.value


def _sends_alerts(rules: Node | None) -> bool:
    if rules is None or not isinstance(rules.value, list):
        return False
    alerts = (each.child("alert") for each in rules.value)
    return any(alert is None or alert.value is not False for alert in alerts)


def _usual(value: object) -> bool:
    try:
        return parse_duration_s(value) == ALERT_DEADLINE_S
    except SettingError:
        return True  # a wrong value is reported as such
