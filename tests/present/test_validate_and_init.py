"""`kinsim validate`, `explain`, `schema`, `profiles` and `init`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kinsim.present.cli import main
from tests.present.commands import HELLO


def test_validate_says_ok(work, capsys):
    assert main(["validate", str(work / "hello.yaml"), str(work / "few.yaml")]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{work / 'hello.yaml'}: ok", f"{work / 'few.yaml'}: ok"]


@pytest.mark.parametrize(("style", "mark"), [("json", '"severity": "error"'), ("github", "::error file=")])
def test_validate_for_programs(style, mark, tmp_path, capsys):
    (tmp_path / "a.yaml").write_text("kinsim: 1\n", encoding="utf-8")
    assert main(["validate", str(tmp_path / "a.yaml"), "--format", style]) == 2
    said = capsys.readouterr()
    assert mark in said.out
    if style == "json":
        assert json.loads(said.out)["format_version"] == "1.0"


def test_warnings_fail_only_when_strict(tmp_path, capsys):
    path = tmp_path / "a.yaml"
    path.write_text(HELLO.replace("per_record: 0.1ms", "per_record: 4s"), encoding="utf-8")
    assert main(["validate", str(path)]) == 0
    assert "warning" in capsys.readouterr().err
    assert main(["validate", str(path), "--strict"]) == 2


def test_explain_names_sources(work, capsys):
    assert main(["explain", str(work / "hello.yaml"), "--set", "function.timeout=9s"]) == 0
    said = capsys.readouterr().out
    assert "hello.yaml:4" in said
    assert "--set" in said
    assert "aws-2026" in said
    assert main(["explain", str(work / "hello.yaml"), "batch_size", "--json"]) in (0, 2)
    capsys.readouterr()
    assert main(["explain", str(work / "hello.yaml"), "stream.shards", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["values"]
    assert row["path"] == "stream.shard_count"
    assert row["value"] == "2"
    assert row["description"]


@pytest.mark.parametrize("kind", ["scenario", "sweep", "result"])
def test_schemas_are_schemas(kind, capsys):
    jsonschema = pytest.importorskip("jsonschema")
    assert main(["schema", kind]) == 0
    jsonschema.Draft7Validator.check_schema(json.loads(capsys.readouterr().out))


def test_summary_follows_its_schema(run_folder, capsys):
    jsonschema = pytest.importorskip("jsonschema")
    assert main(["schema", "result"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.validate(json.loads((run_folder / "summary.json").read_text(encoding="utf-8")), schema)


def test_profiles(capsys, fails):
    assert main(["profiles"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("ideal", "aws-2017", "aws-2026"))
    assert main(["profiles", "aws-2017"]) == 0
    said = capsys.readouterr().out
    assert "1536 MB" in said
    assert "aws:" in said
    assert "aws-2017" in fails("profiles", "aws-2071")


@pytest.mark.parametrize("template", ["minimal", "streamalert", "sweep"])
def test_init_writes_files_that_load(template, tmp_path, capsys, fails):
    target = tmp_path / "new"
    assert main(["init", str(target), "--template", template]) == 0
    written = [Path(line.removeprefix("wrote ")) for line in capsys.readouterr().out.splitlines()]
    yamls = [str(path) for path in written if path.suffix == ".yaml"]
    assert yamls
    assert main(["validate", *yamls]) == 0
    capsys.readouterr()
    fails("init", str(target), "--template", template)  # nothing is overwritten
