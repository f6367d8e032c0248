"""Commands refuse what is wrong with one message and exit code 2."""

from __future__ import annotations

import pytest

from tests.present.commands import HELLO


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file"),
        ("", "empty"),
        (": : :\n- [", "a.yaml"),
        ("kinsim: 1\nname: x\nstreem: {}\n", "stream"),
        (HELLO.replace("5m", "5 parsecs"), "a.yaml:9"),
        (HELLO.replace("5/s", "-5/s"), "a.yaml:3"),
        (HELLO.replace("5/s", ".nan"), "a.yaml:3"),
        (HELLO.replace("shard_count: 2", "shard_count: two"), "a.yaml:4"),
    ],
)
def test_wrong_scenario(content, says, fails, tmp_path):
    path = tmp_path / "a.yaml"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    for command in ("run", "validate", "explain"):
        assert says in fails(command, str(path))


def test_missing_trace(fails, tmp_path):
    path = tmp_path / "a.yaml"
    trace = "model: trace, file: gone.csv, format: csv, time: t"
    path.write_text(HELLO.replace("model: poisson, rate: 5/s", trace), encoding="utf-8")
    assert "gone.csv" in fails("run", str(path))


def test_folder_in_place_of_a_file(fails, tmp_path):
    assert "folder" in fails("run", str(tmp_path))


def test_sweep_in_place_of_a_scenario(fails, work):
    assert "kinsim sweep" in fails("run", str(work / "few.yaml"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "stream.shard=3"], "did you mean stream.shard_count"),
        (["--set", "nonsense"], "--set #1"),
        (["--seed", "-1"], "seed"),
        (["--keep", "everything"], "invocations, records"),
        (["-o", "{hello}"], "--out"),
    ],
)
def test_wrong_options(arguments, says, fails, work):
    filled = [argument.format(hello=work / "hello.yaml") for argument in arguments]
    assert says in fails("run", str(work / "hello.yaml"), *filled)


def test_all_mistakes_at_once(fails, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(HELLO.replace("5m", "5 parsecs").replace("shard_count", "shard_cuont"), encoding="utf-8")
    said = fails("validate", str(path))
    assert "a.yaml:9" in said
    assert "a.yaml:4" in said
    assert "shard_count" in said
