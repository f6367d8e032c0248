"""Records that a producer does not send."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import kinsim as ks
from kinsim.engine.arrivals import ArrivalSource
from kinsim.engine.draws import binomial
from kinsim.engine.sampling import Sampling, sampling
from kinsim.engine.tables import Rows
from kinsim.system.producer import Producer
from kinsim.system.workload import Source

POISSON = {"model": "poisson", "rate": 1}
FLOW = {"model": "vpc_flow_logs", "interfaces": 3, "lines_per_interface": 1}


def sampler(keep: float, arrivals: Any = POISSON, bin_us: int = 0) -> Sampling:
    found = sampling(
        SimpleNamespace(
            producer=Producer.model_validate({"keep": keep}),
            source=Source.model_validate({"arrivals": arrivals}),
            key=lambda purpose: 42,
            bin_us=bin_us,
        )
    )
    assert found is not None
    return found


def rows_of(counts: list[int], **columns: int) -> Rows:
    rows = Rows.empty(len(counts))
    rows.count = np.array(counts, np.int64)
    rows.time_us = np.arange(len(counts)) * 1_000_000
    rows.index = np.cumsum(rows.count) - rows.count
    for name, value in columns.items():
        setattr(rows, name, rows.count * value if name in ("data_bytes", "log_events") else rows.count * 0 + value)
    return rows


def test_without_a_share_nothing_is_sampled():
    whole = SimpleNamespace(producer=Producer.model_validate({"keep": "100%"}))
    assert sampling(whole) is None
    assert sampling(SimpleNamespace(producer=Producer())) is None


@given(st.lists(st.integers(0, 200), min_size=1), st.floats(0.01, 0.99), st.floats(0, 1, exclude_max=True))
def test_binomial_counts_are_quantiles(n, p, u):
    """The smallest count whose cumulated chance reaches u, to the precision of SciPy's distribution."""
    counts = np.array(n)
    found = binomial(counts, p, np.full(len(n), u))
    assert (stats.binom.cdf(found, counts, p) >= u - 1e-12).all()
    assert ((stats.binom.cdf(found - 1, counts, p) < u + 1e-12) | (found == 0)).all()


def test_single_records_are_kept_with_the_chance_that_was_asked_for():
    """Of 40,000 records a quarter, 10,000, with a standard deviation of 87."""
    chosen = sampler(0.25)
    kept = chosen.kept(rows_of([1] * 40_000))
    assert abs(len(kept) - 10_000) < 4 * 87
    assert chosen.left_out == 40_000 - len(kept)


@pytest.mark.parametrize("count", [1, 7])
def test_a_larger_share_keeps_the_same_records_and_more(count):
    def sent(keep: float) -> np.ndarray:
        kept = sampler(keep).kept(rows_of([count] * 5_000))
        found = np.zeros(5_000, np.int64)
        found[kept.time_us // 1_000_000] = kept.count
        return found

    few, many = sent(0.3), sent(0.6)
    assert (few <= many).all() and few.sum() < many.sum()


def test_a_group_keeps_some_of_its_records_from_any_place():
    """Shares of 1,000 rows of 10: 5 on average, standard deviation 0.05; not always from the first on."""
    whole = rows_of([10] * 1_000, data_bytes=100)
    kept = sampler(0.5).kept(whole)
    assert kept.count.mean() == pytest.approx(5, abs=0.2)
    assert (kept.data_bytes == 100 * kept.count).all()
    first = kept.index % 10
    assert first.max() > 4 and (first + kept.count <= 10).all()


def test_records_at_even_gaps_are_kept_one_by_one():
    """In exact mode the gaps between those that are sent vary."""
    whole = rows_of([1_000], step_numerator=1_000)
    kept = sampler(0.5).kept(whole)
    assert (kept.count == 1).all() and 400 < len(kept) < 600
    assert (kept.time_us == kept.index * 1_000).all()
    assert len(set(np.diff(kept.time_us).tolist())) > 3


def test_a_bin_stays_a_bin():
    whole = rows_of([1_000], step_numerator=100_000, step_denominator=1_000)
    kept = sampler(0.5, bin_us=100_000).kept(whole)
    assert len(kept) == 1 and 400 < kept.count[0] < 600
    assert (kept.step_numerator[0], kept.step_denominator[0], kept.step_offset[0]) == (100_000, kept.count[0], 0)


def test_a_subscription_filter_keeps_log_events():
    """Publications of 400 lines: about 100 of each go on, and no record was made of the others."""
    chosen = sampler(0.25, FLOW)
    kept = chosen.kept(rows_of([1] * 1_000, log_events=400, data_bytes=44_400))
    assert kept.log_events.mean() == pytest.approx(100, abs=1.5)
    assert (kept.data_bytes == 111 * kept.log_events).all()
    assert chosen.left_out == 0


# -- in a scenario ---------------------------------------------------------------------------------------------


def scenario(text: str = "{model: poisson, rate: 200/s}", producer: str = "{keep: 40%}", more: str = "") -> Any:
    return ks.parse(
        "kinsim: 1\nname: sampled\nprofile: aws-2017\n"
        f"workload: {{arrivals: {text}{more}}}\nproducer: {producer}\n"
        "stream: {shard_count: 2}\nfunction: {duration: {fixed: 5ms}}\n"
        "run: {duration: 120s, replications: 1, until: drained}\n"
    )


@pytest.mark.parametrize(
    "arrivals",
    ["{model: poisson, rate: 200/s}", "{model: constant, rate: 200/s}", "{model: bursts, every: 10s, size: 2_000}"],
)
def test_what_is_not_sent_is_counted_and_the_books_close(arrivals):
    """About 24,000 are created; the engine raises where created = accepted + sampled out + dropped does not hold."""
    source = ArrivalSource(scenario(arrivals), 0)
    offered = sum(int(rows.count.sum()) for _, _, rows in source.windows())
    assert source.created == offered + source.sampled_out
    assert offered == pytest.approx(0.4 * source.created, rel=0.05)
    result = scenario(arrivals).run()
    assert result["offered_records"]["sum"] == source.created
    assert result["processed_records"]["sum"] + result["dropped_records"]["sum"] == offered


def test_all_candidates_send_the_same_records():
    """The same records are sent whatever the shards and the function are."""
    few = scenario().run(keep=("records",)).records
    many = scenario().with_({"stream.shard_count": 8, "function.memory_size": "512 MB"}).run(keep=("records",)).records
    assert sorted(few.offered_s) == sorted(many.offered_s)
    assert sorted(few.hash_key) == sorted(many.hash_key)


def test_a_share_sent_through_cloudwatch_logs():
    flow = (
        "{model: vpc_flow_logs, interfaces: 50, lines_per_interface: 1_000, aggregation_interval: 60s, phase: random}"
    )
    whole, half = (scenario(flow, f"{{keep: {keep}}}") for keep in ("100%", "50%"))
    events = [
        sum(int(rows.log_events.sum()) for _, _, rows in ArrivalSource(each, 0).windows()) for each in (whole, half)
    ]
    assert events[1] == pytest.approx(0.5 * events[0], rel=0.02)
    half.run()


@pytest.mark.parametrize("keep", ["0%", "101%", "-1%", "many", "1.5"])
def test_a_share_that_is_none(keep):
    with pytest.raises(ks.ConfigError, match=r"producer\.keep"):
        scenario(producer=f"{{keep: {keep}}}")
