"""The folder of a run appears complete or not at all, and says where it comes from."""

from __future__ import annotations

import json

import pytest

import kinsim
from kinsim.errors import ResultError
from kinsim.present.run_folder import appearing, folder_name, is_current, manifest, place_of, read_json, write_text


def test_folder_appears_complete(tmp_path):
    folder = tmp_path / "name" / "7f3a9c21"
    with appearing(folder) as temporary:
        write_text(temporary / "a.txt", "1\n")
        assert not folder.exists()
    assert (folder / "a.txt").read_bytes() == b"1\n"
    assert [p.name for p in folder.parent.iterdir()] == ["7f3a9c21"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError])
def test_interrupted_writing_leaves_nothing(interruption, tmp_path):
    folder = tmp_path / "name" / "7f3a9c21"
    with pytest.raises(interruption), appearing(folder) as temporary:
        write_text(temporary / "a.txt", "1\n")
        raise interruption
    assert list(folder.parent.iterdir()) == []


def test_interrupted_redo_keeps_what_was_there(tmp_path):
    folder = tmp_path / "name" / "7f3a9c21"
    with appearing(folder) as temporary:
        write_text(temporary / "a.txt", "old\n")
    with pytest.raises(KeyboardInterrupt), appearing(folder) as temporary:
        write_text(temporary / "a.txt", "new\n")
        raise KeyboardInterrupt
    assert (folder / "a.txt").read_text(encoding="utf-8") == "old\n"
    with appearing(folder) as temporary:
        write_text(temporary / "b.txt", "new\n")
    assert [p.name for p in folder.iterdir()] == ["b.txt"]


def test_place_where_a_file_stands_is_an_error_with_advice(tmp_path):
    (tmp_path / "results").write_text("a file", encoding="utf-8")
    with (
        pytest.raises(ResultError, match=r"cannot be written.*--out"),
        appearing(tmp_path / "results" / "x" / "12345678"),
    ):
        pass


def test_two_configurations_with_the_same_first_digits(tmp_path):
    first, second = "7f3a9c21" + "0" * 56, "7f3a9c21" + "1" * 56
    with appearing(place_of(tmp_path, "n", first)) as temporary:
        write_text(temporary / "manifest.json", manifest("run", "n", first, 1, 5, ["kinsim"], 0.0))
    assert place_of(tmp_path, "n", first).name == "7f3a9c21"
    assert place_of(tmp_path, "n", second).name == "7f3a9c211111"


def test_manifest_keeps_volatile_facts_apart():
    first = json.loads(manifest("run", "n", "ab" * 32, 1, 5, ["kinsim", "run"], 0.0))
    second = json.loads(manifest("run", "n", "ab" * 32, 1, 5, ["kinsim", "run"], 5.0))
    assert first.pop("volatile") != second.pop("volatile")
    assert first == second
    assert first["kinsim"] == kinsim.__version__
    assert first["libraries"]["numpy"]


def test_only_this_version_s_result_of_this_configuration_is_current(tmp_path, monkeypatch):
    write_text(tmp_path / "manifest.json", manifest("run", "n", "ab" * 32, 1, 5, [], 0.0))
    assert is_current(tmp_path, "ab" * 32)
    assert not is_current(tmp_path, "cd" * 32)
    monkeypatch.setattr(kinsim, "__version__", "99.0")
    assert not is_current(tmp_path, "ab" * 32)


def test_newer_format_is_refused(tmp_path):
    write_text(tmp_path / "summary.json", '{"format_version": "2.0"}')
    with pytest.raises(ResultError, match=r"has format 2\.0; this kinsim reads 1\.0"):
        read_json(tmp_path / "summary.json")


@pytest.mark.parametrize("text", ["", "{", "[1]", "\xff"])
def test_damaged_document_is_a_message(text, tmp_path):
    (tmp_path / "summary.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ResultError, match="--fresh"):
        read_json(tmp_path / "summary.json")


@pytest.mark.parametrize("name", ["a/b", "..", "CON", "x" * 100, "é ü", "a:b", ".hidden", "trailing. "])
def test_folder_names_are_one_step(name, tmp_path):
    made = tmp_path / folder_name(name)
    assert made.resolve().parent == tmp_path.resolve()
    made.mkdir()
