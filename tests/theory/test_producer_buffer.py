"""A producer that holds only so many records while it cannot send."""

import pytest


def total(run, name):
    return run[name]["sum"]


@pytest.mark.parametrize(("when_full", "accepted"), [("drop_newest", 4), ("drop_oldest", 4), ("block", 10)])
def test_of_ten_records_one_passes_and_three_are_held(simulate, when_full, accepted):
    """The buffer drops what it has no room for, or lets the application wait: then all are stored, one a second."""
    run = simulate("P15-producer-buffer", {"producer.buffer.when_full": when_full}, keep=("records",))
    assert total(run, "accepted_records") == accepted
    assert total(run, "dropped_records") == 10 - accepted
    assert sorted(run.records.accepted_s) == list(range(accepted))


def test_a_buffer_of_bytes_holds_as_many_as_fit(simulate):
    """Records of 1,000 B with keys of 36 B: two weigh 2,072 B."""
    run = simulate(
        "P15-producer-buffer", {"producer.buffer": {"max_bytes": "2_072 B"}, "workload.record_size": "1_000 B"}
    )
    assert total(run, "accepted_records") == 3


def test_a_buffer_is_shared_by_all_shards(simulate):
    """Two shards take one record each, and the producer holds three in all."""
    changes = {"stream.shard_count": 2, "workload.partition_keys": "even"}
    assert total(simulate("P15-producer-buffer", changes), "accepted_records") == 5


def test_a_blocked_application_still_holds_its_records_at_the_end(simulate):
    changes = {"producer.buffer.when_full": "block", "run": {"duration": "5s", "until": "end"}}
    run = simulate("P15-producer-buffer", changes)
    assert (total(run, "accepted_records"), total(run, "in_producer_records")) == (5, 5)
