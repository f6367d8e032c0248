"""What a profile lacks, which ranges it has, and what this version cannot simulate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kinsim import limits as bounds
from kinsim.errors import Problem, SettingError
from kinsim.scenario.alerting import alerts_of_no_rule, memory_of_no_need
from kinsim.scenario.event_counts import event_counts_that_are_off
from kinsim.scenario.paths import find, hint_word
from kinsim.scenario.profiles import BUNDLED, Limit, Profile, first_with, load_profile, value_text
from kinsim.scenario.resolve import scalar_value
from kinsim.scenario.tree import NOWHERE, Mark, Node, dotted
from kinsim.scenario.tree import Path as Steps
from kinsim.scenario.unbuilt import ADVICE, NOT_YET, OFF, UNBUILT, WITHOUT_EFFECT, is_off, places
from kinsim.system.resharding import ReshardLimits, planned
from kinsim.units import parse_count

if TYPE_CHECKING:
    from kinsim.scenario.model import Scenario


def check(document: Node, profile: Profile) -> list[Problem]:
    """Everything that is wrong with the document whatever its types say."""
    problems = [*_version(document), *_features(document, profile), *_limits(document, profile)]
    problems += _concurrency(document, profile)
    problems += [
        problem_at(document, *each)
        for each in [*alerts_of_no_rule(document), *memory_of_no_need(document), *event_counts_that_are_off(document)]
    ]
    seen = {problem.path for problem in problems}
    problems += [problem for problem in _unbuilt(document, profile) if problem.path not in seen]
    return problems + _prices(document, profile)


def problem_at(document: Node, steps: Steps, message: str, help: str = "", warning: bool = False) -> Problem:
    """A problem with the value at *steps*; a value of the profile's is shown where the user might write it."""
    node = document.find(steps)
    if node is not None and node.origin is not None and node.origin.kind == "profile" and not warning:
        message = f"{message} (the default of {node.origin.label})"
    mark = node.mark if node is not None else NOWHERE
    up = list(steps)
    while not mark.source.label and len(up) > 1:
        up.pop()
        above = document.find(up)
        mark = above.place if above is not None else NOWHERE
    if not mark.source.label:
        mark = Mark(document.mark.source)
    return mark.problem(message, dotted(steps), help, warning)


def _version(document: Node) -> list[Problem]:
    node = document.child("kinsim")
    if node is None:
        return [
            problem_at(
                document, ("kinsim",), "`kinsim: 1` is missing", "the first line of a scenario says which format it has"
            )
        ]
    if node.value != 1 or isinstance(node.value, bool):
        return [
            problem_at(document, ("kinsim",), f"got {node.plain()!r}: this version reads format 1", "write kinsim: 1")
        ]
    return []


def _features(document: Node, profile: Profile) -> list[Problem]:
    problems = []
    for path, feature in profile.features.items():
        if feature.available:
            continue
        for steps in places(document, path):
            node = document.find(steps)
            value = node.plain() if node is not None else None
            if is_off(path, value) or (feature.off is not None and value == feature.off):
                continue
            known = find(steps)
            if known is not None and known.allowed() and isinstance(value, str) and value not in known.allowed():
                continue  # a wrong word is reported as such
            message = f"got {_shown(value)}, but profile {profile.name} has no {feature.name}"
            problems.append(problem_at(document, steps, message, _since(document, path, feature.since)))
    return problems


def _since(document: Node, path: str, since: str) -> str:
    first = first_with(path)
    help = f"since {since}"
    if first is not None:
        set_it = f"set `profile: {first.name}`{_profileline_of(document)}"
        help += f", in profile {first.name}; {set_it} or remove this line"
    if path in UNBUILT:
        help += f"; it {NOT_YET} either"
    return help


def _limits(document: Node, profile: Profile) -> list[Problem]:
    problems = []
    for path, limit, steps in _ranges(document, profile):
        node = document.find(steps)
        if node is None or isinstance(node.value, (dict, list)):
            continue
        message = _outside(node.value, limit, path)
        if message:
            help = _who(profile, limit) + _elsewhere(document, path, node.value)
            problems.append(problem_at(document, steps, f"got {_shown(node.value)}, {message}", help))
    return problems


def _ranges(document: Node, profile: Profile) -> Iterator[tuple[str, Limit, Steps]]:
    """Every range of the profile, with each place that it is about."""
    per_mb = scalar_value(document.child("bytes_per_mb"))
    for path, stated in profile.limits.items():
        limit = stated.scaled(per_mb) if type(per_mb) is int else stated
        for steps in places(document, path):
            yield path, limit, steps


def with_ranges(problems: Sequence[Problem], document: Node, profile: Profile) -> list[Problem]:
    """*problems* with values that are no numbers of their kind, each with the range that AWS accepts."""
    ranges = {dotted(steps): _who(profile, limit) for _, limit, steps in _ranges(document, profile)}
    return [
        replace(each, help="; ".join(filter(None, (each.help, ranges[each.path])))) if each.path in ranges else each
        for each in problems
    ]


def _concurrency(document: Node, profile: Profile) -> list[Problem]:
    """What is reserved must leave something for others, and what is provisioned must fit into it (aws:M20, M21)."""
    account, reserved, provisioned = (
        _count(document, path)
        for path in (
            ("account", "concurrent_executions"),
            ("function", "reserved_concurrency"),
            ("function", "provisioned_concurrency"),
        )
    )
    problems = []
    if account is not None and reserved is not None:
        left = int(profile.constant("min_unreserved_concurrency") or 0)
        if reserved > account - left:
            steps = ("function", "reserved_concurrency")
            where = line_of(document, ("account", "concurrent_executions"))
            message = f"got {reserved}, but of the account's {account} executions{where} {left} stay unreserved"
            help = f"write at most {account - left} (aws:M20), or raise account.concurrent_executions"
            if account <= left:
                help = f"only an account with more than {left} executions can reserve any (aws:M20): raise it"
            problems.append(problem_at(document, steps, message, help))
    most = reserved if reserved is not None else account
    if most is not None and provisioned is not None and provisioned > most:
        steps = ("function", "provisioned_concurrency")
        name = ("account", "concurrent_executions") if reserved is None else ("function", "reserved_concurrency")
        message = f"got {provisioned}, above {'.'.join(name)} {most}{line_of(document, name)}"
        problems.append(problem_at(document, steps, message, f"write at most {most} (aws:M21)"))
    return problems


def check_resharding(document: Node, scenario: Scenario, profile: Profile) -> list[Problem]:
    """Whether AWS would do what `stream.reshard` asks for."""
    if not scenario.stream.reshard:
        return []
    try:
        planned(scenario.stream.shard_count, scenario.stream.reshard, reshard_limits(scenario, profile))
    except SettingError as error:
        return [problem_at(document, ("stream", "reshard", *error.at), error.message, error.help)]
    return []


def reshard_limits(scenario: Scenario, profile: Profile) -> ReshardLimits:
    """What AWS lets a stream do, by the profile; what the profile does not know is no limit."""

    def number(name: str) -> Any:
        return profile.constant(name) if name in profile.constants else None

    quota = profile.limits.get("stream.shard_count")
    return ReshardLimits(
        operation_us=round(scenario.stream.reshard_operation_time_s * 1e6),
        calls_per_day=number("update_shard_count_per_day"),
        least_factor=number("update_shard_count_min_factor") or 0.0,
        most_factor=number("update_shard_count_max_factor") or math.inf,
        most_target=number("update_shard_count_max_shards"),
        most_shards=None if quota is None else int(quota.parse(quota.high)),
    )


def _count(document: Node, path: tuple[str, ...]) -> int | None:
    node = document.find(path)
    try:
        return None if node is None or node.value in (None, "unlimited", "none") else parse_count(node.value)
    except SettingError:
        return None  # a wrong value is reported as such


def line_of(document: Node, path: tuple[str, ...]) -> str:
    """The line where the setting at *path* is written, in brackets; nothing where the profile says it."""
    node = document.find(path)
    if node is None or not node.mark.line or (node.origin is not None and node.origin.kind == "profile"):
        return ""
    return f" (line {node.mark.line})"


def _outside(value: Any, limit: Limit, path: str) -> str:
    if value is None or value == "unlimited":
        return f"but the limit is {limit.high}"
    if path in OFF and is_off(path, value):
        return ""
    try:
        number, low, high = limit.parse(value), limit.parse(limit.low), limit.parse(limit.high)
        step = limit.parse(limit.step) if limit.step is not None else 0
    except SettingError:
        return ""  # reported with its own message
    if low == high != number:
        return f"but it is {limit.low} and cannot be changed"
    if number < low:
        return f"which is below {limit.low}"
    if number > high:
        return f"which is above {limit.high}"
    if step and abs((number - low) / step - round((number - low) / step)) > 1e-9:
        return f"which is not {limit.low} plus a multiple of {limit.step}"
    return ""


def _who(profile: Profile, limit: Limit) -> str:
    note = f", {limit.note}" if limit.note else ""
    return f"profile {profile.name} accepts {limit.text} ({limit.source}, {limit.date}{note})"


def _elsewhere(document: Node, path: str, value: Any) -> str:
    """Which profile of AWS accepts the value that this one does not."""
    for name in BUNDLED:
        limit = load_profile(name).limits.get(path)
        if limit is not None and not _outside(value, limit, path):
            return f"; profile {name} accepts it: set `profile: {name}`{_profileline_of(document)}"
    return ""


def _profileline_of(document: Node) -> str:
    line = document.child("profile")
    return f" (line {line.mark.line})" if line is not None and line.mark.line else ""


def _unbuilt(document: Node, profile: Profile) -> list[Problem]:
    problems = []
    for path, plain_values in WITHOUT_EFFECT.items():
        node = document.find(tuple(path.split(".")))
        entry = profile.defaults.get(path)
        same = (*plain_values, entry.value) if entry is not None else plain_values
        if node is not None and node.plain() not in same:
            problems.append(
                problem_at(
                    document, tuple(path.split(".")), f"{path.rpartition('.')[2]} {NOT_YET}: it would change nothing",
                    "remove this setting",
                )
            )  # fmt: skip
    for path in UNBUILT:
        for steps in places(document, path):
            node = document.find(steps)
            value = node.plain() if node is not None else None
            if not is_off(path, value):
                name = dotted(steps) if isinstance(value, (dict, list)) else f"{steps[-1]} {_shown(value)}"
                problems.append(
                    problem_at(document, steps, f"{name} {NOT_YET}", ADVICE.get(path, "remove this setting"))
                )
    return problems[: bounds.PROBLEMS]


def _prices(document: Node, profile: Profile) -> list[Problem]:
    prices = document.find(("cost", "prices"))
    if prices is None or not isinstance(prices.value, dict):
        return []
    problems = []
    for name, node in prices.value.items():
        steps = ("cost", "prices", name)
        if not profile.has_price(name):
            problems.append(
                problem_at(document, steps, f"unknown price {name!r}", hint_word(name, list(profile.prices)))
            )
        elif isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
            problems.append(problem_at(document, steps, f"got {_shown(node.value)}, not a number of USD"))
        elif not 0 <= node.value < float("inf"):
            problems.append(problem_at(document, steps, f"got {_shown(node.value)}: a price is 0 or more"))
    return problems


def _shown(value: Any) -> str:
    text = value_text(value) if not isinstance(value, str) else value
    return text if len(text) <= 80 else text[:79] + "…"
