"""Settings of traces and the arithmetic on their columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kinsim.errors import SettingError
from kinsim.system.workload.expression import parse_expression
from kinsim.system.workload.trace import TraceArrivals, file_trouble


def trace(**settings):
    return TraceArrivals.model_validate({"model": "trace", "file": "a.csv", **settings})


@given(a=st.floats(0.001, 1e6), b=st.floats(0.001, 1e6))
def test_expressions_compute_like_python(a, b):
    columns = {"a": np.array([a]), "b": np.array([b])}
    for text in ("a + b*2", "(a + b)*2", "a - b - 1", "a/b/3", "-a + +b", "max(a, b, 7) - min(a, b)", "1e-3*a + 0.5"):
        assert parse_expression(text).evaluate(columns)[0] == eval(text, {"max": max, "min": min, "a": a, "b": b})


def test_constants_hold_for_all_rows():
    assert parse_expression("2 + 3").evaluate({}).tolist() == [5.0]


def test_numbers_may_have_units():
    at = {"n": np.array([4.0])}
    assert parse_expression("10ms + 250us*n + 1m", units="time").evaluate(at)[0] == pytest.approx(60.011)
    assert parse_expression("2 KiB + 1e1 B*n", units="size").evaluate(at)[0] == 2088


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "a.b",
        "a[0]",
        "a ** 9 ** 9",
        "a if b else c",
        "lambda: 1",
        "[x for x in a]",
        "abs(a)",
        "min(a)",
        "max(a, key=b)",
        "a == b",
        "a and b",
        "'text'",
        "True",
        "1j",
        "f'{a}'",
        "(a",
        "",
        "a; b",
        "min(*a)",
        "a := 1",
    ],
)
def test_everything_else_is_refused(text):
    with pytest.raises(SettingError) as caught:
        parse_expression(text)
    assert "numbers, columns, + - * / ( ), min, max" in caught.value.help


def test_expressions_are_bounded():
    with pytest.raises(SettingError, match="501 characters"):
        parse_expression("1" * 501)
    with pytest.raises(SettingError, match="nested too deeply"):
        parse_expression("-" * 200 + "1")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "a trace needs the column of its times"),
        ({"time": "t", "count": "n", "key": "k"}, "key belongs to traces of one row per record"),
        ({"time": "t", "shape": "burst"}, "rows are records with their own times"),
        ({"time": "t", "scale": 2}, "scale multiplies counts or bytes"),
        ({"time": "t", "count": "n", "scale": 0}, "greater than 0"),
        ({"time": "t", "count": "n", "scale": -1}, "-1 is negative"),
        ({"time": "t", "repeat": 0}, "greater than or equal to 1"),
        ({"time": "t", "work": "open('x')"}, "is not an expression of columns"),
        ({"row_period": "0s"}, "greater than 0"),
        ({"file": "a.json", "time": "t"}, "format cloudwatch brings its own times"),
        ({"format": "cloudwatch", "size": "s"}, "format cloudwatch holds totals per period"),
        ({"time": "t", "format": "xls"}, "'csv', 'parquet' or 'cloudwatch'"),
        ({"time": "t", "colour": "red"}, "Extra inputs are not permitted"),
        ({"time": "t", "scale": "many", "count": "n"}, "'many' is not a number"),
    ],
)
def test_what_makes_no_sense_is_refused(settings, message):
    with pytest.raises(ValidationError) as caught:
        trace(**settings)
    assert message in str(caught.value)


def test_the_format_follows_from_the_name():
    assert trace(time="t").file_format == "csv"
    assert trace(file="a.csv.gz", time="t").file_format == "csv"
    assert trace(file="Metrics.JSON").file_format == "cloudwatch"
    assert trace(file="a.parquet", time="t").file_format == "parquet"
    assert trace(file="a.json", format="csv", time="t").file_format == "csv"


def test_a_number_is_an_expression():
    assert trace(time="t", size=900).size == "900"


def test_columns_may_have_names_that_are_no_expressions():
    assert trace(time="t", size="bytes sent").size == "bytes sent"


def test_the_file_lies_beside_the_scenario(tmp_path):
    assert trace(time="t", file="data/x.csv").path(tmp_path) == tmp_path / "data/x.csv"
    assert trace(time="t", file="/x.csv").path(tmp_path) == Path("/x.csv")


def test_what_is_wrong_with_a_file(tmp_path):
    (tmp_path / "empty.csv").touch()
    (tmp_path / "good.csv").write_text("t\n1\n")
    assert file_trouble(tmp_path / "good.csv") is None
    for name, message in {
        "empty.csv": "is empty",
        ".": "is a folder",
        "god.csv": "there is no such file",
        "a" * 10_000: "cannot be read",
        "a\0b": "there is no such file",
        "nowhere/x.csv": "there is no such file",
    }.items():
        trouble = file_trouble(tmp_path / name)
        assert trouble is not None
        assert message in trouble[0]
        assert len(trouble[0]) < 300
    assert "good.csv" in file_trouble(tmp_path / "god.csv")[1]


def test_all_fields_explain_themselves():
    for name, field in TraceArrivals.model_fields.items():
        assert field.description, name
        assert field.examples, name
