"""Axes of a sweep: values with units, products, zips, exclusions, and what is refused."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinsim.errors import SettingError
from kinsim.experiment.axes import Axis, Exclusion, NotBuilt, expand, grid, meaning, shown, size


@pytest.mark.parametrize(
    ("spec", "values"),
    [
        ([1, 2, "3 MB"], (1, 2, "3 MB")),
        (range(4, 33, 4), (4, 8, 12, 16, 20, 24, 28, 32)),
        (np.array([1, 2]), (1, 2)),
        ([np.float64(0.5), np.int32(3)], (0.5, 3)),
        ([{"distribution": "exponential", "mean": "1s"}, None], ({"distribution": "exponential", "mean": "1s"}, None)),
        ({"range": [2, 32], "step": 2}, tuple(range(2, 33, 2))),
        ({"range": [3, 5]}, (3, 4, 5)),
        ({"range": [7, 7]}, (7,)),
        ({"range": ["128 MB", "512 MB"], "step": "128 MB"}, ("128 MB", "256 MB", "384 MB", "512 MB")),
        ({"range": ["0.1s", "0.3s"], "step": "0.1s"}, ("0.1s", "0.2s", "0.3s")),
        ({"range": ["30s", "2m"], "step": "30s"}, ("30s", "60s", "90s", "120s")),
        ({"range": ["1h", "1h30m"], "step": "15m"}, ("3600s", "4500s", "5400s")),
        ({"linear": [0, 1], "num": 5}, (0, 0.25, 0.5, 0.75, 1)),
        ({"linear": [4, 1], "num": 4}, (4, 3, 2, 1)),
        ({"linear": ["10%", "30%"], "num": 3}, ("10%", "20%", "30%")),
        ({"geometric": ["900/s", "3600/s"], "num": 3}, ("900/s", "1800/s", "3600/s")),
        ({"geometric": [1, 1000], "num": 4}, (1, 10, 100, 1000)),
        ({"geometric": ["3_600/h", "10/s"], "num": 2}, ("1/s", "10/s")),
        ({"linear": ["70_000/300s", "140_000/300s"], "num": 2}, ("70000/300s", "140000/300s")),
    ],
)
def test_values_of_an_axis(spec: Any, values: tuple[Any, ...]) -> None:
    assert expand(spec) == values
    assert [type(v) for v in expand(spec)] == [type(v) for v in values]


@pytest.mark.parametrize(
    ("spec", "message", "at"),
    [
        (8, "got 8, which is one value", ()),
        ("60s", "got '60s', which is one value", ()),
        (None, "got None, which is one value", ()),
        ([], "the list is empty", ()),
        ({}, "got a mapping with nothing", ()),
        ({"rnage": [1, 2]}, "got a mapping with rnage", ()),
        ({"range": [1, 2], "linear": [1, 2]}, "got a mapping with range, linear", ()),
        ({"range": [1, 10], "step": 4}, "steps of 4 from 1 do not reach 10", ("range", 1)),
        ({"range": [1, 10], "num": 4}, "unknown key 'num' beside range", ("num",)),
        ({"range": [1, 10], "step": 0}, "step is 0", ("step",)),
        ({"range": [1, 10], "step": -1}, "step is -1", ("step",)),
        ({"range": [10, 1]}, "range goes down, from 10 to 1", ("range",)),
        ({"range": [1]}, "range needs two ends", ("range",)),
        ({"range": "1-10"}, "range needs two ends", ("range",)),
        ({"range": [1, "ten"]}, "got 'ten', which is not a number", ("range", 1)),
        ({"range": [1, True]}, "got True, which is not a number", ("range", 1)),
        ({"range": [0, float("nan")]}, "got nan, which is not a number", ("range", 1)),
        ({"range": [0, 10**12]}, "range has 1,000,000,000,000 values", ("step",)),
        ({"range": ["128 MB", "1 GB"], "step": "128 MB"}, "are not in one unit", ("range", 0)),
        ({"linear": [1, 2]}, "linear needs num", ()),
        ({"linear": [1, 2], "num": 1}, "num is 1", ("num",)),
        ({"linear": [1, 2], "num": 2.5}, "num is 2.5", ("num",)),
        ({"linear": [1, 2], "num": True}, "num is True", ("num",)),
        ({"linear": [2, 2], "num": 3}, "both ends are 2", ("linear",)),
        ({"geometric": [0, 2], "num": 3}, "geometric needs ends above 0", ("geometric",)),
    ],
)
def test_what_is_no_axis_is_refused(spec: Any, message: str, at: tuple[Any, ...]) -> None:
    with pytest.raises(SettingError, match=message) as caught:
        expand(spec)
    assert caught.value.at == at
    assert caught.value.help


@pytest.mark.parametrize(
    ("value", "range", "colons"),
    [
        ("1-3", "[1, 3]", "1:3"),
        ("1 – 3", "[1, 3]", "1:3"),
        ("30s..90s", "[30s, 90s]", "30s:90s"),
        ("0.5 to 2", "[0.5, 2]", "0.5:2"),
    ],
)
def test_two_ends_written_another_way(value: str, range: str, colons: str) -> None:
    with pytest.raises(SettingError) as caught:
        expand(value)
    assert caught.value.help == f"write {{range: {range}}}, or with --axis {colons}"


@pytest.mark.parametrize(
    "spec", [{"uniform": [1, 2]}, {"log_uniform": [1, 2]}, {"integers": [1, 9]}, {"low": 1, "mid": 2}]
)
def test_axes_to_draw_from_are_refused_by_name(spec: Any) -> None:
    with pytest.raises(NotBuilt, match=f"'{next(iter(spec))}' .* not built in this version"):
        expand(spec)


@given(st.integers(-(10**6), 10**6), st.integers(1, 1000), st.integers(0, 50), st.sampled_from(["", " MB", "/s", "ms"]))
def test_a_range_holds_both_ends_and_even_steps(first: int, step: int, steps: int, unit: str) -> None:
    last = first + step * steps

    def text(number: int) -> Any:
        return f"{number}{unit}" if unit else number

    values = expand({"range": [text(first), text(last)], "step": text(step)})
    assert values == tuple(text(first + step * k) for k in range(steps + 1))


@given(st.floats(0.001, 1e6), st.floats(1.01, 1000), st.integers(2, 30))
def test_spaced_values_hold_both_ends_and_ascend(low: float, factor: float, num: int) -> None:
    for kind in ("linear", "geometric"):
        values = expand({kind: [low, low * factor], "num": num})
        assert len(values) == num
        assert (values[0], values[-1]) == (low, low * factor)
        assert all(b > a for a, b in pairwise(values))


def test_axes_multiply_and_the_keys_of_one_advance_together() -> None:
    memory = Axis(("function.memory_size", "function.timeout"), ((256, "60s"), (512, "30s")))
    shards = Axis(("stream.shard_count",), ((2,), (4,), (6,)), labels=("few", "some", "many"))
    points = list(grid([shards, memory]))
    assert size([shards, memory]) == len(points) == 6
    assert points[3] == {
        "stream.shard_count": 4,
        "function.memory_size": 512,
        "function.timeout": "30s",
        "label": "some",
    }
    assert (memory.count, shards.count, shards.summary) == ("2 pairs", "3 values", "few, some, many")


def test_labels_of_several_axes_are_joined() -> None:
    a = Axis(("a",), ((1,),), labels=("today",))
    b = Axis(("b",), ((2,),), labels=("large",))
    assert list(grid([a, b])) == [{"a": 1, "b": 2, "label": "today, large"}]


def test_no_axes_give_one_point() -> None:
    assert list(grid([])) == [{}]


def test_long_axes_are_summed_up() -> None:
    assert Axis(("a",), tuple((n,) for n in range(2, 33, 2))).summary == "2, 4, … 32"
    assert shown({"distribution": "exponential", "mean": None}) == "distribution: exponential, mean: null"
    assert len(shown("x" * 500)) == 60


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [
        ("stream.shard_count", 1000, "1_000"),
        ("function.timeout", "1m", 60.0),
        ("workload.arrivals.rate", "3600/h", 1),
        ("workload.record_size", "1 kB", 1000),
        ("function.memory_size", "1 GB", "1024 MB"),
        ("producer.keep", "50%", 0.5),
        ("event_source_mapping.maximum_retry_attempts", -1, "-1"),
    ],
)
def test_two_ways_to_write_the_same_are_equal(path: str, one: Any, other: Any) -> None:
    assert meaning(path, one) == meaning(path, other)


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (0, None), ("TRIM_HORIZON", "LATEST"), (1, 2), ("1 MB", "1 MiB")]
)
def test_different_values_differ(one: Any, other: Any) -> None:
    assert meaning("a", one) != meaning("a", other)


def test_an_exclusion_drops_what_matches_all_its_keys() -> None:
    exclusion = Exclusion({"a": [1, 2], "b": "1m"})
    kept = list(grid([Axis(("a",), ((1,), (2,), (3,))), Axis(("b",), (("60s",), ("30s",)))]))
    assert [exclusion.matches(p) for p in kept] == [True, False, True, False, False, False]
    assert exclusion.hits == 2
    assert not exclusion.matches({"a": 1})
