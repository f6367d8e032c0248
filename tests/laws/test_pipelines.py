"""Laws of several pipelines: none takes more than there is, and none changes what it does not touch."""

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import kinsim as ks
from kinsim.measure.result import digest


@st.composite
def pipelines(draw):
    """The sections of a pipeline of its own, with failures, lanes and bursts."""
    rate = draw(st.integers(1, 40))
    arrivals = draw(
        st.sampled_from(
            [
                {"model": "poisson", "rate": f"{rate}/s"},
                {"model": "bursts", "every": "20s", "size": rate * 10, "spread": "1s"},
            ]
        )
    )
    function = {
        "duration": {"fixed": f"{draw(st.integers(1, 900))}ms", "per_record": f"{draw(st.integers(0, 20))}ms"},
        "reserved_concurrency": draw(st.sampled_from([None, None, 1, 2])),
        "faults": draw(st.sampled_from([[], [{"kind": "error", "probability": 0.3}]])),
        "timeout": "5s",
    }
    mapping = {
        "batch_size": draw(st.integers(1, 50)),
        "parallelization_factor": draw(st.integers(1, 3)),
        "maximum_retry_attempts": draw(st.sampled_from([-1, 2])),
    }
    return {
        "workload": {"arrivals": arrivals, "record_size": "1 kB"},
        "stream": {"shard_count": draw(st.integers(1, 3))},
        "event_source_mapping": mapping,
        "function": {key: value for key, value in function.items() if value is not None},
    }


several = st.lists(pipelines(), min_size=2, max_size=4)


def scenario_of(members, limit, seed):
    document = {
        "kinsim": 1,
        "name": "law",
        "profile": "aws-2026",
        "pipelines": {f"p{number}": each for number, each in members.items()},
        "account": {"concurrent_executions": limit},
        "run": {"duration": "2m", "replications": 1, "seed": seed},
    }
    return ks.parse(yaml.safe_dump(document))


@settings(max_examples=25, deadline=None)
@given(several, st.integers(1, 4), st.integers(1, 1_000))
def test_never_more_at_once_than_there_is(members, spare, seed):
    reserved = [each["function"].get("reserved_concurrency", 0) for each in members]
    limit = sum(reserved) + 100 + spare
    result = scenario_of(dict(enumerate(members)), limit, seed).with_({"account.other_functions": 100}).run()
    assert result.concurrent_executions["max"] <= limit - 100
    for most, each in zip(reserved, result.pipelines.values(), strict=True):
        assert each["concurrent_executions"]["max"] <= (most or spare)


@settings(max_examples=15, deadline=None)
@given(several, st.integers(1, 1_000))
def test_a_pipeline_beside_changes_nothing_where_there_is_room(members, seed):
    """Its chance depends on its name alone, and 1,000 executions are enough for all."""
    whole = scenario_of(dict(enumerate(members)), 1_000, seed).run()
    fewer = scenario_of({number: each for number, each in enumerate(members) if number}, 1_000, seed)
    for name, each in fewer.run().pipelines.items():
        assert digest(each.replications[0].metrics) == digest(whole[name].replications[0].metrics)


@settings(max_examples=15, deadline=None)
@given(pipelines(), st.integers(2, 4), st.integers(1, 1_000))
def test_every_reader_of_a_stream_meets_the_same_records(member, readers, seed):
    document = {
        "kinsim": 1,
        "name": "law",
        "profile": "aws-2026",
        "workload": member["workload"],
        "stream": {"logs": member["stream"]},
        "event_source_mapping": member["event_source_mapping"],
        "function": {"reader": member["function"]},
        "pipelines": {f"p{number}": {"stream": "logs", "function": "reader"} for number in range(readers)},
        "run": {"duration": "2m", "replications": 1, "seed": seed},
    }
    result = ks.parse(yaml.safe_dump(document)).run()
    names = ("offered_records", "accepted_records", "rejected_records", "dropped_records")
    first = [result["p0"][name]["sum"] for name in names]
    most = member["function"].get("reserved_concurrency")
    assert all([each[name]["sum"] for name in names] == first for each in result.pipelines.values())
    assert most is None or result.concurrent_executions["max"] <= most
