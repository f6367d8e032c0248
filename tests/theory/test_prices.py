"""Published prices (cases P05, P06)."""

import pytest
from pytest import approx

import kinsim as ks

DAYS_30 = 720  # hours


def test_p05_the_example_of_the_price_page(simulate):
    """case:P05: 100 records of 35 KB a second need 4 shards and 17.28 million PUT units; $1.68 a day, to a cent."""
    run = simulate("P05-price-example")
    used = run.summary()["cost"]
    day = 24 / used["hours"]
    assert run["rejected_records"]["sum"] == 0
    assert used["parts"]["shard_hours"]["value"] * day == approx(1.44, abs=0.01)
    assert used["parts"]["put_units"]["value"] * day == approx(0.24, abs=0.01)
    units = 100 * 86_400 * 2
    assert units == 17_280_000
    assert ks.kinesis_cost(4, 24, units) == approx(1.68, abs=0.01)


@pytest.mark.parametrize(("price", "published"), [(0.014, 36.28), (0.0224, 58.06)])
def test_p06_put_units_of_a_thousand_records_a_second(simulate, price, published):
    """case:P06: 30 days, to a cent."""
    run = simulate("P06-put-units", {"cost.prices.put_unit_million": price})
    used = run.summary()["cost"]
    assert used["parts"]["put_units"]["value"] * DAYS_30 / used["hours"] == approx(published, abs=0.01)
    assert ks.kinesis_cost(put_units=1_000 * DAYS_30 * 3_600, price_put_unit_million=price) == approx(
        published, abs=0.01
    )
