"""Units: what is accepted, what is refused with advice, and that writing and reading agree."""

from __future__ import annotations

import contextlib
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError

from kinsim import units
from kinsim.errors import SettingError
from kinsim.scenario.yaml12 import scalar

PARSERS = [
    units.parse_duration_s,
    units.parse_duration_us,
    units.parse_size,
    units.parse_size_bytes,
    units.parse_rate_per_s,
    units.parse_fraction,
    units.parse_memory_mb,
    units.parse_count,
    units.parse_bound,
]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("24h", 86_400), ("5m", 300), ("1h30m", 5_400), ("250ms", 0.25), ("7d", 604_800), ("1.5h", 5_400), ("90 s", 90),
        ("1_000s", 1_000), ("1e3s", 1_000), ("20us", 2e-5), ("20µs", 2e-5), ("2d 3h", 183_600), ("300", 300),
        (300, 300), (0.1, 0.1), ("0s", 0), (0, 0), (" 5m ", 300),
    ],
)  # fmt: skip
def test_durations(text, seconds):
    assert units.parse_duration_s(text) == seconds


def test_microseconds_are_exact_and_rounded_half_up():
    assert units.parse_duration_us("0.0000005s") == 1
    assert units.parse_duration_us("0.4us") == 0
    assert units.parse_duration_us("0.1ms") * 10 == units.parse_duration_us("1ms")
    assert units.parse_duration_us(0.3) == 300_000
    assert units.parse_duration_us("36525d") == 36_525 * 86_400 * 10**6


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("5:00", "write '5m' or '5h'"),
        ("24:00:00", "write '24h'"),
        ("1:30", "write '1m30s' or '1h30m'"),
        ("5 minutes", "write 5m"),
        ("1 hour", "write 1h"),
        ("300 sec", "write 300s"),
        ("1M", "write 1m"),
        ("1,5 s", "decimal point: 1.5 s"),
        ("-5s", "0 or more"),
        ("30m1h", "larger units first"),
        ("1h1h", "larger units first"),
        ("abc", "units: us, ms, s, m, h, d"),
        ("", "units"),
        ("5 parsecs", "units"),
        ("1h30", "units"),
    ],
)
def test_wrong_durations_get_advice(text, advice):
    with pytest.raises(SettingError) as told:
        units.parse_duration_s(text)
    assert advice in told.value.help


def test_durations_have_an_end():
    with pytest.raises(SettingError, match="century"):
        units.parse_duration_s("1e12s")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("900 B", 900), ("1 kB", 1_000), ("256 KiB", 262_144), ("1 MiB", 1_048_576), ("1MB", 10**6), ("2 GiB", 2**31),
        (900, 900), ("900", 900), ("1.5 kB", 1_500), (0.5, 1), ("0 B", 0),
    ],
)  # fmt: skip
def test_sizes(text, size):
    assert units.parse_size_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("1 KB", "write 1 kB or 1 KiB (a kB is 1,000 bytes, a KiB 1,024)"),
        ("5 mb", "write 5 MB or 5 MiB"),
        ("10 bytes", "write 10 B"),
        ("-5 kB", "0 or more"),
        ("big", "900 B"),
    ],
)
def test_wrong_sizes_get_advice(text, advice):
    with pytest.raises(SettingError) as told:
        units.parse_size_bytes(text)
    assert advice in told.value.help


@pytest.mark.parametrize(
    ("text", "rate"),
    [("400/s", 400), ("1_200/s", 1_200), ("1.2e6/h", 1.2e6 / 3600), ("70_000/300s", 70_000 / 300), ("100/m", 100 / 60),
     ("1/1h30m", 1 / 5_400), (2, 2), ("0/s", 0), ("5 / s", 5), ("86400/d", 1)],
)  # fmt: skip
def test_rates(text, rate):
    assert units.parse_rate_per_s(text) == pytest.approx(rate, rel=1e-15)


@pytest.mark.parametrize(
    "text", ["400/sec", "400 per second", "/s", "400/", "-4/s", "5/0s", "1e15/s", "4/5:00", "4//s"]
)
def test_wrong_rates(text):
    with pytest.raises(SettingError) as told:
        units.parse_rate_per_s(text)
    assert told.value.help or "more than" in told.value.message


def test_fractions():
    assert units.parse_fraction("70%") == 0.7
    assert units.parse_fraction("0.02%") == 0.0002
    assert units.parse_fraction(1) == 1.0
    with pytest.raises(SettingError, match="more than the whole") as told:
        units.parse_fraction(70)
    assert "70%" in told.value.help


@pytest.mark.parametrize(
    ("text", "memory"), [("128 MB", 128), ("1GB", 1_024), (512, 512), ("1_024 MB", 1_024), ("0.5GB", 512)]
)
def test_lambda_memory_counts_in_aws_units(text, memory):
    assert units.parse_memory_mb(text) == memory


@pytest.mark.parametrize("text", ["128 mb", "100 kB", 0, -5, "1.5 MB", "lots", 2.5])
def test_wrong_memory(text):
    with pytest.raises(SettingError):
        units.parse_memory_mb(text)


def test_minus_one_is_off():
    assert units.parse_signed_duration_s(-1) is None
    assert units.parse_count_or_off("-1") is None
    for wrong in (-2, True, "-1s"):
        with pytest.raises(SettingError):
            units.parse_signed_duration_s(wrong)


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize(
    "value", [True, False, None, [], {}, float("nan"), float("inf"), -float("inf"), -1, "-1", "nan", "inf", "", "x",
              10**400, "9" * 5_000, "1e999999999999", "1e-999999999", b"5", object()]
)  # fmt: skip
def test_nonsense_is_refused_by_every_parser(parse, value):
    with pytest.raises(SettingError):
        parse(value)


# -- round trips ---------------------------------------------------------------------------------------------

whole_us = st.integers(0, 10**15)


@given(whole_us)
def test_durations_are_read_as_they_are_written(us):
    seconds = us / 10**6
    assert units.parse_duration_s(units.format_duration(seconds)) == seconds


@given(st.floats(0, 3e9, allow_subnormal=False))
def test_any_float_duration_is_read_as_it_is_written(seconds):
    assert units.parse_duration_s(units.format_duration(seconds)) == pytest.approx(seconds, rel=1e-15, abs=1e-300)


@given(st.integers(0, 2**60))
def test_sizes_are_read_as_they_are_written(size):
    assert units.parse_size_bytes(units.format_size(size)) == size


@given(st.floats(0, 1e11, allow_subnormal=False))
def test_rates_are_read_as_they_are_written(rate):
    assert units.parse_rate_per_s(units.format_rate(rate)) == pytest.approx(rate, rel=1e-15, abs=1e-300)


@given(st.integers(0, 10_000))
def test_fractions_are_read_as_they_are_written(parts):
    assert units.parse_fraction(units.format_fraction(parts / 10_000)) == parts / 10_000


@given(st.integers(1, 10**6))
def test_memory_is_read_as_it_is_written(memory):
    assert units.parse_memory_mb(units.format_memory(memory)) == memory


@given(st.integers(0, 400), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_parts_of_a_duration_add_up_exactly(h, m, s, ms):
    text = f"{h}h{m}m{s}s{ms}ms"
    assert units.parse_duration_us(text) == (((h * 60 + m) * 60 + s) * 1_000 + ms) * 1_000


@given(st.integers(1, 10**9), st.integers(1, 10**6))
def test_rates_per_period(count, period):
    expected = Fraction(count, period)
    assert Fraction(units.parse_rate_per_s(f"{count}/{period}s")) == pytest.approx(float(expected), rel=1e-15)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    for parse in PARSERS:
        try:
            value = parse(text)
        except SettingError as error:
            assert error.message
        else:
            assert math.isfinite(value)
            assert value >= 0


@given(st.text(max_size=20))
def test_any_plain_yaml_scalar_is_read_or_refused(text):
    value = scalar(text)
    for parse in PARSERS:
        with contextlib.suppress(SettingError):
            parse(value)


# -- as types of settings ------------------------------------------------------------------------------------


class Example(units.Settings):
    """Settings with one of each type."""

    duration_s: units.Duration = Field(alias="duration")
    limit_s: units.OptionalDuration = Field(default=None, alias="limit", gt=0)
    size_bytes: units.Size = Field(default=0, alias="size")
    most: units.OptionalCount = None
    retries: units.SignedCount = None


def test_settings_take_keys_of_the_file_and_refuse_others():
    example = Example.model_validate({"duration": "5m", "limit": "unlimited", "size": "1 kB", "retries": -1})
    assert (example.duration_s, example.limit_s, example.size_bytes, example.retries) == (300.0, None, 1000, None)
    with pytest.raises(ValidationError) as told:
        Example.model_validate({"duration_s": 5, "limit": 0, "most": True})
    assert {".".join(map(str, each["loc"])).split(".")[0] for each in told.value.errors()} >= {
        "duration",
        "duration_s",
        "most",
    }
    with pytest.raises(ValidationError):
        example.size_bytes = 5  # type: ignore[misc]


def test_patterns_of_the_schema_fit_the_parsers():
    import re

    for pattern, parse, texts in (
        (units.DURATION_PATTERN, units.parse_duration_s, ["24h", "1h30m", "250ms", "1_000s", "1.5 h", "2d 3h"]),
        (units.SIZE_PATTERN, units.parse_size_bytes, ["900 B", "1kB", "256 KiB", "1.5 MiB"]),
        (units.RATE_PATTERN, units.parse_rate_per_s, ["400/s", "1.2e6/h", "70_000/300s"]),
        (units.FRACTION_PATTERN, units.parse_fraction, ["70%", "99.9 %"]),
        (units.MEMORY_PATTERN, units.parse_memory_mb, ["128 MB", "1GB"]),
        (units.COUNT_PATTERN, units.parse_count, ["5", "1_000"]),
    ):
        for text in texts:
            assert re.search(pattern, text), text
            parse(text)
        for text in ("5:00", "1 KB", "abc", "", "-5s"):
            assert not re.search(pattern, text), (pattern, text)
    anything = TypeAdapter(units.Duration).json_schema()
    assert anything["anyOf"][1]["pattern"] == units.DURATION_PATTERN
