"""Independent gaps, counted in bins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kinsim.engine.pieces import singles
from tests.engine.edges import SECOND, agrees, between, exponential, rows_of, source_of, times_of


def test_records_with_gaps_are_counted_in_the_bins_in_which_they_come() -> None:
    """Gaps do not depend on the granularity: each bin counts the records of a run without bins, over a window edge."""
    arrivals = {"model": "renewal", "gap": {"distribution": "gamma", "mean": "10ms", "cv": 2}}
    exact = times_of(arrivals, "605s", granularity="record")
    source = source_of(arrivals, "605s", granularity="1s")
    assert source.window_us == 600 * SECOND
    rows = rows_of(source)
    counts = np.bincount(rows.time_us // SECOND, rows.count, 605)
    assert counts.tolist() == np.bincount(exact // SECOND, minlength=605).tolist()
    for row, (start, n) in enumerate(zip(rows.time_us[:40].tolist(), rows.count[:40].tolist(), strict=True)):
        inside = singles(rows.take(slice(row, row + 1))).time_us
        assert inside.tolist() == [start + i * SECOND // n for i in range(n)]


def test_the_end_of_the_run_cuts_a_bin_of_gaps_in_proportion() -> None:
    """Records every 0.1 s, the first at 0.1 s: the bin from 10 s on has 10, of which 4 come before 10.4 s."""
    times = times_of({"model": "renewal", "gap": "0.1s"}, "10.4s", granularity="1s")
    assert between(times, 0, 1) == 9
    assert [between(times, k, k + 1) for k in range(1, 10)] == [10] * 9
    assert times[times >= 10 * SECOND].tolist() == [10_000_000, 10_100_000, 10_200_000, 10_300_000]


@pytest.mark.stochastic
@pytest.mark.parametrize(
    ("arrivals", "granularity", "bin_s"),
    [
        pytest.param(exponential("0.02ms"), "10s", 10, id="gaps in long bins"),
        pytest.param(exponential("0.0005ms"), None, 0.1, id="very short gaps"),
        pytest.param(
            {"model": "bursts", "every": "1s", "size": 50_000, "spread": "1s"}, "10s", 10, id="bursts in long bins"
        ),
        pytest.param({"model": "poisson", "rate": "50_000/s"}, "10s", 10, id="random records in long bins"),
        pytest.param({"model": "poisson", "rate": "2_000_000/s"}, None, 0.1, id="very many random records"),
    ],
)
def test_a_bin_longer_than_the_usual_window_moves_and_loses_nothing(
    arrivals: dict[str, Any], granularity: str | None, bin_s: float
) -> None:
    """At this rate a window would be a tenth of a bin; the run ends after three tenths of the second bin.

    The rate is that of the file in the first bin and up to the end, and no record comes before its window.  Two
    comparisons at 4 standard deviations: false-alarm rate 1.3e-4.
    """
    rate = 50_000 if granularity else 2_000_000
    more = {"granularity": granularity} if granularity else {}
    times = singles(rows_of(source_of(arrivals, f"{1.3 * bin_s:g}s", **more))).time_us
    agrees(between(times, 0, bin_s), rate * bin_s)
    agrees(between(times, bin_s, 1.3 * bin_s), 0.3 * rate * bin_s)
