"""Published prices (cases P05, P06)."""

import pytest
from pytest import approx

import kinsim as ks

DAYS_30 = 720  # hours


def test_p05_the_example_of_the_price_page(simulate):
    """case:P05: 100 records of 35 KB a second need 4 shards and 17.28 million PUT units; $1.68 a day, to a cent."""
    run = simulate("P05-price-example")
    series = run.timeseries
    stored = series.Value[(series.MetricName == "IncomingBytes") & (series.Statistic == "Sum")].sum()
    assert stored / 600 / 2**20 == approx(3.4, abs=0.05)
    assert max(run.bounds.values()) == run.bounds["bytes"] == 4
    assert run["rejected_records"]["sum"] == 0
    assert simulate("P05-price-example", {"stream.shard_count": 3})["rejected_records"]["sum"] > 0
    by_day = 24 / run.cost["hours"]
    shards, units = (run.cost["parts"][name]["value"] * by_day for name in ("shard_hours", "put_units"))
    assert shards == approx(1.44, abs=0.01)
    assert units == approx(0.24, abs=0.01)
    assert shards + units == approx(1.68, abs=0.01)
    assert units / 0.014 * 1e6 == approx(17_280_000, rel=1e-9)  # at $0.014 a million
    assert ks.kinesis_cost(4, 24, 17_280_000) == approx(1.68, abs=0.01)


@pytest.mark.parametrize(("price", "published"), [(0.014, 36.28), (0.0224, 58.06)])
def test_p06_put_units_of_a_thousand_records_a_second(simulate, price, published):
    """case:P06: 30 days, to a cent."""
    run = simulate("P06-put-units", {"cost.prices.put_unit_million": price})
    assert run["rejected_records"]["sum"] == 0
    cost = run.cost["parts"]["put_units"]["value"] * DAYS_30 / run.cost["hours"]
    assert cost == approx(published, abs=0.01)
    assert cost / price * 1e6 == approx(1_000 * DAYS_30 * 3_600, rel=1e-9)  # a unit for each record
    assert ks.kinesis_cost(put_units=1_000 * DAYS_30 * 3_600, price_put_unit_million=price) == approx(
        published, abs=0.01
    )
