"""Files with several pipelines: what each is, what they share, and what is wrong with them."""

import pytest

import kinsim as ks
from kinsim.errors import ConfigError
from kinsim.scenario import Scenario

TWO = """
kinsim: 1
name: two
pipelines:
  flow:
    workload: {arrivals: {model: poisson, rate: 20/s}, record_size: 1 kB}
    stream: {shards: 2}
    function: {memory: 256 MB, duration: {fixed: 30ms}}
  trail:
    workload: {arrivals: {model: poisson, rate: 5/s}, record_size: 2 kB}
    esm: {batch_size: 10}
    slos: {own: {metric: errors, statistic: Sum, at_most: 0}}
    function: {MemorySize: 512, duration: {fixed: 300ms}}
event_source_mapping: {batch_size: 50, maximum_batching_window: 2s}
stream: {shard_count: 1}
slos: {fresh: {metric: iterator_age_s, statistic: p99, at_most: 60s}}
run: {duration: 10m}
"""

NAMED = """
kinsim: 1
name: named
workload: {arrivals: {model: poisson, rate: 20/s}, record_size: 1 kB}
stream: {logs: {ShardCount: 2}, Other: {shards: 1}}
function: {classify: {memory: 256 MB, duration: {fixed: 30ms}}}
pipelines:
  a: {stream: logs, function: classify}
  b: {stream: logs, function: {memory: 512 MB, duration: {fixed: 10ms}}}
  c: {stream: Other, function: classify}
run: {duration: 10m}
"""

BESIDE = """
kinsim: 1
name: beside
workload: {arrivals: {model: poisson, rate: 20/s}, record_size: 1 kB}
stream:
  shards: 1
  consumers:
    - {name: other, reads: 100%}
    - name: archive
      esm: {batch_size: 500}
      lambda: {memory: 1 GB, duration: {fixed: 20ms}}
      slos: {all: {metric: errors, statistic: Sum, at_most: 0}}
event_source_mapping: {batch_size: 20}
function: {memory: 256 MB, duration: {fixed: 30ms}}
slos: {fresh: {metric: iterator_age_s, statistic: p99, at_most: 60s}}
run: {duration: 10m}
"""


def test_what_stands_on_top_holds_for_all_but_where_a_pipeline_says_otherwise():
    flow, trail = ks.parse(TWO).members.values()
    assert [each.event_source_mapping.batch_size for each in (flow, trail)] == [50, 10]
    assert [each.event_source_mapping.maximum_batching_window_s for each in (flow, trail)] == [2, 2]
    assert [each.stream.shard_count for each in (flow, trail)] == [2, 1]
    assert [each.function.memory_size_mb for each in (flow, trail)] == [256, 512]
    assert [list(each.slos) for each in (flow, trail)] == [["fresh"], ["fresh", "own"]]
    assert flow.name == "two: flow"


def test_pipelines_of_their_own_share_nothing_but_the_account():
    flow, trail = (each.member for each in ks.parse(TWO).members.values())
    assert flow.stream != trail.stream
    assert flow.function != trail.function
    assert len({flow.stream_seed, flow.reader_seed, trail.stream_seed, trail.reader_seed}) == 4


def test_pipelines_share_what_they_name():
    a, b, c = (each.member for each in ks.parse(NAMED).members.values())
    assert a.stream == b.stream != c.stream
    assert a.stream_seed == b.stream_seed != c.stream_seed
    assert a.function == c.function != b.function
    assert len({a.reader_seed, b.reader_seed, c.reader_seed}) == 3
    assert [a.pays_for_stream, b.pays_for_stream, c.pays_for_stream] == [True, False, True]


def test_a_consumer_with_a_function_is_a_pipeline_of_the_same_stream():
    main, archive = ks.parse(BESIDE).members.values()
    assert [each.event_source_mapping.batch_size for each in (main, archive)] == [20, 500]
    assert [list(each.slos) for each in (main, archive)] == [["fresh"], ["all"]]
    assert (
        [each.name for each in main.stream.consumers] == [each.name for each in archive.stream.consumers] == ["other"]
    )
    assert main.member.stream == archive.member.stream
    assert main.member.stream_seed == main.member.reader_seed == archive.member.stream_seed == 1
    assert archive.member.reader_seed != 1


def test_consumers_of_a_shared_stream_are_there_once():
    text = NAMED.replace(
        "{ShardCount: 2}", "{ShardCount: 2, consumers: [{name: x, function: {duration: {fixed: 1ms}}}]}"
    )
    assert list(ks.parse(text).members) == ["a", "a-x", "b", "c"]


@pytest.mark.parametrize("text", [TWO, NAMED, BESIDE], ids=["two", "named", "beside"])
def test_the_resolved_file_loads_again_to_the_same(text):
    scenario = ks.parse(text)
    again = ks.parse(scenario.to_yaml())
    assert again == scenario
    assert again.name == scenario.name
    assert list(again.members) == list(scenario.members)


def test_settings_change_by_their_path():
    two = ks.parse(TWO)
    changed = two.with_({"pipelines.flow.stream.shards": 7, "stream.shard_count": 3, "run.seed": 5})
    assert [each.stream.shard_count for each in changed.members.values()] == [7, 3]
    assert changed.run.seed == 5
    assert changed.config_hash != two.config_hash
    assert changed.with_({"pipelines.flow.stream.shards": 2, "stream.shard_count": 1, "run.seed": 1}) == two


def test_a_change_below_a_name_changes_what_is_named():
    changed = ks.parse(NAMED).with_(["pipelines.a.stream.shards=4"])
    assert [each.stream.shard_count for each in changed.members.values()] == [4, 4, 1]
    assert len({each.member.stream for each in changed.members.values()}) == 2


def test_a_change_of_a_consumer():
    changed = ks.parse(BESIDE).with_({"stream.consumers[1].lambda.memory": "2 GB"})
    assert changed.members["archive"].function.memory_size_mb == 2_048


def test_a_scenario_becomes_several_and_one_again():
    plain = ks.parse(BESIDE).with_({"stream.consumers": [{"name": "other", "reads": "100%"}]})
    assert isinstance(plain, Scenario)
    assert plain.config_hash == ks.parse(BESIDE).members["main"].config_hash or plain.name == "beside"
    several = plain.with_({"stream.consumers": [{"name": "x", "function": {"duration": {"fixed": "1ms"}}}]})
    assert list(several.members) == ["main", "x"]


@pytest.mark.parametrize(
    ("old", "new", "path", "words", "help"),
    [
        ("stream: {shards: 2}", "stream: {shards: 0}", "pipelines.flow.stream.shard_count", "0", ""),
        ("stream: {shards: 2}", "streem: {shards: 2}", "pipelines.flow.streem", "unknown key", "did you mean 'stream'"),
        ("esm: {batch_size: 10}", "batch_size: 10", "pipelines.trail.batch_size", "unknown key", "allowed"),
        ("stream: {shards: 2}", "stream: logs", "pipelines.flow.stream", "there is no stream called 'logs'", ""),
        ("  flow:\n", "  flow/logs:\n", "", "cannot be the name of a folder", "letters"),
        ("  flow:\n", "  x: 5\n  flow:\n", "pipelines.x", "expected the settings of a pipeline", "write pipelines"),
        ("duration: {fixed: 300ms}", "timeout: 3d", "pipelines.trail.function.timeout", "3d", "900s"),
        ("stream: {shard_count: 1}", "stream: {shard_count: no}", "stream.shard_count", "no", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_pipeline(old, new, path, words, help):
    assert TWO.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        ks.parse(TWO.replace(old, new))
    found = [each for each in caught.value.problems if path in each.path and words in each.message]
    assert found, caught.value.problems
    assert help in found[0].help
    assert found[0].line > 0


def test_there_may_be_a_hundred_pipelines():
    listed = "\n".join(f"  p{number}: {{}}" for number in range(101))
    workload = "workload: {arrivals: {model: poisson, rate: 1/s}}\nrun: {duration: 1m}\n"
    with pytest.raises(ConfigError, match="there are 101 pipelines, but at most 100"):
        ks.parse(f"kinsim: 1\n{workload}pipelines:\n{listed}\n")


def test_a_long_name_leaves_room_for_that_of_the_pipeline():
    scenario = ks.parse(TWO.replace("name: two", f"name: {'n' * 200}"))
    assert scenario.name == "n" * 200
    assert scenario.members["trail"].name.endswith("n: trail")
    with pytest.raises(ConfigError, match="at most 60"):
        ks.parse(TWO.replace("  flow:", f"  {'f' * 61}:"))


def test_what_stands_on_top_is_told_once():
    with pytest.raises(ConfigError) as caught:
        ks.parse(TWO.replace("{duration: 10m}", "{duration: ever}"))
    assert [each.path for each in caught.value.problems] == ["run.duration"]


def test_two_workloads_of_one_stream_are_refused_with_both_places():
    text = NAMED.replace("a: {stream: logs", "a: {workload: {arrivals: {model: poisson, rate: 1/s}}, stream: logs")
    with pytest.raises(ConfigError) as caught:
        ks.parse(text)
    (problem,) = caught.value.problems
    assert "a and b read the same stream, but each brings a workload" in problem.message
    assert "line 8" in problem.message
    assert "line 4" in problem.message
    assert "sources" in problem.help


def test_a_workload_named_by_one_reader_is_that_of_the_other():
    text = NAMED.replace("workload: {arrivals", "workload: {w: {arrivals").replace(
        "record_size: 1 kB}", "record_size: 1 kB}}"
    )
    text = text.replace("a: {stream: logs", "a: {workload: w, stream: logs").replace(
        "c: {stream: Other", "c: {workload: w, stream: Other"
    )
    assert [each.workload.sources["records"].record_size_bytes.mean for each in ks.parse(text).members.values()] == [
        1_000
    ] * 3


@pytest.mark.parametrize(
    ("consumer", "path", "words"),
    [
        ("{function: {duration: 1s}}", "stream.consumers[2]", "needs a name"),
        ("{name: main, function: {duration: 1s}}", "", "two pipelines or consumers are called 'main'"),
        ("{name: archive, function: {duration: 1s}}", "", "two pipelines or consumers are called 'archive'"),
        ("{name: x, reads: 5%, function: {duration: 1s}}", "stream.consumers[2].reads", "other applications"),
        ("{name: x, esm: {batch_size: 0}, function: {duration: 1s}}",
         "stream.consumers[2].event_source_mapping.batch_size", "0"),
        ("{name: x, esm: {batch_size: 5}}", "stream.consumers[2]", "needs a function"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_consumer(consumer, path, words):
    text = BESIDE.replace("event_source_mapping: {batch_size: 20}", f"    - {consumer}\nesm: {{batch_size: 20}}")
    with pytest.raises(ConfigError) as caught:
        ks.parse(text)
    assert any(path in each.path and words in each.message for each in caught.value.problems), caught.value.problems


def test_functions_reserve_no_more_than_the_account_has_together():
    text = TWO.replace("{memory: 256 MB,", "{reserved_concurrency: 600, memory: 256 MB,")
    text = text.replace("{MemorySize: 512,", "{reserved_concurrency: 301, MemorySize: 512,")
    with pytest.raises(ConfigError) as caught:
        ks.parse(text)
    (problem,) = caught.value.problems
    assert "reserve 901 executions together (flow 600, trail 301)" in problem.message
    assert "aws:M20" in problem.help
    assert ks.parse(text.replace("301", "300")).members["trail"].function.reserved_concurrency == 300


def test_one_function_named_twice_reserves_once():
    text = NAMED.replace("{classify: {", "{classify: {reserved_concurrency: 800, ")
    assert ks.parse(text).members["c"].function.reserved_concurrency == 800


def test_a_sweep_takes_one_pipeline(tmp_path):
    (tmp_path / "two.yaml").write_text(TWO)
    (tmp_path / "sweep.yaml").write_text("kinsim: 1\nbase: two.yaml\naxes: [{function.timeout: [1s, 2s]}]\n")
    with pytest.raises(ConfigError, match=r"has 2 pipelines \(flow, trail\), and a sweep varies one"):
        ks.sweep(tmp_path / "sweep.yaml", out=tmp_path)


def scaled(metric):
    """A stream with two readers whose shards come and go by an alarm on *metric*."""
    alarm = f"{{metric: {metric}, statistic: Maximum, period: 1m, threshold: 5, evaluation_periods: 1}}"
    if metric != "IteratorAge":
        alarm = alarm.replace("Maximum", "Sum")
    return BESIDE.replace("  shards: 1\n", "  shards: 1\n  autoscaling: {on: much, out: {factor: 2}, max: 4}\n") + (
        f"alarms: {{much: {alarm}}}\n"
    )


def test_shards_of_a_shared_stream_come_and_go_for_all_readers():
    scenario = ks.parse(scaled("IncomingRecords"))
    assert list(scenario.members["archive"].alarms) == ["much"]
    assert ks.parse(scenario.to_yaml()) == scenario
    shards = [each.summary()["shards"] for each in scenario.run(replications=1).pipelines.values()]
    assert shards[0] == shards[1]
    assert len(shards[0]) > 1


def test_shards_of_a_shared_stream_do_not_follow_one_reader():
    with pytest.raises(ConfigError, match="IteratorAge is that of one reader, and main, archive read the stream"):
        ks.parse(scaled("IteratorAge"))


def warnings_of(scenario):
    return [each.message for each in scenario.warnings]


def test_a_pipeline_without_a_workload_is_named():
    with pytest.raises(ConfigError) as caught:
        ks.parse(TWO, overrides=["pipelines.trial.stream.shards=2"])
    (problem,) = caught.value.problems
    assert (problem.path, problem.message) == ("pipelines.trial", "pipeline 'trial' has no workload")
    assert problem.help == "did you mean 'trail'?"


def test_a_setting_on_top_that_every_pipeline_has_itself_is_told():
    text = TWO.replace("    esm: {batch_size: 10}\n", "    esm: {batch_size: 10}\n    stream: {shards: 1}\n")
    assert warnings_of(ks.parse(text, overrides=["stream.shards=4"])) == [
        "changes nothing: each pipeline has stream.shard_count of its own"
    ]
    assert warnings_of(ks.parse(TWO, overrides=["stream.shards=4"])) == []


def test_more_invocations_than_the_account_leaves_are_told_of_all_together():
    with_others = TWO + "account: {concurrent_executions: 12, other_functions: 10}\n"
    (message,) = warnings_of(ks.parse(with_others))
    assert message.startswith("the pipelines may invoke functions 3 times at once, but of 12 executions besides 10 of")
    assert warnings_of(ks.parse(with_others.replace("12", "13"))) == []


def test_a_small_account_can_reserve_nothing():
    text = TWO.replace("{memory: 256 MB,", "{reserved_concurrency: 1, memory: 256 MB,")
    with pytest.raises(ConfigError, match="only an account with more than 100 executions can reserve any"):
        ks.parse(text + "account: {concurrent_executions: 12}\n")


def test_readers_of_one_stream_are_reckoned_together():
    """aws:G3: main, the archive and the other application read 2.4 MB a second of a shard together."""
    text = BESIDE.replace("rate: 20/s", "rate: 800/s")
    (message,) = [each for each in warnings_of(ks.parse(text)) if "readers want" in each]
    assert message.startswith("main: the readers want 2.4 MB a second of each shard")
    pushed = text.replace("    - name: archive\n", "    - name: archive\n      enhanced_fan_out: true\n")
    assert not [each for each in warnings_of(ks.parse(pushed)) if "readers want" in each]
