"""The journal of a sweep: what has been computed, in one SQLite file, one commit per point.

Only the parent process writes, so there is nothing to lock, on one machine or many.  After ``kill -9`` every point
that was committed is there.  Numbers are stored as JSON, which gives back the same floats.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from kinsim.errors import ResultError

FORMAT_VERSION: Final = "1.0"
"""A major step is one that older readers cannot read."""

LOCK_S: Final = 0.5
"""How long to wait for another process that is reading."""

DONE: Final = "done"
FAILED: Final = "failed"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS plan (position INTEGER PRIMARY KEY, point_id TEXT NOT NULL, settings TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS replications (
    point_id TEXT, replication INTEGER, result BLOB NOT NULL, wall_s REAL NOT NULL,
    PRIMARY KEY (point_id, replication)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS points (
    point_id TEXT PRIMARY KEY, status TEXT NOT NULL, summary BLOB NOT NULL) WITHOUT ROWID;
"""

Json = dict[str, Any]


class DamagedJournal(ResultError):
    """The file is no journal, or part of it is lost."""


class Journal:
    """Results of a sweep by point and replication; with no path, in a temporary file that ends with the process.

    >>> journal = Journal(None)
    >>> journal.open_for("41bb02d7", "0.1.0")
    >>> with journal.commit():
    ...     journal.add_replication("p1", 0, {"age": 0.1}, wall_s=2.0)
    ...     journal.add_point("p1", DONE, {"age": 0.1})
    >>> journal.status(), list(journal.replications("p1"))
    ({'p1': 'done'}, [{'age': 0.1}])
    """

    def __init__(self, path: Path | None, write: bool = True) -> None:
        """Open the journal at *path*; to *write* it is open to one at a time, and made where it is not there."""
        self.path = path
        self._write = write
        with _explained(path):
            self._db = sqlite3.connect("" if path is None else path, isolation_level=None, timeout=LOCK_S)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def _prepare(self) -> None:
        if not self._write:
            self._db.execute("PRAGMA query_only=1")
            self._db.execute("SELECT COUNT(*) FROM meta").fetchone()
            return
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        mode = self._db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        # Without a write-ahead log (a network file system) only a full sync is safe.
        self._db.execute(f"PRAGMA synchronous={'NORMAL' if mode == 'wal' else 'FULL'}")
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("COMMIT")
        self._db.executescript(_SCHEMA)

    def open_for(self, sweep_hash: str, version: str) -> None:
        """Take the journal for one sweep and one version of kinsim; refuse what another has written."""
        found = dict(self._db.execute("SELECT key, value FROM meta"))
        wanted = {"format_version": FORMAT_VERSION, "sweep": sweep_hash, "kinsim": version}
        if not found:
            with self.commit():
                self._db.executemany("INSERT INTO meta VALUES (?, ?)", wanted.items())
            return
        major = found.get("format_version", "?").split(".")[0]
        if major != FORMAT_VERSION.split(".")[0]:
            raise ResultError(
                f"{self.path}: format {found.get('format_version')} is not read by this kinsim, which writes "
                f"{FORMAT_VERSION}; use --fresh to compute it again"
            )
        if found.get("kinsim") != version:
            raise ResultError(
                f"{self.path}: computed by kinsim {found.get('kinsim')}, this is {version}: numbers of both would mix; "
                "use --fresh to compute it again, or another --out"
            )
        if found.get("sweep") != sweep_hash:
            raise ResultError(f"{self.path}: belongs to another sweep; use --fresh to replace it, or another --out")

    def clear(self) -> None:
        """Forget everything."""
        with self.commit():
            for table in ("meta", "plan", "replications", "points"):
                self._db.execute(f"DELETE FROM {table}")

    @contextmanager
    def commit(self) -> Iterator[None]:
        """All that is written inside becomes durable at once, or not at all."""
        with _explained(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def set_plan(self, description: Json, points: Iterable[tuple[str, Json]]) -> None:
        """Store what the sweep is: its *description*, and each point's id and settings in their order."""
        with self.commit():
            text = json.dumps(description, allow_nan=False)
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('description', ?)", (text,))
            self._db.execute("DELETE FROM plan")
            rows = ((point_id, json.dumps(settings)) for point_id, settings in points)
            self._db.executemany("INSERT INTO plan (point_id, settings) VALUES (?, ?)", rows)

    def description(self) -> Json:
        """What :meth:`set_plan` has stored about the sweep as a whole."""
        with _explained(self.path):
            row = self._db.execute("SELECT value FROM meta WHERE key = 'description'").fetchone()
            if row is None:
                raise ResultError(f"{self.path}: holds no sweep; it may have been interrupted before the first point")
            value: Json = json.loads(row[0])
            return value

    def plan(self) -> Iterator[tuple[str, Json]]:
        """Id and settings of every point, in their order."""
        last = 0
        while True:  # in pages: the plan may be long, and the journal is written meanwhile
            sql = "SELECT position, point_id, settings FROM plan WHERE position > ? ORDER BY position LIMIT 500"
            with _explained(self.path):
                rows = self._db.execute(sql, (last,)).fetchall()
            if not rows:
                return
            yield from ((point_id, json.loads(settings)) for _, point_id, settings in rows)
            last = rows[-1][0]

    def add_replication(self, point_id: str, replication: int, result: Json, wall_s: float) -> None:
        """Store the numbers of one replication of one point."""
        self._db.execute(
            "INSERT OR REPLACE INTO replications VALUES (?, ?, ?, ?)", (point_id, replication, _packed(result), wall_s)
        )

    def add_point(self, point_id: str, status: str, summary: Json) -> None:
        """Store what the replications of a point add up to, or how it failed."""
        self._db.execute("INSERT OR REPLACE INTO points VALUES (?, ?, ?)", (point_id, status, _packed(summary)))

    def forget_failed(self) -> int:
        """Make failed points to be done again; returns their number."""
        with self.commit():
            failed = "SELECT point_id FROM points WHERE status = ?"
            self._db.execute(f"DELETE FROM replications WHERE point_id IN ({failed})", (FAILED,))
            return self._db.execute("DELETE FROM points WHERE status = ?", (FAILED,)).rowcount

    def status(self) -> dict[str, str]:
        """``done`` or ``failed`` by point, for the points that are finished."""
        return dict(self._db.execute("SELECT point_id, status FROM points"))

    def computed(self, point_id: str) -> set[int]:
        """Replications of a point that are there."""
        rows = self._db.execute("SELECT replication FROM replications WHERE point_id = ?", (point_id,))
        return {row[0] for row in rows}

    def replications(self, point_id: str) -> Iterator[Json]:
        """Results of a point's replications, in their order."""
        rows = self._db.execute(
            "SELECT result FROM replications WHERE point_id = ? ORDER BY replication", (point_id,)
        ).fetchall()
        return (_unpacked(row[0]) for row in rows)

    def point(self, point_id: str) -> tuple[str, Json] | None:
        """Status and summary of a finished point."""
        with _explained(self.path):
            row = self._db.execute("SELECT status, summary FROM points WHERE point_id = ?", (point_id,)).fetchone()
            return None if row is None else (row[0], _unpacked(row[1]))

    def wall_s(self) -> dict[str, float]:
        """Seconds that the replications of each point took together."""
        return dict(self._db.execute("SELECT point_id, SUM(wall_s) FROM replications GROUP BY point_id"))

    def mean_wall_s(self) -> float | None:
        """Mean seconds of a replication, None where there is none."""
        value: float | None = self._db.execute("SELECT AVG(wall_s) FROM replications").fetchone()[0]
        return value

    def close(self) -> None:
        """Leave one file behind, without a write-ahead log beside it."""
        try:
            if self._write:
                self._db.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.Error:  # a full disk: the log stays, and the next opening reads it
            pass
        finally:
            self._db.close()


def _packed(value: Mapping[str, Any]) -> bytes:
    return zlib.compress(json.dumps(value, allow_nan=False, separators=(",", ":")).encode(), 1)


def _unpacked(blob: bytes) -> Json:
    value: Json = json.loads(zlib.decompress(blob))
    return value


@contextmanager
def _explained(path: Path | None) -> Iterator[None]:
    """SQLite's errors and damaged contents as messages that say what to do."""
    try:
        yield
    except (sqlite3.Error, zlib.error, json.JSONDecodeError) as error:
        text = str(error)
        name = path or "the temporary journal"
        if "locked" in text:
            raise ResultError(f"{name}: another sweep is writing to it; wait for it, or take another --out") from error
        if "full" in text:
            raise ResultError(f"{name}: the disk is full; what was finished is kept, start again to go on") from error
        if "unable to open" in text or "readonly" in text or "read-only" in text:
            raise ResultError(f"{name}: cannot be written; check the folder and its permissions") from error
        raise DamagedJournal(f"{name}: not a readable journal ({text}); use --fresh to compute it again") from error
