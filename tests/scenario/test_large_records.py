"""Large records in scenario files: what a profile lacks, what contradicts itself, and what is warned of."""

from __future__ import annotations

import pytest

from kinsim.scenario import parse

HEAD = """\
kinsim: 1
name: large
profile: {profile}
workload: {{arrivals: {{model: constant, rate: 1/s}}, record_size: {size}}}
run: {{duration: 10m}}
function: {{duration: 1ms}}
stream:
"""


def text(stream: str, profile: str = "aws-2026", size: str = "1 kB") -> str:
    lines = "".join(f"  {each}\n" for each in ["shard_count: 20", *stream.split("; ")])
    return HEAD.format(profile=profile, size=size) + lines


@pytest.mark.parametrize("size", ["2 MiB", "10 MiB"])
def test_2017_had_none(problems, size):
    """aws:W8."""
    (problem,) = problems(text(f"max_record_size: {size}", "aws-2017"))
    assert (problem.path, problem.line) == ("stream.max_record_size", 9)
    assert problem.message == f"got {size}, but it is 1 MiB and cannot be changed"
    assert "profile aws-2017 accepts 1 MiB (aws:W8" in problem.help
    assert "profile aws-2026 accepts it: set `profile: aws-2026` (line 3)" in problem.help


def test_a_burst_of_10_mib_comes_with_them():
    """aws:W7: only where they are allowed, and only by default."""
    assert parse(text("max_record_size: 1 MiB")).stream.room_bytes == 1_048_576
    assert parse(text("max_record_size: 1025 KiB")).stream.room_bytes == 10_485_760
    assert parse(text("max_record_size: 2 MiB; write_burst_bytes: 5 MiB")).stream.room_bytes == 5_242_880
    assert parse(text("max_record_size: 10 MiB", "ideal")).stream.room_bytes is None
    assert parse(text("write_burst_bytes: 10 MiB", "aws-2017")).stream.room_bytes == 10_485_760


@pytest.mark.parametrize(
    ("stream", "path", "line", "message"),
    [
        (
            "max_record_size: 3 MiB; write_burst_bytes: 2 MiB", "max_record_size", 9,
            "got 3 MiB, but write_burst_bytes (line 10) is 2 MiB: a larger record would never be accepted",
        ),
        (
            "write_limiter: fixed_second; max_record_size: 3 MiB", "max_record_size", 10,
            "got 3 MiB, but write_limiter fixed_second (line 9) takes 1 MiB a second: "
            "a larger record would never be accepted",
        ),
        (
            "write_limiter: fixed_second; write_burst_bytes: 2 MiB", "write_burst_bytes", 10,
            "it is the depth of a token bucket, but write_limiter is fixed_second (line 9)",
        ),
        (
            "write_burst_records: 2000; write_limiter: none", "write_burst_records", 9,
            "it is the depth of a token bucket, but write_limiter is none (line 10)",
        ),
    ],
)  # fmt: skip
def test_settings_that_contradict_each_other(problems, stream, path, line, message):
    (problem,) = problems(text(stream))
    assert (problem.path, problem.line, problem.message) == (f"stream.{path}", line, message)
    assert "write " in problem.help


def test_a_limit_of_ones_own_under_ideal(problems):
    (problem,) = problems(text("write_limit_bytes: 2 MiB; max_record_size: 3 MiB", "ideal"))
    assert problem.message.startswith("got 3 MiB, but one second of write_limit_bytes (line 9) is 2 MiB")


def test_a_scaled_stream_keeps_the_largest_record_of_its_profile():
    parse(text("write_limit_bytes: 100 kB"))


def mixture(percent: float) -> str:
    kinds = f"{{weight: {100 - percent}, value: 2 kB}}, {{weight: {percent}, value: 3 MiB}}"
    return f"{{distribution: mixture, of: [{kinds}]}}"


@pytest.mark.parametrize(
    ("size", "share"),
    [
        (mixture(1.9), None),
        (mixture(2.1), "2.1%"),
        ("{distribution: uniform, low: 0 MiB, high: 4 MiB}", "75.0%"),
        ("3 MiB", "100.0%"),
        ("1_048_540 B", None),  # with its key of 36 B just 1 MiB
        ("1_048_541 B", "100.0%"),
    ],
)
def test_more_than_two_in_a_hundred_are_warned_of(size, share):
    """aws:W9."""
    found = [
        each for each in parse(text("max_record_size: 10 MiB", size=size)).warnings if "recommends" in each.message
    ]
    assert [each.message.split()[0] for each in found] == ([] if share is None else [share])
    for each in found:
        assert (each.path, each.line) == ("stream.max_record_size", 9)
        assert "more than the 2% that AWS recommends" in each.message
        assert "aws:W9" in each.help


def test_the_share_is_that_of_all_sources():
    """One large record in 101."""
    sources = (
        "{a: {arrivals: {model: constant, rate: 100/s}, record_size: 1 kB}, "
        "b: {arrivals: {model: constant, rate: RATE}, record_size: 3 MiB}}"
    )
    before = "{arrivals: {model: constant, rate: 1/s}, record_size: 1 kB}"
    for rate, warned in (("1/s", False), ("3/s", True)):
        written = text("max_record_size: 10 MiB").replace(before, f"{{sources: {sources}}}".replace("RATE", rate))
        assert any("recommends" in each.message for each in parse(written).warnings) is warned


@pytest.mark.parametrize(("size", "warned"), [("4 MiB", False), ("5 MiB", True)])
def test_what_fits_the_stream_and_no_event_is_warned_of(size, warned):
    """aws:E8, E33."""
    found = parse(text("max_record_size: 10 MiB", size=size)).warnings
    assert any("it can never be processed" in each.message for each in found) is warned


@pytest.mark.parametrize("profile", ["aws-2017", "aws-2026"])
def test_a_resolved_file_with_a_small_write_limit_loads_again(profile):
    """The profile's largest record stands there with all other defaults, and asks for nothing."""
    scenario = parse(text("write_limit_bytes: 50 kB", profile))
    assert "max_record_size: 1 MiB" in scenario.to_yaml()
    assert parse(scenario.to_yaml()) == scenario
