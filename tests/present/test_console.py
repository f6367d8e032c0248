"""The table of a run shows how near the longest run came to the time-out."""

from __future__ import annotations

from typing import Any

import pytest

from kinsim.present.console import key_rows


def summary(longest_s: float, **scenario: Any) -> dict[str, Any]:
    number = {"value": longest_s, "ci_low": longest_s - 1, "ci_high": longest_s + 1, "sd": 1.0, "n": 5}
    return {"scenario": scenario, "metrics": {"duration_s": {"max": number, "p99": number}}}


@pytest.mark.parametrize(
    ("longest_s", "timeout_s", "shown"),
    [(51.62, 60.0, "51.6 s of 60 s"), (51.62, 300.0, "51.6 s of 300 s"), (0.732, 60.0, "732 ms of 60 s"),
     (51.62, None, "51.6 s")],
)  # fmt: skip
def test_the_longest_duration_stands_beside_the_time_out(longest_s, timeout_s, shown):
    rows = {words: value for words, value, _ in key_rows(summary(longest_s, timeout_s=timeout_s))}
    assert rows["Duration maximum"] == shown
    assert rows["Duration p99"] == shown.partition(" of ")[0]


def test_a_summary_that_knows_no_time_out_is_shown_all_the_same():
    assert ("Duration maximum", "2 s", "[1, 3]") in key_rows(summary(2.0))
