"""Which settings go with which capacity mode: contradictions are told with both places."""

from __future__ import annotations

import pytest

from kinsim.scenario import parse

TEXT = """\
kinsim: 1
name: modes
profile: aws-2026
workload: {arrivals: {model: constant, rate: 1/s}}
function: {duration: 1ms}
run: {duration: 10m}
stream:
"""


def lines(*settings, text=TEXT):
    return text + "".join(f"  {each}\n" for each in settings)


@pytest.mark.parametrize(
    ("settings", "line", "path", "says", "help"),
    [
        (("stream_mode: ON_DEMAND", "reshard: [{at: 5m, update_shard_count: 8}]"), 9, "stream.reshard",
         "by itself, and takes no such call from others: stream_mode ON_DEMAND (line 8)",
         "write stream_mode: PROVISIONED"),
        (("warm_throughput: 10 MiB",), 8, "stream.warm_throughput",
         "only a stream of an account with On-demand Advantage has it, here is stream_mode PROVISIONED",
         "ON_DEMAND_ADVANTAGE"),
        (("stream_mode: ON_DEMAND", "warm_throughput: 10 MiB"), 9, "stream.warm_throughput",
         "here is stream_mode ON_DEMAND (line 8)", "ON_DEMAND_ADVANTAGE"),
        (("stream_mode: ON_DEMAND_ADVANTAGE", "shard_count: 3", "warm_throughput: 10 MiB"), 9, "stream.shard_count",
         "3 shards take 3,145,728 B a second, less than warm_throughput (line 10), 10,485,760", "write 10 or more"),
        (("stream_mode: ON_DEMAND_ADVANTAGE", "warm_throughput: 12 GiB"), 9, "stream.warm_throughput",
         "above 10 GiB", "1 MiB to 10 GiB"),
        (("stream_mode: ON_DEMAND_ADVANTAGE", "warm_throughput: 300 MiB", "on_demand: {max_write_throughput: 200 MiB}"),
         9, "stream.warm_throughput",
         "314,572,800 B a second are more than max_write_throughput (line 10), 209,715,200", "quota"),
        (("shard_count: 2", "on_demand: {scale_delay: 5m}"), 9, "stream.on_demand", "PROVISIONED", "remove"),
        (("stream_mode: ON_DEMAND", "on_demand: {minimum_ingest: 1 MiB}"), 9, "stream.on_demand.minimum_ingest",
         "nothing is committed to with stream_mode ON_DEMAND (line 8)", "ON_DEMAND_ADVANTAGE"),
        (("stream_mode: ON_DEMAND", "on_demand: {scale_delay: 30s}"), 9, "stream.on_demand.scale_delay",
         "scale_delay 30s is shorter than peak_period 1m", "lengthen"),
        (("stream_mode: ON_DEMAND", "on_demand: {headroom: 0.5}"), 9, "stream.on_demand.headroom", "0.5", ""),
        (("stream_mode: ON_DEMAND", "on_demand: {placement: odd}"), 9, "stream.on_demand.placement", "odd", "hottest"),
        (("stream_mode: ON_DEMAND", "on_demand: {split_over: 1 kB}"), 9, "stream.on_demand.split_over", "split_over",
         "split_above"),
        (("stream_mode: ON_DEMND",), 8, "stream.stream_mode", "'ON_DEMND'", "did you mean 'ON_DEMAND'"),
        (("stream_mode: ON_DEMAND_ADVANTAGE", "warm_throughput: fast"), 9, "stream.warm_throughput", "'fast'", ""),
        (("stream_mode: ON_DEMAND_ADVANTAGE", "warm_throughput: 0 B"), 9, "stream.warm_throughput", "below 1 MiB", ""),
    ],
)  # fmt: skip
def test_what_contradicts_is_told_at_its_place(problems, settings, line, path, says, help):
    (found,) = problems(lines(*settings))
    assert (found.line, found.path) == (line, path)
    assert says in found.message
    assert help in found.help


@pytest.mark.parametrize("setting", ["stream_mode: ON_DEMAND", "warm_throughput: 10 MiB"])
def test_2017_has_neither(problems, setting):
    (found,) = problems(lines(setting, text=TEXT.replace("aws-2026", "aws-2017")))
    assert found.line == 8
    assert "profile aws-2017 has no" in found.message
    assert "in profile aws-2026" in found.help


@pytest.mark.parametrize(
    ("settings", "shards"),
    [
        (("stream_mode: ON_DEMAND",), 4),
        (("stream_mode: ON_DEMAND_ADVANTAGE",), 4),
        (("stream_mode: ON_DEMAND", "shard_count: 2"), 2),
        (("stream_mode: ON_DEMAND_ADVANTAGE", "warm_throughput: 100 MiB"), 100),
        (("stream_mode: ON_DEMAND_ADVANTAGE", "warm_throughput: 100.5 MiB"), 101),
        (("stream_mode: ON_DEMAND_ADVANTAGE", "warm_throughput: 3 MiB"), 4),
        (("stream_mode: ON_DEMAND_ADVANTAGE", "warm_throughput: 8 MiB", "write_limit_bytes: 2 MiB"), 4),
        (("stream_mode: ON_DEMAND_ADVANTAGE", "warm_throughput: 8 MiB", "shard_count: 9"), 9),
        (("stream_mode: ON_DEMAND_ADVANTAGE", "WarmThroughputMiBps: 16"), 16),
        (("stream_mode: PROVISIONED",), 1),
    ],
)  # fmt: skip
def test_shards_at_the_start(settings, shards):
    """Four of a new stream (aws:S13), as many as a warm throughput needs (aws:S20), or those it has (aws:S19)."""
    scenario = parse(lines(*settings))
    assert scenario.stream.shard_count == shards
    again = parse(scenario.to_yaml())
    assert again.config_hash == scenario.config_hash


def test_where_the_shards_of_a_warm_stream_come_from():
    scenario = parse(lines("stream_mode: ON_DEMAND_ADVANTAGE", "warm_throughput: 100 MiB"))
    origin = scenario.provenance["stream.shard_count"]
    assert (origin.source, origin.note) == ("aws:S20", "as many as warm_throughput needs")


@pytest.mark.parametrize(
    ("region", "most"), [("us-east-1", 10 * 2**30), ("eu-west-1", 10 * 2**30), ("eu-central-1", 200 * 2**20)]
)
def test_the_most_is_that_of_the_region(region, most):
    scenario = parse(lines("stream_mode: ON_DEMAND") + f"region: {region}\n")
    assert scenario.stream.on_demand.max_write_throughput_bytes == most


def test_a_profile_that_does_not_say_how_a_stream_grows_is_told(tmp_path, problems):
    profile = tmp_path / "early.yaml"
    profile.write_text(
        "kinsim_profile: 1\nname: early\nextends: aws-2017\n"
        "features: {stream.stream_mode: {name: on-demand mode, available: true}}\n",
        "utf-8",
    )
    (found,) = problems(lines("stream_mode: ON_DEMAND", text=TEXT.replace("aws-2026", str(profile))))
    assert found.path == "stream.stream_mode"
    assert "does not say how an on-demand stream grows" in found.message


def test_a_load_above_the_start_is_told_beforehand():
    """2,000 B and a key of 36 B: four shards take 4 x 1,048,576 / 2,036 = 2,060 records a second."""
    text = lines("stream_mode: ON_DEMAND").replace("rate: 1/s}", "rate: 3_000/s}, record_size: 2 kB")
    (warning,) = [each for each in parse(text).warnings if each.path == "stream.stream_mode"]
    assert "4 shards take 2,060 records a second of 2,036 B at the start; the workload brings 3,000" in warning.message
    assert "takes 2 times what it took, 15m later, and rejects the rest until then" in warning.message
    assert "warm_throughput" in warning.help
    quiet = parse(text.replace("3_000/s", "2_000/s"))
    assert [each for each in quiet.warnings if each.path == "stream.stream_mode"] == []
