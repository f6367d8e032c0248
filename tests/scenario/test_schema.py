"""JSON Schemas: Draft 7, a meaning and an example for each field, and they agree with the loader."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from kinsim.errors import ConfigError
from kinsim.scenario import load, yaml12
from kinsim.scenario.schema import schema
from kinsim.scenario.templates import TEMPLATES, template_text, write_templates

ROOT = Path(__file__).parents[2]
FILES = [path for path in sorted((ROOT / "configs").rglob("*.yaml")) if not path.name.startswith("alarms-")]
PARTS = sorted((ROOT / "configs").glob("alarms-*.yaml"))
DRAFT_7 = set(Draft7Validator.META_SCHEMA["properties"])  # type: ignore[index]


@lru_cache
def validator(kind: str) -> Draft7Validator:
    return Draft7Validator(schema(kind))


def nodes(value: Any, inside: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every sub-schema, with the keyword that it stands under."""
    if isinstance(value, dict):
        if inside not in ("properties", "definitions", "patternProperties"):
            yield inside, value
        for key, each in value.items():
            if key not in ("examples", "default", "const", "enum", "required"):
                yield from nodes(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from nodes(each, "[]")


def fields(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for _, each in nodes(value):
        yield from each.get("properties", {}).items()


@pytest.mark.parametrize("kind", ["scenario", "sweep", "result"])
def test_only_keywords_of_draft_7(kind):
    made = schema(kind)
    Draft7Validator.check_schema(made)
    for _, each in nodes(made):
        assert set(each) <= DRAFT_7, set(each) - DRAFT_7
        assert "$ref" not in each or len(each) == 1  # in Draft 7 what stands beside a reference is ignored
        if "$ref" in each:
            assert each["$ref"].removeprefix("#/definitions/") in made["definitions"]
    json.dumps(made, allow_nan=False)


@pytest.mark.parametrize("kind", ["scenario", "sweep"])
def test_every_field_has_a_description_and_an_example(kind):
    found = list(fields(schema(kind)))
    assert len(found) > 40
    for name, each in found:
        assert len(each.get("description", "")) > 5, name
        assert "examples" in each, name


def values(path: Path) -> Any:
    return yaml12.load_tree(path.read_text("utf-8"), str(path)).value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_example_files_fit_their_schema(path):
    value = values(path)
    kind = "sweep" if "axes" in value else "scenario"
    assert [f"{list(error.path)}: {error.message}" for error in validator(kind).iter_errors(value)] == []


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.name)
def test_parts_of_scenarios_lack_the_rest_of_one(path):
    messages = {error.message for error in validator("scenario").iter_errors(values(path))}
    assert messages == {"'workload' is a required property", "'run' is a required property"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_they_fit_as_an_editor_reads_them(path, monkeypatch):
    """Editors follow the core schema of YAML 1.2, where 12_345 is text."""
    plain = yaml12.scalar
    monkeypatch.setattr(yaml12, "scalar", lambda text: text if "_" in text else plain(text))
    value = values(path)
    kind = "sweep" if "axes" in value else "scenario"
    assert [f"{list(error.path)}: {error.message}" for error in validator(kind).iter_errors(value)] == []


@pytest.mark.parametrize(
    "change",
    [
        "stream: {shard_count: two}",
        "stream: {shards_count: 2}",
        "function: {timeout: 5:00}",
        "workload: {arrivals: {model: x}}",
        "workload: {arrivals: {model: poisson}}",
        "slos: {a: {metric: x}}",
        "run: {duration: 1 fortnight}",
        "run: {duration: 1h, replications: 100_001}",
        "kinsim: 2",
        "foo: 1",
        "pipelines: {a: {batch_size: 5}}",
        "pipelines: {a: {stream: {shards_count: 2}}}",
        "pipelines: []",
    ],
)
def test_mistakes_are_marked_in_the_editor(good, change):
    key = change.split(":")[0]
    text = "\n".join(line for line in good.splitlines() if not line.startswith(key))
    text = (
        text.replace("  arrivals: {model: poisson, rate: 10/s}\n  record_size: 1 kB\n", "")
        if key == "workload"
        else text
    )
    assert validator("scenario").is_valid(yaml12.load_tree(good).value)
    assert not validator("scenario").is_valid(yaml12.load_tree(f"{text}\n{change}\n").value)


def test_an_unknown_schema_is_told():
    with pytest.raises(ConfigError, match="did you mean 'scenario'"):
        schema("scenaro")


def test_hover_text_names_the_default():
    properties = schema("scenario")["definitions"]["EventSourceMapping"]["properties"]
    assert "Default: 100 (aws-2026, aws:E1)" in properties["batch_size"]["description"]
    assert "is not simulated by this version" in schema("scenario")["properties"]["engine"]["description"]


def test_the_result_schema_is_the_data_dictionary():
    metrics = schema("result")["properties"]["metrics"]["properties"]
    assert "Unit: s." in metrics["queue_wait_s"]["description"]
    assert "CloudWatch: IteratorAge." in metrics["iterator_age_s"]["description"]


# -- templates ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_init_writes_loads_without_a_warning(tmp_path, template):
    written = write_templates(tmp_path / "new" / "folder", template)
    assert [path.name for path in written] == list(TEMPLATES[template])
    for path in written:
        text = path.read_text("utf-8")
        if path.suffix == ".json":
            Draft7Validator.check_schema(json.loads(text))
            continue
        assert text.startswith("# yaml-language-server: $schema=./kinsim.")
        kind = "sweep" if "sweep" in path.name else "scenario"
        assert validator(kind).is_valid(values(path))
        if kind == "scenario":
            assert load(path).warnings == []
    assert not list(tmp_path.rglob("*.tmp"))


def test_init_replaces_nothing(tmp_path):
    write_templates(tmp_path, "minimal")
    (tmp_path / "kinsim.scenario.schema.json").write_text("mine", "utf-8")
    (tmp_path / "scenario.yaml").write_text("mine", "utf-8")
    with pytest.raises(ConfigError, match="the file exists already"):
        write_templates(tmp_path, "sweep")
    assert not (tmp_path / "sweep.yaml").exists()
    assert [path.name for path in write_templates(tmp_path, "streamalert")] == ["streamalert.yaml"]
    assert {path.read_text("utf-8") for path in tmp_path.iterdir()} >= {"mine", template_text("streamalert.yaml")}


def test_init_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_templates(tmp_path / "file" / "folder", "minimal")
    with pytest.raises(ConfigError, match="unknown template 'minimum'"):
        write_templates(tmp_path, "minimum")
