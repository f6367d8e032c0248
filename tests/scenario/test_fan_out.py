"""Enhanced fan-out: what is accepted, and what is said of what is not."""

from __future__ import annotations

import pytest

from kinsim.scenario import parse

LINES = ("stream:", "event_source_mapping:")


def with_stream(good, stream, profile="aws-2026", mapping="{}", more=""):
    lines = [line for line in good.replace("aws-2017", profile).splitlines() if not line.startswith(LINES)]
    return "\n".join([*lines, f"event_source_mapping: {mapping}", f"stream: {stream}", more])


def pushed(names):
    return "[" + ", ".join(f"{{name: c{k}, enhanced_fan_out: true}}" for k in range(names)) + "]"


@pytest.mark.parametrize("profile", ["aws-2026", "ideal"])
def test_the_mapping_and_others_may_be_registered(good, profile):
    stream = "{enhanced_fan_out: true, consumers: [{name: a, enhanced_fan_out: true, reads: 100%}]}"
    scenario = parse(with_stream(good, stream, profile))
    assert scenario.stream.registered == 2
    assert scenario.stream.fan_out_delay_s == (0.07 if profile == "aws-2026" else 0)


def test_off_is_accepted_in_every_year(good):
    stream = "{enhanced_fan_out: false, consumers: [{name: a, reads: 100%, enhanced_fan_out: false}]}"
    assert parse(with_stream(good, stream, "aws-2017")).stream.registered == 0


@pytest.mark.parametrize(
    ("stream", "path"),
    [
        ("{enhanced_fan_out: true}", "stream.enhanced_fan_out"),
        ("{consumers: [{name: a, enhanced_fan_out: true}]}", "stream.consumers[0].enhanced_fan_out"),
    ],
)
def test_there_was_none_in_2017(good, problems, stream, path):
    (found,) = problems(with_stream(good, stream, "aws-2017"))
    assert found.path == path
    assert "aws-2017 has no enhanced fan-out" in found.message
    assert "since 2018-08-02, in profile aws-2026" in found.help


@pytest.mark.parametrize(
    ("stream", "number"),
    [(f"{{consumers: {pushed(21)}}}", 21), (f"{{enhanced_fan_out: true, consumers: {pushed(20)}}}", 21)],
)
def test_twenty_consumers_may_be_registered(good, problems, stream, number):
    """aws:G9."""
    (found,) = problems(with_stream(good, stream))
    assert found.path == "stream.consumers"
    assert f"{number} consumers" in found.message and "aws-2026 registers 20" in found.message
    assert ("the mapping among them" in found.message) == ("{enhanced" in stream)
    assert parse(with_stream(good, f"{{consumers: {pushed(20)}}}")).stream.registered == 20
    assert parse(with_stream(good, stream, "ideal")).stream.registered == 21


@pytest.mark.parametrize(
    ("consumer", "path", "words"),
    [
        ("{name: a, enhanced_fan_out: true, reads: 50%}", "reads", "pushes all"),
        ("{name: a, enhanced_fan_out: true, reads: 1 MiB}", "reads", "pushes all"),
        ("{name: a, enhanced_fan_out: true, poll_interval: 1s}", "poll_interval", "no GetRecords calls"),
        ("{name: a, enhanced_fan_out: maybe}", "enhanced_fan_out", "maybe"),
        ("{name: a, reads: 100%, fan_out: true}", "fan_out", "fan_out"),
    ],
)
def test_what_is_wrong_with_a_registered_consumer(good, problems, consumer, path, words):
    found = problems(with_stream(good, f"{{consumers: [{consumer}]}}"))
    assert any(each.path == f"stream.consumers[0].{path}" and words in each.message for each in found), found


def test_there_is_no_batch_per_poll_without_polls(good, problems):
    (found,) = problems(with_stream(good, "{enhanced_fan_out: true}", mapping="{behind: one_batch_per_poll}"))
    assert found.path == "event_source_mapping.behind" and "stream.enhanced_fan_out" in found.message


def test_a_consumer_has_another_name_than_the_mapping(good, problems):
    stream = "{enhanced_fan_out: true, consumers: [{name: good, enhanced_fan_out: true}]}"
    (found,) = problems(with_stream(good, stream))
    assert found.path == "stream.consumers[0].name" and "'good'" in found.message


def test_shared_readers_still_need_read_limits(good, problems):
    stream = "{enhanced_fan_out: true, enforce_read_limits: false, consumers: [{name: a, reads: 100%}]}"
    (found,) = problems(with_stream(good, stream))
    assert found.path == "stream.consumers" and "enforce_read_limits is false" in found.message


SLO = "slos: {lag: {metric: METRIC, statistic: Maximum, at_most: 60s}}"
ALARM = (
    "alarms: {lag: {metric: METRIC, statistic: Maximum, period: 1m, threshold: 60000, "
    "comparison: GreaterThanThreshold, evaluation_periods: 1}}"
)


@pytest.mark.parametrize(("kind", "text"), [("slos", SLO), ("alarms", ALARM)])
def test_what_nobody_measures_cannot_be_watched(good, problems, kind, text):
    polled = text.replace("METRIC", "GetRecords.IteratorAgeMilliseconds")
    behind = text.replace("METRIC", "SubscribeToShardEvent.MillisBehindLatest")
    (found,) = problems(with_stream(good, "{enhanced_fan_out: true}", more=polled))
    assert found.path == f"{kind}.lag.metric" and "nobody calls GetRecords" in found.message
    (found,) = problems(with_stream(good, f"{{consumers: {pushed(1)}}}", more=behind))
    assert found.path == f"{kind}.lag.metric" and "where the mapping reads by enhanced fan-out" in found.message
    assert parse(with_stream(good, "{enhanced_fan_out: true}", more=behind))
    both = "{enhanced_fan_out: true, consumers: [{name: a, reads: 100%}]}"
    assert parse(with_stream(good, both, more=polled))


BESIDE = """
kinsim: 1
name: beside
profile: aws-2026
workload: {arrivals: {model: poisson, rate: 20/s}, record_size: 1 kB}
stream:
  shard_count: 1
  enhanced_fan_out: TOP
  consumers:
    - {name: other, enhanced_fan_out: true}
    - {name: archive, enhanced_fan_out: ARCHIVE, function: {duration: {fixed: 20ms}}}
function: {duration: {fixed: 30ms}}
run: {duration: 10m}
"""


@pytest.mark.parametrize("top", ["true", "false"])
@pytest.mark.parametrize("archive", ["true", "false"])
def test_a_consumer_with_a_function_says_itself_how_it_reads(top, archive):
    text = BESIDE.replace("TOP", top).replace("ARCHIVE", archive)
    scenario = parse(text)
    pushed = [each.stream.enhanced_fan_out for each in scenario.members.values()]
    assert pushed == [top == "true", archive == "true"]
    again = parse(scenario.to_yaml())
    assert [each.stream.enhanced_fan_out for each in again.members.values()] == pushed
    assert again.config_hash == scenario.config_hash


def test_a_consumer_with_a_function_had_no_fan_out_in_2017(problems):
    text = BESIDE.replace("TOP", "false").replace("ARCHIVE", "true").replace("aws-2026", "aws-2017")
    text = text.replace("    - {name: other, enhanced_fan_out: true}\n", "")
    (found,) = problems(text)
    assert found.path == "stream.consumers[0].enhanced_fan_out" and "no enhanced fan-out" in found.message


def test_all_functions_of_a_stream_are_registered_on_it(problems):
    text = BESIDE.replace("TOP", "true").replace("ARCHIVE", "true")
    more = "".join(f"    - {{name: c{k}, enhanced_fan_out: true}}\n" for k in range(17))
    twenty = text.replace("    - {name: archive", more + "    - {name: archive")
    assert parse(twenty)
    one = "    - {name: c17, enhanced_fan_out: true}\n"
    (found,) = problems(twenty.replace("    - {name: archive", one + "    - {name: archive"))
    assert found.path == "stream.consumers"
    assert "21 consumers" in found.message and "2 mappings among them" in found.message


def test_a_filter_beside_it_is_refused_with_both_places(good, problems):
    (found,) = problems(with_stream(good, "{enhanced_fan_out: true}", mapping="{filter: 20%}"))
    assert found.path == "event_source_mapping.filter"
    assert "stream.enhanced_fan_out" in found.message
    parse(with_stream(good, "{consumers: [{name: a, enhanced_fan_out: true}]}", mapping="{filter: 20%}"))
