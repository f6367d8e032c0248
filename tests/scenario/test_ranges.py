# ruff: noqa: E501 (a table)
"""Every range of every profile: the last value inside loads, the first outside is told in one clear problem."""

from __future__ import annotations

from typing import Any

import pytest

from kinsim.errors import ConfigError, Problem
from kinsim.scenario import load_profile, parse

OLD, NEW = "aws-2017", "aws-2026"
MAPPING = "event_source_mapping"

RANGES: list[tuple[str, str, str, str, list[str], list[str]]] = [
    # setting, profile, who says so, what it says, inside, outside
    ("stream.shard_count", OLD, "aws:W21", "1 to 500", ["1", "500"], ["0", "-1", "501"]),
    ("stream.shard_count", NEW, "aws:W21", "1 to 20000", ["1", "20_000"], ["0", "-1", "20_001"]),
    ("stream.retention_period", OLD, "aws:T1", "24h to 7d in steps of 1h", ["24h", "25h", "7d"], ["23h", "24h30m", "169h", "unlimited"]),
    ("stream.retention_period", NEW, "aws:T1", "24h to 365d in steps of 1h", ["24h", "169h", "365d"], ["23h", "86401s", "8_761h", "unlimited"]),
    ("stream.max_record_size", OLD, "aws:W8", "1 MiB", ["1 MiB", "1_048_576 B"], ["1_048_575 B", "1_048_577 B", "unlimited"]),
    ("stream.max_record_size", NEW, "aws:W8", "1 MiB to 10 MiB in steps of 1 KiB", ["1 MiB", "1025 KiB", "10 MiB"], ["1023 KiB", "1_048_577 B", "10_485_761 B", "unlimited"]),
    ("stream.warm_throughput", NEW, "aws:S20", "1 MiB to 10 GiB", ["1 MiB", "10 GiB"], ["0 B", "1_048_575 B", "11 GiB"]),
    (f"{MAPPING}.batch_size", OLD, "aws:E1", "1 to 10000", ["1", "10_000"], ["0", "-5", "10_001"]),
    (f"{MAPPING}.batch_size", NEW, "aws:E1", "1 to 10000", ["1", "10_000"], ["0", "-5", "10_001"]),
    (f"{MAPPING}.minimum_batch", OLD, "aws:E14", "1", ["1"], ["0", "2"]),
    (f"{MAPPING}.minimum_batch", NEW, "aws:E14", "1", ["1"], ["0", "2"]),
    (f"{MAPPING}.polls_per_second_behind", OLD, "aws:G1", "1 to 5", ["1", "5"], ["0", "6"]),
    (f"{MAPPING}.polls_per_second_behind", NEW, "aws:G1", "1 to 5", ["1", "5"], ["0", "6"]),
    (f"{MAPPING}.maximum_batching_window", NEW, "aws:E2", "0s to 300s in steps of 1s", ["0s", "1s", "300s"], ["-1s", "1.5s", "301s"]),
    (f"{MAPPING}.parallelization_factor", NEW, "aws:E3", "1 to 10", ["1", "10"], ["0", "11"]),
    (f"{MAPPING}.maximum_retry_attempts", NEW, "aws:E4", "0 to 10000", ["-1", "0", "10_000"], ["-2", "10_001"]),
    (f"{MAPPING}.maximum_record_age", NEW, "aws:E5", "60s to 7d in steps of 1s", ["-1", "60s", "61s", "7d"], ["-2s", "0s", "59s", "60.5s", "604_801s"]),
    (f"{MAPPING}.tumbling_window", NEW, "aws:E7", "0s to 900s in steps of 1s", ["0s", "900s"], ["-1s", "2.5s", "901s"]),
    ("function.memory_size", OLD, "aws:M1", "128 MB to 1536 MB in steps of 64", ["128 MB", "192 MB", "1536 MB"], ["64 MB", "127 MB", "129 MB", "1600 MB"]),
    ("function.memory_size", NEW, "aws:M1", "128 MB to 10240 MB", ["128 MB", "129 MB", "10240 MB"], ["127 MB", "10241 MB"]),
    ("function.timeout", OLD, "aws:M10", "1s to 300s in steps of 1s", ["1s", "300s"], ["0s", "999ms", "1.5s", "301s", "unlimited"]),
    ("function.timeout", NEW, "aws:M10", "1s to 900s in steps of 1s", ["1s", "900s"], ["0s", "999ms", "1.5s", "901s", "unlimited"]),
    *[
        row
        for year in (OLD, NEW)
        for row in (
            ("producer.batch_size", year, "aws:W10", "1 to 500", ["1", "500"], ["0", "501"]),
            ("producer.max_record_size", year, "aws:C5", "1 B to 1 MiB", ["1 kB", "1 MiB"], ["0 B", "1_048_577 B"]),
            ("producer.kpl.aggregation_max_size", year, "aws:K1", "64 B to 1 MiB", ["64 B", "1 MiB"], ["63 B", "1_048_577 B"]),
            ("producer.kpl.collection_max_count", year, "aws:K2", "1 to 500", ["1", "500"], ["0", "501"]),
            ("producer.kpl.collection_max_size", year, "aws:K2", "52224 B to 5 MiB", ["52_224 B", "5 MiB"], ["52_223 B", "5_242_881 B"]),
            ("producer.kpl.record_ttl", year, "aws:K4", "100ms to 36500d", ["100ms", "36_500d"], ["99ms", "36_501d"]),
            ("producer.agent.max_buffer_age", year, "aws:A1", "1s to 15m", ["1s", "15m"], ["999ms", "901s"]),
            ("producer.agent.max_buffer_records", year, "aws:A1", "1 to 500", ["1", "500"], ["0", "501"]),
            ("producer.agent.max_buffer_size", year, "aws:A1", "1 B to 5 MiB", ["1 B", "5 MiB"], ["0 B", "5_242_881 B"]),
        )
    ],
]  # fmt: skip

BESIDE = {
    "stream.warm_throughput": "stream_mode: ON_DEMAND_ADVANTAGE, ",
    "producer.batch_size": "model: sdk, api: PutRecords, ",
    "producer.max_record_size": "model: cloudwatch_logs, ",
    "producer.kpl": "model: kpl, ",
    "producer.agent": "model: agent, ",
}


def text(profile: str, setting: str, value: str) -> str:
    section, *inner, name = setting.split(".")
    beside = next((more for start, more in BESIDE.items() if setting.startswith(start)), "")
    given = f"{name}: {value}"
    for key in reversed(inner):
        given = f"{key}: {{{given}}}"
    own = {"function": "duration: 1ms, "}.get(section, beside)
    arrivals = (
        "{model: vpc_flow_logs, interfaces: 1, lines_per_interface: 1}"
        if "cloudwatch_logs" in beside
        else "{model: constant, rate: 1/s}"
    )
    lines = ["kinsim: 1", "name: ranges", f"profile: {profile}", f"workload: {{arrivals: {arrivals}}}",
             f"{section}: {{{own}{given}}}", "run: {duration: 60s}"]  # fmt: skip
    if section != "function":
        lines.append("function: {duration: 1ms}")
    return "\n".join(lines) + "\n"


def problems(profile: str, setting: str, value: str) -> list[Problem]:
    try:
        parse(text(profile, setting, value), "f.yaml")
    except ConfigError as error:
        return error.problems
    return []


def cases(column: int) -> list[Any]:
    return [pytest.param(*row[:4], value, id=f"{row[1]}-{row[0]}-{value}") for row in RANGES for value in row[column]]


@pytest.mark.parametrize(("setting", "profile", "source", "accepted", "value"), cases(4))
def test_the_last_value_inside_loads(setting, profile, source, accepted, value):
    assert problems(profile, setting, value) == []


@pytest.mark.parametrize(("setting", "profile", "source", "accepted", "value"), cases(5))
def test_the_first_value_outside_is_told_with_its_range_and_its_source(setting, profile, source, accepted, value):
    (problem,) = problems(profile, setting, value)
    assert problem.path == setting
    assert problem.place == f"f.yaml:5:{problem.source_line.index(value) + 1}"
    said, given = (each.replace("_", "").replace("'", "") for each in (problem.message, value))
    assert said.startswith((f"got {given}, ", f"{given} is "))
    assert f"profile {profile} accepts {accepted} ({source}" in problem.help.replace("_", "")


@pytest.mark.parametrize(
    ("setting", "profile", "source", "accepted", "value"), [each for each in cases(5) if OLD in each.id]
)
def test_what_the_later_profile_accepts_is_said(setting, profile, source, accepted, value):
    (problem,) = problems(profile, setting, value)
    later = problems(NEW, setting, value) == []
    assert later == ("profile aws-2026 accepts it: set `profile: aws-2026` (line 3)" in problem.help)


@pytest.mark.parametrize(("setting", "value"), sorted({(row[0], value) for row in RANGES for value in row[5]}))
def test_ideal_refuses_only_what_makes_no_sense(setting, value):
    """The ranges of a service are not those of queueing theory."""
    for problem in problems("ideal", setting, value):
        assert "accepts" not in problem.help
        assert value.startswith(("0", "-")), problem


@pytest.mark.parametrize("profile", [OLD, NEW])
def test_every_range_of_the_profile_is_tried(profile):
    assert set(load_profile(profile).limits) == {row[0] for row in RANGES if row[1] == profile}


def test_a_value_of_another_kind_is_told_with_the_range_too():
    (problem,) = problems(OLD, "function.timeout", "soon")
    assert "'soon'" in problem.message
    assert "profile aws-2017 accepts 1s to 300s in steps of 1s (aws:M10" in problem.help
