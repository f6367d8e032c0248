"""The journal of a sweep: exact numbers, resume, kill -9, files that are not ours."""

from __future__ import annotations

import math
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from kinsim.errors import ResultError
from kinsim.experiment.journal import DONE, FAILED, Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sweep.sqlite"


def test_floats_come_back_exactly(path: Path) -> None:
    numbers = {"a": 0.1 + 0.2, "b": math.pi * 1e300, "c": 5e-324, "d": None, "e": 2**60}
    journal = Journal(path)
    with journal.commit():
        journal.add_replication("p", 0, numbers, 1.0)
    journal.close()
    assert list(Journal(path).replications("p")) == [numbers]


def test_a_commit_that_fails_leaves_nothing(path: Path) -> None:
    journal = Journal(path)

    def write() -> None:
        with journal.commit():
            journal.add_replication("p", 0, {"a": 1.0}, 1.0)
            journal.add_replication("p", 1, {"a": math.nan}, 1.0)

    with pytest.raises(ValueError, match="JSON"):
        write()
    assert journal.computed("p") == set()


def test_the_plan_comes_back_in_its_order(path: Path) -> None:
    journal = Journal(path)
    with pytest.raises(ResultError, match="holds no sweep"):
        journal.description()
    points = [(f"p{n}", {"stream.shard_count": n}) for n in range(1200)]
    journal.set_plan({"name": "old"}, points)
    journal.set_plan({"name": "s"}, points)
    assert journal.description() == {"name": "s"}
    assert list(journal.plan()) == points


def test_replications_come_in_their_order_whatever_the_order_of_writing(path: Path) -> None:
    journal = Journal(path)
    with journal.commit():
        for replication in (2, 0, 1):
            journal.add_replication("p", replication, {"n": replication}, 0.5)
    assert [r["n"] for r in journal.replications("p")] == [0, 1, 2]
    assert journal.wall_s() == {"p": 1.5}
    assert journal.mean_wall_s() == 0.5


def test_one_file_stays_when_it_is_closed(path: Path) -> None:
    journal = Journal(path)
    with journal.commit():
        journal.add_point("p", DONE, {})
    journal.close()
    assert [p.name for p in path.parent.iterdir()] == ["sweep.sqlite"]


def test_failed_points_can_be_forgotten(path: Path) -> None:
    journal = Journal(path)
    with journal.commit():
        journal.add_replication("p", 0, {}, 1.0)
        journal.add_point("p", FAILED, {"error": "why"})
        journal.add_replication("q", 0, {}, 1.0)
        journal.add_point("q", DONE, {})
    assert journal.forget_failed() == 1
    assert journal.status() == {"q": DONE}
    assert journal.computed("p") == set()
    assert journal.computed("q") == {0}


def test_a_journal_of_another_sweep_version_or_format_is_refused(path: Path) -> None:
    journal = Journal(path)
    journal.open_for("aaaa", "0.1.0")
    journal.open_for("aaaa", "0.1.0")
    with pytest.raises(ResultError, match="belongs to another sweep"):
        journal.open_for("bbbb", "0.1.0")
    with pytest.raises(ResultError, match=r"computed by kinsim 0\.1\.0, this is 0\.2\.0"):
        journal.open_for("aaaa", "0.2.0")
    journal.clear()
    journal.open_for("bbbb", "0.2.0")
    journal.close()
    database = sqlite3.connect(path)
    database.execute("UPDATE meta SET value = '2.0' WHERE key = 'format_version'")
    database.commit()
    database.close()
    with pytest.raises(ResultError, match=r"format 2\.0 is not read"):
        Journal(path).open_for("bbbb", "0.2.0")


def test_two_sweeps_cannot_write_to_one_journal(path: Path) -> None:
    first = Journal(path)
    with pytest.raises(ResultError, match="another sweep is writing"):
        Journal(path)
    first.close()
    Journal(path).close()


def test_any_number_may_read_what_nobody_writes(path: Path) -> None:
    writer = Journal(path)
    writer.set_plan({"name": "s"}, [("p", {})])
    with pytest.raises(ResultError, match="another sweep is writing"):
        Journal(path, write=False)
    writer.close()
    readers = [Journal(path, write=False) for _ in range(3)]
    assert [reader.description() for reader in readers] == [{"name": "s"}] * 3
    Journal(path).close()
    with pytest.raises(ResultError), readers[0].commit():
        readers[0].add_point("p", DONE, {})


def test_a_file_that_is_no_journal_is_refused(path: Path) -> None:
    path.write_bytes(b"kinsim: 1\n" * 200)
    with pytest.raises(ResultError, match="not a readable journal"):
        Journal(path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="cannot be written"):
        Journal(tmp_path / "missing" / "sweep.sqlite")


def test_damaged_contents_are_refused(path: Path) -> None:
    journal = Journal(path)
    with journal.commit():
        journal.add_point("p", DONE, {})
    journal.close()
    database = sqlite3.connect(path)
    database.execute("UPDATE points SET summary = x'00'")
    database.commit()
    database.close()
    with pytest.raises(ResultError, match="not a readable journal"):
        Journal(path).point("p")


WRITER = """
import sys
from pathlib import Path
from kinsim.experiment.journal import DONE, Journal
journal = Journal(Path(sys.argv[1]))
for n in range(1_000_000):
    with journal.commit():
        journal.add_replication(f"p{n}", 0, {"n": n}, 0.0)
        journal.add_point(f"p{n}", DONE, {"n": n})
    print(n, flush=True)
"""


def test_kill_9_loses_nothing_that_was_committed(path: Path, repository: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, env=environment)
    assert writer.stdout is not None
    for _ in range(500):
        last = int(writer.stdout.readline())
    writer.kill()
    acknowledged = max([last, *(int(line) for line in writer.stdout.read().split())])
    writer.wait()
    journal = Journal(path)
    status = journal.status()
    assert acknowledged + 1 <= len(status) <= acknowledged + 2
    assert set(status) == {f"p{n}" for n in range(len(status))}
    assert all(list(journal.replications(p)) == [{"n": int(p[1:])}] for p in status)
