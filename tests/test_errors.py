"""Errors: how a problem looks, in text, as an object and as an annotation."""

from __future__ import annotations

import pickle

import pytest

from kinsim.errors import ConfigError, InternalError, InterruptedRun, KinsimError, Problem, ResultError, count_problems

HERE = Problem(
    file="configs/prod.yaml",
    line=31,
    col=27,
    end_col=28,
    path="event_source_mapping.parallelization_factor",
    message="got 2, but profile aws-2017 has no ParallelizationFactor",
    help="since 2019-11-25, in profile aws-2026",
    source_line="  parallelization_factor: 2",
)


def test_a_problem_says_where_what_and_what_to_try():
    assert str(HERE).splitlines() == [
        "configs/prod.yaml:31:27: event_source_mapping.parallelization_factor: got 2, but profile aws-2017 has no "
        "ParallelizationFactor",
        "     31 |   parallelization_factor: 2",
        "        |                           ^ since 2019-11-25, in profile aws-2026",
    ]


def test_a_problem_without_a_place():
    problem = Problem(message="unknown profile", help="allowed: ideal")
    assert str(problem) == "unknown profile\n        | allowed: ideal"
    assert str(Problem(file="--set #1 'a=b'", message="unknown setting 'a'")) == "--set #1 'a=b': unknown setting 'a'"


def test_the_caret_stands_under_the_value_even_after_a_tab():
    problem = Problem(file="a", line=1, col=3, message="m", help="h", source_line="\t x: 1")
    text, caret = str(problem).splitlines()[1:]
    assert text[caret.index("^")] == "x"


def test_long_lines_and_long_texts_are_cut():
    problem = Problem(file="a", line=1, col=5_000, message="m" * 9_000, help="h", source_line="x" * 9_999)
    assert max(map(len, str(problem).splitlines())) < 800
    assert str(problem).splitlines()[2].index("^") < 100


def test_warnings_say_so():
    assert "warning: " in str(Problem(message="slow", severity="warning"))


def test_problems_are_sorted_counted_and_at_most_twenty():
    problems = [Problem(file="a.yaml", line=n, col=1, message=f"m{n}") for n in range(33, 0, -1)]
    text = str(ConfigError(problems))
    assert text.startswith("a.yaml:1:1: m1")
    assert "… and 13 more" in text
    assert text.endswith("33 errors in a.yaml")
    assert (
        count_problems([HERE, Problem(message="x", severity="warning")]) == "1 error and 1 warning in configs/prod.yaml"
    )
    assert count_problems([]) == "no problems"


def test_objects_and_annotations():
    assert HERE.as_dict() == {
        "file": "configs/prod.yaml", "line": 31, "col": 27, "end_col": 28, "severity": "error",
        "path": "event_source_mapping.parallelization_factor",
        "message": "got 2, but profile aws-2017 has no ParallelizationFactor",
        "help": "since 2019-11-25, in profile aws-2026",
    }  # fmt: skip
    annotation = Problem(file="a,b:c.yaml", line=2, message="50% of\nit", severity="warning").as_github()
    assert annotation == "::warning file=a%2Cb%3Ac.yaml,line=2::50%25 of%0Ait"


def test_a_config_error_survives_pickling():
    again = pickle.loads(pickle.dumps(ConfigError([HERE])))
    assert again.problems == [HERE]
    assert str(again) == str(ConfigError([HERE]))


def test_a_text_or_one_problem_will_do():
    assert str(ConfigError("broken")) == "broken\n1 error"
    assert ConfigError(HERE).problems == [HERE]


@pytest.mark.parametrize("kind", [ConfigError, InternalError, ResultError, InterruptedRun])
def test_all_are_kinsims(kind):
    assert issubclass(kind, KinsimError)
