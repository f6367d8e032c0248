"""Profiles: complete, each number with source and date, and what a user's own profile may be."""

from __future__ import annotations

import re

import pytest

from kinsim.errors import ConfigError, InternalError
from kinsim.scenario import list_profiles, load, load_profile, parse
from kinsim.scenario.paths import all_paths, canonical_path
from kinsim.scenario.profiles import Row, first_with
from kinsim.scenario.unbuilt import OFF


@pytest.mark.parametrize("name", list_profiles())
def test_every_number_has_a_source_and_a_date(name):
    profile = load_profile(name)
    entries = {**profile.defaults, **profile.prices, **profile.constants}
    for _, more in profile.defaults_when:
        entries |= {f"{path} when": entry for path, entry in more.items()}
    assert len(entries) > 60
    for path, entry in entries.items():
        assert re.fullmatch(r"(assumption|(aws|claim):[A-Z0-9a-z]+( (aws|claim):[A-Z0-9a-z]+)*)", entry.source), path
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", entry.date), path
    for path, limit in profile.limits.items():
        assert limit.source.startswith("aws:"), path
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", limit.date), path
        assert limit.parse(limit.low) <= limit.parse(limit.high)
    for path, feature in profile.features.items():
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", feature.since), path
        assert feature.source.startswith("aws:"), path
    for entry in (*profile.prices.values(), *profile.constants.values()):
        assert entry.unit


@pytest.mark.parametrize("name", list_profiles())
def test_every_path_of_a_profile_is_a_setting(name):
    profile = load_profile(name)
    paths = [*profile.defaults, *profile.limits, *profile.features]
    paths += [path for when, more in profile.defaults_when for path in (*when, *more)]
    for path in (path.replace("[]", "[0]") for path in paths):
        assert canonical_path(path) == path


def test_the_aws_profiles_differ_in_values_only():
    """A design can be moved from one to the other by its name alone."""
    old, new, ideal = (load_profile(name) for name in ("aws-2017", "aws-2026", "ideal"))
    assert set(old.defaults) == set(new.defaults) == set(ideal.defaults)
    assert set(old.prices) <= set(new.prices)
    assert set(old.constants) <= set(new.constants)
    assert set(old.features) == set(new.features)


@pytest.mark.parametrize("name", list_profiles())
def test_a_profiles_defaults_keep_its_own_limits_and_are_built(name):
    text = (
        f"kinsim: 1\nprofile: {name}\nworkload: {{arrivals: {{model: constant, rate: 1/s}}}}\nrun: {{duration: 60s}}\n"
    )
    assert parse(text).warnings == []
    flow = text.replace("{model: constant, rate: 1/s}", "{model: vpc_flow_logs, interfaces: 9, lines_per_interface: 9}")
    assert parse(flow).producer.model == "cloudwatch_logs"


def test_the_numbers_of_the_two_years():
    old, new = load_profile("aws-2017"), load_profile("aws-2026")
    expected = {
        "mb_per_vcpu": (1792, 1769), "max_vcpus": (2, 6), "billing_quantum_ms": (100, 1), "bill_init": (0, 1),
        "put_unit_bytes": (25_600, 25_600), "read_bytes_per_s": (2_097_152, 2_097_152), "get_records_per_s": (5, 5),
        "put_records_max_bytes": (5_242_880, 10_485_760), "update_shard_count_per_day": (2, 10),
    }  # fmt: skip
    assert {name: (old.constant(name), new.constant(name)) for name in expected} == expected
    assert (old.price("shard_hour"), old.price("put_unit_million"), old.price("extended_retention_shard_hour")) == (
        0.015,
        0.014,
        0.02,
    )
    assert (old.price("lambda_gb_s"), new.price("lambda_gb_s")) == (0.00001667, 0.0000166667)
    assert not old.has_price("lambda_gb_s_arm64")
    ranges = {path: (limit.low, limit.high, limit.step) for path, limit in old.limits.items()}
    assert ranges["function.memory_size"] == ("128 MB", "1536 MB", 64)
    assert ranges["function.timeout"] == ("1s", "300s", "1s")
    assert new.limits["function.timeout"].high == "900s"
    assert new.limits["function.memory_size"].text == "128 MB to 10_240 MB"


def test_every_feature_has_a_first_profile_and_a_way_to_be_off():
    for path in load_profile("aws-2017").features:
        assert first_with(path).name == "aws-2026"
        assert path in OFF or path == "function.architecture"
    assert first_with("stream.shard_count") is None


def test_rows_are_for_people():
    rows = {row.path: row for row in load_profile("aws-2017").describe()}
    assert rows["function.timeout"] == Row(
        "function.timeout",
        "60s",
        "",
        "claim:C5 aws:10a; the 2017 article; StreamAlert's repository had 10 s",
        "2017-09-19",
    )
    assert rows["stream.write_limiter"].source == "aws:W7; assumed"
    assert rows["limits.function.memory_size"].value == "128 MB to 1536 MB in steps of 64"
    assert rows["features.stream.enhanced_fan_out"].value == "not available"
    assert rows["prices.shard_hour"].unit == "USD per shard and hour"
    assert rows["producer.flush"].source.endswith("where producer.model is cloudwatch_logs")


def test_a_missing_number_is_kinsims_fault():
    with pytest.raises(InternalError, match="no constant 'speed_of_light'"):
        load_profile("ideal").constant("speed_of_light")


# -- a user's own ---------------------------------------------------------------------------------------------

OWN = """\
kinsim_profile: 1
name: lab
extends: aws-2026
defaults:
  function.memory_size: {value: 512 MB, source: measured, date: 2026-11-01}
prices:
  shard_hour: {value: 0.018, source: contract, date: 2026-11-01}
limits:
  stream.shard_count: {min: 1, max: 8, kind: count, source: our quota, date: 2026-11-01}
"""


def test_a_profile_of_ones_own(tmp_path, good):
    (tmp_path / "lab.yaml").write_text(OWN, "utf-8")
    text = good.replace("aws-2017", "lab.yaml").replace("memory_size: 256 MB, ", "")
    scenario = parse(text, base_dir=tmp_path)
    assert scenario.function.memory_size_mb == 512
    assert scenario.provenance["function.memory_size"].label == "profile lab"
    assert scenario.profile_data.price("shard_hour") == 0.018
    assert scenario.stream.retention_period_s == 86_400
    with pytest.raises(ConfigError, match=r"above 8.*\n.*\n.*profile lab accepts 1 to 8 \(our quota"):
        parse(text.replace("shard_count: 2", "shard_count: 9"), base_dir=tmp_path)
    before = scenario.config_hash
    (tmp_path / "lab.yaml").write_text(
        OWN + "constants: {mb_per_vcpu: {value: 2000, unit: MB, source: x, date: y}}\n", "utf-8"
    )
    assert parse(text, base_dir=tmp_path).config_hash != before
    (tmp_path / "lab.yaml").write_text(OWN, "utf-8")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "scenario.yaml").write_text(scenario.to_yaml(tmp_path / "results"), "utf-8")
    assert load(tmp_path / "results" / "scenario.yaml").config_hash == scenario.config_hash


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("kinsim_profile: 1\n", "", "this is no profile"),
        ("extends: aws-2026", "extends: aws-2062", "unknown profile 'aws-2062'"),
        ("extends: aws-2026", "extends: lab.yaml", "in a circle"),
        ("extends: aws-2026", "extends: 5", "extends names one profile"),
        ("extends: aws-2026", "extends: nowhere.yaml", "no such file"),
        ("defaults:", "defualts:", "did you mean 'defaults'?"),
        ("value: 512 MB, ", "", "has a value, a source and a date"),
        ("value: 512 MB", "vlue: 512 MB", "did you mean 'value'?"),
        ("value: 0.018", "value: cheap", "'cheap' is not a number"),
        ("kind: count", "kind: parsecs", "a limit has min, max and kind"),
        ("max: 8", "max: many", "'many' is not a whole number"),
        ("prices:", "prices: 5\nx:", "expected a mapping"),
        ("defaults:", "features: {a: 5}\ndefaults:", "expected a mapping"),
        ("defaults:", "features: {stream.reshard: {name: r}}\ndefaults:", "available: true or false"),
        ("defaults:", "defaults_when: [{defaults: {}}]\ndefaults:", "`when` is missing"),
        (OWN, "", "this is no profile"),
        (OWN, "[1", "not YAML"),
    ],
)
def test_mistakes_in_a_profile_of_ones_own(tmp_path, good, old, new, says):
    (tmp_path / "lab.yaml").write_text(OWN.replace(old, new), "utf-8")
    with pytest.raises(ConfigError) as told:
        parse(good.replace("aws-2017", "lab.yaml"), base_dir=tmp_path)
    assert says in str(told.value)


def test_paths_of_settings():
    assert canonical_path("stream.shards") == "stream.shard_count"
    assert canonical_path("Function.MemorySize") == "function.memory_size"
    assert canonical_path("esm.BatchSize") == "event_source_mapping.batch_size"
    assert canonical_path("slos.any name.at_most") == "slos.any name.at_most"
    assert canonical_path("workload.sources.web.arrivals.rate") == "workload.sources.web.arrivals.rate"
    assert canonical_path("function.faults[0].kind") == "function.faults[0].kind"
    assert {"run.seed", "workload.arrivals.rate", "function.duration.per_record", "function.cold_start.p50"} <= set(
        all_paths()
    )
